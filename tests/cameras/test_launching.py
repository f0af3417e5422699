"""Readers that are forked from one process behave as those that are started alone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_mqtt.cameras import ForkServer
from tests.support.broker import wait_until
from tests.support.service import children_of
from tests.support.watched_camera import PASSWORD, Watched, is_running, settings, watched


@pytest.fixture
def fork_server() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


def reader_of(door: Watched) -> int:
    pid = door.camera.reader_pid
    assert pid is not None
    return pid


def test_a_forked_reader_knows_its_own_camera_only_and_leaves_nothing_behind(clip: Path) -> None:
    files_before, children_before = set(os.listdir("/proc/self/fd")), children_of(os.getpid())  # noqa: PTH208
    server = ForkServer()
    with (
        watched(settings(clip, username="cam", password=PASSWORD), server.launch) as door,
        watched(settings(clip.parent / "none.avi"), server.launch) as other,
    ):
        assert door.frame().image.shape == (240, 320, 3)
        other.wait_until_reported(False)
        pid = reader_of(door)
        [parent] = set(children_of(os.getpid())) - set(children_before)
        assert pid in children_of(parent)
        assert Path(f"/proc/{pid}/comm").read_text() == "door\n"
        assert {str(Path(f"/proc/{pid}/fd/{each}").readlink()) for each in (1, 2)} == {"/dev/null"}
        # Three streams, the status pipe, the shared frame and that of its map, and the film.
        assert len(os.listdir(f"/proc/{pid}/fd")) == 7  # noqa: PTH208
    server.close()
    assert not is_running(pid)
    assert set(children_of(os.getpid())) <= set(children_before)
    assert set(os.listdir("/proc/self/fd")) == files_before  # noqa: PTH208


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP])
def test_one_that_dies_or_hangs_is_replaced_and_the_others_go_on(
    fork_server: ForkServer, clip: Path, number: signal.Signals
) -> None:
    with (
        watched(settings(clip, read_timeout_s=5), fork_server.launch) as door,
        watched(settings(clip), fork_server.launch) as other,
    ):
        door.frame()
        other.frame()
        pids = reader_of(door), reader_of(other)
        os.kill(pids[0], number)
        door.wait_until_reported(True, False, True)
        door.frame()
        other.frame()
        assert reader_of(door) != pids[0]
        assert reader_of(other) == pids[1]
        assert other.reported == [(True, None)]
        wait_until(lambda: not is_running(pids[0]))


def test_the_death_of_the_server_ends_its_readers_and_all_are_started_again(
    fork_server: ForkServer, clip: Path
) -> None:
    before = set(children_of(os.getpid()))
    with (
        watched(settings(clip), fork_server.launch) as door,
        watched(settings(clip), fork_server.launch) as other,
    ):
        pids = []
        for each in (door, other):
            each.frame()
            pids.append(reader_of(each))
        [parent] = set(children_of(os.getpid())) - before
        os.kill(parent, signal.SIGKILL)
        for each in (door, other):
            each.wait_until_reported(True, False, True)
            each.frame()
        wait_until(lambda: not any(map(is_running, pids)))


def test_when_the_service_is_killed_server_and_readers_end(clip: Path) -> None:
    program = (
        "import sys, time; from facerec_mqtt.cameras import Camera, ForkServer;"
        "from facerec_mqtt.settings.schema import CameraSettings;"
        "camera = Camera(CameraSettings(name='door', url=sys.argv[1]), launch=ForkServer().launch);"
        "camera.start(); assert camera.latest(0.0, 100.0);"
        "print(camera.reader_pid, flush=True); time.sleep(100)"
    )
    command = [sys.executable, "-c", program, str(clip)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        pid = int(service.stdout.readline())
        pids = [pid, *children_of(service.pid)]
        assert len(pids) == 2
        assert all(map(is_running, pids))
        service.kill()
    wait_until(lambda: not any(map(is_running, pids)))
