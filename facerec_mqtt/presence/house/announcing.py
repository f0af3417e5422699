"""What the house says of its people: one state each, and one event for each arrival and each departure.

One box speaks for the house: of those that are there, the one with the lowest node id. Were every box to
publish the same state, an older view of one would for a moment overwrite the newer one of another, and each
would publish the same event. What was said last is retained by the broker, so whichever box takes over goes
on from there: an event is due where the state that is retained is not the one that the claims give.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facerec_mqtt.core.records import Departure
from facerec_mqtt.presence.house.claims import VisitId
from facerec_mqtt.presence.house.merging import Member
from facerec_mqtt.settings import Slug

TAKE_OVER_S = 1.0
"""A box that finds itself to be the one waits this long, until whatever the one before has sent has come."""
REFRESH_S = 300.0
"""While nothing but time and score change, a state is published this often."""
GONE_S = 10.0
"""The state of somebody whom no box knows any more is emptied after this time: entities go first."""
STALE_S = 600.0
"""A departure that is longer ago than this is not announced any more."""


class State(BaseModel):
    """A person's state as the broker retains it."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    present: Literal["ON", "OFF"]
    name: str
    camera: Slug | None
    last_seen: Annotated[str, Field(max_length=40)] | None
    score: float | None
    visit_id: VisitId | None = None
    """Of the visit by which the presence began; `None` while there is none, and in that of a box alone."""


def parse_state(payload: bytes) -> State | None:
    """Read a person's state; what is none is as if there were none."""
    try:
        return State.model_validate_json(payload)
    except ValidationError:
        return None


@dataclass(frozen=True, slots=True)
class Arrived:
    """Somebody has come."""

    member: Member


@dataclass(frozen=True, slots=True)
class Departed:
    """Somebody has gone."""

    member: Member
    visit_id: str | None
    """Of the arrival."""
    at: float | None
    """When, in seconds since 1970; `None` for just now."""
    reason: Departure


@dataclass(frozen=True, slots=True)
class Published:
    """Somebody's state is another one."""

    member: Member
    """With the visit of the arrival that was announced."""


@dataclass(frozen=True, slots=True)
class Gone:
    """Nobody knows a person, given by slug, any more: what is retained of them is to be emptied."""

    person: str


Announcement = Arrived | Departed | Published | Gone


@dataclass(frozen=True, slots=True)
class KnownState:
    """What was last said of somebody."""

    present: bool
    visit_id: str | None
    member: Member | None = None
    """`None` where another box has said it."""
    at_s: float = 0.0


class Announcements:
    """Decides what this box is to say for the house.

    Args:
        own: node id of this box.
    """

    def __init__(self, own: str) -> None:
        self._own = own
        self._known: dict[str, KnownState] = {}
        self._lowest_since_s: float | None = None
        self._leading = False
        self._first = False
        self._gone_since_s: dict[str, float] = {}

    @property
    def leading(self) -> bool:
        """Whether this box speaks for the house."""
        return self._leading

    def heard(self, person: str, state: State | None) -> None:
        """Take in what the broker retains of a person; while this box speaks, it is what it has said."""
        if self._leading:
            return
        if state is None:
            self._known.pop(person, None)
        else:
            self._known[person] = KnownState(state.present == "ON", state.visit_id)

    def elect(self, others: frozenset[str] | None, now_s: float) -> bool:
        """Decide who speaks for the house.

        Args:
            others: node ids of the others that are there; `None` while that is not known.
            now_s: now, of `time.monotonic`.

        Returns:
            Whether that is this box.
        """
        if others is None or any(other < self._own for other in others):
            self._lowest_since_s, self._leading = None, False
            return False
        if self._lowest_since_s is None:
            self._lowest_since_s = now_s
        if not self._leading and now_s - self._lowest_since_s >= TAKE_OVER_S:
            self._leading = self._first = True
            # The broker may have lost what this box has said before.
            self._known = {slug: replace(known, member=None) for slug, known in self._known.items()}
        return self._leading

    def due(self, members: Sequence[Member], now_s: float, epoch: float) -> Iterator[Announcement]:
        """Say what is to be published now; to be called while this box speaks for the house.

        Args:
            members: everybody, by all boxes.
            now_s: now, of `time.monotonic`.
            epoch: now, in seconds since 1970.
        """
        for member in members:
            yield from self._of_member(member, now_s, epoch)
        here = {member.person.slug for member in members}
        for person in sorted(self._known.keys() - here):
            since_s = self._gone_since_s.setdefault(person, now_s)
            if now_s - since_s >= GONE_S:
                del self._known[person], self._gone_since_s[person]
                yield Gone(person)
        self._gone_since_s = {slug: at_s for slug, at_s in self._gone_since_s.items() if slug not in here}
        self._first = False

    def _of_member(self, member: Member, now_s: float, epoch: float) -> Iterator[Announcement]:
        slug, before = member.person.slug, self._known.get(member.person.slug)
        was_here = before is not None and before.present
        visit_id = before.visit_id if before is not None and was_here and member.present else member.visit_id
        said = replace(member, visit_id=visit_id)
        # Where nothing at all was known of somebody, as on a new broker, whoever is here has not just come.
        if member.present and not was_here and not (before is None and self._first):
            yield Arrived(said)
        elif before is not None and was_here and not member.present:
            recent = member.ended is None or epoch - member.ended < STALE_S
            if member.reason is not None and recent:
                yield Departed(said, before.visit_id, member.ended, member.reason)
        if self._is_due(before, said, now_s):
            self._known[slug] = KnownState(said.present, said.visit_id, said, now_s)
            yield Published(said)

    def _is_due(self, before: KnownState | None, said: Member, now_s: float) -> bool:
        if before is None or before.member is None or _essence(before.member) != _essence(said):
            return True
        return before.member != said and now_s - before.at_s >= REFRESH_S


def _essence(member: Member) -> tuple[object, ...]:
    return member.person, member.present, member.camera, member.visit_id
