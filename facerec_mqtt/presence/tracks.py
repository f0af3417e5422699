"""A face followed from frame to frame by where it is, and what its frames say of it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from facerec_mqtt.core.records import Box, Sighting
from facerec_mqtt.presence import tracking as following
from facerec_mqtt.presence.explanation import Tally


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

    def seen(self, at_s: float) -> None:
        """It was seen again."""
        self.last_seen_s = max(at_s, self.last_seen_s)
        self.quiet_since_s = max(at_s, self.quiet_since_s)


@dataclass(frozen=True, slots=True)
class Vote:
    """What one good frame says."""

    at_s: float
    person: str | None
    score: float


@dataclass(slots=True, eq=False)
class Track:
    """One face, from frame to frame."""

    box: Box
    seen_s: float
    tally: Tally
    person: str | None = None
    stranger: Visit | None = None
    good_frames: int = 0
    votes: deque[Vote] = field(default_factory=lambda: deque(maxlen=1024))

    def since(self, at_s: float) -> list[Vote]:
        """Its votes from a moment on."""
        return [vote for vote in self.votes if vote.at_s >= at_s]


def match(tracks: list[Track], sightings: Sequence[Sighting], at_s: float) -> list[tuple[Track, Sighting]]:
    """Give each face its track, the nearest pairs first; faces without one begin tracks, in `tracks`."""
    return following.match(tracks, sightings, at_s, lambda box, at: Track(box, at, Tally(at, at)))
