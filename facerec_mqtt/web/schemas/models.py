"""The versions of the family's model, and a picture that is tried."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from facerec_mqtt.web.schemas.base import Answer, Request, Slug
from facerec_mqtt.web.schemas.live import ModelStatus


class RollbackRequest(Request):
    """Which version to go back to; by default the one before."""

    version: Annotated[str, StringConstraints(pattern=r"^\d{8}T\d{6}Z-[0-9a-f]{4}$")] | None = None


class AddedSince(Answer):
    """A photo that the model before had not learnt from."""

    person: Slug | None
    """Whose it is; `null` for a stranger's."""
    name: str
    """Of the person, or "Strangers"."""
    file: str
    """In that person's folder."""
    url: str


class Worse(Answer):
    """In which way a version is clearly worse than the one that was in use, which is why it is not used."""

    code: Literal["people_lost", "strangers_named", "relatives_named", "members_missed", "member_missed"]
    people: list[str]
    """Names of those who are lost, or of the one who is missed."""
    pictures: int
    """Photos that neither had learnt from."""
    before: int
    """Of these, photos about which the one that was in use is right."""
    now: int
    """And this version."""
    added: list[AddedSince]
    """Photos that have come since the one in use was made, and are there still."""


class ModelVersion(Answer):
    """A version of the model that is kept."""

    version: str
    created: str
    people: list[str]
    current: bool
    not_used_because: str | None
    worse: Worse | None = None
    """Of the newest, where it is not used: what fell, and which photos have come since."""
    many_strangers: str | None = None
    """What to do, where it names far more strangers than were asked for, in one sentence."""
    recognised: float | None = None
    """Share of the family's photos that it names without having learnt from them."""
    strangers_named: float | None = None
    """Share of strangers' photos that it would give a name."""
    report: str | None = None
    """Address of its report."""


class Models(Answer):
    """The model in use and the versions that are kept."""

    model: ModelStatus
    versions: list[ModelVersion]


class FoundFace(Answer):
    """A face in a picture that was tried."""

    box: tuple[float, float, float, float]
    """Left, top, right and bottom in pixels."""
    person: Slug | None
    name: str | None
    score: float
    margin: float
    reason: str | None = None
    """Why nobody is named, in one sentence; `null` when somebody is."""
    reason_code: str | None = None


class Recognised(Answer):
    """Who is in a picture that was tried."""

    file: str
    faces: list[FoundFace]
