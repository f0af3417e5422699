"""Copies of the history for a backup, taken and put back while a service writes it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from facerec_mqtt.history.errors import DamagedHistoryError, history_errors
from facerec_mqtt.history.records import VisitFilter
from facerec_mqtt.history.schema import prepare
from facerec_mqtt.history.store import FILE, History

_WAIT_S = 30.0
_TABLES = "SELECT name FROM copy.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"


def copy_history(folder: Path, target: Path) -> bool:
    """Copy the history as it is at one moment; whoever writes it goes on.

    Args:
        folder: that the history is in.
        target: the copy, a new file, complete in itself.

    Returns:
        Whether there was a history.

    Raises:
        HistoryError: it is damaged, locked, or a newer version has made it.
    """
    path = folder / FILE
    if not path.exists():
        return False
    with history_errors(path), _opened(path) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        # The log and its index would be files beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
    return True


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a history of this or an older version to read it."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=_WAIT_S)) as connection:
        prepare(connection, path, read_only=True, older=True)
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        yield connection


def prepare_copy(copy: Path) -> int:
    """Check a copy and bring it up to this version; visits that had not ended end when they were last seen.

    Args:
        copy: what `copy_history` made, here or with an older version; it is changed.

    Returns:
        How many visits are in it.

    Raises:
        HistoryError: it is damaged, or a newer version has made it.
    """
    with history_errors(copy):
        with closing(History.open(copy)) as history:
            count = history.count(VisitFilter())
        with closing(sqlite3.connect(copy)) as connection:
            (answer,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if answer != "ok":
                raise DamagedHistoryError(f'The history "{copy}" is damaged ({answer[:80]}).')
            with connection:
                connection.execute("UPDATE visits SET ended = last_seen WHERE ended IS NULL")
            connection.execute("PRAGMA journal_mode = DELETE")
    return count


def load_copy(copy: Path, folder: Path, *, merge: bool) -> None:
    """Put the visits of a copy into the history, in one transaction; whoever writes it goes on.

    Args:
        copy: as `prepare_copy` has left it.
        folder: that the history is in; one is made where there is none.
        merge: keep what is there, and add what is not; otherwise what is there goes.

    Raises:
        HistoryError: the history cannot be written, and is as it was.
    """
    path = folder / FILE
    with history_errors(path):
        History.open(path).close()
        uri = path.absolute().as_uri()
        with closing(sqlite3.connect(uri, uri=True, timeout=_WAIT_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("ATTACH ? AS copy", (f"{copy.absolute().as_uri()}?mode=ro",))
            connection.execute("BEGIN IMMEDIATE")
            tables = [name for (name,) in connection.execute(_TABLES).fetchall()]
            # All first: deleting a visit also deletes what it looks like.
            for table in () if merge else tables:
                connection.execute(f'DELETE FROM main."{table}"')  # noqa: S608 - of our own schema
            for table in tables:
                connection.execute(f'INSERT OR IGNORE INTO main."{table}" SELECT * FROM copy."{table}"')  # noqa: S608
            connection.execute("COMMIT")


def require_usable(folder: Path) -> None:
    """Check the history that is there, if there is one.

    Raises:
        HistoryError: it is damaged, or a newer version has made it.
    """
    path = folder / FILE
    if path.exists():
        with history_errors(path), _opened(path):
            return
