"""Pictures for the owner to look at: the best one of each stranger's and of each doubtful visit.

    review/2026-11-23/180211-412_front_door_stranger.jpg

Doubtful is a face that came near the threshold over several good frames and was mostly not named. No picture
is learnt from unless somebody moves it into a person's folder. No file name names anybody, since nobody was
named.
"""

import logging
import math
import re
import statistics
from collections import deque
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal

from facerec_mqtt.core.clock import WallClock
from facerec_mqtt.core.files import replace_file
from facerec_mqtt.core.records import Image, Sighting
from facerec_mqtt.faces import portrait, portrait_jpeg
from facerec_mqtt.presence.explanation import Explanation
from facerec_mqtt.presence.tracks.tracking import TRACK_GAP_S, Track
from facerec_mqtt.settings import PicturesChoice, ReviewSettings, Settings

_log = logging.getLogger(__name__)
GOOD_FRAMES = 3
"""A face that was seen well less often is not worth a look."""
NEAR_SCORE = 0.3
"""Median score above which a face that was not named came near to it; 0.5 is the threshold."""
_GOOD_PX, _GOOD_SHARPNESS = 120.0, 60.0
_PRUNE_EVERY_S = 3600.0
_MOST_SCORES = 1024
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_PICTURE = re.compile(r"(\d{6})-(\d{3})_(\w+)_(stranger|doubtful)\.jpg")
Kind = Literal["stranger", "doubtful"]


@dataclass(frozen=True, slots=True)
class DoubtfulVisit:
    """Somebody who came near to being named, and never was."""

    began_s: float
    """Capture of the first frame with the face, in seconds of `time.monotonic`."""
    ended_s: float
    """Capture of the last one."""
    why: Explanation


@dataclass(frozen=True, slots=True, eq=False)
class ReviewPicture:
    """A picture worth looking at."""

    kind: Kind
    camera: str
    """The camera's slug."""
    at_s: float
    """Capture of its frame, in seconds of `time.monotonic`."""
    jpeg: bytes
    visit_id: str | None = None
    """The stranger's visit that it shows."""
    unnamed: DoubtfulVisit | None = None
    """The doubtful visit that it shows; `None` where somebody was named in the end."""


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """A picture on disk, by its name."""

    path: Path
    taken: datetime
    """In local time, without a zone."""
    camera: str
    """The camera's slug."""
    kind: Kind


@dataclass(slots=True, eq=False)
class _Face:
    """What is kept of one track."""

    camera: str
    began_s: float
    seen_s: float
    stranger: bool = False
    visit_id: str | None = None
    """Of the stranger."""
    recognised: bool = False
    """Whether the votes have named somebody at any time."""
    why: Explanation | None = None
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


Kept = tuple[ReviewPicture, str | None]
"""A picture with its path below the review folder; `None` where it could not be written."""


class ReviewCollector:
    """Keeps the best picture of each track that was not named. Pure.

    Args:
        quiet_s: doubtful faces at one camera, with less than this between them, are one visit.
    """

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._faces: dict[Track, _Face] = {}
        self._doubtful: dict[str, _Face] = {}

    def add(self, camera: str, in_view: Iterable[Track], image: Image) -> None:
        """Take in one frame that was searched.

        Args:
            camera: the camera's slug.
            in_view: the tracks of the faces in it, brought up to date.
            image: (H, W, 3) uint8 BGR, the whole frame.
        """
        for track in in_view:
            face = self._faces.setdefault(track, _Face(camera, track.seen_s, track.seen_s))
            face.seen_s = track.seen_s
            face.recognised |= track.person is not None
            if track.announced == "stranger":
                face.stranger, face.visit_id = True, face.visit_id or track.stranger
            sighting = track.sighting
            seen = sighting.identification
            if seen.refusal in ("face too small", "blurred"):
                continue
            if seen.person is not None:
                face.named += 1
                continue
            face.unnamed += 1
            face.scores.append(0.0 if seen.refusal == "no model" else seen.score)
            quality = _quality(sighting)
            if quality > face.quality:
                face.quality, face.picture_s = quality, sighting.captured_at_s
                face.jpeg = portrait_jpeg(portrait(image, sighting.detection.box))

    def take_finished(self, now_s: float, followed: Container[Track]) -> tuple[ReviewPicture, ...]:
        """The pictures of visits that have ended; to be called about once a second.

        Args:
            now_s: the time.
            followed: the tracks that have not ended.
        """
        pictures: list[ReviewPicture] = []
        for track in [track for track in self._faces if track not in followed]:
            face = self._faces.pop(track)
            face.seen_s = track.seen_s
            face.why = Explanation.of(face.camera, track.tally, "nobody")
            match face.kind:
                case "stranger":
                    pictures.append(_picture("stranger", face))
                case "doubtful":
                    pictures += self._add_doubtful(face)
        for camera in [c for c, face in self._doubtful.items() if now_s - face.seen_s > self._quiet_s]:
            pictures.append(_picture("doubtful", self._doubtful.pop(camera)))
        return tuple(pictures)

    def _add_doubtful(self, face: _Face) -> list[ReviewPicture]:
        """A doubtful face has gone. The same one may come back within the quiet time."""
        before = self._doubtful.get(face.camera)
        self._doubtful[face.camera] = face
        if before is None:
            return []
        if face.seen_s - before.seen_s > self._quiet_s + TRACK_GAP_S:
            return [_picture("doubtful", before)]
        face.began_s = before.began_s
        face.recognised |= before.recognised
        if before.quality > face.quality:
            face.why = before.why
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


def kept_pictures(folder: Path) -> tuple[KeptPicture, ...]:
    """What is kept for review, the oldest first; nothing where the folder is missing.

    Raises:
        OSError: the folder cannot be read.
    """
    if not folder.is_dir():
        return ()
    kept = []
    for day in sorted(path for path in folder.iterdir() if _DAY.fullmatch(path.name)):
        for path in sorted(day.iterdir()):
            found = _PICTURE.fullmatch(path.name)
            if found is None:
                continue
            time, milliseconds, camera, kind = found.groups()
            try:
                taken = datetime.strptime(f"{day.name} {time}{milliseconds}000", "%Y-%m-%d %H%M%S%f")
            except ValueError:  # of a day or an hour that does not exist
                continue
            kept.append(KeptPicture(path, taken, camera, "stranger" if kind == "stranger" else "doubtful"))
    return tuple(kept)


class Review:
    """Pictures for review, where their owner has switched them on, in the settings or on the page.

    Args:
        settings: whether, and where.
        clock: the wall clock, for the names of the files.
    """

    def __init__(self, settings: Settings, clock: WallClock) -> None:
        self._is_on = PicturesChoice(settings.model_dir, enabled=settings.review.enabled)
        self._collector = ReviewCollector(settings.recognition.departure_s)
        self._folder = ReviewFolder(settings.review)
        self._clock = clock
        self._prune_s = -math.inf
        self._failed = False

    def add(self, camera: str, in_view: Iterable[Track], image: Image) -> None:
        """Take in a frame that was searched, with the tracks of the faces in it."""
        if self._is_on():
            self._collector.add(camera, in_view, image)

    def write_finished(self, now_s: float, followed: Container[Track]) -> tuple[Kept, ...]:
        """Write the pictures of visits that have ended, and delete old ones.

        Args:
            now_s: the time.
            followed: the tracks that have not ended.

        Returns:
            The pictures, each with its path below the folder.
        """
        return self._write(self._collector.take_finished(now_s, followed), now_s)

    def stop(self, now_s: float) -> tuple[Kept, ...]:
        """The service ends: visits that are going on end too; returns as `write_finished`."""
        return self._write(self._collector.take_finished(math.inf, ()), now_s)

    def _write(self, pictures: Sequence[ReviewPicture], now_s: float) -> tuple[Kept, ...]:
        clock = self._clock.now()
        kept: list[Kept] = []
        try:
            for picture in pictures:
                path = self._folder.add(picture, clock.local(picture.at_s))
                kept.append((picture, f"{path.parent.name}/{path.name}"))
                self._prune_s = -math.inf
            if now_s >= self._prune_s:
                self._prune_s = now_s + _PRUNE_EVERY_S
                self._folder.prune(clock.local(now_s).date())
            self._failed = False
        except OSError as error:
            if not self._failed:
                _log.warning(
                    "Pictures for review cannot be kept (%s: %s); see FACEREC_REVIEW__FOLDER.",
                    error.strerror,
                    error.filename,
                )
            self._failed = True
        return (*kept, *((picture, None) for picture in pictures[len(kept) :]))


def _quality(sighting: Sighting) -> float:
    face = sighting.face
    return (
        min(face.width_px, _GOOD_PX) / _GOOD_PX
        * min(face.sharpness, _GOOD_SHARPNESS) / _GOOD_SHARPNESS
        * sighting.detection.score
    )  # fmt: skip


def _picture(kind: Kind, face: _Face) -> ReviewPicture:
    unnamed = None
    if kind == "doubtful" and face.why is not None and not face.recognised:
        unnamed = DoubtfulVisit(face.began_s, face.seen_s, face.why)
    return ReviewPicture(kind, face.camera, face.picture_s, face.jpeg, face.visit_id, unnamed)
