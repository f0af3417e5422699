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
    Looks,
    NewerHistoryError,
    forget_visits,
    has_visits,
    people_with_visits,
)
from facerec_mqtt.presence import ScorePoint
from tests.support.visits import ANNA, STRANGER, filled, read

WHO = Person("anna_unmistakable", "Anna Unmistakable")
VISIT = replace(ANNA, person=WHO.slug, name=WHO.name)


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir()).lower()


def test_a_person_is_forgotten_while_the_service_has_the_file_open(tmp_path: Path) -> None:
    service = filled(tmp_path / FILE, VISIT, STRANGER)
    assert has_visits(tmp_path, WHO)
    assert people_with_visits(tmp_path) == (WHO,)
    forget_visits(tmp_path, WHO, tmp_path / "review")
    assert b"unmistakable" not in bytes_in(tmp_path)
    service.put(replace(STRANGER, visit_id="01C"))
    service.close()
    assert not has_visits(tmp_path, WHO)
    assert [visit.visit_id for visit in read(tmp_path / FILE)] == ["01B", "01C"]


def test_pictures_go_with_the_visits_of_a_person_and_no_others(tmp_path: Path) -> None:
    review = tmp_path / "review"
    review.mkdir()
    for name in ("hers.jpg", "hers-2.jpg", "his.jpg"):
        (review / name).write_bytes(b"jpeg")
    (tmp_path / "outside.jpg").write_bytes(b"jpeg")
    hers = replace(VISIT, picture="hers.jpg", more_pictures=("hers-2.jpg", "../outside.jpg"))
    his = replace(ANNA, visit_id="01T", person="tom", name="Tom", picture="his.jpg")
    filled(tmp_path / FILE, hers, his).close()
    forget_visits(tmp_path, WHO, review)
    assert [path.name for path in review.iterdir()] == ["his.jpg"]
    assert (tmp_path / "outside.jpg").exists()


def test_whom_a_stranger_came_near_to_is_forgotten_too(tmp_path: Path) -> None:
    history = filled(tmp_path / FILE, STRANGER)
    history.set_looks("01B", Looks(None, (ScorePoint(0.0, 0.4, WHO.slug),)))
    history.close()
    assert has_visits(tmp_path, WHO)
    forget_visits(tmp_path, WHO, tmp_path / "review")
    assert not has_visits(tmp_path, WHO)
    assert b"unmistakable" not in bytes_in(tmp_path)


def test_without_a_history_there_is_nothing_to_forget(tmp_path: Path) -> None:
    forget_visits(tmp_path, WHO, tmp_path / "review")
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
    forget_visits(tmp_path, WHO, tmp_path / "review", wait_s=60.0)
    release.join()
    assert b"unmistakable" not in bytes_in(tmp_path)


def test_what_stays_locked_is_reported(tmp_path: Path) -> None:
    filled(tmp_path / FILE, VISIT).close()
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LockedHistoryError):
        forget_visits(tmp_path, WHO, tmp_path / "review", wait_s=0.0)
    other.close()


def test_a_damaged_history_is_deleted_and_so_are_damaged_copies(tmp_path: Path) -> None:
    filled(tmp_path / FILE, STRANGER).close()
    (tmp_path / f"{FILE}.damaged-1").write_bytes(b"unmistakable")
    forget_visits(tmp_path, WHO, tmp_path / "review")
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    (tmp_path / FILE).write_bytes(b"unmistakable, but no database" * 100)
    (tmp_path / f"{FILE}.damaged-2").write_bytes(b"unmistakable")
    forget_visits(tmp_path, WHO, tmp_path / "review")
    assert list(tmp_path.iterdir()) == []


def test_a_log_without_its_database_is_deleted(tmp_path: Path) -> None:
    (tmp_path / f"{FILE}-wal").write_bytes(b"unmistakable")
    forget_visits(tmp_path, WHO, tmp_path / "review")
    assert list(tmp_path.iterdir()) == []


def test_of_a_newer_version_it_is_left_alone(tmp_path: Path) -> None:
    filled(tmp_path / FILE, VISIT).close()
    with sqlite3.connect(tmp_path / FILE) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    with pytest.raises(NewerHistoryError):
        forget_visits(tmp_path, WHO, tmp_path / "review")
