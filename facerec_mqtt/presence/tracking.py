"""Whether a face is the one of a moment ago: by where it is, how large, and whom it was taken for. Pure."""

import math
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from facerec_mqtt.core.records import Box, Sighting

TRACK_GAP_S = 3.0
"""A face that was hidden for longer begins a new track."""
REACH_WIDTHS = 1.0
REACH_WIDTHS_PER_S = 5.0
MAX_REACH_WIDTHS = 3.0
"""How far a face may have gone between two frames, in widths of itself. A face is about 0.15 m wide and
somebody who walks past does 1.4 m/s, so nine widths a second at worst; at 5 frames a second that is two."""
MAX_SIZE_RATIO = 2.0
"""A face twice as wide as a moment ago is another one."""


class Track(Protocol):
    """A face that is followed."""

    box: Box
    """Where it was last."""
    seen_s: float
    """When."""
    person: str | None
    """Slug of whom it was taken for."""


AnyTrack = TypeVar("AnyTrack", bound=Track)


def match(
    tracks: list[AnyTrack],
    sightings: Sequence[Sighting],
    at_s: float,
    begin: Callable[[Box, float], AnyTrack],
) -> list[tuple[AnyTrack, Sighting]]:
    """Give each face its track, the nearest pairs first.

    Args:
        tracks: of all faces before the camera; those that begin are added.
        sightings: the faces of one frame.
        at_s: its capture.
        begin: makes a track of a face's box and time.

    Returns:
        A pair for each sighting, in their order. The tracks themselves are not brought up to date.
    """
    pairs = sorted(
        (cost, t, s)
        for t, track in enumerate(tracks)
        for s, sighting in enumerate(sightings)
        if (cost := _cost(track, sighting, at_s)) is not None
    )
    track_of: dict[int, int] = {}
    taken: set[int] = set()
    for _, t, s in pairs:
        if t not in taken and s not in track_of:
            track_of[s] = t
            taken.add(t)
    matched = []
    for s, sighting in enumerate(sightings):
        if s in track_of:
            track = tracks[track_of[s]]
        else:
            track = begin(sighting.detection.box, at_s)
            tracks.append(track)
        matched.append((track, sighting))
    return matched


def _cost(track: Track, sighting: Sighting, at_s: float) -> float | None:
    """Distance of a face from a track in widths of the face; `None` when it is another face."""
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
