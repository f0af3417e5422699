"""The tables of the history, and how those of an older version become those of this one."""

import sqlite3
from pathlib import Path

from facerec_mqtt.history.errors import HistoryError, NewerHistoryError

SCHEMA_VERSION = 3

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
        why TEXT NOT NULL,
        service TEXT NOT NULL,
        last_seen REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX visits_by_time ON visits (began DESC, visit_id DESC);
    CREATE INDEX visits_by_person ON visits (person, began DESC, visit_id DESC);
    CREATE INDEX visits_by_camera ON visits (camera, began DESC, visit_id DESC);
    CREATE INDEX visits_by_kind ON visits (kind, began DESC, visit_id DESC);
    CREATE INDEX visits_open ON visits (service) WHERE ended IS NULL;
    CREATE INDEX visits_by_stranger ON visits (stranger_id) WHERE stranger_id IS NOT NULL;
    """,
    # From 1 to 2: what strangers look like, and which groups of them are one person.
    """
    CREATE VIEW grouped AS
        SELECT * FROM visits WHERE kind = 'stranger' AND stranger_id IS NOT NULL;
    CREATE TABLE embeddings (
        visit_id TEXT PRIMARY KEY,
        network TEXT NOT NULL,
        vector BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE TRIGGER visit_deleted AFTER DELETE ON visits BEGIN
        DELETE FROM embeddings WHERE visit_id = OLD.visit_id;
    END;
    CREATE TABLE merged (
        stranger_id TEXT PRIMARY KEY,
        into_id TEXT NOT NULL
    ) WITHOUT ROWID;
    """,
    # From 2 to 3: a visit's other pictures and its scores over time, as JSON: paths; seconds, score and slug.
    """
    ALTER TABLE visits ADD COLUMN more_pictures TEXT;
    CREATE TABLE scores (
        visit_id TEXT PRIMARY KEY,
        points TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TRIGGER visit_with_scores_deleted AFTER DELETE ON visits BEGIN
        DELETE FROM scores WHERE visit_id = OLD.visit_id;
    END;
    """,
)


def prepare(connection: sqlite3.Connection, path: Path, *, read_only: bool, older: bool = False) -> None:
    """Bring the tables up to this version, unless nothing may be written.

    Args:
        connection: of the database.
        path: of its file, for errors.
        read_only: whether nothing may be written.
        older: whether those of an older version will do then.

    Raises:
        NewerHistoryError: a newer version has made them.
        HistoryError: an older version has made them, and nothing may be written.
        sqlite3.Error: it cannot be read or written.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise NewerHistoryError(
            f'The history "{path}" was made by a newer version (its format is {version}, and {SCHEMA_VERSION}'
            " is the newest known here); update the program, or move the file away."
        )
    if read_only:
        if version < SCHEMA_VERSION and not older:
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
