"""`visits`: who came, when and where, from the history that the service writes."""

import json
import os
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, tzinfo
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facerec_mqtt.core.clock import epoch_of, zone_or_machines
from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.core.slugs import slug
from facerec_mqtt.enrollment import everybody_in
from facerec_mqtt.history import (
    FILE,
    History,
    MissingHistoryError,
    VisitFilter,
    VisitKind,
    VisitRecord,
    history_errors,
)
from facerec_mqtt.settings import Settings


def list_visits(
    settings: Settings,
    *,
    person: str | None,
    camera: str | None,
    kind: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    as_json: bool,
) -> int:
    """Print the latest visits.

    Args:
        settings: where the history and the pictures are.
        person: name or slug; `None` is anybody.
        camera: name or slug; `None` is any.
        kind: a `VisitKind`; `None` is any.
        since: date or time, ISO 8601, local where it has no offset; began then or later.
        until: as `since`; began before. Of a date alone, until its end.
        limit: at most so many, from 1 on.
        as_json: print one line of JSON, not a table.

    Returns:
        0.

    Raises:
        FacerecError: a name, a time or the limit cannot be understood.
        HistoryError: the history cannot be read.
    """
    if limit < 1:
        raise FacerecError(f"--limit is {limit}; give 1 or more.")
    zone = zone_or_machines(os.environ)
    wanted = VisitFilter(
        person=None if person is None else _slug_of(settings, person),
        camera=None if camera is None else slug(camera),
        kind=None if kind is None else VisitKind(kind),
        since=None if since is None else _epoch("--since", since, zone, end=False),
        until=None if until is None else _epoch("--until", until, zone, end=True),
    )
    try:
        visits = _find(settings, wanted, limit)
    except MissingHistoryError:
        visits = []
    if as_json:
        listed = [_described(settings, visit, zone) for visit in visits]
        print(json.dumps({"visits": listed}, ensure_ascii=False))
    elif visits:
        _print_table(visits, zone)
    else:
        print(_no_visits(settings, wanted))
    return 0


def _slug_of(settings: Settings, person: str) -> str:
    """By what a person's visits go, who may be called otherwise by now."""
    called = (each.slug for each in everybody_in(settings.enrollment_dir).values() if each.name == person)
    return next(called, None) or slug(person)


def _find(settings: Settings, wanted: VisitFilter, limit: int) -> list[VisitRecord]:
    path = settings.model_dir / FILE
    found: list[VisitRecord] = []
    cursor: str | None = None
    with history_errors(path), closing(History.open(path, read_only=True)) as history:
        while True:
            page, cursor = history.find(wanted, limit=limit - len(found), cursor=cursor)
            found += page
            if cursor is None or len(found) >= limit:
                return found


def _epoch(option: str, text: str, zone: tzinfo | None, *, end: bool) -> float:
    """Seconds since 1970 of a date or time that was given for an option.

    Raises:
        FacerecError: it is neither.
    """
    try:
        return epoch_of(text, zone, end=end)
    except ValueError:
        raise FacerecError(
            f'{option} is "{text}"; give a date or a time, such as 2026-11-30 or 2026-11-30T18:00.'
        ) from None


def _described(settings: Settings, visit: VisitRecord, zone: tzinfo | None) -> dict[str, Any]:
    # The picture may have been deleted since, as too old, as one too many or with a person.
    is_there = visit.picture is not None and (settings.review.folder / visit.picture).is_file()
    return {
        "visit_id": visit.visit_id,
        "kind": visit.kind.value,
        "person": visit.person,
        "name": visit.name,
        "camera": visit.camera,
        "began": _local(visit.began, zone).isoformat(timespec="seconds"),
        "ended": None if visit.ended is None else _local(visit.ended, zone).isoformat(timespec="seconds"),
        "score": round(visit.score, 3),
        "picture": visit.picture if is_there else None,
        "stranger_id": visit.stranger_id,
        "why": visit.why.model_dump(),
    }


def _print_table(visits: Sequence[VisitRecord], zone: tzinfo | None) -> None:
    table = Table()
    for heading in ("Began", "Ended"):
        table.add_column(heading, no_wrap=True)
    for heading in ("Who", "Camera"):
        table.add_column(heading, overflow="fold")
    for heading in ("Score", "Frames"):
        table.add_column(heading, justify="right")
    for visit in visits:
        began = _local(visit.began, zone)
        table.add_row(
            f"{began:%Y-%m-%d %H:%M:%S}",
            _end(began, visit.ended, zone),
            escape(visit.name or visit.person or visit.kind.value),
            escape(visit.camera),
            f"{visit.score:.2f}",
            f"{visit.why.votes} of {visit.why.frames}" if visit.why.votes else str(visit.why.frames),
        )
    Console().print(table)


def _end(began: datetime, ended: float | None, zone: tzinfo | None) -> str:
    if ended is None:
        return ""
    end = _local(ended, zone)
    return f"{end:%H:%M:%S}" if end.date() == began.date() else f"{end:%Y-%m-%d %H:%M:%S}"


def _local(epoch_s: float, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(epoch_s).astimezone(zone)


def _no_visits(settings: Settings, wanted: VisitFilter) -> str:
    if not settings.history.days:
        return "No visits are kept; set FACEREC_HISTORY__DAYS to the days for which they are to be."
    path = settings.model_dir / FILE
    if not path.exists():
        return f'There is no history "{path}" yet; the service writes it.'
    return f'There is no {"such " if wanted != VisitFilter() else ""}visit in "{path}".'
