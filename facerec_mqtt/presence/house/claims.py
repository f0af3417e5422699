"""What one box of a house sees of the people, as it publishes it: one retained message with all of it.

Times in it are seconds since 1970, since no other clock is common to two machines.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.core.records import Departure, OpenVisit, PersonState, PresenceChange
from facerec_mqtt.settings import NodeId, Slug, first_problem

MAX_BYTES = 1 << 17
"""Of a box's claims; four hundred people have less."""
REFRESH_S = 10.0
"""While nothing but the last sighting changes, it is published this often: the boxes compare where somebody
was seen last."""
ALIVE_S = 60.0
"""A box says what it claims at least this often."""
VisitId = Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,40}$")]
Epoch = Annotated[float, Field(ge=0, le=1e11)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class ClaimsError(FacerecError):
    """What came is not what a box publishes."""


class _Entry(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Claim(_Entry):
    """What a box sees of one person."""

    person: Slug
    name: Name
    present: bool = False
    """Whether a visit is open at any of the box's cameras."""
    visit_id: VisitId | None = None
    """Of the visit by which the present or last presence began."""
    began: Epoch | None = None
    """When that was."""
    ended: Epoch | None = None
    """When the last presence ended; `None` while there is one, and where none has ended."""
    reason: Annotated[Departure, Field(strict=False)] | None = None
    """Why it has ended."""
    camera: Slug | None = None
    """Where last seen."""
    last_seen: Epoch | None = None
    score: Annotated[float, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _presence_has_a_beginning(self) -> Self:
        if self.present and (self.began is None or self.visit_id is None or self.ended is not None):
            raise ValueError("a presence has a visit and a beginning, and no end")
        return self


class BoxClaims(_Entry):
    """All that one box claims."""

    format: Literal[1] = 1
    node: NodeId
    """The box's node id."""
    revision: Annotated[int, Field(ge=0, lt=2**63)]
    """Rises with every message of this box, also over its restarts."""
    lapse_s: Annotated[float, Field(gt=0, le=1e7)]
    """What it claims counts for so long after it has gone."""
    cameras: Mapping[Slug, Name] = Field(default_factory=dict, max_length=500)
    """Display names of its cameras."""
    people: tuple[Claim, ...] = Field(default=(), max_length=1000)
    """Everybody its model knows, by slug."""

    def encode(self) -> bytes:
        """Make the payload."""
        return self.model_dump_json(exclude_none=True).encode()


def parse_claims(node: str, payload: bytes) -> BoxClaims:
    """Read what a box has published.

    Args:
        node: whose topic it came on.
        payload: as it came.

    Raises:
        ClaimsError: it is anything else.
    """
    if len(payload) > MAX_BYTES:
        raise ClaimsError(f"they have {len(payload)} bytes, and at most {MAX_BYTES} are read")
    try:
        claims = BoxClaims.model_validate_json(payload)
    except ValidationError as error:
        raise ClaimsError(first_problem(error)) from None
    if claims.node != node:
        raise ClaimsError("they are another box's")
    if len({claim.person for claim in claims.people}) < len(claims.people):
        raise ClaimsError("somebody is in them twice")
    return claims


class OwnClaims:
    """Keeps what this box claims.

    Args:
        node: its node id.
        cameras: display names of its cameras, by slug.
        lapse_s: for how long its claims count once it has gone.
    """

    def __init__(self, node: str, cameras: Mapping[str, str], lapse_s: float) -> None:
        self._claims = BoxClaims(node=node, revision=0, lapse_s=lapse_s, cameras=dict(cameras))
        self._published_s = -math.inf
        self._reasons: dict[str, Departure] = {}

    @property
    def claims(self) -> BoxClaims:
        """What it claims at present."""
        return self._claims

    def departed(self, changes: Iterable[PresenceChange]) -> None:
        """Take in why visits have ended."""
        for change in changes:
            if change.kind == "departed" and change.person is not None and change.reason is not None:
                self._reasons[change.person] = change.reason

    def heard(self, revision: int, now_s: float) -> BoxClaims | None:
        """The broker has claims of this box, possibly of an earlier run.

        Args:
            revision: of those.
            now_s: now, of `time.monotonic`.

        Returns:
            What is to be published now, so that it counts and not they; `None` where they are this run's.
        """
        if revision <= self._claims.revision:
            return None
        self._claims = self._claims.model_copy(update={"revision": revision + 1})
        self._published_s = now_s
        return self._claims

    def update(
        self, people: Sequence[PersonState], visits: Sequence[OpenVisit], clock: Clock, now_s: float
    ) -> BoxClaims | None:
        """Take in what the cameras see.

        Args:
            people: the state of everybody the model knows.
            visits: that have not ended.
            clock: the wall clock.
            now_s: now, of `time.monotonic`.

        Returns:
            What is to be published now; `None` while nothing is.
        """
        before = {claim.person: claim for claim in self._claims.people}
        first: dict[str, OpenVisit] = {}
        for visit in sorted(visits, key=lambda each: (each.began_s, each.visit_id), reverse=True):
            if visit.person is not None:
                first[visit.person] = visit
        claims = tuple(
            self._claim(state, before.get(state.person.slug), first.get(state.person.slug), clock, now_s)
            for state in sorted(people, key=lambda each: each.person.slug)
        )
        before_s = now_s - self._published_s
        urgent = not self._claims.people or _essence(claims) != _essence(self._claims.people)
        changed = claims != self._claims.people
        if not (changed and (urgent or before_s >= REFRESH_S)) and before_s < ALIVE_S:
            return None
        revision = max(self._claims.revision + 1, round(clock.epoch(now_s) * 1000))
        self._claims = self._claims.model_copy(update={"people": claims, "revision": revision})
        self._published_s = now_s
        return self._claims

    def _claim(
        self, state: PersonState, before: Claim | None, visit: OpenVisit | None, clock: Clock, now_s: float
    ) -> Claim:
        slug = state.person.slug
        began, visit_id, ended, reason = None, None, None, None
        if before is not None:
            began, visit_id, ended, reason = before.began, before.visit_id, before.ended, before.reason
        present = state.present and visit is not None
        if visit is not None and present and (before is None or not before.present):
            began, visit_id, ended, reason = clock.epoch(visit.began_s), visit.visit_id, None, None
        elif before is not None and before.present and not present:
            ended, reason = clock.epoch(now_s), self._reasons.pop(slug, Departure.UNSEEN)
        return Claim(
            person=slug,
            name=state.person.name,
            present=present,
            visit_id=visit_id,
            began=began,
            ended=ended,
            reason=reason,
            camera=state.camera,
            last_seen=None if state.last_seen_s is None else max(0.0, clock.epoch(state.last_seen_s)),
            score=None if state.score is None else min(max(round(float(state.score), 3), 0.0), 1.0),
        )


def _essence(claims: Iterable[Claim]) -> set[tuple[object, ...]]:
    """What is published at once when it changes."""
    return {(each.person, each.name, each.present, each.camera, each.visit_id) for each in claims}
