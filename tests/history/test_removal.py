"""Nothing of somebody who was forgotten stays in any file of the history."""

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from facerec_mqtt.core.records import Person
from facerec_mqtt.history import (
    FILE,
    SCHEMA_VERSION,
    LockedHistoryError,
    NewerHistoryError,
    forget_visits,
    has_visits,
    people_with_visits,
)
from tests.support.visits import ANNA, STRANGER, filled, read

WHO = Person("anna_unmistakable", "Anna Unmistakable")
VISIT = replace(ANNA, person=WHO.slug, name=WHO.name)


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir()).lower()


def test_a_person_is_forgotten_while_the_service_has_the_file_open(tmp_path: Path) -> None:
    service = filled(tmp_path / FILE, VISIT, STRANGER)
    assert has_visits(tmp_path, WHO)
    assert people_with_visits(tmp_path) == (WHO,)
    forget_visits(tmp_path, WHO)
    assert b"unmistakable" not in bytes_in(tmp_path)
    service.put(replace(STRANGER, visit_id="01C"))
    service.close()
    assert not has_visits(tmp_path, WHO)
    assert [visit.visit_id for visit in read(tmp_path / FILE)] == ["01B", "01C"]


def test_without_a_history_there_is_nothing_to_forget(tmp_path: Path) -> None:
    forget_visits(tmp_path, WHO)
    assert not has_visits(tmp_path, WHO)
    assert people_with_visits(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("begin", ["BEGIN EXCLUSIVE", "BEGIN; SELECT * FROM visits"])
def test_whoever_has_it_locked_or_reads_it_is_waited_for(tmp_path: Path, begin: str) -> None:
    filled(tmp_path / FILE, VISIT).close()
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None, check_same_thread=False)
    for statement in begin.split("; "):
        other.execute(statement).fetchall()

    def end() -> None:
        other.execute("COMMIT")
        other.close()

    release = threading.Timer(1.0, end)
    release.start()
    forget_visits(tmp_path, WHO, wait_s=60.0)
    release.join()
    assert b"unmistakable" not in bytes_in(tmp_path)


def test_what_stays_locked_is_reported(tmp_path: Path) -> None:
    filled(tmp_path / FILE, VISIT).close()
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LockedHistoryError):
        forget_visits(tmp_path, WHO, wait_s=0.0)
    other.close()


def test_a_damaged_history_is_deleted_and_so_are_damaged_copies(tmp_path: Path) -> None:
    filled(tmp_path / FILE, STRANGER).close()
    (tmp_path / f"{FILE}.damaged-1").write_bytes(b"unmistakable")
    forget_visits(tmp_path, WHO)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    (tmp_path / FILE).write_bytes(b"unmistakable, but no database" * 100)
    (tmp_path / f"{FILE}.damaged-2").write_bytes(b"unmistakable")
    forget_visits(tmp_path, WHO)
    assert list(tmp_path.iterdir()) == []


def test_a_log_without_its_database_is_deleted(tmp_path: Path) -> None:
    (tmp_path / f"{FILE}-wal").write_bytes(b"unmistakable")
    forget_visits(tmp_path, WHO)
    assert list(tmp_path.iterdir()) == []


def test_of_a_newer_version_it_is_left_alone(tmp_path: Path) -> None:
    filled(tmp_path / FILE, VISIT).close()
    with sqlite3.connect(tmp_path / FILE) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    with pytest.raises(NewerHistoryError):
        forget_visits(tmp_path, WHO)
