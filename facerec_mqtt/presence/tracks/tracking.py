"""Each face is followed from frame to frame: by where it is, how large, and who it was taken for.

The tracks serve all that follows: visits, explanations and pictures for review. Nothing here reads a clock.
"""

import copy
import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from facerec_mqtt.core.records import Box, Departure, PresenceChange, Sighting
from facerec_mqtt.presence.explanation import Tally
from facerec_mqtt.presence.still_faces import Points, StillFaces, is_at
from facerec_mqtt.presence.tracks.pooling import CHANGED_FRAMES, Pool

TRACK_GAP_S = 3.0
"""A face that was hidden for longer begins a new track."""
REACH_WIDTHS = 1.0
REACH_WIDTHS_PER_S = 5.0
MAX_REACH_WIDTHS = 3.0
"""How far a face may have gone between two frames, in widths of itself. A face is about 0.15 m wide and
somebody who walks past does 1.4 m/s, so nine widths a second at worst; at 5 frames a second that is two."""
MAX_SIZE_RATIO = 2.0
"""A face twice as wide as a moment ago is another one."""
MOST_VOTES = 1024
"""Kept of one face."""


@dataclass(slots=True, eq=False)
class Visit:
    """A visit that has been announced and has not ended."""

    person: str | None
    visit_id: str
    began_s: float
    last_seen_s: float
    quiet_since_s: float
    """As `last_seen_s`, but moved on by the camera's outages."""
    score: float
    outage_s: float = 0.0
    """How long the camera was away since `last_seen_s`, an outage that goes on not counted."""
    pool: Pool = field(default_factory=Pool)
    """Its frames' embeddings."""
    is_visitor: bool = False
    """Whether the person is a known visitor."""

    def seen(self, at_s: float) -> None:
        """It was seen again."""
        self.last_seen_s = max(at_s, self.last_seen_s)
        self.quiet_since_s = max(at_s, self.quiet_since_s)
        self.outage_s = 0.0

    def departed(self, camera: str, at_s: float, reason: Departure) -> PresenceChange:
        """What is announced at its end."""
        return PresenceChange(camera, self.person, "departed", at_s, self.visit_id, 0, 0, None, reason)


@dataclass(frozen=True, slots=True)
class Vote:
    """What one good frame says."""

    at_s: float
    person: str | None
    score: float


@dataclass(slots=True, eq=False)
class Track:
    """One face, from frame to frame."""

    sighting: Sighting
    """In the last frame that it was found in."""
    seen_s: float
    """When it was there last: also in frames that were not searched, since nothing had moved."""
    tally: Tally
    person: str | None = None
    """Slug of the person it was taken for."""
    stranger: str | None = None
    """Visit id of the stranger it was taken for."""
    visit: Visit | None = None
    """The one that it belongs to."""
    announced: Literal["arrived", "visitor", "stranger"] | None = None
    """The last event that this face decided."""
    good_frames: int = 0
    pool: Pool = field(default_factory=Pool)
    """Its frames' embeddings."""
    alone: deque[str | None] = field(default_factory=lambda: deque(maxlen=CHANGED_FRAMES))
    """Whom the newest frames name by themselves."""
    votes: deque[Vote] = field(default_factory=lambda: deque(maxlen=MOST_VOTES))

    @property
    def box(self) -> Box:
        """Where it was last."""
        return self.sighting.detection.box

    def since(self, at_s: float) -> list[Vote]:
        """Its votes from a moment on."""
        return [vote for vote in self.votes if vote.at_s >= at_s]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a face was last, and whose it is."""

    box: Box
    seen_s: float
    person: str | None


@dataclass(frozen=True, slots=True, eq=False)
class SettledFaces:
    """The faces before a camera of which nothing more is to be found out, at one moment."""

    of_visits: tuple[Place, ...] = ()
    pictures: tuple[Points, ...] = ()

    def has(self, sighting: Sighting) -> bool:
        """Whether a face is one of them, by its place."""
        at_s = sighting.captured_at_s
        is_of_visit = any(cost(place, sighting, at_s) is not None for place in self.of_visits)
        return is_of_visit or any(is_at(place, sighting) for place in self.pictures)


@dataclass(slots=True, eq=False)
class CameraView:
    """The faces before one camera, and the visits there."""

    tracks: list[Track] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    still_faces: StillFaces = field(default_factory=StillFaces)
    current_s: float = -math.inf
    """Capture of the last frame that was searched for faces, or in which nothing had moved since then."""
    searched_s: float = -math.inf
    """Capture of the last one that was searched."""
    lost_s: float | None = None
    """Since when the camera is away."""

    def copy(self) -> "CameraView":
        """What is known of the camera at this moment, that changes with nothing."""
        # Frames never change, and are large.
        kept = {id(track.sighting): track.sighting for track in self.tracks}
        return copy.deepcopy(self, kept)

    def visit_of(self, person: str) -> Visit | None:
        """The visit of a member."""
        return next((visit for visit in self.visits if visit.person == person), None)

    def visit_of_track(self, track: Track) -> Visit | None:
        """The visit that a face belongs to."""
        if track.person is not None:
            return self.visit_of(track.person)
        return next((visit for visit in self.visits if visit.visit_id == track.stranger), None)

    def settled(self) -> SettledFaces:
        """The faces that belong to a visit, and pictures of people."""
        followed = [track for track in self.tracks if self.visit_of_track(track) is not None]
        places = tuple(Place(track.box, track.seen_s, track.person) for track in followed)
        return SettledFaces(places, self.still_faces.pictures)

    def outage_s(self, visit: Visit, now_s: float) -> float:
        """For how much of the present outage a visit has waited."""
        return 0.0 if self.lost_s is None else max(0.0, now_s - max(self.lost_s, visit.quiet_since_s))

    def release(self, visit: Visit) -> None:
        """A visit has ended: the tracks of its face are nobody's any more."""
        if visit in self.visits:
            self.visits.remove(visit)
        for track in self.tracks:
            if track.stranger == visit.visit_id or (
                track.person is not None and track.person == visit.person
            ):
                track.person = track.stranger = track.visit = None
                track.votes.clear()

    def somebody_is_hidden(self) -> bool:
        """Whether somebody whose visit goes on is not followed at present."""
        followed = Counter(track.person for track in self.tracks)
        return any(visit.person is not None and not followed[visit.person] for visit in self.visits)


def follow(tracks: list[Track], sightings: Sequence[Sighting], at_s: float) -> list[Track]:
    """Give each face its track, the nearest pairs first.

    Args:
        tracks: of all faces before the camera, brought up to date; those that begin are added.
        sightings: the faces of one frame.
        at_s: its capture.

    Returns:
        The track of each sighting, in their order.
    """
    pairs = sorted(
        (distance, t, s)
        for t, track in enumerate(tracks)
        for s, sighting in enumerate(sightings)
        if (distance := cost(track, sighting, at_s)) is not None
    )
    track_of: dict[int, Track] = {}
    taken: set[int] = set()
    for _, t, s in pairs:
        if t not in taken and s not in track_of:
            track_of[s] = tracks[t]
            taken.add(t)
    found = []
    for s, sighting in enumerate(sightings):
        track = track_of.get(s)
        if track is None:
            track = Track(sighting, at_s, Tally(at_s, at_s))
            tracks.append(track)
        track.sighting, track.seen_s = sighting, at_s
        found.append(track)
    return found


def cost(track: Track | Place, sighting: Sighting, at_s: float) -> float | None:
    """How far a face is from a track, in widths of the face; `None` when it is another face."""
    before, now = track.box, sighting.detection.box
    widths = max(1.0, before[2] - before[0]), max(1.0, now[2] - now[0])
    distance = math.hypot(
        (now[0] + now[2] - before[0] - before[2]) / 2, (now[1] + now[3] - before[1] - before[3]) / 2
    ) / (sum(widths) / 2)
    reach = min(MAX_REACH_WIDTHS, REACH_WIDTHS + REACH_WIDTHS_PER_S * max(0.0, at_s - track.seen_s))
    if distance > reach or max(widths) / min(widths) > MAX_SIZE_RATIO:
        return None
    person = sighting.identification.person
    if person is not None and track.person is not None:
        # Where two people cross, their names say who is who.
        distance += -0.5 if person == track.person else 1.0
    return distance
