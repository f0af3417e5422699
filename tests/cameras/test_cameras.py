"""Cameras as the service uses them: real servers, real reader processes, real faults."""

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from facerec_mqtt.cameras import Camera, CameraFailedError, CameraFailure, FailureKind, probe
from tests.support.broker import wait_until
from tests.support.rtsp import CLIP_FPS, StartRtsp, number_of, numbered, write_clip
from tests.support.watched_camera import PASSWORD, assert_live, is_running, settings, watched


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# --- RTSP


def test_frames_arrive_from_a_camera_with_a_login_and_then_all_is_given_back(
    start_rtsp: StartRtsp, clip: Path
) -> None:
    files_before = open_files()
    server = start_rtsp({"/front": [clip]}, login=("digest", "cam", PASSWORD))
    files_of_server = open_files() - files_before
    with watched(settings(server.url("/front"), username="cam", password=PASSWORD)) as door:
        frames = door.frames(10)
        pid = door.camera.reader_pid
        assert pid is not None
        secrets_seen = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
        assert door.camera.online
        assert door.camera.counters.frames >= 10
        assert door.camera.counters.reconnects == 0
    assert {frame.image.shape for frame in frames} == {(240, 320, 3)}
    assert not frames[0].image.flags.writeable
    assert_live(frames[0], frames[-1])
    assert door.reported == [(True, None)]
    assert not any(b"p@ss" in seen or b"p%40ss" in seen for seen in secrets_seen)
    assert not is_running(pid)
    assert open_files() == files_before + files_of_server
    assert door.camera.latest(0.0, 0.0) is None


def test_a_slow_consumer_gets_the_newest_frame(start_rtsp: StartRtsp, clip: Path) -> None:
    server = start_rtsp({"/front": [clip]})
    with watched(settings(server.url("/front"))) as door:
        first = door.frame()
        for _ in range(3):
            read = door.camera.counters.frames
            wait_until(lambda read=read: door.camera.counters.frames >= read + 20)  # type: ignore[misc]
            waited_from_s = time.monotonic()
            newest = door.frame()
            assert newest.captured_at_s > waited_from_s - 1.0
            assert_live(first, newest)
            first = newest


def test_a_frame_is_handed_out_once(start_rtsp: StartRtsp, clip: Path) -> None:
    server = start_rtsp({"/front": [clip]})
    with watched(settings(server.url("/front"), fps=0.1)) as door:
        frame = door.frame()
        assert door.camera.latest(frame.captured_at_s, 0.0) is None


def test_no_more_frames_are_read_than_wanted(start_rtsp: StartRtsp, clip: Path) -> None:
    server = start_rtsp({"/front": [clip]})
    with watched(settings(server.url("/front"), fps=3)) as door:
        frames = door.frames(8)
    assert 7 / (frames[-1].captured_at_s - frames[0].captured_at_s) < 3.6


def test_a_killed_server_is_logged_once_and_its_return_too(
    start_rtsp: StartRtsp, clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = start_rtsp({"/front": [clip]})
    with watched(settings(server.url("/front"))) as door:
        door.frame()
        server.kill()
        door.wait_until_reported(True, False)
        assert not door.camera.online
        # It is tried more than once meanwhile.
        wait_until(lambda: door.camera.counters.reconnects >= 2)
        server.start()
        door.wait_until_reported(True, False, True)
        door.frames(3)
    said = [
        record.getMessage() for record in caplog.records if record.name.startswith("facerec_mqtt.cameras")
    ]
    assert said[:2] == [
        'Camera "Door" is online: 320x240 pixels',
        'Camera "Door" has ended its stream. Retrying indefinitely',
    ]
    assert re.fullmatch(r'Camera "Door" is back after \d+ s', said[2])
    assert len(said) == 3


def test_a_frozen_server_is_noticed_and_its_thaw_too(start_rtsp: StartRtsp, clip: Path) -> None:
    server = start_rtsp({"/front": [clip]})
    with watched(settings(server.url("/front"), read_timeout_s=10)) as door:
        door.frame()
        server.pause()
        door.wait_until_reported(True, False)
        assert door.reported[1][1] == CameraFailure(FailureKind.SILENT, seconds=10)
        server.go_on()
        door.wait_until_reported(True, False, True)
        before = door.frame()
        assert_live(before, door.frames(5)[-1])


def test_a_reader_that_dies_is_replaced(start_rtsp: StartRtsp, clip: Path) -> None:
    server = start_rtsp({"/front": [clip]})
    with watched(settings(server.url("/front"))) as door:
        door.frame()
        pid = door.camera.reader_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        door.wait_until_reported(True, False, True)
        door.frame()
        assert door.camera.reader_pid != pid


def test_what_was_held_up_is_not_taken_for_the_present(start_rtsp: StartRtsp, clip: Path) -> None:
    server = start_rtsp({"/front": [clip]})
    with watched(settings(server.url("/front"), read_timeout_s=20)) as door:
        before = door.frames(15)[-1]
        pid = door.camera.reader_pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        time.sleep(4)  # as long as the network is to be dead
        os.kill(pid, signal.SIGCONT)
        for frame in door.frames(5):
            assert_live(before, frame)
        assert door.reported == [(True, None)]


def test_a_reader_ends_when_the_service_is_killed(start_rtsp: StartRtsp, clip: Path) -> None:
    program = (
        "import sys, time; from facerec_mqtt.cameras import Camera;"
        "from facerec_mqtt.settings.schema import CameraSettings;"
        "camera = Camera(CameraSettings(name='door', url=sys.argv[1])); camera.start();"
        "assert camera.latest(0.0, 100.0); print(camera.reader_pid, flush=True); time.sleep(100)"
    )
    server = start_rtsp({"/front": [clip]})
    command = [sys.executable, "-c", program, server.url("/front")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        pid = int(service.stdout.readline())
        assert is_running(pid)
        service.kill()
    wait_until(lambda: not is_running(pid))


def test_a_stream_that_changes_its_size_goes_on(start_rtsp: StartRtsp, tmp_path: Path) -> None:
    sizes = [(320, 240), (640, 360)]
    clips = [tmp_path / f"{width}.avi" for width, _ in sizes]
    for index, (path, size) in enumerate(zip(clips, sizes, strict=True)):
        write_clip(path, [numbered(100 * index + number, *size) for number in range(15)], CLIP_FPS)
    server = start_rtsp({"/front": clips})
    with watched(settings(server.url("/front"))) as door:
        frames = door.frames(45)
    assert {frame.image.shape for frame in frames} == {(240, 320, 3), (360, 640, 3)}
    numbers = {number_of(frame.image) for frame in frames}
    assert numbers & set(range(15))
    assert numbers & set(range(100, 115))
    assert numbers <= {*range(15), *range(100, 115)}
    assert door.reported == [(True, None)]


@pytest.mark.parametrize(
    ("login", "path", "kind", "status"),
    [
        (("cam", "guess-7391"), "/front", FailureKind.UNAUTHORIZED, 401),
        ((None, None), "/front", FailureKind.LOGIN_MISSING, 401),
        (("cam", PASSWORD), "/back", FailureKind.NOT_FOUND, 404),
    ],
)
def test_why_a_camera_cannot_be_opened_is_reported_and_no_secret(
    start_rtsp: StartRtsp,
    clip: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    login: tuple[str | None, str | None],
    path: str,
    kind: FailureKind,
    status: int,
) -> None:
    caplog.set_level(logging.DEBUG)
    server = start_rtsp({"/front": [clip]}, login=("digest", "cam", PASSWORD))
    front = settings(server.url(path), username=login[0], password=login[1])
    with watched(front) as door:
        door.wait_until_reported(False)
        wait_until(lambda: door.camera.counters.reconnects >= 2)
    failure = door.reported[0][1]
    assert failure is not None
    assert (failure.kind, failure.status) == (kind, status)
    with pytest.raises(CameraFailedError) as caught:
        probe(front)
    assert caught.value.failure == failure
    assert str(caught.value) == f'Camera "Door" {failure.sentence}.'
    output = capfd.readouterr()
    everything = "\n".join([caplog.text, str(door.reported), str(caught.value), output.out, output.err])
    for secret in ("p@ss", "p%40ss", "guess-7391"):
        assert secret not in everything
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


def test_a_camera_that_swallows_everything_delays_no_other(clip: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as hole,
        watched(settings(f"rtsp://127.0.0.1:{hole.getsockname()[1]}/x", read_timeout_s=1)) as silent,
        watched(settings(clip)) as door,
    ):
        before = door.frame()
        while silent.camera.counters.reconnects < 2:
            after = door.frame()
            if after.captured_at_s > before.captured_at_s + 5:
                assert_live(before, after)
                before = after
        assert_live(before, door.frame())
        silent.wait_until_reported(False)
        assert door.reported == [(True, None)]
        assert silent.failures == [FailureKind.SLOW]


def test_a_probe_returns_size_and_rate(start_rtsp: StartRtsp, clip: Path) -> None:
    server = start_rtsp({"/front": [clip]}, login=("basic", "cam", PASSWORD))
    facts = probe(settings(server.url("/front"), username="cam", password=PASSWORD))
    assert (facts.width, facts.height, facts.fps) == (320, 240, CLIP_FPS)


def test_a_probe_of_nothing_is_one_clear_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(CameraFailedError) as caught:
        probe(settings(f"rtsp://127.0.0.1:{port}/x"))
    assert caught.value.failure == CameraFailure(FailureKind.REFUSED, place=f"127.0.0.1:{port}")
    assert re.fullmatch(rf'Camera "Door" cannot be reached: .*:{port} .*; .*\.', str(caught.value))


def test_a_camera_that_was_never_started_can_be_stopped() -> None:
    camera = Camera(settings("nowhere.avi"))
    camera.stop()
    assert camera.latest(0.0, 0.0) is None
    assert not camera.online


# --- Files


def test_a_file_is_played_over_and_over(tmp_path: Path) -> None:
    path = tmp_path / "short.avi"
    write_clip(path, [numbered(number) for number in range(10)], 20)
    with watched(settings(path)) as door:
        numbers = [number_of(frame.image) for frame in door.frames(25)]
        assert door.reported == [(True, None)]
    assert set(numbers) <= set(range(10))
    assert sum(later < number for number, later in pairwise(numbers)) >= 2


def test_a_file_is_played_at_its_own_speed(clip: Path) -> None:
    with watched(settings(clip)) as door:
        first = door.frame()
        assert_live(first, door.frames(30)[-1])


def test_of_a_fast_file_so_many_frames_are_taken_as_are_wanted(clip: Path) -> None:
    with watched(settings(clip, fps=5)) as door:
        frames = door.frames(8)
    assert_live(frames[0], frames[-1])
    assert 7 / (frames[-1].captured_at_s - frames[0].captured_at_s) < 6


@pytest.mark.parametrize(
    ("content", "kind"), [(None, FailureKind.NO_FILE), (b"not a video", FailureKind.NOT_A_VIDEO)]
)
def test_a_file_that_is_no_video_is_named(tmp_path: Path, content: bytes | None, kind: FailureKind) -> None:
    path = tmp_path / "clip.avi"
    if content is not None:
        path.write_bytes(content)
    assert failure_of(path) == CameraFailure(kind, place=str(path))


def test_a_path_that_the_system_will_not_even_look_at_is_a_file_that_is_not_there() -> None:
    # As is one on a share that has dropped, which no test can have.
    assert failure_of("/" + "x" * 300).kind is FailureKind.NO_FILE


def test_a_device_that_is_not_there_is_named() -> None:
    assert failure_of("963") == CameraFailure(FailureKind.NO_DEVICE, place="/dev/video963")


def failure_of(url: str | Path) -> CameraFailure:
    with pytest.raises(CameraFailedError) as caught:
        probe(settings(url))
    return caught.value.failure
