"""Enrolling by camera: the real command and the real service, before rendered and real people."""

import json
import math
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import pytest

from facerec_mqtt.core.images import decode_picture
from facerec_mqtt.core.records import Image
from facerec_mqtt.enrollment.judging.photos import analyse, shipped_networks
from facerec_mqtt.rendering import FAMILY, UNSEEN_STRANGERS, Identity, Pose, render_frame
from tests.support.broker import Broker, Ear
from tests.support.paths import SHARED
from tests.support.service import (
    Home,
    RunningService,
    clean_environment,
    program,
    run_program,
)

DATA = SHARED / "data"
DOOR = "front_door"
PATIENCE_S = 120.0


def turning(who: Identity, frames: int = 45, x_px: float = 320) -> Iterator[tuple[Identity, Pose]]:
    """Somebody who turns their head to both sides, up and down, and tilts it."""
    for number in range(frames):
        turn = 2 * math.pi * number / frames
        yaw_deg, pitch_deg = 28 * math.sin(3 * turn), 10 * math.sin(5 * turn + 1)
        roll_deg = 3 + 10 * math.sin(2 * turn)
        yield who, Pose(x_px, 150, 120, yaw_deg=yaw_deg, pitch_deg=pitch_deg, roll_deg=roll_deg)


def write_frames(folder: Path, frames: Iterator[Image]) -> Path:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{number:03d}.jpg"), frame)
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera before which Anna turns her head."""
    frames = (render_frame([one], seed=number) for number, one in enumerate(turning(FAMILY["Anna"])))
    return write_frames(tmp_path_factory.mktemp("alone") / "frames", frames)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera before which Anna and somebody else stand."""
    both = zip(turning(FAMILY["Anna"], x_px=180), turning(UNSEEN_STRANGERS[0], x_px=460), strict=True)
    frames = (render_frame(pair, seed=number) for number, pair in enumerate(both))
    return write_frames(tmp_path_factory.mktemp("together") / "frames", frames)


def capture(*options: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_program("enroll", "capture", *options, environment=environment)


def outcome_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def test_the_pictures_of_one_session_can_be_learnt_from(alone: Path, tmp_path: Path) -> None:
    enrollment = tmp_path / "enrollment"
    done = capture(
        *("--person", "Anna", "--camera", alone, "--enrollment", enrollment),
        *("--count", "8", "--seconds", "60", "--json"),
    )
    assert done.returncode == 0, done.stderr
    outcome = outcome_of(done)
    assert (outcome["ok"], outcome["person"]) == (True, "Anna")
    assert (len(outcome["learn"]), len(outcome["test"])) == (6, 2)
    assert "Picture 8 of 8 is taken." in done.stderr
    learn, test = (
        sorted(folder.iterdir()) for folder in (enrollment / "Anna", enrollment / "_test" / "Anna")
    )
    assert [str(path) for path in learn] == sorted(outcome["learn"])
    assert max(path.name for path in learn) < min(path.name for path in test)
    networks = shipped_networks()
    for path in (*learn, *test):
        assert path.stat().st_mode & 0o777 == 0o600
        assert analyse(path.read_bytes(), networks).rejection is None


@pytest.mark.skipif(not (DATA / "video").is_dir(), reason="needs the clips of ../shared/data/video")
def test_a_real_person_in_a_film_is_enrolled(tmp_path: Path) -> None:
    done = capture(
        *("--person", "Ada Known", "--camera", DATA / "video" / "P1_sorry.mkv"),
        *("--enrollment", tmp_path, "--count", "8", "--seconds", "40", "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert len(outcome_of(done)["learn"]) >= 4
    networks = shipped_networks()
    for path in (tmp_path / "Ada Known").iterdir():
        assert analyse(path.read_bytes(), networks).rejection is None


def test_while_a_second_person_is_in_view_nobody_is_enrolled(together: Path, tmp_path: Path) -> None:
    done = capture(
        "--person", "Anna", "--camera", together, "--enrollment", tmp_path / "enrollment", "--seconds", "10"
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "facerec-mqtt: No picture of Anna was taken. 2 faces are in view; only Anna may be."
    )
    assert not list((tmp_path / "enrollment").glob("*"))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--person", "../Anna"), "cannot be the name of a person"),
        (("--person", "Anna", "--count", "0"), "ask for 4 to 200"),
        (("--person", "Anna", "--seconds", "-1"), "from 1 to 600 seconds"),
        (
            ("--person", "Anna", "--camera", "front_dor"),
            'There is no camera "front_dor"; there are: Front door.',
        ),
        *(
            (
                ("--person", "Anna", "--camera", camera),
                "holds a user or password; set the camera in FACEREC_CAMERAS and give its name.",
            )
            for camera in (
                "rtsp://cam:s3cr3t@127.0.0.1/",
                "rtsp://cam:s3cr3t/@127.0.0.1/",
                "cam:s3cr3t@127.0.0.1/sub",
            )
        ),
        (("--person", "Anna", "--camera", "9999"), "there is no /dev/video9999"),
    ],
)
def test_an_argument_that_will_not_do_is_refused_in_one_sentence(
    alone: Path, tmp_path: Path, options: tuple[str, ...], complaint: str
) -> None:
    cameras = json.dumps([{"name": "Front door", "url": str(alone)}])
    done = capture(
        "--camera", "front_door", "--enrollment", tmp_path / "enrollment", *options, FACEREC_CAMERAS=cameras
    )
    assert done.returncode == 1
    [sentence] = [line for line in done.stderr.splitlines() if line.startswith("facerec-mqtt: ")]
    assert complaint in sentence
    assert "Traceback" not in done.stderr
    assert "s3cr3t" not in done.stderr
    assert not (tmp_path / "enrollment").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_session_keeps_whole_pictures(
    alone: Path, tmp_path: Path, number: signal.Signals
) -> None:
    command = program(
        *("enroll", "capture", "--person", "Anna", "--camera", alone, "--enrollment", tmp_path),
        *("--count", "100", "--seconds", "120"),
    )
    with subprocess.Popen(
        command,
        env=clean_environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # Tests that run in the background of a shell inherit that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as taking:
        assert taking.stderr is not None
        for line in taking.stderr:
            if line.startswith("Picture 3 "):
                break
        taking.send_signal(number)
        rest = taking.stderr.read()
    assert taking.returncode != 0
    assert "Traceback" not in rest
    pictures = list((tmp_path / "Anna").glob("*.jpg"))
    assert len(pictures) >= 3
    for path in pictures:
        decode_picture(path.read_bytes())


def say_capture(ear: Ear, person: str, seconds: float) -> None:
    ear.say("facerec/command/capture", json.dumps({"person": person, "camera": DOOR, "seconds": seconds}))


def answers(ear: Ear) -> list[Mapping[str, Any]]:
    return [json.loads(message.payload) for message in ear.on("facerec/command/result")]


def wait_for_answer(ear: Ear, word: str) -> Mapping[str, Any]:
    received = ear.wait(lambda m: m.topic == "facerec/command/result" and word in m.text, PATIENCE_S)
    answer: Mapping[str, Any] = json.loads(received.payload)
    return answer


def service_environment(camera: Path, home: Home, enrollment: Path, broker: Broker) -> dict[str, str]:
    door = {"name": DOOR, "url": str(camera), "fps": 5}
    return home.environment(door, **broker.environment()) | {"FACEREC_ENROLLMENT_DIR": str(enrollment)}


def test_a_capture_by_mqtt_fills_the_folder_while_recognition_goes_on(
    alone: Path, home: Home, broker: Broker, tmp_path: Path
) -> None:
    enrollment = tmp_path / "enrollment"
    settings = service_environment(alone, home, enrollment, broker)
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        ear.wait_for(f"facerec/camera/{DOOR}/status", b"online", PATIENCE_S)
        say_capture(ear, "Anna", 90)
        ear.wait(lambda m: m.topic == "facerec/capture/state" and b'"capturing"' in m.payload, PATIENCE_S)
        say_capture(ear, "Tom", 20)
        assert not wait_for_answer(ear, "wait until that has ended")["ok"]
        answer = wait_for_answer(ear, "pictures of Anna were taken")
        assert (answer["command"], answer["ok"]) == ("capture", True)
        ear.wait(lambda m: m.topic == f"facerec/camera/{DOOR}/event" and b'"anna"' in m.payload, PATIENCE_S)
        states = [json.loads(message.payload) for message in ear.on("facerec/capture/state")]
        assert service.terminate() == 0
    assert {state["person"] for state in states} == {None, "Anna"}
    assert max(state["taken"] for state in states) == states[-2]["taken"] > 10
    assert states[-1]["status"] == "idle"
    learn = list((enrollment / "Anna").glob("*.jpg"))
    test = list((enrollment / "_test" / "Anna").glob("*.jpg"))
    assert f"{len(learn)} to learn from, {len(test)} to test with" in answer["message"]
    assert not (enrollment / "Tom").exists()


def test_a_capture_by_mqtt_is_refused_while_two_are_in_view_or_the_camera_is_switched_off(
    together: Path, home: Home, broker: Broker, tmp_path: Path
) -> None:
    enrollment = tmp_path / "enrollment"
    settings = service_environment(together, home, enrollment, broker)
    with broker.ear() as ear, RunningService(settings, tmp_path / "log"):
        ear.wait_for(f"facerec/camera/{DOOR}/status", b"online", PATIENCE_S)
        say_capture(ear, "Anna", 10)
        assert not wait_for_answer(ear, "2 faces are in view; only Anna may be.")["ok"]
        ear.say(f"facerec/camera/{DOOR}/enabled/set", "OFF")
        ear.wait_for(f"facerec/camera/{DOOR}/enabled/state", b"OFF", PATIENCE_S)
        say_capture(ear, "Anna", 5)
        assert not wait_for_answer(ear, "is switched off; switch it on first")["ok"]
    assert not list(enrollment.glob("*"))
