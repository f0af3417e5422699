"""Read a file that may be anything: a pipe that nobody writes to, a device without an end, or too large."""

import os
import stat
from pathlib import Path


class UnfitFileError(ValueError):
    """It is no plain file, or larger than it may be."""


class NotPlainError(UnfitFileError):
    """It is a folder, a pipe, a socket or a device."""


class TooLargeError(UnfitFileError):
    """It has more bytes than anything of its kind."""

    def __init__(self, found_bytes: int, most_bytes: int) -> None:
        super().__init__(f"it has {found_bytes} bytes, and {most_bytes} are the most")
        self.found_bytes = found_bytes


def read_plain(path: Path, most_bytes: int) -> bytes:
    """Read a whole file.

    Args:
        path: what is to be read; a link is followed.
        most_bytes: of a larger one nothing is read.

    Raises:
        OSError: it is missing or forbidden.
        UnfitFileError: it is no plain file, or too large.
    """
    # Without O_NONBLOCK the mere opening of a named pipe waits for its writer for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor is no path
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotPlainError("it is not a plain file")
        if status.st_size > most_bytes:
            raise TooLargeError(status.st_size, most_bytes)
        # No more than that: Python sets aside at once as much memory as is asked for.
        return file.read(status.st_size + 1)
