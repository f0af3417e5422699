"""Photos that were deleted, kept for 30 days in case it was a mistake.

    enrollment/.trash/Anna/20261130T180211-412/2019/7.jpg

Nothing in it is ever read as anybody's photo; `forget` deletes it with the person's other folders.
"""

import contextlib
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from facerec_mqtt.enrollment.changes.photos import move_photo
from facerec_mqtt.enrollment.owners import TRASH

KEPT_DAYS = 30
_STAMP = "%Y%m%dT%H%M%S"
_WHEN = re.compile(r"(\d{8}T\d{6})-\d{3}")


def throw_away(enrollment_dir: Path, folder: Path, file: str, now: datetime) -> None:
    """Move a photo into the trash, and delete what has been there for long.

    Args:
        enrollment_dir: the enrollment folder.
        folder: the person's.
        file: path of the photo in it, as text.
        now: the time, UTC.

    Raises:
        OSError: it cannot be moved; it is where it was.
    """
    stamp = f"{now:{_STAMP}}-{now.microsecond // 1000:03d}"
    root = enrollment_dir / TRASH
    root.mkdir(mode=0o700, exist_ok=True)
    path = folder / file
    move_photo(path, (root / folder.name / stamp / file).parent)
    _remove_empty(path.parent, folder)
    empty_trash(enrollment_dir, now)


def restore_photo(enrollment_dir: Path, folder: Path, file: str) -> Path | None:
    """Move a photo back that was deleted, the last one of that name.

    Args:
        enrollment_dir: the enrollment folder.
        folder: the person's.
        file: path that the photo had in it, as text.

    Returns:
        Where it is; `None` where no such photo is in the trash.

    Raises:
        OSError: it cannot be moved.
    """
    mine = enrollment_dir / TRASH / folder.name
    for times in sorted(_times(mine), reverse=True):
        listed = {path.relative_to(times).as_posix(): path for path in times.rglob("*") if path.is_file()}
        found = listed.get(file)
        if found is not None and not found.is_symlink():
            back = move_photo(found, (folder / file).parent)
            _remove_empty(found.parent, enrollment_dir)
            return back
    return None


def empty_trash(enrollment_dir: Path, now: datetime, days: int = KEPT_DAYS) -> None:
    """Delete what was deleted so many days ago; what cannot be deleted stays.

    Args:
        enrollment_dir: the enrollment folder.
        now: the time, UTC.
        days: for how long it is kept.
    """
    oldest = now - timedelta(days=days)
    root = enrollment_dir / TRASH
    if root.is_symlink() or not root.is_dir():
        return
    for person in list(root.iterdir()):
        for times in _times(person):
            found = _WHEN.fullmatch(times.name)
            with contextlib.suppress(OSError, ValueError):
                if found and datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC) < oldest:
                    shutil.rmtree(times)
        _remove_empty(person, enrollment_dir)


def _times(person: Path) -> list[Path]:
    if person.is_symlink() or not person.is_dir():
        return []
    return [path for path in person.iterdir() if _WHEN.fullmatch(path.name) and path.is_dir()]


def _remove_empty(folder: Path, up_to: Path) -> None:
    """Remove a folder that is empty now, and those above it, but not `up_to`."""
    with contextlib.suppress(OSError):
        while folder != up_to and folder.is_relative_to(up_to):
            folder.rmdir()
            folder = folder.parent
