"""The history of visits: `history.db` beside the models, a SQLite database in WAL mode.

The service writes it (`history_writer`); the page and `facerec-mqtt visits` read it. Times are seconds since
1970: only the wall clock outlasts a restart.
"""

import contextlib
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from facerec_mqtt.core.errors import FacerecError

FILE = "history.db"
SCHEMA_VERSION = 1
MAX_PAGE = 500
"""Most visits that one question is answered with."""
_BUSY_S = 2.0

_MIGRATIONS = (
    # From version 0, an empty file, to 1.
    """
    CREATE TABLE visits (
        visit_id TEXT PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('family', 'visitor', 'stranger', 'doubtful')),
        person TEXT,
        name TEXT,
        camera TEXT NOT NULL,
        began REAL NOT NULL,
        ended REAL,
        score REAL NOT NULL,
        picture TEXT,
        stranger_id TEXT,
        why TEXT NOT NULL DEFAULT '{}'
    ) WITHOUT ROWID;
    CREATE INDEX visits_by_time ON visits (began DESC, visit_id DESC);
    CREATE INDEX visits_by_person ON visits (person, began DESC);
    CREATE INDEX visits_by_stranger ON visits (stranger_id) WHERE stranger_id IS NOT NULL;
    """,
)


class HistoryError(FacerecError):
    """The history cannot be read or written."""


class NewerHistoryError(HistoryError):
    """A newer version of the program has made the file."""


class DamagedHistoryError(HistoryError):
    """The file is no database, or is damaged."""


class VisitKind(StrEnum):
    """What a visit was taken for."""

    FAMILY = "family"
    VISITOR = "visitor"
    """Somebody who is known but not family: the postman."""
    STRANGER = "stranger"
    DOUBTFUL = "doubtful"
    """A face that came near to somebody's without being named."""


@dataclass(frozen=True, slots=True)
class VisitRecord:
    """One visit."""

    visit_id: str
    """ULID: later visits sort later."""
    kind: VisitKind
    person: str | None
    """Slug of a member or a known visitor; `None` for others."""
    name: str | None
    """The display name at that time."""
    camera: str
    """The camera's slug."""
    began: float
    """Seconds since 1970."""
    ended: float | None
    """Seconds since 1970; `None` while it goes on, or when the service ended meanwhile."""
    score: float
    """Of the frame that decided, [0, 1]; 0.5 is the threshold."""
    picture: str | None = None
    """File below the review folder; `None` where none is kept."""
    stranger_id: str | None = None
    """Which group of strangers it belongs to."""
    why: Mapping[str, object] = field(default_factory=dict)
    """Facts behind the decision, as JSON data."""


@dataclass(frozen=True, slots=True)
class VisitFilter:
    """Which visits are asked for; `None` does not restrict."""

    person: str | None = None
    camera: str | None = None
    kind: VisitKind | None = None
    since: float | None = None
    """Began at or after, seconds since 1970."""
    until: float | None = None
    """Began before, seconds since 1970."""
    stranger_id: str | None = None


class History:
    """An open database. Not thread-safe.

    Args:
        connection: of a database that has the schema of this version.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> "History":
        """Open the database, and bring an older one up to this version.

        Args:
            path: the file; made where it is missing, unless `read_only`.
            read_only: nothing is written, no file is made.

        Raises:
            NewerHistoryError: a newer version has made it.
            HistoryError: it is missing, damaged, locked or cannot be written.
        """
        with _sentences(path):
            if read_only:
                if not path.is_file():
                    raise HistoryError(f'There is no history "{path}" yet; the service writes it.')
                connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)
            else:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.touch(mode=0o600)
                connection = sqlite3.connect(path, timeout=_BUSY_S)
            try:
                _prepare(connection, path, read_only=read_only)
            except BaseException:
                connection.close()
                raise
        return cls(connection)

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def put(self, visit: VisitRecord) -> None:
        """Add a visit, or replace the one of that id.

        Raises:
            sqlite3.Error: it cannot be written.
        """
        values = (
            visit.visit_id,
            visit.kind.value,
            visit.person,
            visit.name,
            visit.camera,
            visit.began,
            visit.ended,
            visit.score,
            visit.picture,
            visit.stranger_id,
            json.dumps(dict(visit.why), ensure_ascii=False),
        )
        with self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO visits (visit_id, kind, person, name, camera, began, ended, score,"
                " picture, stranger_id, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )

    def end(self, visit_id: str, ended: float) -> None:
        """Note when a visit ended; an unknown one is ignored."""
        with self._connection:
            self._connection.execute("UPDATE visits SET ended = ? WHERE visit_id = ?", (ended, visit_id))

    def get(self, visit_id: str) -> VisitRecord | None:
        """One visit, or `None`."""
        row = self._connection.execute(f"{_SELECT} WHERE visit_id = ?", (visit_id,)).fetchone()
        return None if row is None else _record(row)

    def delete(self, visit_id: str) -> bool:
        """Delete a visit; whether there was one."""
        with self._connection:
            return self._connection.execute("DELETE FROM visits WHERE visit_id = ?", (visit_id,)).rowcount > 0

    def assign(self, visit_id: str, kind: VisitKind, person: str | None, name: str | None) -> bool:
        """Say who a visit was; whether there was one."""
        with self._connection:
            changed = self._connection.execute(
                "UPDATE visits SET kind = ?, person = ?, name = ? WHERE visit_id = ?",
                (kind.value, person, name, visit_id),
            )
            return changed.rowcount > 0

    def find(
        self, wanted: VisitFilter, *, limit: int = 50, cursor: str | None = None
    ) -> tuple[tuple[VisitRecord, ...], str | None]:
        """Visits, the latest first.

        Args:
            wanted: which.
            limit: at most so many, 1 to `MAX_PAGE`.
            cursor: what an earlier answer gave, to go on behind it.

        Returns:
            The visits, and the cursor of what follows; `None` where nothing does.

        Raises:
            ValueError: the cursor is none.
        """
        conditions, values = _conditions(wanted)
        if cursor is not None:
            began, visit_id = _cursor(cursor)
            conditions.append("(began, visit_id) < (?, ?)")
            values += [began, visit_id]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        limit = max(1, min(limit, MAX_PAGE))
        rows = self._connection.execute(
            f"{_SELECT}{where} ORDER BY began DESC, visit_id DESC LIMIT ?", [*values, limit + 1]
        ).fetchall()
        visits = tuple(_record(row) for row in rows[:limit])
        more = f"{visits[-1].began!r}_{visits[-1].visit_id}" if len(rows) > limit else None
        return visits, more

    def count(self, wanted: VisitFilter) -> int:
        """How many visits there are."""
        conditions, values = _conditions(wanted)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return int(
            self._connection.execute(
                f"SELECT COUNT(*) FROM visits{where}",  # noqa: S608 - the conditions are constants of this module
                values,
            ).fetchone()[0]
        )

    def prune(self, before: float) -> int:
        """Delete visits that began earlier; how many."""
        with self._connection:
            return self._connection.execute("DELETE FROM visits WHERE began < ?", (before,)).rowcount

    def forget(self, person: str) -> int:
        """Delete all visits of a person, given by slug; how many. Nothing of them stays in the file."""
        with self._connection:
            count = self._connection.execute("DELETE FROM visits WHERE person = ?", (person,)).rowcount
        # With secure_delete the pages are overwritten; the log of former pages goes too.
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return count


_SELECT = (
    "SELECT visit_id, kind, person, name, camera, began, ended, score, picture, stranger_id, why FROM visits"
)


def _prepare(connection: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise NewerHistoryError(
            f'The history "{path}" was made by a newer version (its format is {version}, and {SCHEMA_VERSION}'
            " is the newest known here); update the program, or move the file away."
        )
    if read_only:
        if version < SCHEMA_VERSION:
            raise HistoryError(
                f'The history "{path}" is of an older version; the service brings it up to date at its start.'
            )
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    # What is deleted must not be readable in the file: these are visits of people.
    connection.execute("PRAGMA secure_delete = ON")
    for number in range(version, SCHEMA_VERSION):
        connection.executescript(f"BEGIN; {_MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;")


def _conditions(wanted: VisitFilter) -> tuple[list[str], list[object]]:
    pairs: list[tuple[str, object]] = [
        ("person = ?", wanted.person),
        ("camera = ?", wanted.camera),
        ("kind = ?", None if wanted.kind is None else wanted.kind.value),
        ("began >= ?", wanted.since),
        ("began < ?", wanted.until),
        ("stranger_id = ?", wanted.stranger_id),
    ]
    given = [(condition, value) for condition, value in pairs if value is not None]
    return [condition for condition, _ in given], [value for _, value in given]


def _record(row: tuple[object, ...]) -> VisitRecord:
    visit = VisitRecord(*row)  # type: ignore[arg-type]
    why = json.loads(str(visit.why))
    return replace(visit, kind=VisitKind(visit.kind), why=why)


def _cursor(cursor: str) -> tuple[float, str]:
    began, separator, visit_id = cursor.partition("_")
    if not separator or not visit_id.isalnum() or not math.isfinite(float(began)):
        raise ValueError("the cursor is none that was given out")
    return float(began), visit_id


@contextlib.contextmanager
def _sentences(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        raise (DamagedHistoryError if damaged else HistoryError)(sentence_for(error, path)) from error


def sentence_for(error: Exception, path: Path) -> str:
    """What is wrong with the file, for its owner."""
    if isinstance(error, FacerecError):
        return str(error)
    code = getattr(error, "sqlite_errorname", "") or ""
    if code.startswith("SQLITE_FULL"):
        return f'The history "{path}" cannot be written: the disk is full; free some space.'
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f'The history "{path}" is locked by another program; end that one.'
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return f'The history "{path}" is damaged.'
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f'The history "{path}" cannot be used ({reason}); check the folder and its permissions.'
