"""The history of visits of the real program: what it holds after visits, restarts and faults."""

import contextlib
import json
import signal
import sqlite3
from pathlib import Path

import cv2
import numpy as np

from facerec_mqtt.history import FILE, HistoryError, VisitKind, VisitRecord
from tests.support.broker import Broker, wait_until
from tests.support.disk import fill
from tests.support.service import Home, RunningService, run_program, write_film
from tests.support.service_runs import camera, is_event, wait_for_event
from tests.support.visits import read

# A failed write is tried again every 30 s.
RETRY_PATIENCE_S = 180.0


def visits_in(models: Path) -> list[VisitRecord]:
    """The visits, none while there is no history."""
    with contextlib.suppress(HistoryError):
        return read(models / FILE)
    return []


def hall(folder: Path) -> Path:
    """A camera before which there is nobody."""
    folder.mkdir()
    cv2.imwrite(str(folder / "hall.jpg"), np.zeros((240, 320, 3), np.uint8))
    return folder


def strangers_film(folder: Path) -> Path:
    """A camera before which somebody unknown comes and goes."""
    folder.mkdir()
    write_film(folder, [None])
    return folder


def without_a_model(broker: Broker, models: Path, source: Path, **settings: str) -> dict[str, str]:
    """Settings of a service for which all are strangers."""
    return (
        broker.environment()
        | {
            "FACEREC_CAMERAS": json.dumps([camera(source)]),
            "FACEREC_MODEL_DIR": str(models),
            "FACEREC_RECOGNITION__DEPARTURE_S": "3",
        }
        | settings
    )


def test_a_visit_of_each_kind_is_in_the_history_and_the_command_shows_it(
    home: Home, broker: Broker, film: Path, tmp_path: Path
) -> None:
    settings = home.environment(camera(film), **broker.environment()) | {
        "FACEREC_REVIEW__ENABLED": "true",
        "FACEREC_REVIEW__FOLDER": str(tmp_path / "review"),
    }
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        arrived = wait_for_event(ear, "arrived", "anna")
        stranger = wait_for_event(ear, "stranger")
        wait_for_event(ear, "departed", "anna")
        wait_until(lambda: [visit for visit in visits_in(home.models) if visit.picture])
        assert service.terminate() == 0
    done = run_program("visits", "--json", environment=settings)
    assert done.returncode == 0, done.stderr
    listed = {visit["visit_id"]: visit for visit in json.loads(done.stdout)["visits"]}
    anna, nobody = listed[arrived["visit_id"]], listed[stranger["visit_id"]]
    assert (anna["kind"], anna["person"], anna["name"], anna["camera"]) == (
        *("family", "anna", "Anna", "front_door"),
    )
    assert anna["began"] <= anna["ended"]
    assert anna["why"]["votes"] == arrived["votes"]
    assert (nobody["kind"], nobody["person"], nobody["name"]) == ("stranger", None, None)
    pictures = [visit["picture"] for visit in listed.values() if visit["picture"]]
    assert pictures
    assert all((tmp_path / "review" / picture).is_file() for picture in pictures)
    assert (home.models / FILE).stat().st_mode & 0o077 == 0


def test_without_days_nothing_is_kept(broker: Broker, tmp_path: Path) -> None:
    settings = without_a_model(
        broker, tmp_path / "models", strangers_film(tmp_path / "film"), FACEREC_HISTORY__DAYS="0"
    )
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        wait_for_event(ear, "stranger")
        assert service.terminate() == 0
    assert not list((tmp_path / "models").glob(f"{FILE}*"))


def test_a_visit_over_a_restart_is_one_visit(home: Home, broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    write_film(tmp_path / "film", ["Anna"])

    def settings(source: Path, departure_s: str) -> dict[str, str]:
        departure = {"FACEREC_RECOGNITION__DEPARTURE_S": departure_s}
        return home.environment(camera(source), **broker.environment()) | departure

    with broker.ear() as ear:
        with RunningService(settings(tmp_path / "film", "600"), tmp_path / "log" / "first") as service:
            arrived = wait_for_event(ear, "arrived", "anna")
            assert service.terminate() == 0
        [before] = visits_in(home.models)
        with RunningService(settings(hall(tmp_path / "hall"), "3"), tmp_path / "log" / "second") as service:
            wait_for_event(ear, "departed", "anna")
            assert service.terminate() == 0
    [after] = visits_in(home.models)
    assert before.visit_id == after.visit_id == arrived["visit_id"]
    assert (before.ended, after.began, after.why) == (None, before.began, before.why)
    assert after.ended is not None
    assert after.ended >= after.began


def test_a_visit_that_was_open_when_the_service_was_killed_has_an_end_after_the_next_start(
    broker: Broker, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    source = strangers_film(tmp_path / "film")
    killed = without_a_model(broker, models, source, FACEREC_RECOGNITION__DEPARTURE_S="600")
    with RunningService(killed, tmp_path / "log" / "first") as service:
        wait_until(lambda: visits_in(models))
        assert service.terminate(signal.SIGKILL) == -signal.SIGKILL
    [before] = visits_in(models)
    assert before.ended is None
    again = without_a_model(broker, models, hall(tmp_path / "hall"))
    with RunningService(again, tmp_path / "log" / "second") as service:
        wait_until(lambda: all(visit.ended for visit in visits_in(models)))
        assert service.terminate() == 0
    [after] = visits_in(models)
    assert after.visit_id == before.visit_id
    assert after.ended is not None
    assert after.ended >= after.began


def test_while_the_history_is_locked_recognition_goes_on(broker: Broker, tmp_path: Path) -> None:
    models = tmp_path / "models"
    settings = without_a_model(broker, models, strangers_film(tmp_path / "film"))
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        wait_until(lambda: visits_in(models))
        other = sqlite3.connect(models / FILE, isolation_level=None, timeout=60.0)
        other.execute("BEGIN IMMEDIATE")
        wait_until(lambda: "is locked by another program" in service.log)
        known = {visit.visit_id for visit in visits_in(models)}
        number = len(ear.messages)
        wait_until(lambda: any(is_event(message, "stranger") for message in ear.messages[number:]))
        assert {visit.visit_id for visit in visits_in(models)} == known
        other.execute("ROLLBACK")
        other.close()
        wait_until(
            lambda: {visit.visit_id for visit in visits_in(models)} > known, timeout_s=RETRY_PATIENCE_S
        )
        assert service.terminate() == 0
        assert service.log.count("is locked by another program") == 1


def test_while_the_disk_is_full_recognition_goes_on(small_disk: Path, broker: Broker, tmp_path: Path) -> None:
    models = small_disk / "models"
    models.mkdir()
    settings = without_a_model(broker, models, strangers_film(tmp_path / "film"))
    fill(small_disk)
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        first = wait_for_event(ear, "stranger")
        wait_until(lambda: "the disk is full" in service.log)
        (small_disk / "ballast").unlink()
        wait_until(lambda: visits_in(models), timeout_s=RETRY_PATIENCE_S)
        assert service.terminate() == 0
    assert first["visit_id"] in {visit.visit_id for visit in visits_in(models)}


def test_a_damaged_history_is_moved_aside_and_a_new_one_is_begun(broker: Broker, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / FILE).write_bytes(b"no database" * 1000)
    settings = without_a_model(broker, models, strangers_film(tmp_path / "film"))
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        stranger = wait_for_event(ear, "stranger")
        wait_until(lambda: visits_in(models))
        assert service.terminate() == 0
    found = {visit.visit_id: visit.kind for visit in visits_in(models)}
    assert found[stranger["visit_id"]] is VisitKind.STRANGER
    assert len(list(models.glob(f"{FILE}.damaged-*"))) == 1
