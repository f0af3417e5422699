"""The program as its user runs it: real processes, a real broker, a real stream, faces in, events out."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import cv2
import pytest

from tests.support.broker import PATIENCE_S, Broker, Message
from tests.support.paths import SHARED
from tests.support.rtsp import StartRtsp, write_clip
from tests.support.service import (
    FILM_FPS,
    Home,
    RunningService,
    frames_of,
    program,
    run_program,
    write_film,
)
from tests.support.service_runs import (
    DOOR,
    REBUILD_PATIENCE_S,
    camera,
    events,
    is_event,
    wait_for_event,
    wait_for_model,
)

DATA = SHARED / "data"
CAMERA_PASSWORD = "c4m:p@ss/w#rd%?"


def mentions(messages: tuple[Message, ...], text: str) -> list[str]:
    return [message.topic for message in messages if text.encode() in message.payload.lower()]


def test_the_family_arrives_and_departs_and_a_stranger_stays_a_stranger(
    home: Home, film: Path, start_rtsp: StartRtsp, broker_with_tls: Broker, tmp_path: Path
) -> None:
    clip = tmp_path / "film.mp4"
    write_clip(clip, list(frames_of(film)), FILM_FPS)
    server = start_rtsp({"/door": [clip]}, login=("digest", "cam", CAMERA_PASSWORD))
    door = camera(server.url("/door"), username="cam", password=CAMERA_PASSWORD)
    settings = home.environment(door, **broker_with_tls.environment())
    with broker_with_tls.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        arrived = wait_for_event(ear, "arrived", "anna")
        stranger = wait_for_event(ear, "stranger")
        wait_for_event(ear, "arrived", "tom")
        departed = wait_for_event(ear, "departed", "anna")
        assert service.terminate() == 0
        ear.wait_for("facerec/status", b"offline")
        published = {(event["event_type"], event.get("person")) for event in events(ear)}
    assert published <= {(kind, who) for kind in ("arrived", "departed") for who in ("anna", "tom")} | {
        ("stranger", None)
    }
    assert arrived["name"] == "Anna"
    assert arrived["camera"] == DOOR
    assert arrived["score"] > 0.5
    assert arrived["votes"] >= 3
    assert arrived["model"] == home.report["version"]
    assert departed["visit_id"] == arrived["visit_id"]
    assert stranger["visit_id"] != arrived["visit_id"]
    assert "person" not in stranger or stranger["person"] is None
    assert "p@ss" not in service.log
    assert CAMERA_PASSWORD not in service.log
    last = broker_with_tls.retained()
    assert last["facerec/status"] == b"offline"
    assert set(json.loads(last["facerec/model/state"])["people"]) == {"anna", "tom"}
    assert json.loads(last["facerec/person/tom/state"])["name"] == "Tom"
    assert not [topic for topic in last if topic.endswith(("/event", "/face", "command/result"))]


@pytest.mark.skipif(not (DATA / "video").is_dir(), reason="needs the clips of ../shared/data/video")
def test_a_real_person_arrives_and_another_is_nobody(
    start_rtsp: StartRtsp, broker: Broker, tmp_path: Path
) -> None:
    clips = DATA / "video"
    for clip in ("P1_bird", "P1_milk", "P1_please"):
        write_stills(clips / f"{clip}.mkv", tmp_path / "enrollment" / "Ada Known", every=6)
    server = start_rtsp({"/door": [clips / "P1_thanks.mkv"], "/garden": [clips / "P3_eat.mkv"]})
    done = run_program("rebuild", "--enrollment", tmp_path / "enrollment", "--model-dir", tmp_path / "models")
    assert done.returncode == 0, done.stderr
    home = Home(tmp_path / "enrollment", tmp_path / "models", {})
    settings = home.environment(
        camera(server.url("/door")),
        camera(server.url("/garden"), name="garden"),
        **broker.environment(),
    )
    with broker.ear() as ear, RunningService(settings, tmp_path / "log"):
        arrived = wait_for_event(ear, "arrived", "ada_known")
        assert (arrived["name"], arrived["camera"]) == ("Ada Known", DOOR)
        ear.wait(lambda message: is_event(message, "stranger") and "garden" in message.topic)
        assert {event["camera"] for event in events(ear) if event["event_type"] == "arrived"} == {DOOR}


def write_stills(clip: Path, folder: Path, *, every: int) -> None:
    """Write every so many frames of a clip as pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    capture = cv2.VideoCapture(str(clip))
    number = 0
    while capture.grab():
        if number % every == 0:
            cv2.imwrite(str(folder / f"{clip.stem}_{number:04d}.jpg"), capture.retrieve()[1])
        number += 1
    capture.release()


def test_the_service_runs_where_tensorflow_cannot_be_imported(
    home: Home, film: Path, broker: Broker, tmp_path: Path
) -> None:
    without = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None; "
        "from facerec_mqtt.cli.main import main; sys.exit(main())"
    )
    command = [program()[0], "-c", without, "run"]
    settings = home.environment(camera(film), **broker.environment())
    with broker.ear() as ear, RunningService(settings, tmp_path / "log", command) as service:
        wait_for_event(ear, "arrived", "anna")
        assert service.terminate(signal.SIGINT) == 0
    refused = run_with(
        without, "rebuild", "--model-dir", tmp_path / "models", "--enrollment", home.enrollment
    )
    assert refused[0] == 1
    assert "tensorflow" in refused[1].lower()
    assert "Traceback" not in refused[1]


def run_with(code: str, *arguments: str | Path) -> tuple[int, str]:
    """Run our program by a line of Python: exit status and standard error."""
    done = subprocess.run(
        [program()[0], "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def test_a_rebuild_by_mqtt_teaches_the_running_service(
    home: Home, film: Path, broker: Broker, tmp_path: Path
) -> None:
    enrollment = tmp_path / "enrollment"
    shutil.copytree(home.enrollment, enrollment)
    settings = home.environment(camera(film), **broker.environment()) | {
        "FACEREC_ENROLLMENT_DIR": str(enrollment),
        "FACEREC_MODEL_DIR": str(tmp_path / "models"),
    }
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        assert wait_for_model(ear, status="missing")["people"] == []
        wait_for_event(ear, "stranger")
        assert not mentions(ear.messages, "anna")
        ear.say("facerec/command/rebuild", "PRESS")
        wait_for_model(ear, status="training")
        first = wait_for_model(ear, REBUILD_PATIENCE_S, status="ready")
        assert set(first["people"]) == {"anna", "tom"}
        answer = json.loads(ear.wait_for("facerec/command/result").payload)
        assert (answer["command"], answer["ok"]) == ("rebuild", True)
        wait_for_event(ear, "arrived", "anna")

        shutil.rmtree(enrollment / "Anna")
        ear.say("facerec/command/rebuild", '{"force": true}')
        second = wait_for_model(ear, REBUILD_PATIENCE_S, status="ready", people=["tom"])
        assert second["version"] != first["version"]
        ear.wait_for("facerec/person/anna/state", b"")
        assert "facerec/person/anna/state" not in broker.retained()
        assert service.terminate() == 0


def test_a_failed_rebuild_says_why_and_the_old_model_goes_on(
    home: Home, film: Path, broker: Broker, tmp_path: Path
) -> None:
    settings = home.environment(camera(film), **broker.environment()) | {
        "FACEREC_ENROLLMENT_DIR": str(tmp_path / "nowhere")
    }
    with broker.ear() as ear, RunningService(settings, tmp_path / "log"):
        wait_for_model(ear, status="ready")
        ear.say("facerec/command/rebuild")
        answer = json.loads(ear.wait_for("facerec/command/result", timeout_s=REBUILD_PATIENCE_S).payload)
        assert not answer["ok"]
        assert "nowhere" in answer["message"]
        assert "\n" not in answer["message"]
        state = wait_for_model(ear, status="failed")
        assert set(state["people"]) == {"anna", "tom"}
        assert state["message"] == answer["message"]
        wait_for_event(ear, "arrived", "tom")


@pytest.mark.parametrize("payload", [b'{"force": "yes"}', b"\xff\xfe", b"[" * 3000, b'{"forse": true}'])
def test_a_malformed_command_is_answered_and_changes_nothing(
    home: Home, film: Path, broker: Broker, tmp_path: Path, payload: bytes
) -> None:
    settings = home.environment(camera(film), **broker.environment())
    with broker.ear() as ear, RunningService(settings, tmp_path / "log"):
        wait_for_model(ear, status="ready")
        ear.say("facerec/command/rebuild", payload)
        answer = json.loads(ear.wait_for("facerec/command/result").payload)
        assert answer["command"] == "rebuild"
        assert not answer["ok"]
        assert answer["message"]
        states = [json.loads(message.payload)["status"] for message in ear.on("facerec/model/state")]
        assert set(states) <= {"missing", "ready"}


def test_a_retained_command_is_ignored(home: Home, film: Path, broker: Broker, tmp_path: Path) -> None:
    settings = home.environment(camera(film), **broker.environment())
    with broker.ear() as ear:
        ear.say("facerec/command/rebuild", "PRESS", retain=True)
        with RunningService(settings, tmp_path / "log"):
            wait_for_event(ear, "arrived", "anna")
            ear.wait_for("facerec/command/result")
            states = [json.loads(message.payload)["status"] for message in ear.on("facerec/model/state")]
            assert "training" not in states
            [answer] = ear.on("facerec/command/result")
            assert not json.loads(answer.payload)["ok"]
            assert "retain" in json.loads(answer.payload)["message"]


def test_a_broker_that_comes_later_receives_everything(
    home: Home, film: Path, broker: Broker, tmp_path: Path
) -> None:
    broker.stop()
    settings = home.environment(camera(film), **broker.environment())
    with RunningService(settings, tmp_path / "log"):
        wait_for_line(tmp_path / "log", "broker")
        broker.start()
        with broker.ear() as ear:
            ear.wait_for("facerec/status", b"online")
            wait_for_model(ear, status="ready")
            ear.wait_for(f"facerec/camera/{DOOR}/status", b"online")
            wait_for_event(ear, "arrived", "anna")


def wait_for_line(log_file: Path, word: str) -> None:
    """Wait until the log says something."""
    give_up_s = time.monotonic() + PATIENCE_S
    while word not in log_file.read_text().lower():
        assert time.monotonic() < give_up_s, log_file.read_text()
        time.sleep(0.05)


def test_a_wrong_broker_password_is_reported_once_and_never_shown(
    home: Home, film: Path, broker_with_password: Broker, tmp_path: Path
) -> None:
    settings = home.environment(camera(film), **broker_with_password.environment()) | {
        "FACEREC_MQTT__PASSWORD": "c4n4ry-wr0ng"
    }
    with RunningService(settings, tmp_path / "log") as service:
        wait_for_line(tmp_path / "log", "facerec_mqtt__password")
        assert "c4n4ry" not in service.log
        assert service.terminate() == 0
    checked = run_program("check", environment=settings, folder=tmp_path)
    assert checked.returncode == 1
    assert "FAILED  broker" in checked.stdout
    assert "c4n4ry" not in checked.stdout + checked.stderr


def test_a_missing_camera_leaves_the_others_alone(
    home: Home, film: Path, broker: Broker, tmp_path: Path
) -> None:
    gone = {"name": "attic", "url": str(tmp_path / "nothing.mp4")}
    settings = home.environment(gone, camera(film), **broker.environment())
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        ear.wait_for("facerec/camera/attic/status", b"offline")
        wait_for_event(ear, "arrived", "anna")
        assert not [m for m in ear.on("facerec/camera/attic/status") if m.payload == b"online"]
        assert service.terminate() == 0
    checked = run_program("check", environment=settings, folder=tmp_path)
    assert checked.returncode == 1
    assert "FAILED  camera attic" in checked.stdout
    assert f"ok      camera {DOOR}" in checked.stdout
    assert "ok      broker" in checked.stdout


def test_a_camera_that_is_switched_off_sees_nobody(home: Home, broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    write_film(tmp_path / "film", ["Anna"])
    settings = home.environment(camera(tmp_path / "film"), **broker.environment())
    enabled = f"facerec/camera/{DOOR}/enabled"
    with broker.ear() as ear, RunningService(settings, tmp_path / "log"):
        ear.wait_for(f"{enabled}/state", b"ON")
        wait_for_event(ear, "arrived", "anna")
        ear.say(f"{enabled}/set", "OFF")
        ear.wait_for(f"{enabled}/state", b"OFF")
        wait_for_event(ear, "departed", "anna")
        with broker.ear() as later:
            ear.say(f"{enabled}/set", "ON")
            wait_for_event(later, "arrived", "anna")
        assert [event["event_type"] for event in events(ear)][:2] == ["arrived", "departed"]


def test_the_broker_publishes_the_end_of_a_killed_service(
    home: Home, film: Path, broker: Broker, tmp_path: Path
) -> None:
    settings = home.environment(camera(film), **broker.environment())
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        ear.wait_for("facerec/status", b"online")
        service.terminate(signal.SIGKILL)
        ear.wait_for("facerec/status", b"offline")


def test_a_service_without_cameras_says_what_to_set(tmp_path: Path) -> None:
    done = run_program("run", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "FACEREC_CAMERAS" in done.stderr


def test_bench_measures_each_stage_with_a_model_and_says_what_it_cannot_without(
    home: Home, tmp_path: Path
) -> None:
    anna = home.enrollment / "Anna" / "001.jpg"
    with_model = {"FACEREC_MODEL_DIR": str(home.models)}
    done = run_program("bench", "--repeat", "2", "--json", "--image", anna, environment=with_model)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["ms"]
    assert list(figures) == ["1280x720", "640x360"]
    stages = ["motion", "detection", "alignment", "embedding"]
    for measured in figures.values():
        assert list(measured) == [*stages, "head", "all"]
        assert all(number > 0 for number in measured.values())
    done = run_program("bench", "--repeat", "1", "--image", anna, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[2:6]] == stages
    assert 'no model in "models"' in done.stdout
    done = run_program("bench", "--repeat", "0", folder=tmp_path)
    assert done.returncode == 1
    assert "--repeat is 0" in done.stderr
