"""Visits as rows of the database."""

import json
import math
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from facerec_mqtt.history.records import VisitFacts, VisitFilter, VisitKind, VisitRecord
from facerec_mqtt.presence import ScorePoint

COLUMNS = (
    "visit_id, kind, person, name, camera, began, ended, score, picture, stranger_id, why, service,"
    " more_pictures"
)
SELECT = f"SELECT {COLUMNS} FROM visits"  # noqa: S608 - a constant of this module
INTO = f"INTO visits ({COLUMNS}, last_seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


BEST_SCORE = "(CASE WHEN json_valid(why) THEN COALESCE(json_extract(why, '$.best_score'), 0) ELSE 0 END)"
_CORRECTED = "(json_valid(why) AND COALESCE(json_extract(why, '$.corrected'), 0))"


def values_of(visit: VisitRecord) -> tuple[object, ...]:
    """What a visit is as a row, for `INTO`."""
    return (
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
        visit.why.model_dump_json(),
        visit.service,
        pictures_text(visit.more_pictures),
        visit.began if visit.ended is None else visit.ended,
    )


def conditions_of(wanted: VisitFilter) -> tuple[list[str], list[object]]:
    """The conditions of a filter in SQL, and the values for them."""
    pairs: list[tuple[str, object]] = [
        ("person = ?", wanted.person),
        ("camera = ?", wanted.camera),
        ("kind = ?", None if wanted.kind is None else wanted.kind.value),
        ("began >= ?", wanted.since),
        ("began < ?", wanted.until),
        ("stranger_id = ?", wanted.stranger_id),
        (f"{_CORRECTED} = ?", wanted.corrected),
    ]
    given = [(condition, value) for condition, value in pairs if value is not None]
    return [condition for condition, _ in given], [value for _, value in given]


def visit_of(row: tuple[Any, ...]) -> VisitRecord:
    """The visit of a row of `SELECT`."""
    visit_id, kind, person, name, camera, began, ended, score, picture, stranger_id, why, service, more = row
    return VisitRecord(
        visit_id,
        VisitKind(kind),
        person,
        name,
        camera,
        began,
        ended,
        score,
        picture,
        stranger_id,
        VisitFacts.parse(why),
        service,
        pictures_of(more),
    )


def pictures_text(pictures: Sequence[str]) -> str | None:
    """Paths of pictures as they are kept."""
    return json.dumps(pictures) if pictures else None


def pictures_of(text: str | None) -> tuple[str, ...]:
    """Paths of pictures from what was kept; none from what cannot be read."""
    try:
        return () if text is None else _PICTURES.validate_json(text)
    except ValidationError:
        return ()


_PICTURES = TypeAdapter(tuple[str, ...])
_POINTS = TypeAdapter(list[tuple[float, float, str | None]])


class Scores:
    """The scores of visits over time, in an open database. Not thread-safe.

    Args:
        connection: of a database that has the schema of this version.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def of(self, visit_id: str) -> tuple[ScorePoint, ...]:
        """The scores of a visit, the earliest first."""
        row = self._connection.execute("SELECT points FROM scores WHERE visit_id = ?", (visit_id,)).fetchone()
        return () if row is None else _points_of(row[0])

    def add(self, visit_id: str, points: Sequence[ScorePoint], most: int) -> None:
        """Keep scores of a visit in place of those of the same time; within the caller's transaction.

        Args:
            visit_id: of the visit.
            points: from a moment on, the earliest first.
            most: of these and those before, about so many are kept.
        """
        if not points:
            return
        all_points = [*(each for each in self.of(visit_id) if each.seconds < points[0].seconds), *points]
        self._put(visit_id, all_points[:: math.ceil(len(all_points) / most)])

    def forget(self, person: str) -> None:
        """Keep no longer where somebody, given by slug, came nearest; within the caller's transaction."""
        named = self._connection.execute(
            "SELECT visit_id, points FROM scores WHERE instr(points, ?)", (json.dumps(person),)
        ).fetchall()
        for visit_id, text in named:
            self._put(visit_id, without_others(_points_of(text), lambda each: each != person))

    def names(self, person: str) -> bool:
        """Whether somebody, given by slug, came nearest anywhere."""
        found = "SELECT 1 FROM scores WHERE instr(points, ?) LIMIT 1"
        return self._connection.execute(found, (json.dumps(person),)).fetchone() is not None

    def _put(self, visit_id: str, points: Sequence[ScorePoint]) -> None:
        text = json.dumps([(each.seconds, each.score, each.nearest) for each in points])
        self._connection.execute("INSERT OR REPLACE INTO scores VALUES (?, ?)", (visit_id, text))


def without_others(points: Sequence[ScorePoint], is_known: Callable[[str], bool]) -> list[ScorePoint]:
    """Scores without the names of those who are not known, given by slug."""
    return [
        each if each.nearest is None or is_known(each.nearest) else replace(each, nearest=None)
        for each in points
    ]


def _points_of(text: str) -> tuple[ScorePoint, ...]:
    try:
        return tuple(ScorePoint(*each) for each in _POINTS.validate_json(text))
    except ValidationError:
        return ()


def parse_cursor(cursor: str) -> tuple[float, str]:
    """Where to go on: when the last visit began, and its id.

    Raises:
        ValueError: it is none that was given out.
    """
    began, separator, visit_id = cursor.partition("_")
    if not separator or not visit_id.isalnum() or not math.isfinite(float(began)):
        raise ValueError("the cursor is none that was given out")
    return float(began), visit_id
