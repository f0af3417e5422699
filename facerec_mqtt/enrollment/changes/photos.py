"""Photos in people's folders: found by a listing, added and moved whole or not at all.

Nothing that comes from outside is ever made a path: a file is one of those that the folder lists, and a name
that was sent is only what a new file is called.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from facerec_mqtt.core.files import UNFINISHED_PREFIX, files_below, sync_folder
from facerec_mqtt.core.slugs import clean_name
from facerec_mqtt.enrollment.folder import ENDINGS, read_photos_of
from facerec_mqtt.enrollment.owners import KNOWN
from facerec_mqtt.enrollment.person_file import read_person_file, write_person_file

_MOST_NAME_BYTES = 120
_NOT_IN_NAMES = frozenset('/\\:*?"<>|')


def listed_photos(enrollment_dir: Path, person: str) -> dict[str, Path]:
    """The files of a person by their paths in the person's folder: "IMG_1.jpg", "2019/7.jpg".

    Links are left out, and what is behind one: whatever is done to a file is done to that file alone.

    Args:
        enrollment_dir: the enrollment folder.
        person: the slug.

    Raises:
        EnrollmentError: the folder cannot be read.
    """
    root = enrollment_dir.resolve()
    photos: dict[str, Path] = {}
    for photo in read_photos_of(enrollment_dir, person).photos:
        if photo.path.resolve() == root / photo.path.relative_to(enrollment_dir) and photo.path.is_file():
            levels = 2 if photo.file.startswith(f"{KNOWN}/") else 1
            photos.setdefault(photo.file.split("/", levels)[-1], photo.path)
    return photos


def photo_name(name: str, ending: str) -> str:
    """What a photo is called that came under some name: the same, where that can be a file's.

    Args:
        name: as it was sent; anything.
        ending: of the format that it has, with the dot.
    """
    plain = clean_name(PurePosixPath(name.replace("\\", "/")).name)
    plain = "".join(sign for sign in plain if sign.isprintable() and sign not in _NOT_IN_NAMES).strip(" .")
    stem, dot, given = plain.rpartition(".")
    if not dot or f".{given.lower()}" not in ENDINGS:
        stem, given = plain, ending.removeprefix(".")
    stem = stem.encode("utf-8", "ignore")[:_MOST_NAME_BYTES].decode("utf-8", "ignore").strip(" .")
    return f"{stem or 'photo'}.{given}"


def add_photo(folder: Path, name: str, content: bytes) -> Path:
    """Add a file to a folder; where there is one of that name, under the next free one.

    Args:
        folder: made where it is missing.
        name: as `photo_name` makes it.
        content: of the file.

    Raises:
        OSError: it cannot be written; nothing of it is left.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(prefix=UNFINISHED_PREFIX, dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        path = _rename_to_free(Path(unfinished), folder / name)
    finally:
        Path(unfinished).unlink(missing_ok=True)
    sync_folder(folder)
    return path


def move_photo(path: Path, folder: Path, name: str | None = None) -> Path:
    """Move a file into a folder; where there is one of that name, under the next free one.

    Args:
        path: the file, which may be on another disk.
        folder: made where it is missing.
        name: what it is called there; `None` as here.

    Raises:
        OSError: it cannot be moved; it is where it was.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / (name or path.name)
    if path.stat().st_dev == folder.stat().st_dev:
        return _rename_to_free(path, target)
    moved = add_photo(folder, target.name, path.read_bytes())
    path.unlink()
    return moved


def set_marks(folder: Path, *, use: Iterable[str] = (), do_not_use: Iterable[str] = ()) -> None:
    """Note which photos are used although they would be rejected, and which no more.

    Args:
        folder: the person's.
        use: paths in it.
        do_not_use: paths in it.

    Raises:
        EnrollmentError: what was noted before cannot be read.
        OSError: it cannot be written.
    """
    before = read_person_file(folder)
    marks = (before.use | set(use)) - set(do_not_use)
    if marks != before.use:
        write_person_file(folder, before.model_copy(update={"use": marks}))


class Contents:
    """What is in a folder already, by content; files are read only where one has as many bytes.

    Args:
        folder: the person's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_size: dict[int, list[Path]] = {}
        with contextlib.suppress(OSError):
            for path in files_below(folder):
                if not path.is_symlink():
                    self._by_size.setdefault(path.stat().st_size, []).append(path)

    def file_with(self, data: bytes) -> str | None:
        """Which file has this content."""
        for path in self._by_size.get(len(data), ()):
            with contextlib.suppress(OSError):
                if hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(data).digest():
                    return path.relative_to(self._folder).as_posix()
        return None

    def add(self, path: Path, data: bytes) -> None:
        """Note a file that is new."""
        self._by_size.setdefault(len(data), []).append(path)


def _rename_to_free(path: Path, target: Path) -> Path:
    """Rename a file on its disk, and overwrite none."""
    number = 1
    free = target
    while True:
        try:
            os.link(path, free, follow_symlinks=False)
        except FileExistsError:
            number += 1
            free = target.with_name(f"{target.stem}-{number}{target.suffix}")
        except OSError:
            # Some network shares know no second name of a file.
            if free.exists():
                number += 1
                free = target.with_name(f"{target.stem}-{number}{target.suffix}")
                continue
            path.rename(free)
            return free
        else:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            return free
