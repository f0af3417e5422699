"""Faces over time: each visit of a person, or of a stranger, is decided once.

A *track* is one face followed from frame to frame by where it is. Its good frames vote; small, blurred
and ambiguous ones do not. Who has the votes begins a *visit*, which is announced once and lasts until its
face has been unseen for the quiet time. Visits belong to one camera and one person, so that somebody who
is seen in the garden and a moment later at the front door arrives at both.

Nothing here reads a clock: every time is an argument, in seconds of `time.monotonic`.
"""

import math
import secrets
import statistics
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from facerec_mqtt.core.records import OpenVisit, PresenceChange, Sighting
from facerec_mqtt.presence.explanation import Explanation
from facerec_mqtt.presence.tracking import TRACK_GAP_S
from facerec_mqtt.presence.tracks import Track, Visit, Vote, match
from facerec_mqtt.settings.schema import RecognitionSettings

RIVAL_SHARE = 3
"""A person needs this many times the votes of all other people together: flickering decides nothing."""
NOBODY_SHARE = 2
"""And more than half as many as there are frames that resemble nobody, lest a stranger who is mistaken
now and then arrive: that happens in one frame of a hundred, or in several of somebody who looks alike."""
CLEAR_SCORE = 0.3
"""Faces scored below this resemble nobody enrolled; 0.5 is the threshold for a name."""
STRANGER_SPAN_S = 2.0
"""A stranger's votes must be spread over at least this time."""
STRANGER_WINDOW_S = 15.0
"""And count for this long."""
NAMED_SHARE = 5
"""At most one good frame in this many of a stranger's may have been given a name."""
LONG_S = 10.0
LONG_FACTOR = 3
"""Over this time, and with this many times a stranger's votes, a face that keeps close to the threshold
without ever passing it is a stranger too, and a track that was somebody's may become a stranger's."""
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_visit_id() -> str:
    """Make a ULID: 48 bits of milliseconds and 80 random ones as 26 characters that sort by time."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


@dataclass(slots=True, eq=False)
class _Camera:
    tracks: list[Track] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    looked_s: float = -math.inf
    """Capture of the last frame that was looked at."""
    lost_s: float | None = None
    """Since when the camera is away."""

    def visit_of(self, person: str) -> Visit | None:
        return next((visit for visit in self.visits if visit.person == person), None)


class Visits:
    """Follows the faces before all cameras and says who has arrived, who has departed, and who is a stranger.

    Args:
        settings: votes, their window, and the quiet time.
        new_id: makes the identifiers of visits.
        explain: is told why, once for each visit that begins and each face that was never announced.
    """

    def __init__(
        self,
        settings: RecognitionSettings,
        new_id: Callable[[], str] = new_visit_id,
        explain: Callable[[Explanation], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._new_id = new_id
        self._explain = explain
        self._cameras: dict[str, _Camera] = {}

    def observe(self, camera: str, at_s: float, sightings: Sequence[Sighting]) -> tuple[PresenceChange, ...]:
        """Take in one frame that was looked at, with all of its faces, also when there are none.

        Args:
            camera: which camera.
            at_s: capture of the frame.
            sightings: the faces in it.

        Returns:
            What follows from it, in order.
        """
        state = self._cameras.setdefault(camera, _Camera())
        if state.lost_s is not None:
            self.camera_back(camera, at_s)
        changes = self._end_quiet(camera, state, at_s)
        state.looked_s = at_s
        self._drop_old_tracks(camera, state, at_s)
        for track, sighting in match(state.tracks, sightings, at_s):
            track.box, track.seen_s = sighting.detection.box, at_s
            changes += self._vote(camera, state, track, sighting)
        return tuple(changes)

    def unchanged(self, camera: str, at_s: float) -> None:
        """Nothing has moved since the last frame that was looked at: who was in it is still there."""
        state = self._cameras.get(camera)
        if state is None:
            return
        for track in state.tracks:
            if track.seen_s == state.looked_s:
                track.seen_s = at_s
                self._extend(state, track, at_s)
        state.looked_s = at_s
        self._drop_old_tracks(camera, state, at_s)

    def due(self, now_s: float) -> tuple[PresenceChange, ...]:
        """End the visits whose quiet time is over; to be called about once a second."""
        changes: list[PresenceChange] = []
        for camera, state in self._cameras.items():
            changes += self._end_quiet(camera, state, now_s)
        return tuple(changes)

    def resume(self, visit: OpenVisit, at_s: float) -> None:
        """A visit of an earlier run goes on; its quiet time begins anew when the camera is there."""
        state = self._cameras.setdefault(visit.camera, _Camera())
        seen_s, began_s = visit.last_seen_s, visit.began_s
        state.visits.append(Visit(visit.person, visit.visit_id, began_s, seen_s, at_s, visit.score))
        self.camera_lost(visit.camera, at_s)

    def camera_lost(self, camera: str, at_s: float) -> None:
        """A camera is away: its visits' quiet times stand still, since nobody could be seen."""
        state = self._cameras.setdefault(camera, _Camera())
        if state.lost_s is None:
            state.lost_s = at_s

    def camera_back(self, camera: str, at_s: float) -> None:
        """A camera is back: the quiet times go on from where they stood still."""
        state = self._cameras.setdefault(camera, _Camera())
        if state.lost_s is not None:
            for visit in state.visits:
                visit.quiet_since_s += max(0.0, at_s - max(state.lost_s, visit.quiet_since_s))
            state.lost_s = None

    def end_camera(self, camera: str, at_s: float) -> tuple[PresenceChange, ...]:
        """A camera is switched off or removed: everybody before it departs at once."""
        state = self._cameras.pop(camera, _Camera())
        return tuple(
            self._departed(camera, visit, at_s) for visit in state.visits if visit.person is not None
        )

    def set_people(self, people: Iterable[str], at_s: float) -> tuple[PresenceChange, ...]:
        """A new model is in use. Visits go on; those of people that it does not know end as departures.

        Args:
            people: slugs of everybody whom the new model knows.
            at_s: now.
        """
        known = set(people)
        changes: list[PresenceChange] = []
        for camera, state in self._cameras.items():
            gone = [visit for visit in state.visits if visit.person is not None and visit.person not in known]
            changes += [self._end(camera, state, visit, at_s) for visit in gone]
            for track in state.tracks:
                if track.person is not None and track.person not in known:
                    track.person = None
                kept = [vote for vote in track.votes if vote.person is None or vote.person in known]
                track.votes = deque(kept, maxlen=track.votes.maxlen)
        return tuple(changes)

    def open_visits(self) -> tuple[OpenVisit, ...]:
        """Tell of every visit that has not ended, of people and of strangers."""
        return tuple(
            OpenVisit(camera, visit.person, visit.visit_id, visit.began_s, visit.last_seen_s, visit.score)
            for camera, state in self._cameras.items()
            for visit in state.visits
        )

    def _drop_old_tracks(self, camera: str, state: _Camera, at_s: float) -> None:
        for track in state.tracks:
            if at_s - track.seen_s > TRACK_GAP_S and track.person is None and track.stranger is None:
                self._explain(Explanation.of(camera, track.tally, "nobody"))
        state.tracks = [track for track in state.tracks if at_s - track.seen_s <= TRACK_GAP_S]

    def _end_quiet(self, camera: str, state: _Camera, now_s: float) -> list[PresenceChange]:
        changes: list[PresenceChange] = []
        if state.lost_s is not None:
            return changes
        for visit in list(state.visits):
            if now_s - visit.quiet_since_s < self._settings.departure_s:
                continue
            if visit.person is None:
                self._drop_stranger(state, visit)
            else:
                changes.append(self._end(camera, state, visit, now_s))
        return changes

    def _end(self, camera: str, state: _Camera, visit: Visit, at_s: float) -> PresenceChange:
        state.visits.remove(visit)
        for track in state.tracks:
            if track.person == visit.person:
                track.person = None
                track.votes.clear()
        return self._departed(camera, visit, at_s)

    def _departed(self, camera: str, visit: Visit, at_s: float) -> PresenceChange:
        return PresenceChange(camera, visit.person, "departed", at_s, visit.visit_id, 0, 0, None)

    def _drop_stranger(self, state: _Camera, visit: Visit) -> None:
        if visit in state.visits:
            state.visits.remove(visit)
        for track in state.tracks:
            if track.stranger is visit:
                track.stranger = None
                track.votes.clear()

    def _vote(self, camera: str, state: _Camera, track: Track, sighting: Sighting) -> list[PresenceChange]:
        at_s = sighting.captured_at_s
        seen = sighting.identification
        track.tally.add(sighting)
        if seen.refusal not in ("face too small", "blurred"):
            track.good_frames += 1
        if seen.person is not None or seen.refusal in ("no model", "below threshold"):
            score = 0.0 if seen.refusal == "no model" else seen.score
            track.votes.append(Vote(at_s, seen.person, score))
        changes: list[PresenceChange] = []
        if seen.person is not None:
            known = state.visit_of(seen.person)
            if known is not None:
                # One frame is enough to stay: only arriving needs several.
                known.seen(at_s)
                known.score = seen.score
            agreeing = self._agreeing(track, seen.person, at_s)
            if agreeing:
                track.person = seen.person
                if track.stranger is not None:
                    self._drop_stranger(state, track.stranger)
                if known is None:
                    visit = Visit(seen.person, self._new_id(), at_s, at_s, at_s, seen.score)
                    state.visits.append(visit)
                    changes.append(self._announce(camera, visit, track, agreeing, sighting))
        elif track.person is not None:
            self._hand_over(track, at_s)
        if track.person is None and track.stranger is None and seen.person is None:
            changes += self._judge_stranger(camera, state, track, sighting)
        self._extend(state, track, at_s)
        return changes

    def _agreeing(self, track: Track, person: str, at_s: float) -> int:
        """Votes for a person within the window, or 0 when they do not decide."""
        recent = track.since(at_s - self._settings.window_s)
        agreeing = sum(vote.person == person for vote in recent)
        rivals = sum(vote.person not in (None, person) for vote in recent)
        nobody = sum(vote.person is None and vote.score < CLEAR_SCORE for vote in recent)
        decided = (
            agreeing >= self._settings.votes
            and agreeing >= RIVAL_SHARE * rivals
            and agreeing * NOBODY_SHARE > nobody
        )
        return agreeing if decided else 0

    def _hand_over(self, track: Track, at_s: float) -> None:
        """Take the person's name off a track on which somebody else has taken their place."""
        last_named_s = max(
            (vote.at_s for vote in track.votes if vote.person == track.person), default=-math.inf
        )
        after = [vote for vote in track.votes if vote.at_s > last_named_s]
        if (
            len(after) >= LONG_FACTOR * self._settings.stranger_votes
            and at_s - after[0].at_s >= LONG_S
            and _is_clear(after)
        ):
            track.person = None
            track.votes = deque(after, maxlen=track.votes.maxlen)
            track.good_frames = len(after)

    def _judge_stranger(
        self, camera: str, state: _Camera, track: Track, sighting: Sighting
    ) -> list[PresenceChange]:
        at_s = sighting.captured_at_s
        recent = track.since(at_s - STRANGER_WINDOW_S)
        nobody = [vote for vote in recent if vote.person is None]
        named = len(recent) - len(nobody)
        span_s = at_s - nobody[0].at_s if nobody else 0.0
        # Somebody of the family who was here a moment ago may just have turned away: ask for twice as much.
        needed = self._settings.stranger_votes * (2 if _somebody_is_unaccounted_for(state) else 1)
        soon = len(nobody) >= needed and span_s >= STRANGER_SPAN_S and _is_clear(recent)
        late = len(nobody) >= LONG_FACTOR * needed and span_s >= LONG_S
        if not (soon or late) or named * NAMED_SHARE > len(recent):
            return []
        followed = {id(other.stranger) for other in state.tracks if other.stranger is not None}
        back = next((v for v in state.visits if v.person is None and id(v) not in followed), None)
        if back is not None:
            track.stranger = back
            return []
        visit = Visit(None, self._new_id(), at_s, at_s, at_s, sighting.identification.score)
        state.visits.append(visit)
        track.stranger = visit
        return [self._announce(camera, visit, track, len(nobody), sighting)]

    def _announce(
        self, camera: str, visit: Visit, track: Track, votes: int, sighting: Sighting
    ) -> PresenceChange:
        kind: Literal["arrived", "stranger"] = "stranger" if visit.person is None else "arrived"
        self._explain(Explanation.of(camera, track.tally, kind, visit.person, visit.visit_id))
        return PresenceChange(
            camera,
            visit.person,
            kind,
            sighting.captured_at_s,
            visit.visit_id,
            votes,
            track.good_frames,
            sighting,
        )

    def _extend(self, state: _Camera, track: Track, at_s: float) -> None:
        if track.person is not None:
            visit = state.visit_of(track.person)
            if visit is not None:
                visit.seen(at_s)
        if track.stranger is not None:
            track.stranger.seen(at_s)


def _is_clear(votes: Sequence[Vote]) -> bool:
    return statistics.median(vote.score for vote in votes) < CLEAR_SCORE


def _somebody_is_unaccounted_for(state: _Camera) -> bool:
    followed = Counter(track.person for track in state.tracks)
    return any(visit.person is not None and not followed[visit.person] for visit in state.visits)
