"""What the running service reports of itself: counts, explanations, and that it is alive."""

import json
import socket
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.broker import Broker, Message, free_port
from tests.support.heartbeats import received
from tests.support.service import Home, RunningService, program

PATIENCE_S = 90.0


def metrics_with(ear: Any, camera: str, what: str) -> dict[str, Any]:
    """The first counts in which something of a camera is more than nothing."""

    def fits(message: Message) -> bool:
        if message.topic != "facerec/metrics":
            return False
        return bool(json.loads(message.payload)["cameras"][camera][what])

    counts: dict[str, Any] = json.loads(ear.wait(fits, PATIENCE_S).payload)
    return counts


def test_the_service_counts_explains_and_notifies_systemd(
    home: Home, film: Path, broker: Broker, tmp_path: Path
) -> None:
    port = free_port()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE_S)
        settings = home.environment(
            {"name": "front_door", "url": str(film), "fps": 5},
            NOTIFY_SOCKET=str(tmp_path / "notify"),
            FACEREC_METRICS__INTERVAL_S="1",
            FACEREC_METRICS__PROMETHEUS_PORT=str(port),
            **broker.environment(),
        )
        command = program("run", "--explain")
        with broker.ear() as ear, RunningService(settings, tmp_path / "log", command) as service:
            assert [systemd.recv(100), systemd.recv(100)] == [b"READY=1", b"WATCHDOG=1"]
            counts = metrics_with(ear, "front_door", "strangers")
            address = f"http://127.0.0.1:{port}/metrics"
            with urllib.request.urlopen(address, timeout=10) as answer:
                scraped = answer.read().decode()
            # The last message needs space: few wait in a socket.
            systemd.setblocking(False)
            said = received(systemd)
            systemd.settimeout(PATIENCE_S)
            assert service.terminate() == 0
            while (word := systemd.recv(100)) == b"WATCHDOG=1":
                said.append(word)
            assert set(said) == {b"WATCHDOG=1"}
            assert word == b"STOPPING=1"
    door = counts["cameras"]["front_door"]
    assert door["arrived"] >= 1
    assert door["named"] >= 3
    assert door["frames"] >= door["looked_at"] + door["still"] > 0
    assert door["faces"] == door["named"] + sum(door["refused"].values())
    assert counts["broker"] == {"connections": 1, "lost": 0, "refused": 0}
    assert counts["latency_ms"]["p50"] <= counts["latency_ms"]["p99"]
    assert 'facerec_visits_total{camera="front_door",kind="stranger"} ' in scraped
    assert "Explained: Anna arrived at front_door" in service.log
    assert "Explained: a stranger was seen at front_door" in service.log
    assert not [message for message in ear.messages if b"Explained" in message.payload]


def test_without_being_asked_the_service_explains_nothing(broker: Broker, film: Path, tmp_path: Path) -> None:
    settings = broker.environment() | {
        "FACEREC_CAMERAS": json.dumps([{"name": "front_door", "url": str(film), "fps": 5}]),
        "FACEREC_MODEL_DIR": str(tmp_path / "models"),
        "FACEREC_METRICS__INTERVAL_S": "1",
    }
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        counts = metrics_with(ear, "front_door", "strangers")
        assert service.terminate() == 0
    assert counts["cameras"]["front_door"]["refused"]["no_model"] > 0
    assert counts["cameras"]["front_door"]["named"] == 0
    assert "Explained" not in service.log


def test_an_endpoint_that_cannot_be_had_is_one_sentence_before_anything_starts(
    film: Path, tmp_path: Path
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings = {
            "FACEREC_CAMERAS": json.dumps([{"name": "front_door", "url": str(film)}]),
            "FACEREC_MODEL_DIR": str(tmp_path / "models"),
            "FACEREC_METRICS__PROMETHEUS_PORT": str(other.getsockname()[1]),
        }
        with RunningService(settings, tmp_path / "log") as service:
            assert service.process is not None
            assert service.process.wait(PATIENCE_S) == 1
    assert "facerec-mqtt: The Prometheus endpoint cannot listen on 127.0.0.1" in service.log
    assert "Traceback" not in service.log
