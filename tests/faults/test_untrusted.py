"""What strangers can reach: the command topics of a real service, and the files of an enrollment folder."""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facerec_mqtt.mqtt.commands import BURST, PER_SECOND
from facerec_mqtt.settings.schema import MqttSettings
from tests.support.broker import Broker, Ear
from tests.support.pictures import png_header_only
from tests.support.service import RunningService, children_of, command_line, run_program

PATIENCE_S = 90.0
RESULT, ENABLED = "facerec/command/result", "facerec/camera/front_door/enabled"
REBUILD, CAPTURE = "facerec/command/rebuild", "facerec/command/capture"

ATTACKS: tuple[tuple[str, bytes], ...] = (
    (REBUILD, b'{"force": "yes"}'),
    (REBUILD, b"x" * 10_000_000),
    (REBUILD, b'{"force":' * 400),
    (REBUILD, b"\xff\xfe\x00PRESS"),
    (CAPTURE, b'{"person":"../../../tmp/x","camera":"front_door","seconds":20}'),
    (CAPTURE, b'{"person":"Anna","camera":"../garden","seconds":20}'),
    (CAPTURE, b'{"person":"Anna","camera":"front_door","seconds":1e308,"path":"/etc"}'),
    (f"{ENABLED}/set", b"OFF; rm -rf /"),
    ("facerec/camera/cellar/enabled/set", b"OFF"),
)


@pytest.fixture
def settings(broker: Broker, tmp_path: Path) -> dict[str, str]:
    """Of a service with one camera, at which there is nobody, and a family that was not rebuilt yet."""
    hall = tmp_path / "hall"
    hall.mkdir()
    cv2.imwrite(str(hall / "hall.jpg"), np.zeros((240, 320, 3), np.uint8))
    (tmp_path / "enrollment" / "Anna").mkdir(parents=True)
    return broker.environment() | {
        "FACEREC_CAMERAS": json.dumps([{"name": "front_door", "url": str(hall)}]),
        "FACEREC_ENROLLMENT_DIR": str(tmp_path / "enrollment"),
        "FACEREC_MODEL_DIR": str(tmp_path / "models"),
    }


def files_below(folder: Path) -> set[str]:
    """All files and folders, but those that the broker and the log write."""
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    return {str(path) for path in found if path.parts[0] not in ("broker", "log")}


def answers(ear: Ear) -> list[dict[str, Any]]:
    return [json.loads(message.payload) for message in ear.on(RESULT)]


def wait_for_answers(ear: Ear, number: int) -> None:
    ear.wait(lambda _: len(ear.on(RESULT)) >= number, PATIENCE_S)


def switch_off(ear: Ear) -> None:
    """Send a command until it is carried out: after a flood the first may still be refused."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not [message for message in ear.on(f"{ENABLED}/state") if message.payload == b"OFF"]:
        assert time.monotonic() < give_up_s
        ear.say(f"{ENABLED}/set", "OFF")
        ear.settle()


def test_every_attack_by_mqtt_is_answered_once_and_does_nothing(
    settings: dict[str, str], broker: Broker, tmp_path: Path
) -> None:
    with broker.ear() as ear:
        ear.say(REBUILD, "PRESS", retain=True)
        with RunningService(settings, tmp_path / "log" / "log") as service:
            assert service.process is not None
            ear.wait_for("facerec/camera/front_door/status", b"online", PATIENCE_S)
            wait_for_answers(ear, 1)
            before = files_below(tmp_path)
            for number, (topic, payload) in enumerate(ATTACKS, start=2):
                ear.say(topic, payload)
                wait_for_answers(ear, number)
            ear.settle()
            said = answers(ear)
            assert len(said) == 1 + len(ATTACKS), "one answer for each, and one for the retained one"
            assert not [answer for answer in said if answer["ok"]]
            assert all(len(answer["message"]) < 400 for answer in said)
            assert files_below(tmp_path) == before
            running = [command_line(pid) for pid in children_of(service.process.pid)]
            assert len(running) == 1
            assert "facerec_mqtt.cameras.launching" in running[0]
            assert {message.payload for message in ear.on(f"{ENABLED}/state")} == {b"ON"}
            states = [json.loads(message.payload)["status"] for message in ear.on("facerec/model/state")]
            assert set(states) == {"missing"}
            switch_off(ear)
            assert service.terminate() == 0
    assert "Traceback" not in service.log
    assert len(service.log) < 20_000


def test_a_flood_is_not_answered_by_a_flood(settings: dict[str, str], broker: Broker, tmp_path: Path) -> None:
    with broker.ear() as ear, RunningService(settings, tmp_path / "log" / "log") as service:
        ear.wait_for("facerec/status", b"online", PATIENCE_S)
        began_s = time.monotonic()
        for _ in range(300):
            ear.say(f"{ENABLED}/set", "perhaps")
        ear.wait(lambda message: b"Too many commands" in message.payload, PATIENCE_S)
        ear.settle()
        # Of those that came while it went on, some were let through, each with one more refusal after it.
        elapsed_s = time.monotonic() - began_s
        assert len(answers(ear)) <= BURST + 2 * (1 + PER_SECOND * elapsed_s)
        switch_off(ear)
        assert service.terminate() == 0


@pytest.mark.parametrize("folder", ["Anna", "_strangers"])
def test_a_hostile_enrollment_folder_neither_hangs_the_rebuild_nor_leads_it_outside(
    folder: str, tmp_path: Path
) -> None:
    enrollment, models = tmp_path / "enrollment", tmp_path / "models"
    home = enrollment / folder
    home.mkdir(parents=True)
    (enrollment / "Tom").mkdir(exist_ok=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    cv2.imwrite(str(outside / "secret.jpg"), np.zeros((200, 200, 3), np.uint8))
    os.mkfifo(home / "pipe.jpg")
    (home / "endless.jpg").symlink_to("/dev/zero")
    (home / "outside.jpg").symlink_to(outside / "secret.jpg")
    (home / "loop.jpg").symlink_to(home / "loop.jpg")
    (home / "folder.jpg").mkdir()
    (enrollment / "Link").symlink_to(outside)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "socket.jpg"))
        (home / "bomb.png").write_bytes(png_header_only(60_000, 60_000))
        (home / "text.jpg").write_text("no picture")
        (home / "cut.jpg").write_bytes((outside / "secret.jpg").read_bytes()[:300])
        before = files_below(tmp_path)
        done = run_program("rebuild", "--enrollment", enrollment, "--model-dir", models)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "facerec-mqtt: " in done.stderr
    assert not (models / "current").exists()
    assert {name for name in files_below(tmp_path) if not name.startswith("models")} == before


def test_encryption_cannot_be_switched_off_by_one_line(tmp_path: Path) -> None:
    alone = run_program("check", environment={"FACEREC_MQTT__TLS_INSECURE": "true"}, folder=tmp_path)
    assert alone.returncode == 1
    assert "FACEREC_MQTT__TLS=true" in alone.stderr
    both = {"TLS": "true", "TLS_INSECURE": "true", "TLS_CA": "/etc/ssl/certs/ca-certificates.crt"}
    environment = {f"FACEREC_MQTT__{name}": value for name, value in both.items()}
    contradiction = run_program("check", environment=environment, folder=tmp_path)
    assert contradiction.returncode == 1
    assert "leave out tls_insecure" in contradiction.stderr


def test_by_default_the_brokers_certificate_is_checked() -> None:
    assert not MqttSettings(tls=True).tls_insecure


@pytest.mark.parametrize("insecure", [True, False])
def test_a_service_that_checks_no_certificate_says_so_at_each_start(
    broker_with_tls: Broker, settings: dict[str, str], tmp_path: Path, insecure: bool
) -> None:
    environment = settings | broker_with_tls.environment()
    if insecure:
        del environment["FACEREC_MQTT__TLS_CA"]
        environment["FACEREC_MQTT__TLS_INSECURE"] = "true"
    for start in ("first", "second"):
        with (
            broker_with_tls.ear() as ear,
            RunningService(environment, tmp_path / "log" / start) as service,
        ):
            ear.wait(
                lambda message: (
                    message.topic == "facerec/status"
                    and message.payload == b"online"
                    # The broker still has the first run's last word.
                    and not message.retained
                ),
                PATIENCE_S,
            )
            assert service.terminate() == 0
        assert service.log.count("FACEREC_MQTT__TLS_INSECURE is on") == int(insecure)


def test_what_the_service_keeps_is_for_its_owner_alone(
    settings: dict[str, str], broker: Broker, tmp_path: Path
) -> None:
    heartbeat = tmp_path / "heartbeat"
    environment = settings | {"FACEREC_HEARTBEAT_FILE": str(heartbeat)}
    with broker.ear() as ear, RunningService(environment, tmp_path / "log" / "log") as service:
        ear.wait_for("facerec/camera/front_door/status", b"online", PATIENCE_S)
        switch_off(ear)  # which is remembered
        assert service.terminate() == 0
    kept = [tmp_path / "models", *(tmp_path / "models").rglob("*"), heartbeat]
    assert len(kept) > 2
    assert [path for path in kept if path.stat().st_mode & 0o077] == []
