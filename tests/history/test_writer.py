"""The thread that writes the history: what goes wrong is logged once, and never reaches its caller."""

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from facerec_mqtt.history import SCHEMA_VERSION, History, HistoryWriter, VisitFilter
from tests.support.disk import fill
from tests.support.visits import ANNA, NOON, STRANGER, filled, read


class Notices(logging.Handler):
    """Lets a test wait for what the writer logs."""

    def __init__(self) -> None:
        super().__init__()
        self.failed, self.recovered = threading.Event(), threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        (self.failed if record.levelno == logging.WARNING else self.recovered).set()


@pytest.fixture
def notices(caplog: pytest.LogCaptureFixture) -> Iterator[Notices]:
    caplog.set_level(logging.INFO)
    logger, handler = logging.getLogger("facerec_mqtt.history.writer"), Notices()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def wait_until_written(writer: HistoryWriter) -> None:
    """Everything that was handed over is on the disk: the thread works in turn."""
    writer.stop(10)


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


def test_no_days_delete_what_was_kept_before(tmp_path: Path) -> None:
    filled(tmp_path / "history.db", ANNA).close()
    (tmp_path / "history.db.damaged-1").write_bytes(b"Anna")
    HistoryWriter(tmp_path / "history.db", 0).start()
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
    tmp_path: Path, caplog: pytest.LogCaptureFixture, notices: Notices
) -> None:
    path = tmp_path / "history.db"
    filled(path).close()
    locked = sqlite3.connect(path, isolation_level=None)
    locked.execute("BEGIN EXCLUSIVE")
    writer = HistoryWriter(path, 30, retry_s=0.05)
    writer.start()
    writer.put(ANNA)
    assert notices.failed.wait(60)
    locked.execute("ROLLBACK")
    locked.close()
    assert notices.recovered.wait(60)
    wait_until_written(writer)
    assert read(path) == [ANNA]
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]


def test_what_a_full_disk_held_up_is_written_when_there_is_room(
    small_disk: Path, caplog: pytest.LogCaptureFixture, notices: Notices
) -> None:
    path = small_disk / "history.db"
    filled(path).close()
    fill(small_disk)
    writer = HistoryWriter(path, 30, retry_s=0.05)
    writer.start()
    writer.put(ANNA)
    assert notices.failed.wait(60)
    (small_disk / "ballast").unlink()
    assert notices.recovered.wait(60)
    wait_until_written(writer)
    assert read(path) == [ANNA]
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]
    assert "the disk is full" in caplog.messages[0]


def test_a_file_that_is_damaged_behind_its_first_page_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    filled(path, *[replace(ANNA, visit_id=f"{number:05d}") for number in range(500)]).close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    writer = HistoryWriter(path, 30)
    writer.start()
    writer.put(STRANGER)
    wait_until_written(writer)
    assert read(path) == [STRANGER]
    assert len(list(tmp_path.glob("history.db.damaged-*"))) == 1


def test_a_damaged_copy_is_deleted_with_the_visits_of_its_time(tmp_path: Path) -> None:
    for name, age_days in (("old", 31), ("new", 29)):
        (tmp_path / f"history.db.damaged-{name}").write_bytes(b"Anna")
        moved = NOON - age_days * 86_400
        os.utime(tmp_path / f"history.db.damaged-{name}", (moved, moved))
    writer = HistoryWriter(tmp_path / "history.db", 30)
    writer.start()
    writer.prune(NOON)
    wait_until_written(writer)
    assert [path.name for path in tmp_path.glob("*damaged*")] == ["history.db.damaged-new"]


def test_whoever_is_removed_before_a_visit_was_written_has_none(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    filled(path).close()
    locked = sqlite3.connect(path, isolation_level=None)
    locked.execute("BEGIN EXCLUSIVE")
    writer = HistoryWriter(path, 30, retry_s=0.05)
    writer.start()
    for visit in (ANNA, STRANGER, replace(ANNA, visit_id="01T", person="tom", name="Tom")):
        writer.put(visit)
    writer.keep_only({"tom"})
    locked.execute("ROLLBACK")
    locked.close()
    wait_until_written(writer)
    assert {visit.visit_id for visit in read(path)} == {"01B", "01T"}
