import logging
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from facerec_mqtt.presence.history import (
    SCHEMA_VERSION,
    DamagedHistoryError,
    History,
    HistoryError,
    NewerHistoryError,
    VisitFilter,
    VisitKind,
    VisitRecord,
)
from facerec_mqtt.presence.history_writer import HistoryWriter

NOON = 1_795_953_600.0
ANNA = VisitRecord("01A", VisitKind.FAMILY, "anna", "Anna", "front_door", NOON, None, 0.93, why={"votes": 3})
STRANGER = VisitRecord(
    "01B", VisitKind.STRANGER, None, None, "garden", NOON + 60, NOON + 90, 0.1, "p.jpg", "s1"
)


def filled(path: Path, *visits: VisitRecord) -> History:
    history = History.open(path)
    for visit in visits:
        history.put(visit)
    return history


def wait_until_written(writer: HistoryWriter) -> None:
    """Everything that was handed over is on the disk: the thread works in turn."""
    writer.stop(10)


def test_what_was_put_is_found_the_latest_first(tmp_path: Path) -> None:
    history = filled(tmp_path / "history.db", ANNA, STRANGER)
    assert history.find(VisitFilter()) == ((STRANGER, ANNA), None)
    assert history.get("01A") == ANNA
    assert history.get("01Z") is None


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (VisitFilter(person="anna"), ["01A"]),
        (VisitFilter(camera="garden"), ["01B"]),
        (VisitFilter(kind=VisitKind.STRANGER), ["01B"]),
        (VisitFilter(since=NOON + 1), ["01B"]),
        (VisitFilter(until=NOON + 1), ["01A"]),
        (VisitFilter(stranger_id="s1"), ["01B"]),
        (VisitFilter(person="anna", camera="garden"), []),
        (VisitFilter(person="anna' OR 1=1 --"), []),
    ],
)
def test_a_filter_leaves_out_all_others(tmp_path: Path, wanted: VisitFilter, found: list[str]) -> None:
    history = filled(tmp_path / "history.db", ANNA, STRANGER)
    assert [visit.visit_id for visit in history.find(wanted)[0]] == found
    assert history.count(wanted) == len(found)


def test_pages_hold_each_visit_once_also_where_two_began_together(tmp_path: Path) -> None:
    visits = [replace(ANNA, visit_id=f"{number:03d}", began=NOON + number // 3) for number in range(25)]
    history = filled(tmp_path / "history.db", *visits)
    seen, cursor = [], None
    while True:
        page, cursor = history.find(VisitFilter(), limit=4, cursor=cursor)
        seen += [visit.visit_id for visit in page]
        if cursor is None:
            break
    assert seen == [visit.visit_id for visit in reversed(visits)]


@pytest.mark.parametrize("cursor", ["", "x", "1.0", "nan_", "1.0_a b", "nan_1", "1.0_' OR 1"])
def test_a_cursor_that_was_not_given_out_is_refused(tmp_path: Path, cursor: str) -> None:
    with pytest.raises(ValueError, match=r"cursor|float"):
        filled(tmp_path / "history.db", ANNA).find(VisitFilter(), cursor=cursor)


def test_an_assigned_an_ended_and_a_deleted_visit(tmp_path: Path) -> None:
    history = filled(tmp_path / "history.db", ANNA, STRANGER)
    assert history.assign("01B", VisitKind.VISITOR, "postman", "Postman")
    history.end("01A", NOON + 10)
    found = {visit.visit_id: visit for visit in history.find(VisitFilter())[0]}
    assert (found["01B"].kind, found["01B"].name) == (VisitKind.VISITOR, "Postman")
    assert found["01A"].ended == NOON + 10
    assert history.delete("01A")
    assert not history.delete("01A")
    assert not history.assign("01Z", VisitKind.FAMILY, "anna", "Anna")


def test_a_forgotten_person_is_in_no_file(tmp_path: Path) -> None:
    history = filled(tmp_path / "history.db", replace(ANNA, name="Anna Unmistakable"), STRANGER)
    assert history.forget("anna") == 1
    assert [visit.visit_id for visit in history.find(VisitFilter())[0]] == ["01B"]
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Unmistakable" not in kept


def test_old_visits_are_pruned(tmp_path: Path) -> None:
    history = filled(tmp_path / "history.db", ANNA, STRANGER)
    assert history.prune(NOON + 1) == 1
    assert [visit.visit_id for visit in history.find(VisitFilter())[0]] == ["01B"]


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    filled(tmp_path / "history.db", ANNA)
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    filled(path, ANNA).close()
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(NewerHistoryError):
        History.open(path)
    with pytest.raises(NewerHistoryError):
        History.open(path, read_only=True)


def test_a_file_that_is_no_database_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DamagedHistoryError):
        History.open(path)


def test_reading_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(HistoryError):
        History.open(tmp_path / "history.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_the_writer_writes_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "models" / "history.db"
    writer = HistoryWriter(path, 30)
    writer.start()
    writer.put(ANNA)
    writer.end("01A", NOON + 5)
    writer.put(replace(STRANGER, began=NOON - 40 * 86_400))
    writer.prune(NOON)
    wait_until_written(writer)
    visits, _ = History.open(path, read_only=True).find(VisitFilter())
    assert visits == (replace(ANNA, ended=NOON + 5),)


def test_no_days_make_no_file(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path / "history.db", 0)
    writer.start()
    writer.put(ANNA)
    wait_until_written(writer)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_moved_aside_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"no database at all" * 100)
    writer = HistoryWriter(path, 30)
    writer.start()
    writer.put(ANNA)
    writer.put(STRANGER)
    wait_until_written(writer)
    assert History.open(path).count(VisitFilter()) == 2
    assert len(list(tmp_path.glob("history.db.damaged-*"))) == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_file_of_a_newer_version_is_logged_once_and_not_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "history.db"
    filled(path).close()
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    before = path.read_bytes()
    writer = HistoryWriter(path, 30)
    writer.start()
    for _ in range(3):
        writer.put(ANNA)
    wait_until_written(writer)
    assert path.read_bytes() == before
    assert len(caplog.records) == 1


def test_what_a_lock_held_up_is_written_when_it_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "history.db"
    filled(path).close()
    locked = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    locked.execute("BEGIN EXCLUSIVE")
    writer = HistoryWriter(path, 30, retry_s=0.05)
    writer.start()
    writer.put(ANNA)
    failed, recovered = threading.Event(), threading.Event()

    class Notices(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            (failed if record.levelno == logging.WARNING else recovered).set()

    logger, handler = logging.getLogger("facerec_mqtt.presence.history_writer"), Notices()
    logger.addHandler(handler)
    caplog.set_level(logging.INFO)
    try:
        assert failed.wait(30)
        locked.execute("ROLLBACK")
        locked.close()
        assert recovered.wait(30)
    finally:
        logger.removeHandler(handler)
        wait_until_written(writer)
    assert History.open(path).count(VisitFilter()) == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]
