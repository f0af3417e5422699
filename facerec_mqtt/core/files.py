"""Files that may be anything are read with limits; our own are written whole or not at all."""

import contextlib
import os
import re
import stat
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

UNFINISHED_PREFIX = ".unfinished-"
"""Names of what is still being written begin with this; whatever is left over may be deleted."""
# What desktops and storage boxes leave in any folder: thumbnails, recycle bins, snapshots.
_CLUTTER = re.compile(
    r"@eadir|@tmp|@sharebin|@sharesnap|@__thumb|@recycle|@recycle_bin|@recently-snapshot|#recycler?|#snapshots?"
    r"|~snapshot|\$recycle\.bin|\$extend|recycler|recycled|system volume information|found\.000|lost\+found"
    r"|network trash folder|temporary items|__macosx|(eh)?thumbs\.db|desktop\.ini",
    re.IGNORECASE,
)
_HIDDEN_CLUTTER = re.compile(
    r"\.(trash|recycle|deleted|thumb|@|stfolder|stversions|sync|git|snap|zfs|ds_store|appledouble|spotlight|fseventsd"
    r"|temporaryitems|documentrevisions|dropbox|nextcloud|owncloud)",
    re.IGNORECASE,
)


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file atomically, readable by its owner alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=UNFINISHED_PREFIX, dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        sync_folder(path.parent)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


def write_new(path: Path, content: bytes) -> None:
    """Write a file that does not exist yet, readable by its owner alone, through to the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Let the names in a folder outlast a power cut, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Some network shares cannot do this for folders.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


class UnfitFileError(ValueError):
    """It is no plain file, or larger than it may be."""


class NotPlainError(UnfitFileError):
    """It is a folder, a pipe, a socket or a device."""


class TooLargeError(UnfitFileError):
    """It has more bytes than anything of its kind."""

    def __init__(self, found_bytes: int, most_bytes: int) -> None:
        super().__init__(f"it has {found_bytes} bytes, and {most_bytes} are the most")
        self.found_bytes = found_bytes


@contextlib.contextmanager
def open_plain(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file without waiting for anybody.

    Args:
        path: what is to be read; a link is followed.

    Yields:
        The open file, and how many bytes it has.

    Raises:
        OSError: it is missing or forbidden.
        NotPlainError: it is no plain file.
    """
    # Without O_NONBLOCK the mere opening of a named pipe waits indefinitely for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotPlainError("it is not a plain file")
        with open(descriptor, "rb", closefd=False) as file:
            yield file, status.st_size
    finally:
        os.close(descriptor)


def read_plain(path: Path, most_bytes: int) -> bytes:
    """Read a whole file.

    Args:
        path: what is to be read; a link is followed.
        most_bytes: of a larger one nothing is read.

    Raises:
        OSError: it is missing or forbidden.
        UnfitFileError: it is no plain file, or too large.
    """
    with open_plain(path) as (file, size_bytes):
        if size_bytes > most_bytes:
            raise TooLargeError(size_bytes, most_bytes)
        # No more than that: Python allocates at once as much memory as is asked for.
        return file.read(size_bytes + 1)


def text_name(path: Path) -> str:
    """A file's name as text that can be printed and compared, whatever its bytes and its system."""
    return unicodedata.normalize("NFC", os.fsencode(path.name).decode("utf-8", "replace"))


def is_clutter(path: Path) -> bool:
    """Whether a desktop or a storage box has left it, by its name."""
    return bool(_CLUTTER.fullmatch(path.name.strip()) or _HIDDEN_CLUTTER.match(path.name))


def is_visible(path: Path) -> bool:
    """Whether somebody has put it there to be seen, by its name."""
    return not path.name.startswith(".") and not is_clutter(path)


def files_below(folder: Path) -> Iterator[Path]:
    """The files in a person's folder and in the folders in it, in order; links to folders are not followed.

    Raises:
        OSError: a folder cannot be listed.
    """

    def fail(error: OSError) -> None:
        raise error

    for place, folders, files in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if is_visible(Path(name)))
        yield from (Path(place, name) for name in sorted(files) if is_visible(Path(name)))
