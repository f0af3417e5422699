"""What the history keeps of a visit, and which visits can be asked for."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from facerec_mqtt.core.records import Refusal
from facerec_mqtt.presence import Explanation, ScorePoint


class VisitFacts(BaseModel):
    """The facts behind a decision. Who a face resembled without being named is not among them."""

    # A newer version of the program may write more.
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", use_attribute_docstrings=True)

    votes: int = 0
    """Frames that agreed when it was decided."""
    frames: int = 0
    """Frames in which the face was found until then."""
    named: int = 0
    """Of these, frames that gave the name that was decided on."""
    named_otherwise: int = 0
    """Of these, frames that gave another name."""
    refused: dict[Refusal, int] = {}
    """Of these, frames that gave no name, by the reason."""
    best_score: float = 0.0
    """Of all frames, [0, 1]; 0.5 is the threshold."""
    corrected: bool = False
    """Whether somebody said that it was another than was decided, or who it was where nobody was named."""
    confirmed: bool = False
    """Whether somebody said who it was, be it as decided or not."""

    @classmethod
    def of(cls, why: Explanation, votes: int) -> Self:
        """Take the facts from an explanation.

        Args:
            why: of the visit.
            votes: frames that agreed.
        """
        named = 0 if why.person is None else why.named.get(why.person, 0)
        all_named = sum(why.named.values())
        return cls(
            votes=votes,
            frames=all_named + sum(why.refused.values()),
            named=named,
            named_otherwise=all_named - named,
            refused=dict(why.refused),
            best_score=float(why.best_score),
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what was kept; of what cannot be read, nothing is known."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return cls()


class VisitKind(StrEnum):
    """What a visit was taken for."""

    FAMILY = "family"
    VISITOR = "visitor"
    """Somebody who is known but not family: the postman."""
    STRANGER = "stranger"
    DOUBTFUL = "doubtful"
    """A face that came near to somebody's without being named."""


@dataclass(frozen=True, slots=True)
class VisitRecord:
    """One visit."""

    visit_id: str
    """ULID: later visits sort later."""
    kind: VisitKind
    person: str | None
    """Slug of a member or a known visitor; `None` for others."""
    name: str | None
    """The display name at that time."""
    camera: str
    """The camera's slug."""
    began: float
    """Seconds since 1970."""
    ended: float | None
    """When last seen, in seconds since 1970; `None` while it goes on, or while the service does not run."""
    score: float
    """Of the frame that decided, [0, 1]; 0.5 is the threshold."""
    picture: str | None = None
    """The best one, a file below the review folder; `None` where none is kept."""
    stranger_id: str | None = None
    """Which group of strangers it belongs to."""
    why: VisitFacts = field(default_factory=VisitFacts)
    """Facts behind the decision."""
    service: str = ""
    """Node id of the service that saw it: two may share a model folder."""
    more_pictures: tuple[str, ...] = ()
    """Other files below the review folder, the better first."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What there is of a visit so far."""

    person: str | None
    """Slug of who it was taken for."""
    scores: tuple[ScorePoint, ...]
    """Over time, the earliest first."""
    pictures: tuple[str, ...] = ()
    """Files below the review folder, the best first."""
    removed: tuple[str, ...] = ()
    """Those that better ones have taken the place of."""


@dataclass(frozen=True, slots=True)
class VisitFilter:
    """Which visits are asked for; `None` does not restrict."""

    person: str | None = None
    camera: str | None = None
    kind: VisitKind | None = None
    since: float | None = None
    """Began at or after, seconds since 1970."""
    until: float | None = None
    """Began before, seconds since 1970."""
    corrected: bool | None = None
    """Whether somebody said that it was another than was decided."""
    stranger_id: str | None = None
