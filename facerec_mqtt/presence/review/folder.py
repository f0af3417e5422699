"""The folder with the pictures of visits, a folder in it for each day.

    review/2026-11-23/180211-412_front_door_stranger.jpg

No picture is learnt from unless somebody moves it into a person's folder. No file name names anybody: a
doubtful face was given no name, and whose the others are is in the history alone.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from facerec_mqtt.core.files import replace_file
from facerec_mqtt.presence.review.collector import Kind
from facerec_mqtt.settings import ReviewSettings

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_PICTURE = re.compile(r"(\d{6})-(\d{3})_(\w+)_(family|visitor|stranger|doubtful)\.jpg")
_BELOW = re.compile(r"(\d{4}-\d{2}-\d{2}/)?[\w-]+\.jpg")
_MILLISECOND = timedelta(milliseconds=1)
_KINDS: dict[str, Kind] = {"family": "family", "visitor": "visitor", "stranger": "stranger"}
_NAMED = ("family", "visitor")


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """A picture on disk, by its name."""

    path: Path
    taken: datetime
    """In local time, without a zone."""
    camera: str
    """The camera's slug."""
    kind: Kind


class ReviewFolder:
    """The pictures on disk.

    Args:
        settings: where, how many and for how long.
        history_days: for how long visits are kept: pictures of visits with a name go with them.
    """

    def __init__(self, settings: ReviewSettings, history_days: int = 3650) -> None:
        self._settings = settings
        self._history_days = history_days

    def add(self, kind: Kind, camera: str, taken: datetime, jpeg: bytes) -> str:
        """Write a picture, readable by its owner alone.

        Args:
            kind: of its visit.
            camera: the camera's slug.
            taken: when it was captured, in local time.
            jpeg: its content.

        Returns:
            Its path below the folder.

        Raises:
            OSError: the disk takes no more, or the folder cannot be written.
        """
        while True:
            time = f"{taken:%H%M%S}-{taken.microsecond // 1000:03d}"
            name = f"{taken:%Y-%m-%d}/{time}_{camera}_{kind}.jpg"
            path = self._settings.folder / name
            if not path.exists():
                replace_file(path, jpeg)
                return name
            taken += _MILLISECOND  # two faces of one frame

    def remove(self, names: Iterable[str]) -> None:
        """Delete pictures, given by their paths below the folder.

        Raises:
            OSError: something cannot be deleted.
        """
        for name in names:
            if (path := picture_path(self._settings.folder, name)) is not None:
                _delete(path)

    def prune(self, today: date) -> None:
        """Delete what is too old and what is too many; files with other names than ours are left alone.

        Args:
            today: the day, in local time.

        Raises:
            OSError: something cannot be deleted.
        """
        settings, pictures = self._settings, kept_pictures(self._settings.folder)
        days = settings.max_days
        self._prune(
            [each for each in pictures if each.kind not in _NAMED], settings.max_pictures, today, days
        )
        days = min(days, self._history_days)
        named = [each for each in pictures if each.kind in _NAMED]
        self._prune(named, settings.max_family_pictures, today, days)

    def _prune(self, pictures: list[KeptPicture], most: int, today: date, days: int) -> None:
        oldest = f"{today - timedelta(days=days):%Y-%m-%d}"
        too_many = max(0, len(pictures) - most)
        for number, picture in enumerate(pictures):
            if number < too_many or picture.path.parent.name < oldest:
                _delete(picture.path)


def picture_path(folder: Path, name: str) -> Path | None:
    """Where a picture is that the history names.

    Args:
        folder: the review folder.
        name: its path below it.

    Returns:
        The file; `None` where there is none, and for whatever is no plain file below the folder.
    """
    path = folder / name
    if not _BELOW.fullmatch(name) or not path.is_file() or path.is_symlink() or path.parent.is_symlink():
        return None
    return path


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
            kept.append(KeptPicture(path, taken, camera, _KINDS.get(kind, "doubtful")))
    return tuple(kept)


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    if not any(path.parent.iterdir()):
        path.parent.rmdir()
