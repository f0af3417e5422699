"""A backup and its way back: everything, nothing else, and nothing lost wherever it is interrupted."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.records import Person
from facerec_mqtt.enrollment import PERSON_FILE
from facerec_mqtt.history import FILE as HISTORY
from facerec_mqtt.history import History, HistoryError, VisitKind
from facerec_mqtt.maintenance.backup import BackupError, back_up, restore
from facerec_mqtt.presence import StateFile
from facerec_mqtt.recognition import current_version, load_current, rebuilding, save_model, versions
from tests.support.disk import fill
from tests.support.houses import a_house, pictures, write_files
from tests.support.models import a_model
from tests.support.service import run_program
from tests.support.visits import ANNA, STRANGER, filled, read

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A backup of a house."""
    enrollment, models, _ = a_house(tmp_path / "old")
    file = tmp_path / "house.backup"
    back_up(enrollment, models, file, NOW)
    return file


def other_house(folder: Path) -> tuple[Path, Path]:
    """Another house, with an Anna of its own."""
    enrollment, models = folder / "enrollment", folder / "models"
    write_files(enrollment, anna__1="another picture", anna__9="a9", Tom__1="t1")
    save_model(models, a_model(30))
    filled(models / HISTORY, ANNA).close()
    return enrollment, models


def test_all_of_it_comes_back_on_another_machine(tmp_path: Path, file: Path) -> None:
    old, model = tmp_path / "old", load_current(tmp_path / "old" / "models")
    assert model is not None
    assert file.stat().st_mode & 0o777 == 0o600
    new = tmp_path / "new"
    done = run_program(
        "restore", file, "--json", "--enrollment", new / "enrollment", "--model-dir", new / "models"
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["pictures"], facts["versions"], facts["visits"]) == (7, 2, 2)
    assert facts["model"] == model.version
    assert pictures(new / "enrollment") == pictures(old / "enrollment")
    assert (new / "enrollment" / "Anna" / PERSON_FILE).read_text() == '{"name": "Anna Smith"}'
    restored = load_current(new / "models")
    assert restored is not None
    assert restored.people == model.people
    assert versions(new / "models") == versions(old / "models")
    assert (new / "models" / "versions" / versions(old / "models")[0] / "report.html").exists()
    assert StateFile(new / "models", "home").state == StateFile(old / "models", "home").state
    assert (new / "models" / "web.json").read_text() == '{"tokens": []}'
    anna, stranger = read(new / "models" / HISTORY)
    assert stranger == STRANGER
    assert anna.ended == ANNA.began  # as when last seen: its service is not there
    assert not list(new.rglob(".unfinished*"))
    assert not list(new.rglob(".restoring"))
    assert {oct(path.stat().st_mode & 0o077) for path in new.rglob("*.jpg")} == {"0o0"}
    for hidden in ("cache/photos.npz", ".DS_Store"):
        assert not list(new.rglob(hidden))


def test_what_is_there_is_replaced_by_what_the_backup_has(tmp_path: Path, file: Path) -> None:
    enrollment, models = other_house(tmp_path / "new")
    (models / "memory-barn.json").write_text("{}")
    restore(enrollment, models, file, merge=False)
    assert pictures(enrollment) == pictures(tmp_path / "old" / "enrollment")
    assert versions(models) == versions(tmp_path / "old" / "models")
    assert [visit.visit_id for visit in read(models / HISTORY)] == ["01A", "01B"]
    assert (models / "memory-barn.json").exists()  # of another service


def test_a_merge_adds_and_overwrites_nothing(tmp_path: Path, file: Path) -> None:
    enrollment, models = other_house(tmp_path / "new")
    before, in_use = pictures(enrollment), current_version(models)
    done = restore(enrollment, models, file, merge=True)
    after = pictures(enrollment)
    assert before.items() <= after.items()
    assert after == before | {
        # Anna's folder is called "anna" here.
        "anna/1-restored.jpg": "a1",
        "anna/2019/2.jpg": "a2",
        "José Núñez/j.jpg": "j",
        "_strangers/s.jpg": "s",
        "_test/Anna/t.jpg": "t",
        "_known/Postman/p.jpg": "p",
    }
    assert done.model is None
    assert current_version(models) == in_use
    assert len(versions(models)) == 3
    assert {visit.visit_id for visit in read(models / HISTORY)} == {"01A", "01B"}
    assert next(visit for visit in read(models / HISTORY) if visit.visit_id == "01A") == ANNA
    assert restore(enrollment, models, file, merge=True).pictures == 0
    assert pictures(enrollment) == after


def test_it_is_made_while_the_history_is_written_and_put_back_under_its_writer(tmp_path: Path) -> None:
    _, models, _ = a_house(tmp_path / "old")
    with closing(History.open(models / HISTORY)) as writer:
        writer.assign(["01B"], VisitKind.FAMILY, "tom", "Tom")
        second = tmp_path / "second.backup"
        assert back_up(tmp_path / "old" / "enrollment", models, second, NOW).has_history
        writer.delete("01A")
        restore(tmp_path / "old" / "enrollment", models, second, merge=False)
        restored = writer.get("01B")
        assert restored is not None
        assert restored.person == "tom"
        assert writer.get("01A") is not None
        writer.put(ANNA)


def test_while_a_rebuild_runs_neither_is_done(tmp_path: Path, file: Path) -> None:
    enrollment, models = tmp_path / "old" / "enrollment", tmp_path / "old" / "models"
    with rebuilding(models):
        with pytest.raises(ModelError):
            back_up(enrollment, models, tmp_path / "b", NOW)
        with pytest.raises(ModelError):
            restore(enrollment, models, file, merge=False)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("place", ["enrollment/b", "models/b", "elsewhere/b", "letter.txt"])
def test_a_backup_goes_nowhere_where_it_would_do_harm(tmp_path: Path, place: str) -> None:
    enrollment, models, _ = a_house(tmp_path)
    (tmp_path / "letter.txt").write_text("Dear Anna")
    with pytest.raises(BackupError):
        back_up(enrollment, models, tmp_path / place, NOW)
    assert (tmp_path / "letter.txt").read_text() == "Dear Anna"


def test_an_older_backup_is_replaced_and_leftovers_are_cleared_away(tmp_path: Path, file: Path) -> None:
    before = file.stat().st_ino
    left = tmp_path / ".unfinished-backup-killed"
    left.mkdir()
    (left / "archive").write_bytes(b"half")
    back_up(tmp_path / "old" / "enrollment", tmp_path / "old" / "models", file, NOW)
    assert file.stat().st_ino != before
    assert not list(tmp_path.glob(".unfinished*"))


def test_links_out_of_the_folder_are_left_out_and_named(tmp_path: Path) -> None:
    enrollment, models, _ = a_house(tmp_path)
    secret = tmp_path / "secret.jpg"
    secret.write_text("secret")
    (enrollment / "Anna" / "link.jpg").symlink_to(secret)
    (enrollment / "Anna" / "folder").symlink_to(tmp_path)
    (enrollment / "Anna" / "inside.jpg").symlink_to(enrollment / "Anna" / "1.jpg")
    done = back_up(enrollment, models, tmp_path / "b", NOW)
    assert {path.name for path in done.left_out} == {"link.jpg", "folder"}
    assert b"secret" not in (tmp_path / "b").read_bytes()
    restore(tmp_path / "new", tmp_path / "new-models", tmp_path / "b", merge=False)
    assert (tmp_path / "new" / "Anna" / "inside.jpg").read_text() == "a1"


def test_on_a_full_disk_nothing_is_lost_and_nothing_is_left(
    tmp_path: Path, small_disk: Path, file: Path
) -> None:
    enrollment, models = other_house(small_disk)
    before, visits = (pictures(enrollment), current_version(models)), read(models / HISTORY)
    for leave in (0, 8192, 24576):
        (small_disk / "ballast").unlink(missing_ok=True)
        fill(small_disk, leave=leave)
        with pytest.raises((BackupError, ModelError, HistoryError)):
            restore(enrollment, models, file, merge=False)
        with pytest.raises((BackupError, ModelError, HistoryError)):
            back_up(enrollment, models, small_disk / "b", NOW)
        assert (pictures(enrollment), current_version(models)) == before
        assert not list(small_disk.rglob(".unfinished*"))
        assert not (small_disk / "b").exists()
    (small_disk / "ballast").unlink()
    assert read(models / HISTORY) == visits
    restore(enrollment, models, file, merge=False)
    assert pictures(enrollment) == pictures(tmp_path / "old" / "enrollment")


@pytest.mark.parametrize("way", ["replace", "merge"])
def test_wherever_it_is_killed_nothing_is_lost_and_the_next_one_completes_it(
    tmp_path: Path, way: str
) -> None:
    write_files(tmp_path / "old", Anna__1="a1", Anna__2="a2")
    save_model(tmp_path / "old-models", a_model(1))
    back_up(tmp_path / "old", tmp_path / "old-models", tmp_path / "small", NOW)
    enrollment, models = other_house(tmp_path / "new")
    in_use = {current_version(models), current_version(tmp_path / "old-models")}
    old = {path.name for path in enrollment.rglob("*.jpg")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.killed_restores", tmp_path / "new", tmp_path / "small", way],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) > 10
    assert [line["killed"] for line in lines] == [True] * (len(lines) - 1) + [False]
    wanted = lines[-1]["after"]
    assert wanted["left"] == []
    decided = False
    for line in lines:
        assert line["then"]["model"] in in_use
        decided = decided or "models/.restoring" in line["then"]["left"]
        if not decided:
            assert old <= set(line["then"]["anywhere"])
        assert line["after"] == wanted
    assert decided


def test_after_an_interrupted_restore_no_rebuild_runs_before_it_is_completed(
    tmp_path: Path, file: Path
) -> None:
    enrollment, models = other_house(tmp_path / "new")
    (models / ".restoring").mkdir()
    with pytest.raises(ModelError), rebuilding(models):
        pass
    with pytest.raises(BackupError):  # what it was to do cannot be told
        restore(enrollment, models, file, merge=False)
    assert current_version(models) is not None


def test_an_older_model_format_leaves_the_models_out_and_a_newer_history_is_refused(tmp_path: Path) -> None:
    enrollment, models, model = a_house(tmp_path / "old")
    manifest = models / "versions" / model.version / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 0'))
    back_up(enrollment, models, tmp_path / "b", NOW)
    there, in_use = other_house(tmp_path / "new")
    before = current_version(in_use)
    done = restore(there, in_use, tmp_path / "b", merge=False)
    assert done.model_fault is not None
    assert current_version(in_use) == before
    assert pictures(there) == pictures(enrollment)
    with closing(sqlite3.connect(models / HISTORY)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(HistoryError):
        back_up(enrollment, models, tmp_path / "b", NOW)
    assert Person("anna", "Anna") in model.people
