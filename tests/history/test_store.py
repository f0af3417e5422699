"""The database of visits."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from facerec_mqtt.history import (
    SCHEMA_VERSION,
    DamagedHistoryError,
    History,
    Looks,
    MissingHistoryError,
    NewerHistoryError,
    VisitFacts,
    VisitFilter,
    VisitKind,
)
from facerec_mqtt.presence import ScorePoint
from tests.support.visits import ANNA, NOON, STRANGER, filled, read


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
    assert history.assign(["01B"], VisitKind.VISITOR, "postman", "Postman")
    history.end("01A", NOON + 10)
    found = {visit.visit_id: visit for visit in history.find(VisitFilter())[0]}
    assert (found["01B"].kind, found["01B"].name) == (VisitKind.VISITOR, "Postman")
    assert found["01A"].ended == NOON + 10
    assert history.delete("01A")
    assert not history.delete("01A")
    assert not history.assign(["01Z"], VisitKind.FAMILY, "anna", "Anna")


def test_a_forgotten_person_is_in_no_file(tmp_path: Path) -> None:
    history = filled(tmp_path / "history.db", replace(ANNA, name="Anna Unmistakable"), STRANGER)
    assert history.forget("anna") == 1
    assert [visit.visit_id for visit in history.find(VisitFilter())[0]] == ["01B"]
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Unmistakable" not in kept


def test_of_many_visits_nothing_of_a_forgotten_person_stays_in_any_byte(tmp_path: Path) -> None:
    anna = replace(ANNA, name="Anna Unmistakable", person="unmistakable")
    visits = [
        replace(anna if number % 3 else STRANGER, visit_id=f"{number:05d}", began=NOON + number * 7 % 1000)
        for number in range(2000)
    ]
    history = filled(tmp_path / "history.db", *visits)
    for number in range(0, 2000, 5):
        history.end(f"{number:05d}", NOON + 3000)
        person = "unmistakable" if number % 3 else None
        points = (ScorePoint(0.0, 0.4, "unmistakable"), ScorePoint(1.0, 0.2, "tom"))
        looks = Looks(person, points, ("2026-11-29/" + "x" * (number % 90),))
        assert history.set_looks(f"{number:05d}", looks)
    assert b"nmistakable" in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert history.forget("unmistakable") == 1333
    assert history.count(VisitFilter()) == 667
    assert b"nmistakable" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert [point.nearest for point in history.scores.of("00000")] == [None, "tom"]


def test_looks_of_a_visit_are_added_to_those_of_the_run_before_and_go_with_it(tmp_path: Path) -> None:
    history = filled(tmp_path / "history.db", ANNA)
    early = (ScorePoint(-1.0, 0.4, None), ScorePoint(0.0, 0.9, "anna"))
    assert history.set_looks("01A", Looks("anna", early, ("1.jpg", "2.jpg")))
    late = (ScorePoint(60.0, 0.8, "anna"), ScorePoint(61.0, 0.7, "anna"))
    assert history.set_looks("01A", Looks("anna", late[:1], ("3.jpg",)))
    assert history.set_looks("01A", Looks("anna", late, ("4.jpg",), ("3.jpg",)))
    assert history.scores.of("01A") == (*early, *late)
    visit = history.get("01A")
    assert visit is not None
    assert (visit.picture, visit.more_pictures) == ("4.jpg", ("1.jpg", "2.jpg"))
    assert history.pictures("anna") == ("4.jpg", "1.jpg", "2.jpg")
    history.delete("01A")
    assert history.scores.of("01A") == ()


def test_looks_of_a_visit_that_is_gone_or_is_somebody_elses_by_now_are_rejected(tmp_path: Path) -> None:
    history = filled(tmp_path / "history.db", ANNA)
    looks = Looks("anna", (ScorePoint(0.0, 0.9, "anna"),), ("1.jpg",))
    assert not history.set_looks("01X", looks)
    history.assign(["01A"], VisitKind.FAMILY, "tom", "Tom")
    assert not history.set_looks("01A", looks)
    assert history.scores.of("01A") == ()
    assert history.pictures("tom") == ()


def test_a_history_without_scores_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    filled(path, ANNA, STRANGER).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "DROP TABLE scores; DROP TRIGGER visit_with_scores_deleted;"
            " ALTER TABLE visits DROP COLUMN more_pictures; PRAGMA user_version = 2;"
        )
    with closing(History.open(path)) as history:
        assert [history.get("01A"), history.get("01B")] == [ANNA, STRANGER]
        assert history.set_looks("01A", Looks("anna", (ScorePoint(0.0, 0.9, "anna"),)))
        assert history.scores.of("01A")


def test_who_has_visits(tmp_path: Path) -> None:
    assert filled(tmp_path / "history.db", ANNA, STRANGER).people() == (("anna", "Anna"),)


def test_a_visit_that_goes_on_after_a_restart_stays_one_and_has_no_end(tmp_path: Path) -> None:
    history = filled(tmp_path / "history.db", replace(ANNA, ended=NOON + 5))
    history.resume(replace(ANNA, began=NOON + 1, score=0.5, why=VisitFacts()))
    history.resume(replace(ANNA, visit_id="01C"))
    assert [history.get("01A"), history.get("01C")] == [ANNA, replace(ANNA, visit_id="01C")]


def test_what_an_earlier_run_left_open_ended_when_it_was_last_seen(tmp_path: Path) -> None:
    others = [replace(ANNA, visit_id="01C"), replace(ANNA, visit_id="01D", service="garage")]
    history = filled(tmp_path / "history.db", ANNA, *others)
    history.seen({"01A": NOON + 70, "01C": NOON + 80, "01Z": NOON})
    history.end_open("home", {"01C"})
    ends = {visit.visit_id: visit.ended for visit in history.find(VisitFilter())[0]}
    assert ends == {"01A": NOON + 70, "01C": None, "01D": None}


def test_times_are_corrected_once_the_clock_is_right(tmp_path: Path) -> None:
    history = filled(tmp_path / "history.db", ANNA, STRANGER)
    history.shift(["01B"], 1000.0)
    assert history.get("01A") == ANNA
    assert history.get("01B") == replace(STRANGER, began=NOON + 1060, ended=NOON + 1090)


def test_facts_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    filled(tmp_path / "history.db", ANNA).close()
    with sqlite3.connect(tmp_path / "history.db") as changed:
        changed.execute("UPDATE visits SET why = 'nonsense'")
    changed.close()
    assert read(tmp_path / "history.db") == [replace(ANNA, why=VisitFacts())]


@pytest.mark.parametrize(
    "wanted",
    [
        VisitFilter(),
        VisitFilter(person="anna"),
        VisitFilter(camera="garden"),
        VisitFilter(kind=VisitKind.STRANGER),
        VisitFilter(since=NOON + 10, until=NOON + 20),
        VisitFilter(person="anna", since=NOON + 10),
        VisitFilter(kind=VisitKind.STRANGER, until=NOON + 10),
    ],
)
def test_of_ten_thousand_visits_an_index_gives_the_latest(tmp_path: Path, wanted: VisitFilter) -> None:
    filled(tmp_path / "history.db").close()
    connection = sqlite3.connect(tmp_path / "history.db")
    with connection:
        connection.executemany(
            "INSERT INTO visits (visit_id, kind, person, camera, began, score, why, service, last_seen)"
            " VALUES (?, ?, ?, ?, ?, 0.5, '{}', 'home', 0)",
            [
                (f"{n:05d}", "family" if n % 2 else "stranger", "anna" if n % 2 else None, "garden", NOON + n)
                for n in range(10_000)
            ],
        )
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    found, _ = History(connection).find(wanted)
    connection.set_trace_callback(None)
    assert found
    [question] = [each for each in asked if each.startswith("SELECT")]
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {question}")]
    connection.close()
    assert len(plan) == 1, plan  # nothing is sorted
    assert "USING INDEX visits_by_" in plan[0]


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
    with pytest.raises(MissingHistoryError):
        History.open(tmp_path / "history.db", read_only=True)
    assert list(tmp_path.iterdir()) == []
