"""The heartbeat: a file that is touched, and what systemd receives on a real socket."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_mqtt.monitoring.heartbeat import BEAT_S, Heartbeat
from tests.support.heartbeats import received
from tests.support.paths import ROOT

UNIT = ROOT / "packaging" / "facerec-mqtt.service"


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The manager's end: a datagram socket in a folder."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


def test_systemd_is_notified_of_start_life_and_end(systemd: socket.socket) -> None:
    heartbeat = Heartbeat(None, {"NOTIFY_SOCKET": str(systemd.getsockname())})
    assert received(systemd) == []
    heartbeat.ready()
    heartbeat.beat(100.0)
    heartbeat.stopping()
    assert received(systemd) == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
    # Were it told of an end, systemd would not let the same process start again.
    heartbeat.stopping(restarts=True)
    (again,) = received(systemd)
    assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", again)


def test_an_abstract_address_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        name = f"facerec-test-{os.getpid()}"
        listener.setblocking(False)
        listener.bind("\0" + name)
        Heartbeat(None, {"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert received(listener) == [b"READY=1"]


def test_it_beats_no_more_often_than_needed(systemd: socket.socket) -> None:
    heartbeat = Heartbeat(None, {"NOTIFY_SOCKET": str(systemd.getsockname())})
    for now_s in (100.0, 100.1, 100.0 + BEAT_S - 0.1, 100.0 + BEAT_S):
        heartbeat.beat(now_s)
    assert received(systemd) == [b"WATCHDOG=1"] * 2


def test_a_short_limit_of_systemd_is_kept(systemd: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": str(systemd.getsockname()), "WATCHDOG_USEC": "2000000"}
    heartbeat = Heartbeat(None, environment)
    for now_s in (100.0, 100.9, 101.0, 102.0):
        heartbeat.beat(now_s)
    assert received(systemd) == [b"WATCHDOG=1"] * 3


def test_no_child_inherits_the_wishes_of_systemd(systemd: socket.socket) -> None:
    environment = {
        "NOTIFY_SOCKET": str(systemd.getsockname()),
        "WATCHDOG_USEC": "x",
        "WATCHDOG_PID": "1",
        "HOME": "/",
    }
    Heartbeat(None, environment)
    assert environment == {"HOME": "/"}


def test_without_systemd_only_the_file_is_touched(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    heartbeat = Heartbeat(file, {})
    assert not file.exists()
    heartbeat.ready()
    heartbeat.beat(100.0)
    os.utime(file, (0, 0))
    heartbeat.beat(100.0 + BEAT_S / 2)
    assert file.stat().st_mtime == 0
    heartbeat.beat(100.0 + BEAT_S)
    assert file.stat().st_mtime > 0


def test_a_file_and_a_socket_that_are_not_there_are_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heartbeat = Heartbeat(tmp_path / "no" / "heartbeat", {"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    heartbeat.ready()
    for beat in range(5):
        heartbeat.beat(100.0 + beat * BEAT_S)
    logged = sorted(record.getMessage() for record in caplog.records)
    assert len(logged) == 2
    assert "FACEREC_HEARTBEAT_FILE" in logged[0]
    assert logged[1].startswith("systemd cannot be notified")


def test_a_full_socket_is_waited_for_by_nobody(systemd: socket.socket) -> None:
    heartbeat = Heartbeat(None, {"NOTIFY_SOCKET": str(systemd.getsockname())})
    for beat in range(1000):
        heartbeat.beat(beat * BEAT_S)
    assert 0 < len(received(systemd)) < 1000


def test_the_unit_is_one_that_systemd_accepts_and_gives_time_for_two_beats(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8")
    limit = re.search(r"^WatchdogSec=(\d+)$", text, re.MULTILINE)
    assert limit is not None
    assert int(limit[1]) > 2 * BEAT_S
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("/opt/facerec-mqtt/bin/facerec-mqtt", sys.executable), encoding="utf-8")
    verified = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60, check=False
    )
    assert UNIT.name not in verified.stderr
    assert verified.returncode == 0
