"""Visits and groups of strangers."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from facerec_mqtt.web.schemas.base import Answer, Kind, PersonName, Request, Slug, StrangerId, VisitId


class Visit(Answer):
    """One visit."""

    visit_id: str
    kind: Kind
    person: str | None
    name: str | None
    camera: str
    began: str
    """ISO 8601 with offset."""
    ended: str | None
    score: float
    picture: str | None
    """Address of the best picture; `null` where none is kept."""
    stranger_id: str | None
    why: dict[str, object]
    confirmed: bool = False
    """Whether somebody has said who it was."""


class ScoreThen(Answer):
    """The score at one moment of a visit."""

    seconds: float
    """Since the visit began; below 0 before it was decided."""
    score: float
    """0.5 is the threshold."""
    nearest: str | None
    """Name of who came nearest, also where no name was given."""


class VisitDetail(Visit):
    """One visit, with all that is kept of it."""

    pictures: list[str]
    """Addresses, the best first."""
    scores: list[ScoreThen]
    """Over time, the earliest first."""
    sentence: str
    """Why it was named, doubted or refused."""


class Visits(Answer):
    """A page of visits, the latest first."""

    visits: list[Visit]
    next: str | None
    """Cursor of what follows."""


class Assignment(Request):
    """Who a visit was: exactly one of these."""

    person: Slug | None = None
    """Somebody enrolled."""
    name: PersonName | None = None
    """Somebody new."""
    visitor: PersonName | None = None
    """A known visitor."""
    nobody: Literal[True] | None = None
    """Not a face of anybody, or of no interest."""
    sure: bool = False
    """Pictures that look like somebody else are used as this person's all the same."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.person, self.name, self.visitor, self.nobody)) != 1:
            raise ValueError('give exactly one of "person", "name", "visitor" and "nobody"')
        return self


class Merge(Request):
    """Two groups of strangers that are one person."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    from_: StrangerId = Field(alias="from")
    into: StrangerId


class Split(Request):
    """Visits of a group of strangers that are of somebody else."""

    visits: Annotated[list[VisitId], Field(min_length=1, max_length=500)]


class Stranger(Answer):
    """Visits without a name that are one person."""

    stranger_id: str
    visits: int
    first_seen: str
    last_seen: str
    cameras: list[str]
    pictures: list[str]
    suggestion: str | None


class Strangers(Answer):
    """All groups of strangers, the latest first."""

    strangers: list[Stranger]


class StrangerPhoto(Answer):
    """A picture of somebody who is not family."""

    file: str
    url: str
    """Address of the picture, as JPEG; with `?width=` smaller."""


class StrangerPhotos(Answer):
    """Pictures of people who are not family: the model learns whom not to name."""

    photos: list[StrangerPhoto]


class Quality(Answer):
    """Whether it works: the visits of the last days."""

    days: int
    visits: int
    named: int
    """Given a name, of the family or of a known visitor."""
    corrected: int
    """Said by somebody to have been someone else."""
    doubted: int
    """Near to a name without being given one."""
    strangers: int
    nearest_stranger: float | None
    """The best score of a stranger's visit; 0.5 is the threshold."""
