"""Who is in the house: a function of what all boxes claim, and of nothing else.

Whoever any box sees is here, so clocks that differ between boxes change nothing about that. They only decide
where somebody was seen last, and when. A box that is gone still counts for a while, as a camera that is
offline does: nobody leaves because a cable was pulled.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facerec_mqtt.core.records import Departure, Person
from facerec_mqtt.presence.house.claims import BoxClaims, Claim

STAY_S = 20.0
"""Of two boxes that both see somebody, the one where the person arrived later has it, unless it has not seen
the person for this long and the other has. More than `claims.REFRESH_S`: it does not go to and fro."""


@dataclass(frozen=True, slots=True)
class BoxView:
    """One box, as it is known at one moment."""

    claims: BoxClaims
    gone_s: float | None
    """For how long it has been gone; `None` while it is there."""

    @property
    def counts(self) -> bool:
        """Whether what it claims still counts."""
        return self.gone_s is None or self.gone_s < self.claims.lapse_s


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the family, by all boxes. Times are seconds since 1970."""

    person: Person
    present: bool
    camera: str | None
    """Where last seen."""
    last_seen: float | None
    score: float | None
    visit_id: str | None
    """Of the visit by which the presence began, at whatever box; `None` while there is none."""
    began: float | None
    """When that was."""
    ended: float | None
    """When the last presence ended; `None` while there is one, and where nobody can tell."""
    reason: Departure | None
    """Why it has ended."""


def merge(boxes: Iterable[BoxView]) -> tuple[Member, ...]:
    """Say who is in the house.

    Args:
        boxes: all that are known, in any order, each once.

    Returns:
        Everybody whom a box that is there knows, by slug.
    """
    ordered = sorted(boxes, key=lambda box: box.claims.node)
    people: dict[str, Person] = {}
    claims: dict[str, list[Claim]] = {}
    lapsed: dict[str, float] = {}
    for box in ordered:
        for claim in box.claims.people:
            if box.gone_s is None:
                people.setdefault(claim.person, Person(claim.person, claim.name))
            if box.counts:
                claims.setdefault(claim.person, []).append(claim)
            elif claim.present:
                lapsed[claim.person] = max(lapsed.get(claim.person, 0.0), _last_seen(claim))
    return tuple(_member(people[slug], claims[slug], lapsed.get(slug)) for slug in sorted(people))


def _member(person: Person, claims: Sequence[Claim], lapsed: float | None) -> Member:
    """Put together what the boxes claim of one person.

    Args:
        person: who.
        claims: those that count, ordered by the boxes' node ids.
        lapsed: when a box has last seen the person that is gone for too long; `None` where there is none.
    """
    here = [claim for claim in claims if claim.present]
    seen = max((each for each in claims if each.last_seen is not None), key=_last_seen, default=None)
    last_seen = None if seen is None else seen.last_seen
    if here:
        origin = min(here, key=lambda claim: (claim.began or 0.0, claim.visit_id or ""))
        camera = _where(here).camera
        score = None if seen is None else seen.score
        return Member(person, True, camera, last_seen, score, origin.visit_id, origin.began, None, None)
    last = max((claim for claim in claims if claim.ended is not None), key=_ended, default=None)
    ended, reason = (None, None) if last is None else (last.ended, last.reason)
    if lapsed is not None and (ended is None or ended < lapsed):
        ended, reason = None, Departure.CAMERA_OFFLINE
    where = (None, None) if seen is None else (seen.camera, seen.score)
    return Member(person, False, where[0], last_seen, where[1], None, None, ended, reason)


def _where(here: Sequence[Claim]) -> Claim:
    newest = max(map(_last_seen, here))
    recent = [claim for claim in here if newest - _last_seen(claim) <= STAY_S]
    return max(recent, key=lambda claim: (claim.began or 0.0, claim.visit_id or ""))


def _last_seen(claim: Claim) -> float:
    return claim.last_seen or 0.0


def _ended(claim: Claim) -> float:
    return claim.ended or 0.0
