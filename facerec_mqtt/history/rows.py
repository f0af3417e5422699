"""Visits as rows of the database."""

import math
from typing import Any

from facerec_mqtt.history.records import VisitFacts, VisitFilter, VisitKind, VisitRecord

COLUMNS = "visit_id, kind, person, name, camera, began, ended, score, picture, stranger_id, why, service"
SELECT = f"SELECT {COLUMNS} FROM visits"  # noqa: S608 - a constant of this module
INTO = f"INTO visits ({COLUMNS}, last_seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


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
    visit_id, kind, person, name, camera, began, ended, score, picture, stranger_id, why, service = row
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
    )


def parse_cursor(cursor: str) -> tuple[float, str]:
    """Where to go on: when the last visit began, and its id.

    Raises:
        ValueError: it is none that was given out.
    """
    began, separator, visit_id = cursor.partition("_")
    if not separator or not visit_id.isalnum() or not math.isfinite(float(began)):
        raise ValueError("the cursor is none that was given out")
    return float(began), visit_id
