"""What is kept of faces while they are followed: their scores over time, and the best pictures of each visit.

Doubtful is a face that came near the threshold over several good frames and was mostly not named. A few
pictures of each visit are kept, the best of each of its parts; a frame that is none of them is not copied.
"""

import statistics
from collections import deque
from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass, field
from typing import Literal

import cv2

from facerec_mqtt.core.records import Image, Sighting
from facerec_mqtt.faces import portrait
from facerec_mqtt.presence.explanation import Explanation
from facerec_mqtt.presence.review.spread import Spread
from facerec_mqtt.presence.tracks.tracking import TRACK_GAP_S, Track, Visit

GOOD_FRAMES = 3
"""A face that was seen well less often is not worth a look."""
NEAR_SCORE = 0.3
"""Median score above which a face that was not named came near to it; 0.5 is the threshold."""
MOST_PICTURES = 4
"""Of one visit."""
MOST_SCORES = 48
"""Of one visit."""
_PICTURE_SPAN_S, _SCORE_SPAN_S = 2.0, 0.25
_AGAIN_S = 60.0
"""What there is of a visit that goes on is given out this often."""
_MOST_SIDE_PX = 720
_GOOD_PX, _GOOD_SHARPNESS = 120.0, 60.0
_MOST_UNNAMED = 1024
Kind = Literal["family", "visitor", "stranger", "doubtful"]


@dataclass(frozen=True, slots=True)
class ScorePoint:
    """What one moment of a visit says."""

    seconds: float
    """Since the visit was decided, or the doubtful face first seen; below 0 before that."""
    score: float
    """[0, 1]; 0.5 is the threshold."""
    nearest: str | None
    """Slug of who came nearest, also without a name being given; `None` where nobody is enrolled."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A face cut out of a frame, with its surroundings."""

    at_s: float
    """Capture of the frame, in seconds of `time.monotonic`."""
    image: Image
    """(H, W, 3) uint8 BGR, at most 720 pixels a side."""


@dataclass(frozen=True, slots=True)
class DoubtfulVisit:
    """Somebody who came near to being named, and never was."""

    began_s: float
    """Capture of the first frame with the face, in seconds of `time.monotonic`."""
    ended_s: float
    """Capture of the last one."""
    why: Explanation


@dataclass(frozen=True, slots=True, eq=False)
class VisitLooks:
    """What there is of a visit so far."""

    kind: Kind
    camera: str
    """The camera's slug."""
    scores: tuple[ScorePoint, ...]
    """At most `MOST_SCORES`, the earliest first."""
    shots: tuple[Shot, ...]
    """At most `MOST_PICTURES`, the best first."""
    visit_id: str | None = None
    """`None` of a doubtful visit, which has none yet."""
    person: str | None = None
    """Slug of who it is."""
    unnamed: DoubtfulVisit | None = None
    """Of a doubtful visit."""
    ended: bool = True
    """Whether there will be no more of it."""


class _Moments:
    """Scores and pictures of some time. A frame's picture belongs to whom the frame names, or to nobody."""

    def __init__(self) -> None:
        self.scores: Spread[tuple[float, str | None]] = Spread(MOST_SCORES, _SCORE_SPAN_S)
        self.shots: dict[str | None, Spread[Shot]] = {}

    def add(self, sighting: Sighting, image: Image | None) -> None:
        """Take in a frame; its picture only where there is one."""
        seen, at_s = sighting.identification, sighting.captured_at_s
        score = 0.0 if seen.refusal == "no model" else float(seen.score)
        self.scores.add(at_s, score, (score, seen.candidate or seen.person))
        shots, quality = self._shots_of(seen.person), _quality(sighting)
        if image is not None and shots.wants(at_s, quality):
            shots.add(at_s, quality, Shot(at_s, _cut(image, sighting)))

    def extend(self, other: "_Moments", since_s: float, people: Container[str | None]) -> None:
        """Take in what another has from a moment on, with the pictures of some people or of nobody."""
        self.scores.extend(other.scores, since_s)
        for person, shots in other.shots.items():
            if person in people:
                self._shots_of(person).extend(shots, since_s)

    def best_shots(self, person: str | None) -> tuple[Shot, ...]:
        """The pictures of somebody or of nobody, the best first."""
        kept = self._shots_of(person).kept()
        return tuple(shot for _, _, shot in sorted(kept, key=lambda each: -each[1]))

    def points(self, begin_s: float) -> tuple[ScorePoint, ...]:
        """The scores, in seconds from a moment on."""
        return tuple(
            ScorePoint(round(at_s - begin_s, 2), round(score, 3), nearest)
            for at_s, _, (score, nearest) in self.scores.kept()
        )

    def _shots_of(self, person: str | None) -> Spread[Shot]:
        return self.shots.setdefault(person, Spread(MOST_PICTURES, _PICTURE_SPAN_S))


@dataclass(slots=True, eq=False)
class _Face:
    """What is kept of one track, as long as it belongs to no visit."""

    camera: str
    began_s: float
    seen_s: float
    moments: _Moments = field(default_factory=_Moments)
    visit: Visit | None = None
    """The last one that it belonged to."""
    why: Explanation | None = None
    named: int = 0
    scores: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_UNNAMED))
    """Of the good frames that were not named, the last ones; somebody may stay all day."""
    unnamed: int = 0
    """How many there were."""

    @property
    def is_doubtful(self) -> bool:
        """Whether it came near to being named, and never was."""
        return (
            self.visit is None
            and self.unnamed + self.named >= GOOD_FRAMES
            and self.unnamed > self.named
            and statistics.median(self.scores) >= NEAR_SCORE
        )


@dataclass(slots=True, eq=False)
class _Open:
    """What is kept of a visit that has not ended."""

    visit: Visit
    camera: str
    moments: _Moments = field(default_factory=_Moments)
    is_new: bool = True
    """Whether there is something that was not given out."""
    due_s: float = 0.0
    """When that is to be."""


class VisitCollector:
    """Keeps scores and pictures of each visit. Pure.

    Args:
        quiet_s: doubtful faces at one camera, with less than this between them, are one visit.
        keeps_named: whether pictures of family and of known visitors are kept, too.
    """

    def __init__(self, quiet_s: float, *, keeps_named: bool = True) -> None:
        self._quiet_s = quiet_s
        self._keeps_named = keeps_named
        self._faces: dict[Track, _Face] = {}
        self._visits: dict[str, _Open] = {}
        self._doubtful: dict[str, _Face] = {}

    def add(self, camera: str, in_view: Iterable[Track], image: Image | None) -> None:
        """Take in one frame that was searched.

        Args:
            camera: the camera's slug.
            in_view: the tracks of the faces in it, brought up to date.
            image: (H, W, 3) uint8 BGR, the whole frame; `None` where no pictures are kept.
        """
        for track in in_view:
            face = self._faces.setdefault(track, _Face(camera, track.seen_s, track.seen_s))
            face.seen_s = track.seen_s
            visit = self._visit_of(camera, track, face)
            seen = track.sighting.identification
            if seen.refusal in ("face too small", "blurred"):
                continue
            if seen.person is not None:
                face.named += 1
            else:
                face.unnamed += 1
                face.scores.append(0.0 if seen.refusal == "no model" else seen.score)
            is_kept = seen.person is None or self._keeps_named
            (face.moments if visit is None else visit.moments).add(track.sighting, image if is_kept else None)

    def _visit_of(self, camera: str, track: Track, face: _Face) -> _Open | None:
        """What is kept of the visit that a face belongs to by now; that takes what was kept of the face."""
        if track.visit is None:
            return None
        visit = self._visits.setdefault(track.visit.visit_id, _Open(track.visit, camera))
        visit.is_new = True
        if face.visit is not track.visit:
            # Before the first vote that still counts, another face may have been in this place.
            since_s = track.votes[0].at_s if track.votes else track.sighting.captured_at_s
            visit.moments.extend(face.moments, since_s, (track.visit.person,))
            face.visit, face.moments = track.visit, _Moments()
        return visit

    def set_people(self, people: Collection[str]) -> None:
        """Another model is in use: what is kept of others, given by slug, goes."""
        for visit_id, visit in list(self._visits.items()):
            if visit.visit.person is not None and visit.visit.person not in people:
                del self._visits[visit_id]
        for face in self._faces.values():
            for person in face.moments.shots.keys() - {None, *people}:
                del face.moments.shots[person]

    def take_due(
        self, now_s: float, followed: Container[Track], open_visits: Container[str]
    ) -> tuple[VisitLooks, ...]:
        """What there is of visits that have begun, ended or lost their face; now and then of others.

        Args:
            now_s: the time.
            followed: the tracks that have not ended.
            open_visits: ids of the visits that have not ended.
        """
        looks: list[VisitLooks] = []
        for track in [track for track in self._faces if track not in followed]:
            face = self._faces.pop(track)
            face.seen_s = track.seen_s
            if face.visit is not None and face.visit.visit_id in self._visits:
                self._visits[face.visit.visit_id].due_s = now_s
            elif face.is_doubtful:
                face.why = Explanation.of(face.camera, track.tally, "nobody")
                looks += self._add_doubtful(face)
        for camera in [c for c, face in self._doubtful.items() if now_s - face.seen_s > self._quiet_s]:
            looks.append(_looks_of_doubtful(self._doubtful.pop(camera)))
        for visit_id, visit in list(self._visits.items()):
            ended = visit_id not in open_visits
            if ended:
                del self._visits[visit_id]
            if ended or (visit.is_new and now_s >= visit.due_s):
                visit.is_new, visit.due_s = False, now_s + _AGAIN_S
                looks.append(_looks_of_visit(visit, ended=ended))
        return tuple(looks)

    def _add_doubtful(self, face: _Face) -> list[VisitLooks]:
        """A doubtful face has gone. The same one may come back within the quiet time."""
        before = self._doubtful.get(face.camera)
        self._doubtful[face.camera] = face
        if before is None:
            return []
        if face.seen_s - before.seen_s > self._quiet_s + TRACK_GAP_S:
            return [_looks_of_doubtful(before)]
        face.began_s = before.began_s
        if before.why is not None and face.why is not None and before.why.best_score > face.why.best_score:
            face.why = before.why
        before.moments.extend(face.moments, before.began_s, (None,))
        face.moments = before.moments
        return []


def _looks_of_visit(open_visit: _Open, *, ended: bool) -> VisitLooks:
    visit, moments = open_visit.visit, open_visit.moments
    named: Literal["family", "visitor"] = "visitor" if visit.is_visitor else "family"
    return VisitLooks(
        "stranger" if visit.person is None else named,
        open_visit.camera,
        moments.points(visit.began_s),
        moments.best_shots(visit.person),
        visit.visit_id,
        visit.person,
        ended=ended,
    )


def _looks_of_doubtful(face: _Face) -> VisitLooks:
    assert face.why is not None
    unnamed = DoubtfulVisit(face.began_s, face.seen_s, face.why)
    moments = face.moments
    return VisitLooks(
        "doubtful", face.camera, moments.points(face.began_s), moments.best_shots(None), unnamed=unnamed
    )


def _cut(image: Image, sighting: Sighting) -> Image:
    """A copy of the face with its surroundings, so that the frame itself need not be kept."""
    part = portrait(image, sighting.detection.box)
    longest = max(part.shape[:2])
    if longest <= _MOST_SIDE_PX:
        return part.copy()
    scale = _MOST_SIDE_PX / longest
    smaller: Image = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype("uint8")
    return smaller


def _quality(sighting: Sighting) -> float:
    face = sighting.face
    return (
        min(face.width_px, _GOOD_PX) / _GOOD_PX
        * min(face.sharpness, _GOOD_SHARPNESS) / _GOOD_SHARPNESS
        * sighting.detection.score
    )  # fmt: skip
