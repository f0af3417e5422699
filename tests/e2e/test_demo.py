"""The demo, once for real, and its parts."""

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from queue import SimpleQueue

import httpx
import numpy as np
import pytest

from facerec_mqtt.cli.demo.drawn_camera import FRAMES_PER_SECOND, drawn_camera, film_visit
from facerec_mqtt.cli.demo.listener import event_line, listener
from facerec_mqtt.core.images import decode_picture
from facerec_mqtt.mqtt.connection import Received, Signal, connection
from facerec_mqtt.rendering import FAMILY
from tests.support.broker import PATIENCE_S, Broker
from tests.support.service import clean_environment, program, run_program

# Where the tests run in the background of a shell, interrupts are ignored unless somebody asks for them.
INTERRUPTIBLE = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from facerec_mqtt.cli.main import main; sys.exit(main({}))"
)


def wait_for(signals: "SimpleQueue[Signal]", kind: type[Signal]) -> Signal:
    while True:
        signal = signals.get(timeout=PATIENCE_S)
        if isinstance(signal, kind):
            return signal


def test_the_demo_lets_family_arrive_and_a_stranger_stay_a_stranger(tmp_path: Path) -> None:
    with (
        (tmp_path / "complaints").open("wb") as complaints,
        subprocess.Popen(
            [sys.executable, "-c", INTERRUPTIBLE.format(["demo", "--forever"])],
            env=clean_environment(TMPDIR=str(tmp_path), PYTHONIOENCODING="utf-8"),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=complaints,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
        ) as demo,
    ):
        assert demo.stdout is not None
        events = []
        watchdog = threading.Timer(10 * PATIENCE_S, demo.kill)
        watchdog.start()
        for line in demo.stdout:
            if (event := line.split(maxsplit=2))[1:2] and event[1] in ("arrived", "departed", "stranger"):
                events.append((event[1], event[2]))
                if event[1] == "stranger":
                    break
            elif "The page: " in line:
                address = line.split()[2]
        status = httpx.get(f"{address}api/v1/status", timeout=PATIENCE_S).json()
        demo.send_signal(signal.SIGINT)
        rest = demo.stdout.read()
        assert demo.wait(PATIENCE_S) == 0
        watchdog.cancel()
    assert {person["name"] for person in status["people"]} == set(FAMILY)
    assert [text.split(" at ")[0] for kind, text in events if kind == "arrived"] == ["Anna"]
    kind, text = events[-1]
    assert kind == "stranger"
    assert not any(name in text for name in FAMILY)
    assert "facerec-mqtt rebuild" in rest
    assert (tmp_path / "complaints").read_text() == ""
    assert [path.name for path in tmp_path.iterdir()] == ["complaints"]


def test_a_broker_that_is_not_there_is_said_at_once_and_nothing_is_left(tmp_path: Path) -> None:
    nowhere = {"FACEREC_MQTT__HOST": "127.0.0.1", "FACEREC_MQTT__PORT": "1"}
    done = run_program("demo", environment=nowhere | {"TMPDIR": str(tmp_path)}, folder=tmp_path)
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr
    assert "Drawing" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_page_of_the_demo_is_at_the_port_that_is_set(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run_program("demo", environment={"FACEREC_WEB__PORT": port}, folder=tmp_path)
    assert done.returncode == 1
    assert f"Port {port}" in done.stderr
    assert done.stdout == ""


def test_a_port_without_a_host_is_no_broker_of_the_users_and_that_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = {"FACEREC_WEB__PORT": str(taken.getsockname()[1]), "FACEREC_MQTT__PORT": "1"}
        done = run_program("demo", environment=environment, folder=tmp_path)
    assert "broker" not in done.stderr
    assert "FACEREC_WEB__PORT" in done.stderr
    assert "FACEREC_MQTT__HOST is not set" in done.stdout
    assert "ignores FACEREC_MQTT__PORT." in done.stdout


def test_the_broker_of_a_settings_file_that_is_named_is_used_and_a_missing_file_is_said(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine").write_text("FACEREC_MQTT__HOST=127.0.0.1\nFACEREC_MQTT__PORT=1\n")
    done = run_program("--env-file", "mine", "demo", folder=tmp_path)
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr
    done = run_program("--env-file", "nowhere", "demo", folder=tmp_path)
    assert done.returncode == 1
    assert "The settings file nowhere does not exist" in done.stderr
    assert done.stdout == ""


def test_a_demo_that_is_ended_while_it_draws_leaves_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        program("demo"),
        env=clean_environment(TMPDIR=str(tmp_path), PYTHONIOENCODING="utf-8"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    ) as demo:
        assert demo.stdout is not None
        assert demo.stdout.readline().startswith(b"Drawing")
        assert [path.name[:12] for path in tmp_path.iterdir()] == ["facerec-demo"]
        demo.terminate()
        assert demo.wait(PATIENCE_S) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            {"event_type": "arrived", "name": "José", "score": 0.968},
            "18:02:11  arrived   José at front_door (score 0.97)",
        ),
        (
            {"event_type": "departed", "name": "José", "score": None},
            "18:02:11  departed  José, last seen at front_door",
        ),
        (
            {"event_type": "stranger", "name": None, "score": 0.31},
            "18:02:11  stranger  somebody who is not enrolled, at front_door",
        ),
    ],
)
def test_an_event_is_one_line_for_people(event: dict[str, object], line: str) -> None:
    common = {"camera": "front_door", "time": "2026-11-23T18:02:11.412+01:00"}
    assert event_line(event | common) == line


def test_the_listener_receives_events_and_can_leave_nothing_retained_behind(broker: Broker) -> None:
    settings = broker.settings()
    with connection(settings, "service") as opened:
        service = opened.client
        with listener(settings, clear=True) as listening:
            service.publish("facerec/status", b"online", qos=1, retain=True)
            service.publish("elsewhere/camera/hall/event", b"{}", qos=1)
            service.publish("facerec/camera/hall/event", b'{"event_type": "arrived"}', qos=1)
            first = next(listening.events(time.monotonic() + PATIENCE_S))
            assert first == {"event_type": "arrived"}
            assert listening.topics == {"facerec/status"}
        service.subscribe([("facerec/#", 1), ("marker", 1)])
        service.publish("marker", b"", qos=1)
        received = wait_for(opened.signals, Received)
        assert isinstance(received, Received)
        assert received.topic == "marker"


def test_the_drawn_camera_begins_its_film_at_the_first_request() -> None:
    with (
        drawn_camera([b"first", b"second"]) as url,
        urllib.request.urlopen(url, timeout=PATIENCE_S) as answer,
    ):
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.read() == b"first"


def test_a_filmed_visit_begins_with_an_empty_hall() -> None:
    film = [decode_picture(jpeg) for jpeg in film_visit(0)]
    assert len(film) == 9 * FRAMES_PER_SECOND
    empty = film[0].astype(int)
    assert np.abs(film[10] - empty).mean() < 5
    assert np.abs(film[30] - empty).mean() > 10
