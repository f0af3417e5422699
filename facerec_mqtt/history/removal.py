"""Removing somebody from the history, and the history itself; nothing of them may stay in any file of it."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from facerec_mqtt.core.records import Person
from facerec_mqtt.history.errors import (
    DamagedHistoryError,
    HistoryError,
    LockedHistoryError,
    MissingHistoryError,
    history_errors,
)
from facerec_mqtt.history.records import VisitFilter, VisitRecord
from facerec_mqtt.history.store import FILE, History
from facerec_mqtt.history.strangers import Resemblance
from facerec_mqtt.presence import picture_path

_WAIT_S = 30.0
_AGAIN_S = 0.1


def forget_visits(folder: Path, person: Person, review: Path, *, wait_s: float = _WAIT_S) -> None:
    """Delete all visits of a person with their pictures, also while a service writes others.

    A damaged history is deleted whole: what it holds of whom, nobody can tell.

    Args:
        folder: that the history is in.
        person: who.
        review: the folder with pictures of visits.
        wait_s: for how long to try, where somebody else has it locked.

    Raises:
        HistoryError: it stays locked, a newer version has made it, or it or a picture cannot be written.
    """
    path = folder / FILE

    def forget(history: History) -> None:
        for name in history.pictures(person.slug):
            if (picture := picture_path(review, name)) is not None:
                picture.unlink(missing_ok=True)
        history.forget(person.slug)

    _change(path, forget, wait_s)
    with history_errors(path):
        for copy in damaged_copies(path):
            copy.unlink(missing_ok=True)


def knows_strangers(folder: Path) -> bool:
    """Tell whether it is kept what strangers look like; where nobody can tell, it may be."""
    try:
        with history_errors(folder / FILE), closing(History.open(folder / FILE, read_only=True)) as history:
            return history.strangers.are_kept()
    except MissingHistoryError:
        return False
    except HistoryError:
        return True


def visits_to_forget(
    folder: Path, person: str, looks: Resemblance | None
) -> tuple[int, tuple[VisitRecord, ...]]:
    """Look for what would be deleted of somebody.

    Args:
        folder: that the history is in.
        person: the slug.
        looks: of the person; `None` where nothing is known of it.

    Returns:
        How many visits have the name, and those without a name that probably are the person's.

    Raises:
        HistoryError: the history cannot be read.
    """
    path = folder / FILE
    try:
        with history_errors(path), closing(History.open(path, read_only=True)) as history:
            found = () if looks is None else history.resembling(looks)
            visits = (history.get(visit_id) for visit_id in found)
            named = history.count(VisitFilter(person=person))
            return named, tuple(visit for visit in visits if visit is not None)
    except MissingHistoryError:
        return 0, ()


def forget_strangers(folder: Path, looks: Resemblance, *, wait_s: float = _WAIT_S) -> None:
    """Delete the visits without a name that probably are somebody's, also while a service writes others.

    Args:
        folder: that the history is in.
        looks: of the person; embeddings that another network has made go, too.
        wait_s: for how long to try, where somebody else has it locked.

    Raises:
        HistoryError: it stays locked, a newer version has made it, or it cannot be written.
    """

    def forget(history: History) -> None:
        history.forget_strangers(looks)

    _change(folder / FILE, forget, wait_s)


def has_visits(folder: Path, person: Person) -> bool:
    """Tell whether any visit of a person is kept.

    Raises:
        HistoryError: the history cannot be read.
    """
    path = folder / FILE
    try:
        with history_errors(path), closing(History.open(path, read_only=True)) as history:
            return history.count(VisitFilter(person=person.slug)) > 0 or history.scores.names(person.slug)
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


def _change(path: Path, change: Callable[[History], None], wait_s: float) -> None:
    """Change the history, also while a service writes it; a damaged one is deleted whole.

    Raises:
        HistoryError: it stays locked, a newer version has made it, or it cannot be written.
    """
    until_s = time.monotonic() + wait_s
    while True:
        try:
            with history_errors(path):
                if not path.exists():
                    delete_history(path)
                    return
                with closing(History.open(path)) as history:
                    change(history)
        except LockedHistoryError:
            if time.monotonic() >= until_s:
                raise
            time.sleep(_AGAIN_S)
        except DamagedHistoryError:
            with history_errors(path):
                delete_history(path)
        else:
            return
