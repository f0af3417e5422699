"""Faces over time: each visit of a person, or of a stranger, is decided once.

A *track* is one face, followed from frame to frame. Who has the votes of its frames begins a *visit*, which
is announced once and lasts until its face has been unseen for the quiet time. Visits belong to one camera
and one person: somebody who is seen in the garden and a moment later at the front door arrives at both.

Nothing here reads a clock: every time is an argument, in seconds of `time.monotonic`.
"""

import secrets
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from facerec_mqtt.core.records import Departure, OpenVisit, PresenceChange, Sighting
from facerec_mqtt.presence.explanation import Explanation
from facerec_mqtt.presence.still_faces import LOOK_EVERY_S
from facerec_mqtt.presence.tracks.tracking import TRACK_GAP_S, CameraView, SettledFaces, Track, Visit, follow
from facerec_mqtt.presence.tracks.votes import Judge, look, votes_for, votes_for_stranger, votes_of_successor
from facerec_mqtt.settings import RecognitionSettings

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_visit_id() -> str:
    """Make a ULID: 48 bits of milliseconds and 80 random ones as 26 characters that sort by time."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


class Visits:
    """Follows the faces before all cameras: who has arrived, who has departed, and who is a stranger.

    Args:
        settings: votes, their window, the quiet time, and how long a camera may be away.
        new_id: makes the identifiers of visits.
        explain: called once for each visit that begins and each face that was never announced.
        votes: what is needed at cameras where it is not as in the settings, by slug.
    """

    def __init__(
        self,
        settings: RecognitionSettings,
        new_id: Callable[[], str] = new_visit_id,
        explain: Callable[[Explanation], None] = lambda _: None,
        votes: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._settings = settings
        self._votes = votes
        self._new_id = new_id
        self._explain = explain
        self._cameras: dict[str, CameraView] = {}
        self._visitors: frozenset[str] = frozenset()

    # --- What the cameras show

    def observe(
        self, camera: str, at_s: float, sightings: Sequence[Sighting], judge: Judge | None = None
    ) -> tuple[PresenceChange, ...]:
        """Take in one frame that was searched, with all of its faces, also when there are none.

        Args:
            camera: which camera, by slug.
            at_s: capture of the frame.
            sightings: the faces in it.
            judge: says who a face is by all of its frames; `None` takes each as it is.

        Returns:
            What follows from it, in order.
        """
        state = self._cameras.setdefault(camera, CameraView())
        if state.lost_s is not None:
            self.camera_back(camera, at_s)
        changes = self._end_overdue_at(camera, state, at_s)
        state.current_s = state.searched_s = at_s
        self._drop_tracks(camera, [track for track in state.tracks if at_s - track.seen_s > TRACK_GAP_S])
        alive = state.still_faces.alive(sightings, at_s)
        changes += self._end_pictures(camera, state, at_s)
        for track in follow(state.tracks, alive, at_s):
            changes += self._decide(camera, state, track, judge)
        return tuple(changes)

    def copy_of(self, camera: str) -> "Visits":
        """What is known of a camera, to try out what a frame would change; for any thread."""
        tried, view = Visits(self._settings, lambda: "", votes=self._votes), self._cameras.get(camera)
        tried._visitors, tried._cameras = self._visitors, {} if view is None else {camera: view.copy()}
        return tried

    def unchanged(self, camera: str, at_s: float) -> None:
        """Nothing has moved since the last frame that was searched: who was in it is still there."""
        state = self._cameras.get(camera)
        if state is None:
            return
        for track in state.tracks:
            if track.seen_s == state.current_s:
                track.seen_s = at_s
                self._extend(state, track, at_s)
        state.current_s = at_s
        self._drop_tracks(camera, [track for track in state.tracks if at_s - track.seen_s > TRACK_GAP_S])

    def must_search(self, camera: str, at_s: float) -> bool:
        """Whether a frame is to be searched although nothing moves in it.

        Only a search shows whether a face is alive; one that the last search has missed is searched at once.
        """
        state = self._cameras.get(camera)
        if state is None:
            return False
        hidden = any(track.seen_s < state.current_s for track in state.tracks)
        return hidden or (bool(state.visits) and at_s - state.searched_s >= LOOK_EVERY_S)

    def in_view(self, camera: str) -> tuple[Track, ...]:
        """The faces in the last frame that was searched, but for pictures of people."""
        state = self._cameras.get(camera, CameraView())
        return tuple(track for track in state.tracks if track.seen_s == state.current_s)

    def settled(self, camera: str) -> SettledFaces:
        """The faces that belong to a visit, or are pictures, as it is now: for another thread."""
        return self._cameras.get(camera, CameraView()).settled()

    def followed(self) -> frozenset[Track]:
        """All faces that are followed, also those hidden for a moment."""
        return frozenset(track for state in self._cameras.values() for track in state.tracks)

    # --- What time, cameras and models bring about

    def end_overdue(self, now_s: float) -> tuple[PresenceChange, ...]:
        """End the visits whose quiet time is over; to be called about once a second."""
        changes: list[PresenceChange] = []
        for camera, state in self._cameras.items():
            changes += self._end_overdue_at(camera, state, now_s)
            # Tracks of a frame that is only late stay: nothing has been seen since that could end them.
            gone = [track for track in state.tracks if now_s - track.seen_s > TRACK_GAP_S]
            if state.lost_s is None:
                gone = [track for track in gone if track.seen_s < state.current_s]
            self._drop_tracks(camera, gone)
        return tuple(changes)

    def resume(self, visit: OpenVisit, at_s: float) -> None:
        """A visit of an earlier run goes on; its quiet time begins again when the camera is there."""
        state = self._cameras.setdefault(visit.camera, CameraView())
        seen_s, began_s = visit.last_seen_s, visit.began_s
        state.visits.append(Visit(visit.person, visit.visit_id, began_s, seen_s, at_s, visit.score))
        self.camera_lost(visit.camera, at_s)

    def camera_lost(self, camera: str, at_s: float) -> None:
        """A camera is away: its visits' quiet times stand still, since nobody could be seen."""
        state = self._cameras.setdefault(camera, CameraView())
        if state.lost_s is None:
            state.lost_s = at_s

    def camera_back(self, camera: str, at_s: float) -> None:
        """A camera is back: the quiet times go on from where they stood still."""
        state = self._cameras.setdefault(camera, CameraView())
        if state.lost_s is not None:
            for visit in state.visits:
                outage_s = state.outage_s(visit, at_s)
                visit.quiet_since_s += outage_s
                visit.outage_s += outage_s
            state.lost_s = None

    def end_camera(self, camera: str, at_s: float) -> tuple[PresenceChange, ...]:
        """A camera is switched off: everybody before it departs at once."""
        state = self._cameras.pop(camera, CameraView())
        return tuple(
            visit.departed(camera, at_s, Departure.CAMERA_SWITCHED_OFF)
            for visit in state.visits
            if visit.person is not None and not visit.is_visitor
        )

    def set_people(
        self, people: Iterable[str], at_s: float, *, visitors: Collection[str] = ()
    ) -> tuple[PresenceChange, ...]:
        """A new model is in use. Visits go on; those of people that it does not know end as departures.

        Args:
            people: slugs of everybody the new model knows.
            at_s: now.
            visitors: of these, known visitors.
        """
        known, self._visitors = set(people), frozenset(visitors)
        changes: list[PresenceChange] = []
        for camera, state in self._cameras.items():
            gone = [
                visit
                for visit in state.visits
                if visit.person is not None
                and (visit.person not in known or visit.is_visitor != (visit.person in self._visitors))
            ]
            for visit in gone:
                changes += self._end(camera, state, visit, at_s, Departure.PERSON_REMOVED)
            for track in state.tracks:
                if track.person is not None and track.person not in known:
                    track.person = None
                kept = [vote for vote in track.votes if vote.person is None or vote.person in known]
                track.votes = deque(kept, maxlen=track.votes.maxlen)
        return tuple(changes)

    def open_visits(self) -> tuple[OpenVisit, ...]:
        """Every visit that has not ended, of people and of strangers."""
        return tuple(
            OpenVisit(
                camera,
                visit.person,
                visit.visit_id,
                visit.began_s,
                visit.last_seen_s,
                visit.score,
                visit.pool.pooled(),
                visit.is_visitor,
            )
            for camera, state in self._cameras.items()
            for visit in state.visits
        )

    def open_ids(self) -> frozenset[str]:
        """Ids of the visits that have not ended."""
        return frozenset(visit.visit_id for state in self._cameras.values() for visit in state.visits)

    # --- Beginnings

    def _decide(
        self, camera: str, state: CameraView, track: Track, judge: Judge | None
    ) -> list[PresenceChange]:
        """Act on the newest frame of a face."""
        visit = state.visit_of_track(track)
        if visit is not None and visit.person is None:
            visit.pool.add(track.sighting)
        look(track, judge)
        track.tally.add(track.sighting)
        at_s, seen = track.sighting.captured_at_s, track.sighting.identification
        changes: list[PresenceChange] = []
        if seen.person is not None:
            known = state.visit_of(seen.person)
            if known is not None:
                # One frame is enough to stay: only arriving needs several.
                known.seen(at_s)
                known.score = seen.score
            needed = self._votes.get(camera, self._settings.votes)
            votes = votes_for(track, seen.person, at_s, self._settings.window_s, needed)
            if votes:
                changes += self._name(camera, state, track, seen.person, votes)
        elif track.person is not None:
            after = votes_of_successor(track, at_s, self._settings)
            if after:
                track.person = None
                track.votes = deque(after, maxlen=track.votes.maxlen)
                track.good_frames = len(after)
        if track.person is None and track.stranger is None and seen.person is None:
            changes += self._judge_stranger(camera, state, track)
        self._extend(state, track, at_s)
        return changes

    def _name(
        self, camera: str, state: CameraView, track: Track, person: str, votes: int
    ) -> list[PresenceChange]:
        """The votes have decided who a face is."""
        stranger = None if track.person is not None else state.visit_of_track(track)
        if stranger is not None:
            state.release(stranger)
        track.person, track.stranger = person, None
        if state.visit_of(person) is not None:
            return []
        return [self._begin(camera, state, track, person, votes)]

    def _judge_stranger(self, camera: str, state: CameraView, track: Track) -> list[PresenceChange]:
        # Somebody of the family who was here a moment ago may just have turned away: ask for twice as much.
        needed = self._settings.stranger_votes * (2 if state.somebody_is_hidden() else 1)
        votes = votes_for_stranger(track, track.sighting.captured_at_s, needed)
        if not votes:
            return []
        followed = {other.stranger for other in state.tracks}
        back = next((v for v in state.visits if v.person is None and v.visit_id not in followed), None)
        if back is not None:
            track.stranger = back.visit_id
            back.pool.extend(track.pool)
            return []
        return [self._begin(camera, state, track, None, votes)]

    def _begin(
        self, camera: str, state: CameraView, track: Track, person: str | None, votes: int
    ) -> PresenceChange:
        sighting = track.sighting
        at_s = sighting.captured_at_s
        visit = Visit(person, self._new_id(), at_s, at_s, at_s, sighting.identification.score)
        visit.is_visitor = person in self._visitors
        state.visits.append(visit)
        if person is None:
            visit.pool.extend(track.pool)
            track.stranger = visit.visit_id
        known: Literal["arrived", "visitor"] = "visitor" if visit.is_visitor else "arrived"
        kind: Literal["arrived", "visitor", "stranger"] = "stranger" if person is None else known
        track.announced = kind
        self._explain(Explanation.of(camera, track.tally, kind, person, visit.visit_id))
        return PresenceChange(
            camera,
            person,
            kind,
            at_s,
            visit.visit_id,
            votes,
            track.good_frames,
            sighting,
            pooled=track.pool.pooled(),
        )

    def _extend(self, state: CameraView, track: Track, at_s: float) -> None:
        track.visit = state.visit_of_track(track)
        if track.visit is not None:
            track.visit.seen(at_s)

    # --- Ends

    def _end_overdue_at(self, camera: str, state: CameraView, now_s: float) -> list[PresenceChange]:
        changes: list[PresenceChange] = []
        for visit in list(state.visits):
            if state.lost_s is None and now_s - visit.quiet_since_s >= self._settings.departure_s:
                changes += self._end(camera, state, visit, now_s, Departure.UNSEEN)
            elif (
                state.lost_s is not None
                and visit.outage_s + state.outage_s(visit, now_s) >= self._settings.camera_offline_s
            ):
                changes += self._end(camera, state, visit, now_s, Departure.CAMERA_OFFLINE)
        return changes

    def _end_pictures(self, camera: str, state: CameraView, at_s: float) -> list[PresenceChange]:
        """End the visits of faces that have turned out to be pictures."""
        changes: list[PresenceChange] = []
        for track in [each for each in state.tracks if state.still_faces.is_picture(each.sighting)]:
            state.tracks.remove(track)
            visit = state.visit_of_track(track)
            if visit is not None and all(state.visit_of_track(other) is not visit for other in state.tracks):
                changes += self._end(camera, state, visit, at_s, Departure.STILL_PICTURE)
        return changes

    def _end(
        self, camera: str, state: CameraView, visit: Visit, at_s: float, reason: Departure
    ) -> list[PresenceChange]:
        """End a visit. The end of a known visitor's or a stranger's is no event."""
        state.release(visit)
        return [] if visit.person is None or visit.is_visitor else [visit.departed(camera, at_s, reason)]

    def _drop_tracks(self, camera: str, gone: Sequence[Track]) -> None:
        state = self._cameras[camera]
        for track in gone:
            state.tracks.remove(track)
            if track.person is None and track.stranger is None and track.announced is None:
                self._explain(Explanation.of(camera, track.tally, "nobody"))
