"""What can be wrong with the history, each in one sentence."""

import contextlib
import errno
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from facerec_mqtt.core.errors import FacerecError

_PAGE_BYTES = 32_768
"""What the log's index grows by."""


class HistoryError(FacerecError):
    """The history cannot be read or written."""


class NewerHistoryError(HistoryError):
    """A newer version of the program has made the file."""


class DamagedHistoryError(HistoryError):
    """The file is no database, or is damaged."""


class LockedHistoryError(HistoryError):
    """Another program has locked the file."""


class MissingHistoryError(HistoryError):
    """There is no file yet."""


@contextlib.contextmanager
def history_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system report into one sentence.

    Args:
        path: the database.

    Raises:
        DamagedHistoryError: it is damaged.
        LockedHistoryError: somebody else has it locked.
        HistoryError: it cannot be used for another reason.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _as_history_error(error, path) from error


def _as_history_error(error: sqlite3.Error | OSError, path: Path) -> HistoryError:
    code = getattr(error, "sqlite_errorname", None) or ""
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or str(error) == "database is locked":
        return LockedHistoryError(f'The history "{path}" is locked by another program; end that one.')
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return DamagedHistoryError(f'The history "{path}" is damaged; the service moves it aside.')
    if (
        code.startswith("SQLITE_FULL")
        or (isinstance(error, OSError) and error.errno == errno.ENOSPC)
        or (code.startswith("SQLITE_IOERR") and _is_full(path.parent))
    ):
        return HistoryError(f'The history "{path}" cannot be written: the disk is full; free some space.')
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return HistoryError(
        f'The history "{path}" cannot be used ({reason}); check the folder and its permissions.'
    )


def _is_full(folder: Path) -> bool:
    """Tell whether no page fits on a disk any more: of files beside the database SQLite names no reason."""
    try:
        return shutil.disk_usage(folder).free < _PAGE_BYTES
    except OSError:
        return False
