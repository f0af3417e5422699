"""Pictures for the owner to look at: the best one of each stranger's and of each doubtful visit.

    review/2026-11-23/180211-412_front_door_stranger.jpg

Doubtful is a face that came near the threshold over several good frames and was mostly not named. Nothing
here is ever learnt from by itself: only a picture that somebody moves into a person's folder is. No file name
names anybody, since nobody was named.
"""

import logging
import re
import statistics
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal

from facerec_mqtt.core.files import replace_file
from facerec_mqtt.core.records import Box, Image, PresenceChange, Sighting
from facerec_mqtt.faces.crops import portrait, portrait_jpeg
from facerec_mqtt.presence.tracking import TRACK_GAP_S, match
from facerec_mqtt.settings.schema import ReviewSettings

_log = logging.getLogger(__name__)
GOOD_FRAMES = 3
"""A face that was seen well less often is not worth a look."""
NEAR_SCORE = 0.3
"""Median score above which a face that was not named came near to it; 0.5 is the threshold."""
_GOOD_PX, _GOOD_SHARPNESS = 120.0, 60.0
_PRUNE_EVERY_S = 3600.0
_MOST_SCORES = 1024
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_PICTURE = re.compile(r"\d{6}-\d{3}_\w+_(stranger|doubtful)\.jpg")
Kind = Literal["stranger", "doubtful"]


@dataclass(frozen=True, slots=True, eq=False)
class ReviewPicture:
    """A picture worth looking at."""

    kind: Kind
    camera: str
    """The camera's slug."""
    at_s: float
    """Capture of its frame, in seconds of `time.monotonic`."""
    jpeg: bytes


@dataclass(slots=True, eq=False)
class _Face:
    box: Box
    seen_s: float
    person: str | None = None
    stranger: bool = False
    last: Sighting | None = None
    named: int = 0
    scores: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_SCORES))
    """Of the good frames that were not named, the last ones; somebody may stay all day."""
    unnamed: int = 0
    """How many there were."""
    quality: float = 0.0
    picture_s: float = 0.0
    jpeg: bytes = b""

    @property
    def kind(self) -> Kind | None:
        if not self.jpeg:
            return None
        if self.stranger:
            return "stranger"
        doubtful = (
            self.unnamed + self.named >= GOOD_FRAMES
            and self.unnamed > self.named
            and statistics.median(self.scores) >= NEAR_SCORE
        )
        return "doubtful" if doubtful else None


class ReviewCollector:
    """Follows the faces before all cameras and keeps the best picture of each that was not named. Pure.

    Args:
        quiet_s: doubtful faces at one camera, with less than this between them, are one visit.
    """

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._faces: dict[str, list[_Face]] = {}
        self._doubtful: dict[str, _Face] = {}

    def observe(self, camera: str, at_s: float, sightings: Sequence[Sighting], image: Image) -> None:
        """Take in one frame that was looked at.

        Args:
            camera: the camera's slug.
            at_s: its capture.
            sightings: the faces in it.
            image: (H, W, 3) uint8 BGR, the whole frame.
        """
        for face, sighting in match(self._faces.setdefault(camera, []), sightings, at_s, _Face):
            face.box, face.seen_s, face.last = sighting.detection.box, at_s, sighting
            seen = sighting.identification
            if seen.refusal in ("face too small", "blurred"):
                continue
            face.person = seen.person or face.person
            if seen.person is not None:
                face.named += 1
                continue
            face.unnamed += 1
            face.scores.append(0.0 if seen.refusal == "no model" else seen.score)
            quality = _quality(sighting)
            if quality > face.quality:
                face.quality, face.picture_s = quality, at_s
                face.jpeg = portrait_jpeg(portrait(image, sighting.detection.box))

    def told(self, changes: Sequence[PresenceChange]) -> None:
        """Take in what was made of the last frame."""
        for change in changes:
            if change.kind == "stranger":
                for face in self._faces.get(change.camera, ()):
                    face.stranger |= face.last is change.sighting

    def unchanged(self, camera: str, at_s: float) -> None:
        """Nothing has moved at a camera: who was in its last frame is still there."""
        faces = self._faces.get(camera, [])
        last_s = max((face.seen_s for face in faces), default=at_s)
        for face in faces:
            if face.seen_s == last_s:
                face.seen_s = at_s

    def due(self, now_s: float) -> tuple[ReviewPicture, ...]:
        """Tell of the visits that have ended; to be called about once a second."""
        pictures: list[ReviewPicture] = []
        for camera, faces in self._faces.items():
            for face in [face for face in faces if now_s - face.seen_s > TRACK_GAP_S]:
                faces.remove(face)
                match face.kind:
                    case "stranger":
                        pictures.append(_picture("stranger", camera, face))
                    case "doubtful":
                        pictures += self._doubt(camera, face)
        for camera in [c for c, face in self._doubtful.items() if now_s - face.seen_s > self._quiet_s]:
            pictures.append(_picture("doubtful", camera, self._doubtful.pop(camera)))
        return tuple(pictures)

    def _doubt(self, camera: str, face: _Face) -> list[ReviewPicture]:
        """A doubtful face has gone. The same one may come back within the quiet time."""
        before = self._doubtful.get(camera)
        self._doubtful[camera] = face
        if before is None:
            return []
        if face.seen_s - before.seen_s > self._quiet_s + TRACK_GAP_S:
            return [_picture("doubtful", camera, before)]
        if before.quality > face.quality:
            face.quality, face.picture_s, face.jpeg = before.quality, before.picture_s, before.jpeg
        return []


class ReviewFolder:
    """The pictures on disk.

    Args:
        settings: where, how many and for how long.
    """

    def __init__(self, settings: ReviewSettings) -> None:
        self._settings = settings

    def add(self, picture: ReviewPicture, taken: datetime) -> Path:
        """Write a picture, readable by its owner alone.

        Args:
            picture: what to write.
            taken: when it was captured, in local time.

        Raises:
            OSError: the disk takes no more, or the folder cannot be written.
        """
        name = f"{taken:%H%M%S}-{taken.microsecond // 1000:03d}_{picture.camera}_{picture.kind}.jpg"
        path = self._settings.folder / f"{taken:%Y-%m-%d}" / name
        replace_file(path, picture.jpeg)
        return path

    def prune(self, today: date) -> None:
        """Delete what is too old and what is too many; files with other names than ours are left alone.

        Args:
            today: the day, in local time.

        Raises:
            OSError: something cannot be deleted.
        """
        oldest = f"{today - timedelta(days=self._settings.max_days):%Y-%m-%d}"
        pictures = self._pictures()
        too_many = max(0, len(pictures) - self._settings.max_pictures)
        for number, path in enumerate(pictures):
            if number < too_many or path.parent.name < oldest:
                path.unlink(missing_ok=True)
                if not any(path.parent.iterdir()):
                    path.parent.rmdir()

    def _pictures(self) -> list[Path]:
        """Ours, the oldest first."""
        return sorted(
            path
            for path in self._settings.folder.glob("*/*")
            if _DAY.fullmatch(path.parent.name) and _PICTURE.fullmatch(path.name)
        )


class Review:
    """What the service does about all this: nothing, unless its owner has switched it on.

    Args:
        settings: whether, and where.
        quiet_s: after which somebody has departed.
    """

    def __init__(self, settings: ReviewSettings, quiet_s: float) -> None:
        self._enabled = settings.enabled
        self._collector = ReviewCollector(quiet_s)
        self._folder = ReviewFolder(settings)
        self._prune_s = 0.0
        self._failed = False

    def observe(self, camera: str, at_s: float, sightings: Sequence[Sighting] | None, image: Image) -> None:
        """Take in a frame; `None` for its faces when nothing has moved."""
        if not self._enabled:
            return
        if sightings is None:
            self._collector.unchanged(camera, at_s)
        else:
            self._collector.observe(camera, at_s, sightings, image)

    def told(self, changes: Sequence[PresenceChange]) -> None:
        """Take in what was made of the last frame."""
        self._collector.told(changes)

    def due(self, now_s: float) -> None:
        """Write the pictures of visits that have ended, and delete old ones."""
        try:
            for picture in self._collector.due(now_s):
                moment = datetime.fromtimestamp(time.time() - time.monotonic() + picture.at_s).astimezone()
                self._folder.add(picture, moment)
                self._prune_s = 0.0
            if now_s >= self._prune_s:
                self._prune_s = now_s + _PRUNE_EVERY_S
                self._folder.prune(datetime.now().astimezone().date())
            self._failed = False
        except OSError as error:
            if not self._failed:
                _log.warning(
                    "Pictures for review cannot be kept (%s: %s); see FACEREC_REVIEW__FOLDER.",
                    error.strerror,
                    error.filename,
                )
            self._failed = True

    def stop(self, now_s: float) -> None:
        """The service ends: visits that are going on end too."""
        self.due(now_s + 1e9)


def _quality(sighting: Sighting) -> float:
    face = sighting.face
    return (
        min(face.width_px, _GOOD_PX) / _GOOD_PX
        * min(face.sharpness, _GOOD_SHARPNESS) / _GOOD_SHARPNESS
        * sighting.detection.score
    )  # fmt: skip


def _picture(kind: Kind, camera: str, face: _Face) -> ReviewPicture:
    return ReviewPicture(kind, camera, face.picture_s, face.jpeg)
