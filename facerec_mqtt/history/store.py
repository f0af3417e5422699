"""The history of visits: `history.db` beside the models, a SQLite database in WAL mode.

The service writes it (`writer`); `facerec-mqtt visits` reads it. Times are seconds since 1970: only the wall
clock outlasts a restart.
"""

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from facerec_mqtt.history.errors import MissingHistoryError, history_errors
from facerec_mqtt.history.records import Looks, VisitFilter, VisitKind, VisitRecord
from facerec_mqtt.history.rows import (
    BEST_SCORE,
    INTO,
    SELECT,
    Scores,
    conditions_of,
    parse_cursor,
    pictures_of,
    pictures_text,
    values_of,
    visit_of,
)
from facerec_mqtt.history.schema import prepare
from facerec_mqtt.history.strangers import Embedding, Resemblance, Strangers
from facerec_mqtt.presence.review import MOST_SCORES

FILE = "history.db"
MAX_PAGE = 500
"""Most visits that one question is answered with."""
_BUSY_S = 2.0


class History:
    """An open database. Not thread-safe.

    Args:
        connection: of a database that has the schema of this version.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.strangers = Strangers(connection)
        self.scores = Scores(connection)

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
        with history_errors(path):
            if read_only:
                if not path.is_file():
                    raise MissingHistoryError(f'There is no history "{path}" yet; the service writes it.')
                connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)
            else:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.touch(mode=0o600)
                connection = sqlite3.connect(path, timeout=_BUSY_S)
            try:
                prepare(connection, path, read_only=read_only)
            except BaseException:
                connection.close()
                raise
        return cls(connection)

    @property
    def version(self) -> int:
        """Changes when another program has changed the database."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def put(self, visit: VisitRecord, embedding: Embedding | None = None) -> None:
        """Add a visit, or replace the one of that id.

        Args:
            visit: what to add.
            embedding: what its face looks like, where it belongs to a group of strangers.

        Raises:
            sqlite3.Error: it cannot be written.
        """
        with self._connection:
            if visit.stranger_id is not None:
                visit = replace(visit, stranger_id=self.strangers.current(visit.stranger_id))
            self._connection.execute(f"INSERT OR REPLACE {INTO}", values_of(visit))
            if embedding is not None:
                self.strangers.keep(visit.visit_id, embedding)

    def resume(self, visit: VisitRecord) -> None:
        """A visit goes on after a restart: it has no end; one that was never written is added."""
        with self._connection:
            again = " ON CONFLICT (visit_id) DO UPDATE SET ended = NULL, service = excluded.service"
            self._connection.execute(f"INSERT {INTO}{again}", values_of(visit))

    def end(self, visit_id: str, ended: float) -> None:
        """Note when a visit ended; an unknown one is ignored."""
        with self._connection:
            self._connection.execute(
                "UPDATE visits SET ended = ?1, last_seen = ?1 WHERE visit_id = ?2", (ended, visit_id)
            )

    def seen(self, last_seen: Mapping[str, float]) -> None:
        """Note when visits were last seen: their end, should the service be killed.

        Args:
            last_seen: seconds since 1970, by the visit's id.
        """
        with self._connection:
            self._connection.executemany(
                "UPDATE visits SET last_seen = ? WHERE visit_id = ?",
                [(at, visit_id) for visit_id, at in last_seen.items()],
            )

    def end_open(self, service: str, except_for: Collection[str]) -> None:
        """End the visits that an earlier run of a service left open: when they were last seen.

        Args:
            service: its node id.
            except_for: visits that go on.
        """
        left = self._connection.execute(
            "SELECT visit_id FROM visits WHERE ended IS NULL AND service = ?", (service,)
        ).fetchall()
        with self._connection:
            self._connection.executemany(
                "UPDATE visits SET ended = last_seen WHERE visit_id = ?",
                [(visit_id,) for (visit_id,) in left if visit_id not in except_for],
            )

    def shift(self, visits: Collection[str], seconds: float) -> None:
        """Correct the times of visits: the wall clock was set, and had been wrong by so many seconds."""
        with self._connection:
            self._connection.executemany(
                "UPDATE visits SET began = began + ?1, ended = ended + ?1, last_seen = last_seen + ?1"
                " WHERE visit_id = ?2",
                [(seconds, visit_id) for visit_id in visits],
            )

    def set_looks(self, visit_id: str, looks: Looks) -> bool:
        """Note what there is of a visit so far: its pictures, and its scores over time.

        Args:
            visit_id: which.
            looks: of it.

        Returns:
            Whether there is such a visit of that person: it may be deleted or somebody else's by now.
        """
        with self._connection:
            row = self._connection.execute(
                "SELECT picture, more_pictures FROM visits WHERE visit_id = ? AND person IS ?",
                (visit_id, looks.person),
            ).fetchone()
            if row is None:
                return False
            # Those of a run before stay.
            before = [] if row[0] is None else [row[0], *pictures_of(row[1])]
            pictures = list(looks.pictures)
            pictures += [each for each in before if each not in {*looks.removed, *pictures}]
            self._connection.execute(
                "UPDATE visits SET picture = ?, more_pictures = ? WHERE visit_id = ?",
                (pictures[0] if pictures else None, pictures_text(pictures[1:]), visit_id),
            )
            self.scores.add(visit_id, looks.scores, MOST_SCORES)
            return True

    def get(self, visit_id: str) -> VisitRecord | None:
        """One visit, or `None`."""
        row = self._connection.execute(f"{SELECT} WHERE visit_id = ?", (visit_id,)).fetchone()
        return None if row is None else visit_of(row)

    def delete(self, *visits: str) -> int:
        """Delete visits, given by id, with what their faces look like; how many there were."""
        with self._connection:
            return sum(
                self._connection.execute("DELETE FROM visits WHERE visit_id = ?", (visit_id,)).rowcount
                for visit_id in visits
            )

    def assign(self, visits: Collection[str], kind: VisitKind, person: str | None, name: str | None) -> int:
        """Say who came at some visits. They leave their groups, and their pictures the review folder.

        Args:
            visits: their ids; unknown ones are ignored.
            kind: what they are from now on.
            person: slug of who it was; `None` for nobody who is known.
            name: the display name; `None` for nobody who is known.

        Returns:
            How many there were.
        """
        chosen = [(visit_id,) for visit_id in visits]
        with self._connection:
            self._connection.executemany("DELETE FROM embeddings WHERE visit_id = ?", chosen)
            return self._connection.executemany(
                "UPDATE visits SET kind = ?1, person = ?2, name = ?3, stranger_id = NULL, picture = NULL,"
                " more_pictures = NULL,"
                " why = CASE WHEN NOT json_valid(why) THEN why"
                " WHEN person IS NOT ?2"
                " THEN json_set(why, '$.corrected', json('true'), '$.confirmed', json('true'))"
                " ELSE json_set(why, '$.confirmed', json('true')) END WHERE visit_id = ?4",
                [(kind.value, person, name, *visit) for visit in chosen],
            ).rowcount

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
        conditions, values = conditions_of(wanted)
        if cursor is not None:
            began, visit_id = parse_cursor(cursor)
            conditions.append("(began, visit_id) < (?, ?)")
            values += [began, visit_id]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        limit = max(1, min(limit, MAX_PAGE))
        rows = self._connection.execute(
            f"{SELECT}{where} ORDER BY began DESC, visit_id DESC LIMIT ?", [*values, limit + 1]
        ).fetchall()
        visits = tuple(visit_of(row) for row in rows[:limit])
        more = f"{visits[-1].began!r}_{visits[-1].visit_id}" if len(rows) > limit else None
        return visits, more

    def count(self, wanted: VisitFilter) -> int:
        """How many visits there are."""
        conditions, values = conditions_of(wanted)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return int(
            self._connection.execute(
                f"SELECT COUNT(*) FROM visits{where}",  # noqa: S608 - the conditions are constants of this module
                values,
            ).fetchone()[0]
        )

    def best_score(self, wanted: VisitFilter) -> float | None:
        """The best score of some visits, also of frames that decided nothing; `None` where there are none."""
        conditions, values = conditions_of(wanted)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        best = self._connection.execute(
            f"SELECT MAX(MAX(score, {BEST_SCORE})) FROM visits{where}",  # noqa: S608 - constants, as above
            values,
        ).fetchone()[0]
        return None if best is None else float(best)

    def prune(self, before: float) -> int:
        """Delete visits that began earlier; how many."""
        with self._connection:
            count = self._connection.execute("DELETE FROM visits WHERE began < ?", (before,)).rowcount
            self.strangers.prune()
            return count

    def people(self) -> tuple[tuple[str, str], ...]:
        """Slug and name of everybody who has a visit."""
        found = self._connection.execute(
            "SELECT DISTINCT person, name FROM visits WHERE person IS NOT NULL AND name IS NOT NULL"
        )
        return tuple((str(person), str(name)) for person, name in found)

    def pictures(self, person: str) -> tuple[str, ...]:
        """The pictures of all visits of a person, given by slug: paths below the review folder."""
        found = self._connection.execute(
            "SELECT picture, more_pictures FROM visits WHERE person = ? AND picture IS NOT NULL", (person,)
        )
        return tuple(each for picture, more in found for each in (picture, *pictures_of(more)))

    def forget(self, person: str) -> int:
        """Delete all visits of a person, given by slug; how many. Nothing of them stays in the file.

        Raises:
            sqlite3.OperationalError: somebody else has it locked, or reads it at the moment.
        """
        with self._connection:
            count = self._connection.execute("DELETE FROM visits WHERE person = ?", (person,)).rowcount
            self.scores.forget(person)
        self._write_again()
        return count

    def resembling(self, looks: Resemblance) -> tuple[str, ...]:
        """Ids of the visits without a name that probably are somebody's, the first one first."""
        kept = self.strangers.embeddings(looks.network)
        if not kept:
            return ()
        fit = looks.fit(np.stack([each.vector for each in kept]))
        return tuple(each.visit_id for each, fits in zip(kept, fit, strict=True) if fits)

    def forget_strangers(self, looks: Resemblance) -> int:
        """Delete the visits without a name that probably are somebody's, and embeddings of other networks.

        Args:
            looks: of the person.

        Returns:
            How many visits were deleted. Nothing of them stays in the file.

        Raises:
            sqlite3.OperationalError: somebody else has it locked, or reads it at the moment.
        """
        doomed = self.resembling(looks)
        with self._connection:
            self._connection.execute("DELETE FROM embeddings WHERE network <> ?", (looks.network,))
        count = self.delete(*doomed)
        self._write_again()
        return count

    def _write_again(self) -> None:
        # Pages that were split or merged may hold copies that no deletion overwrites: all are written again.
        self._connection.execute("PRAGMA temp_store = MEMORY")
        self._connection.execute("VACUUM")
        # The log holds former pages; while somebody reads them it cannot be emptied.
        (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("database is locked")

    def try_to_write(self) -> None:
        """Begin a change, and make none.

        Raises:
            sqlite3.Error: it cannot be written.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("ROLLBACK")
