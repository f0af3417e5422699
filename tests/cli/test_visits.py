"""`visits`: who came, as a table and as JSON, and what is wrong with the history in one sentence."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facerec_mqtt.cli.main import main
from facerec_mqtt.enrollment.person_file import PersonFile, write_person_file
from facerec_mqtt.history import FILE, SCHEMA_VERSION
from tests.support.visits import ANNA, NOON, STRANGER, filled

GARDEN = replace(ANNA, visit_id="01C", camera="garden", began=NOON + 86_400, ended=NOON + 86_500)


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The local time is one hour ahead of UTC, and the settings are the defaults."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "Europe/Berlin")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A model folder with three visits."""
    filled(tmp_path / "models" / FILE, ANNA, STRANGER, GARDEN).close()
    return tmp_path / "models"


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    assert main(["visits", "--json", *options]) == 0
    visits: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["visits"]
    return visits


def error_of(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["visits", *options]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    [line] = output.err.splitlines()
    return line


@pytest.mark.usefixtures("models")
def test_as_json_a_visit_has_all_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    garden, stranger, anna = listed(capsys)
    assert garden["visit_id"] == "01C"
    assert stranger["ended"] == "2026-11-29T13:01:30+01:00"
    assert (stranger["stranger_id"], stranger["picture"]) == ("s1", None)  # the file is gone
    assert anna == {
        "visit_id": "01A",
        "kind": "family",
        "person": "anna",
        "name": "Anna",
        "camera": "front_door",
        "began": "2026-11-29T13:00:00+01:00",
        "ended": None,
        "score": 0.93,
        "picture": None,
        "stranger_id": None,
        "why": {
            "votes": 3,
            "frames": 4,
            "named": 3,
            "named_otherwise": 0,
            "refused": {"blurred": 1},
            "best_score": 0.0,
            "corrected": False,
            "confirmed": False,
        },
    }


@pytest.mark.usefixtures("models")
def test_a_picture_that_is_kept_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("review").mkdir()
    Path("review/p.jpg").write_bytes(b"jpeg")
    assert [visit["picture"] for visit in listed(capsys)] == [None, "p.jpg", None]


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("--person Anna", ["01C", "01A"]),
        ("--person Tom", []),
        ("--camera Garden", ["01C", "01B"]),
        ("--kind stranger", ["01B"]),
        ("--since 2026-11-30", ["01C"]),
        ("--until 2026-11-29", ["01B", "01A"]),
        ("--until 2026-11-29T13:01", ["01A"]),
        ("--since 2026-11-29T12:00:30+00:00 --until 2026-11-29T14:00", ["01B"]),
        ("--limit 2", ["01C", "01B"]),
        ("--person anna --camera front_door", ["01A"]),
    ],
)
def test_options_choose_visits(capsys: pytest.CaptureFixture[str], options: str, found: list[str]) -> None:
    assert [visit["visit_id"] for visit in listed(capsys, *options.split())] == found


def test_somebody_who_is_called_otherwise_is_found_by_either_name(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = models.parent / "enrollment" / "Anna"
    folder.mkdir(parents=True)
    write_person_file(folder, PersonFile(name="Annie Smith"))
    for name in ("Annie Smith", "Anna"):
        assert [visit["visit_id"] for visit in listed(capsys, "--person", name)] == ["01C", "01A"]


def test_more_than_a_page_of_visits_is_listed(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = [replace(ANNA, visit_id=f"02{number:04d}") for number in range(700)]
    filled(models / FILE, *many).close()
    assert len(listed(capsys, "--limit", "650")) == 650
    assert len(listed(capsys, "--limit", "1000")) == 703


@pytest.mark.usefixtures("models")
def test_the_table_is_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["visits"]) == 0
    rows = capsys.readouterr().out.splitlines()
    [anna] = [row for row in rows if "front_door" in row]
    assert [cell.strip() for cell in anna.strip("│").split("│")] == [
        *("2026-11-29 13:00:00", "", "Anna", "front_door", "0.93", "3 of 4")
    ]


@pytest.mark.parametrize(
    "options", [("--since", "yesterday"), ("--until", "2026-13-01"), ("--limit", "0"), ("--person", "///")]
)
def test_what_cannot_be_understood_is_reported(
    capsys: pytest.CaptureFixture[str], options: tuple[str, str]
) -> None:
    assert options[1] in error_of(capsys, *options)


def test_without_a_history_there_are_no_visits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(capsys) == []
    assert main(["visits"]) == 0
    assert FILE in capsys.readouterr().out
    assert not (tmp_path / "models").exists()


def test_a_history_that_is_switched_off_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEREC_HISTORY__DAYS", "0")
    assert main(["visits"]) == 0
    assert "FACEREC_HISTORY__DAYS" in capsys.readouterr().out


def test_a_newer_an_older_a_damaged_and_a_locked_history_are_reported(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = models / FILE
    other = sqlite3.connect(path, isolation_level=None)
    for version, word in ((SCHEMA_VERSION + 1, "newer"), (SCHEMA_VERSION - 1, "older")):
        other.execute(f"PRAGMA user_version = {version}")
        assert word in error_of(capsys)
    other.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("PRAGMA journal_mode = DELETE")
    other.execute("BEGIN EXCLUSIVE")
    assert "locked" in error_of(capsys)
    other.close()
    path.write_bytes(b"no database" * 1000)
    assert "damaged" in error_of(capsys)


def test_another_model_folder_can_be_named(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models.rename(tmp_path / "elsewhere")
    assert listed(capsys) == []
    assert len(listed(capsys, "--model-dir", str(tmp_path / "elsewhere"))) == 3
