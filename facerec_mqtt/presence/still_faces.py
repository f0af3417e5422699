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
_NOTED_S, _NOTED_LOOKS = 0.9, 512
"""One look in so many seconds is kept, and so many of them, until it is told whether a face is alive."""
_SPREAD_WIDTHS, _SPREAD_PX = 0.006, 0.2
"""Where looks are seldom, the mean of nine is longer than a sway. So a face is still only if half of what
lies between the 16th and the 84th hundredth of its landmarks' places, the standard deviation of a bell curve,
is no more than this either. Of still faces 40 to 140 px wide it is 0.03 to 0.4 px, through x264 at 23 to 40
and with much noise; of who sways by 0.02 widths 0.012 widths or more, however seldom one looks. Who spreads
further is not still, even if they come back each time."""
_SAME_FACTOR = 3.0
"""In a single frame the landmarks of a still face may be so many times as far away."""
_BESIDE_WIDTHS, _BESIDE_SHARE = 0.5, 0.1
"""A face that is so near, in more than this share of the looks, is one that comes and goes."""
_LEFT_LOOKS, _LEFT_S, _LEFT_RATIO = 3, 5.0, 0.8
"""A picture has moved once its face was seen beside its place, and never at it, in so many looks and for so
long, no smaller and no larger: not somebody who walks past and hides it."""
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
    width: float = 0.0
    """Of the face, in pixels."""
    left: int = 0
    """Looks in which its face was beside it, since it was at it."""
    beside: int = 0
    """All such looks meanwhile, whoever it was."""
    is_missed: bool = False
    """Whether the last look did not find it."""
    left_s: float = 0.0
    """The first of them."""
    left_for_s: float = 0.0
    """From that to the last."""
    recent: deque[Points] = field(default_factory=lambda: deque(maxlen=_SMOOTHED))
    noted: deque[Points] = field(default_factory=lambda: deque(maxlen=_NOTED_LOOKS))
    noted_s: float = -np.inf

    def holds(self, sighting: Sighting) -> bool:
        """Whether a face is at this place."""
        return is_at(self.anchor, sighting)

    def add(self, sighting: Sighting, at_s: float) -> None:
        """Take in a frame in which its face was found."""
        self.seen_s, self.left, self.is_missed = at_s, 0, False
        self.looks += 1
        if self.is_picture:
            return
        self.person = sighting.identification.person or self.person
        self.width = _width(sighting.detection)
        self.recent.append(sighting.detection.landmarks)
        if at_s - self.noted_s >= _NOTED_S:
            self.noted.append(sighting.detection.landmarks)
            self.noted_s = at_s
        place = np.asarray(np.mean(np.stack(tuple(self.recent)), axis=0), np.float32)
        if _distance(place, self.anchor) > _tolerance(self.width):
            self._begin_again(place, at_s)
        elif self.looks >= MIN_LOOKS and at_s - self.since_s >= STILL_S:
            # Nobody alive keeps so still. Who came back each time has as long to show it once more.
            if self.beside <= _BESIDE_SHARE * self.looks and _is_still(self.noted, self.width):
                self.is_picture = True
            else:
                self._begin_again(self.anchor, at_s)

    def _begin_again(self, anchor: Points, at_s: float) -> None:
        self.anchor, self.since_s, self.looks, self.beside = anchor, at_s, 0, 0
        self.noted.clear()

    def _is_beside(self, sighting: Sighting) -> bool:
        width = _width(sighting.detection)
        is_near = _distance(sighting.detection.landmarks, self.anchor) <= _BESIDE_WIDTHS * width
        return is_near and min(width, self.width) >= _LEFT_RATIO * max(width, self.width)

    def look_beside(self, alive: Sequence[Sighting], at_s: float) -> None:
        """Take in a frame in which its face was not found, or is beside it: of a person, after all."""
        self.is_missed = True
        beside = [sighting for sighting in alive if self._is_beside(sighting)]
        self.beside += bool(beside)
        if self.is_picture and any(each.identification.person == self.person for each in beside):
            self.left += 1
            self.left_s = at_s if self.left == 1 else self.left_s
            self.left_for_s = at_s - self.left_s

    def is_over(self, at_s: float) -> bool:
        """Whether its face has not been seen for too long, or has moved."""
        if self.is_picture:
            has_left = self.left >= _LEFT_LOOKS and self.left_for_s >= _LEFT_S
            return has_left or at_s - self.seen_s > _FORGET_S
        unseen_s = at_s - self.seen_s
        is_passing = self.is_missed and self.looks <= _SMOOTHED
        return unseen_s > (_PASSING_S if is_passing else _HIDDEN_S)


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
            if not place.is_picture:
                alive.append(sighting)
        for place in self._places:
            if place.seen_s < at_s:
                place.look_beside(alive, at_s)
        return tuple(alive)

    @property
    def pictures(self) -> tuple[Points, ...]:
        """Where pictures are."""
        return tuple(place.anchor for place in self._places if place.is_picture)

    def is_picture(self, sighting: Sighting) -> bool:
        """Whether a face is at the place of a picture."""
        return any(is_at(place, sighting) for place in self.pictures)


def is_at(place: Points, sighting: Sighting) -> bool:
    """Whether a face is where another one was."""
    detection = sighting.detection
    return _distance(detection.landmarks, place) <= _SAME_FACTOR * _tolerance(_width(detection))


def _distance(one: Points, other: Points) -> float:
    """How far the landmarks of two faces are apart at most, in pixels."""
    return float(np.hypot(*(one - other).T).max())


def _is_still(looks: Sequence[Points], width: float) -> bool:
    """Whether the landmarks of a face did no more than flicker; the middle one of the five counts."""
    hundredths = np.percentile(np.stack(tuple(looks)), (4, 16, 84, 96), axis=0)
    lowest, low, high, highest = np.asarray(hundredths, np.float32)
    spread, reach = (float(np.median(np.max(each, axis=1))) / 2 for each in (high - low, highest - lowest))
    return spread <= _SPREAD_WIDTHS * width + _SPREAD_PX and reach <= _tolerance(width)


def _tolerance(width: float) -> float:
    return _MOVED_WIDTHS * width + _MOVED_PX


def _width(detection: Detection) -> float:
    return detection.box[2] - detection.box[0]
