"""Removing somebody from the history, and the history itself; nothing of them may stay in any file of it."""

import time
from contextlib import closing
from pathlib import Path

from facerec_mqtt.core.records import Person
from facerec_mqtt.history.errors import (
    DamagedHistoryError,
    LockedHistoryError,
    MissingHistoryError,
    history_errors,
)
from facerec_mqtt.history.records import VisitFilter
from facerec_mqtt.history.store import FILE, History

_WAIT_S = 30.0
_AGAIN_S = 0.1


def forget_visits(folder: Path, person: Person, *, wait_s: float = _WAIT_S) -> None:
    """Delete all visits of a person, also while a service writes others.

    A damaged history is deleted whole: what it holds of whom, nobody can tell.

    Args:
        folder: that the history is in.
        person: who.
        wait_s: for how long to try, where somebody else has it locked.

    Raises:
        HistoryError: it stays locked, a newer version has made it, or it cannot be written.
    """
    path = folder / FILE
    until_s = time.monotonic() + wait_s
    while True:
        try:
            with history_errors(path):
                _forget_once(path, person)
        except LockedHistoryError:
            if time.monotonic() >= until_s:
                raise
            time.sleep(_AGAIN_S)
        except DamagedHistoryError:
            with history_errors(path):
                delete_history(path)
        else:
            return


def has_visits(folder: Path, person: Person) -> bool:
    """Tell whether any visit of a person is kept.

    Raises:
        HistoryError: the history cannot be read.
    """
    path = folder / FILE
    try:
        with history_errors(path), closing(History.open(path, read_only=True)) as history:
            return history.count(VisitFilter(person=person.slug)) > 0
    except MissingHistoryError:
        return False


def people_with_visits(folder: Path) -> tuple[Person, ...]:
    """Everybody who has a visit.

    Raises:
        HistoryError: the history cannot be read.
    """
    path = folder / FILE
    try:
        with history_errors(path), closing(History.open(path, read_only=True)) as history:
            return tuple(Person(slug, name) for slug, name in history.people())
    except MissingHistoryError:
        return ()


def delete_history(path: Path) -> None:
    """Delete a database with all that belongs to it.

    Raises:
        OSError: something cannot be deleted.
    """
    for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm"), *damaged_copies(path)):
        each.unlink(missing_ok=True)


def damaged_copies(path: Path) -> tuple[Path, ...]:
    """What became damaged of a database, and was moved aside."""
    return tuple(path.parent.glob(f"{path.name}.damaged-*"))


def _forget_once(path: Path, person: Person) -> None:
    if not path.exists():
        delete_history(path)
        return
    with closing(History.open(path)) as history:
        history.forget(person.slug)
    for copy in damaged_copies(path):
        copy.unlink(missing_ok=True)
