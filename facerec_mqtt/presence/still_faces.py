"""Pictures of people: a portrait on the wall, a poster, a paused television, a frozen camera.

A person moves, also one who reads in an armchair; a picture does not, not by a hair, for minutes. Where one
hangs is remembered until it moves. A place outlasts the tracks at it, since whoever walks past hides the
picture for a moment. Nothing here reads a clock.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import Detection, Sighting

STILL_S = 420.0
"""A face that has not moved for this long is a picture of one."""
MIN_LOOKS = 20
"""And that was looked at so often meanwhile."""
LOOK_EVERY_S = 10.0
"""During a visit, frames in which nothing moves are still searched this often: a small movement of the face
shows in its landmarks only."""
_SMOOTHED = 9
"""The detector's landmarks flicker with the sensor's noise; so many frames together do so less."""
_MOVED_WIDTHS, _MOVED_PX = 0.02, 0.25
"""Landmarks that are further than this from where they were have moved: 3 mm of a face 150 mm wide. Of a
still face in a noisy, compressed stream the mean of nine looks flickers by 0.005 to 0.02 widths."""
_SAME_FACTOR = 3.0
"""In a single frame the landmarks of a still face may be so many times as far away."""
_BESIDE_WIDTHS = 0.5
_LEFT_LOOKS = 3
"""A picture has moved once its face was seen so often beside its place, and never at it."""
_PASSING_S, _HIDDEN_S, _FORGET_S = 3.0, 60.0, 3600.0
"""For so long is a place kept at which a face is not seen: of one that passes, of one that stayed for a few
frames, of a picture."""

Points = NDArray[np.float32]
"""(5, 2) float32: a detection's landmarks, in pixels of the frame."""


@dataclass(slots=True, eq=False)
class _Place:
    """Where a face was seen, and for how long it has not moved from there."""

    anchor: Points
    since_s: float
    seen_s: float
    person: str | None = None
    """Slug of the person it was taken for last."""
    looks: int = 0
    is_picture: bool = False
    left: int = 0
    """Looks in a row in which its face was beside it."""
    recent: deque[Points] = field(default_factory=lambda: deque(maxlen=_SMOOTHED))

    def holds(self, sighting: Sighting) -> bool:
        """Whether a face is at this place."""
        detection = sighting.detection
        return _distance(detection.landmarks, self.anchor) <= _SAME_FACTOR * _tolerance(detection)

    def add(self, sighting: Sighting, at_s: float) -> None:
        """Take in a frame in which its face was found."""
        self.seen_s, self.left = at_s, 0
        self.looks += 1
        if self.is_picture:
            return
        self.person = sighting.identification.person or self.person
        self.recent.append(sighting.detection.landmarks)
        place = np.asarray(np.mean(np.stack(tuple(self.recent)), axis=0), np.float32)
        if _distance(place, self.anchor) > _tolerance(sighting.detection):
            self.anchor, self.since_s, self.looks = place, at_s, 0

    def is_still(self, at_s: float) -> bool:
        """Whether nobody alive keeps so still."""
        return self.looks >= MIN_LOOKS and at_s - self.since_s >= STILL_S

    def has_left(self, sighting: Sighting) -> bool:
        """Whether a face is this one, beside its place: a person who had kept very still, after all."""
        reach = _BESIDE_WIDTHS * _width(sighting.detection)
        is_near = _distance(sighting.detection.landmarks, self.anchor) <= reach
        return is_near and sighting.identification.person in (None, self.person)

    def is_over(self, at_s: float) -> bool:
        """Whether its face has not been seen for too long, or has moved."""
        if self.is_picture:
            return self.left >= _LEFT_LOOKS or at_s - self.seen_s > _FORGET_S
        return at_s - self.seen_s > (_HIDDEN_S if self.looks > _SMOOTHED else _PASSING_S)


class StillFaces:
    """The places of faces before one camera."""

    def __init__(self) -> None:
        self._places: list[_Place] = []

    def alive(self, sightings: Sequence[Sighting], at_s: float) -> tuple[Sighting, ...]:
        """Take in the faces of one frame.

        Args:
            sightings: all of them.
            at_s: its capture.

        Returns:
            Those that are no pictures.
        """
        alive: list[Sighting] = []
        self._places = [place for place in self._places if not place.is_over(at_s)]
        for sighting in sightings:
            place = next((each for each in self._places if each.holds(sighting)), None)
            if place is None:
                place = _Place(sighting.detection.landmarks, at_s, at_s)
                self._places.append(place)
            place.add(sighting, at_s)
            place.is_picture |= place.is_still(at_s)
            if not place.is_picture:
                alive.append(sighting)
        for place in self._places:
            if place.is_picture and place.seen_s < at_s:
                place.left += any(map(place.has_left, alive))
        return tuple(alive)

    def is_picture(self, sighting: Sighting) -> bool:
        """Whether a face is at the place of a picture."""
        return any(place.is_picture and place.holds(sighting) for place in self._places)


def _distance(one: Points, other: Points) -> float:
    """How far the landmarks of two faces are apart at most, in pixels."""
    return float(np.hypot(*(one - other).T).max())


def _tolerance(detection: Detection) -> float:
    return _MOVED_WIDTHS * _width(detection) + _MOVED_PX


def _width(detection: Detection) -> float:
    return detection.box[2] - detection.box[0]
