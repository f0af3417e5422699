"""What cameras and the lines to them do wrong, and that nothing but the frames of that time is lost."""

import json
import logging
import os
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from facerec_mqtt.cameras import Camera, CameraFailure, FailureKind
from facerec_mqtt.cameras.pacing import LONGEST_DELAY_S, backoff_s
from facerec_mqtt.presence.visits import Visits
from facerec_mqtt.settings.schema import RecognitionSettings
from tests.support.broker import Broker, Message, wait_until
from tests.support.faulty_line import FaultyLine
from tests.support.rtsp import CLIP_FPS, StartRtsp, number_of, numbered, write_clip
from tests.support.service import Home, RunningService, wait_for_child
from tests.support.service_runs import DOOR, camera, events, tells_of, wait_for_event
from tests.support.sightings import face
from tests.support.strange_children import replace_children
from tests.support.watched_camera import PASSWORD, PATIENCE_S, assert_live, settings, watched

HOUR_S = 3600.0


OPENED = '{"v": 1, "type": "opened", "width_px": 320, "height_px": 240, "fps": 5}\n'


def through(line: FaultyLine, url: str) -> str:
    """The same stream, by way of the line."""
    return f"rtsp://127.0.0.1:{line.port}{urlsplit(url).path}"


def target_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("fault", ["swallow", "garble"])
def test_a_line_that_fails_in_the_middle_is_noticed_and_loses_only_that_time(
    start_rtsp: StartRtsp, clip: Path, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    caplog.set_level(logging.INFO)
    url = start_rtsp({"/front": [clip]}).url("/front")
    with (
        FaultyLine(target_of(url)) as line,
        watched(settings(through(line, url), read_timeout_s=10)) as door,
    ):
        before = door.frame()
        {"swallow": line.swallow, "garble": line.garble}[fault]()
        door.wait_until_reported(True, False)
        line.restore()
        door.wait_until_reported(True, False, True)
        after = door.frames(5)
        assert_live(after[0], after[-1])
        assert after[0].captured_at_s > before.captured_at_s
    assert len(warnings_of(caplog)) == 1


@pytest.mark.parametrize(
    ("login", "path", "logged"),
    [
        (("digest", "cam", "another-8264"), "/front", "refuses the login (401); check username and password"),
        (None, "/elsewhere", "has no such path (404)"),
    ],
)
def test_a_camera_that_comes_back_with_another_login_or_path_is_logged_once_with_what_to_do(
    start_rtsp: StartRtsp,
    clip: Path,
    caplog: pytest.LogCaptureFixture,
    login: tuple[str, str, str] | None,
    path: str,
    logged: str,
) -> None:
    caplog.set_level(logging.INFO)
    server = start_rtsp({"/front": [clip]}, login=("digest", "cam", PASSWORD))
    reset = start_rtsp({path: [clip]}, login=login)
    url = server.url("/front")
    with (
        FaultyLine(target_of(url)) as line,
        watched(settings(through(line, url), username="cam", password=PASSWORD)) as door,
    ):
        door.frame()
        line.lead_to(target_of(reset.url(path)))
        door.wait_until_reported(True, False)
        wait_until(lambda: logged in caplog.text)
        tried = door.camera.counters.reconnects
        wait_until(lambda: door.camera.counters.reconnects > tried)
        assert len(warnings_of(caplog)) == 2
        assert logged in warnings_of(caplog)[1]
        line.lead_to(target_of(url))
        door.wait_until_reported(True, False, True)
        door.frame()
    assert "another-8264" not in caplog.text
    assert "p@ss" not in caplog.text


def test_a_slow_camera_is_not_lost_while_it_is_given_the_time_that_it_takes(
    start_rtsp: StartRtsp, tmp_path: Path
) -> None:
    slow = tmp_path / "slow.avi"
    write_clip(slow, [numbered(number) for number in range(10)], 0.5)
    server = start_rtsp({"/patient": [slow], "/hasty": [slow]})
    with (
        watched(settings(server.url("/patient"), read_timeout_s=20)) as patient,
        watched(settings(server.url("/hasty"), read_timeout_s=1)) as hasty,
    ):
        numbers = [number_of(frame.image) for frame in patient.frames(4)]
        silent = CameraFailure(FailureKind.SILENT, seconds=1)
        wait_until(lambda: (False, silent) in hasty.reported)
        assert patient.reported == [(True, None)]
        assert patient.camera.counters.reconnects == 0
    assert numbers == list(range(numbers[0], numbers[0] + 4))


def test_a_stream_that_changes_its_rate_loses_no_frame(start_rtsp: StartRtsp, tmp_path: Path) -> None:
    clips = [tmp_path / "fast.avi", tmp_path / "slow.avi"]
    for path, first, fps in zip(clips, (0, 100), (CLIP_FPS, 4), strict=True):
        write_clip(path, [numbered(first + number) for number in range(8)], fps)
    server = start_rtsp({"/front": clips})
    with watched(settings(server.url("/front"), read_timeout_s=60)) as door:
        wanted = {*range(8), *range(100, 108)}
        shown: set[int] = set()
        # Which of them are taken depends on how busy the machine is; none is always left out.
        for _ in range(50 * len(wanted)):
            shown.add(number_of(door.frame().image))
            if shown >= wanted:
                break
        assert door.reported == [(True, None)]
        assert door.camera.counters.reconnects == 0
    assert shown == wanted


def test_a_camera_that_was_away_for_an_hour_was_asked_rarely_and_is_found_within_a_minute() -> None:
    for chance in (0.0, 0.5, 0.999):
        tried_s, failures = [0.0], 0
        while tried_s[-1] < HOUR_S:
            failures += 1
            tried_s.append(tried_s[-1] + backoff_s(failures, chance))
        assert len(tried_s) < 90
        assert tried_s[-1] - HOUR_S <= LONGEST_DELAY_S


def test_nobody_departs_in_the_hour_that_a_camera_is_away_and_everybody_does_after_it() -> None:
    visits = Visits(RecognitionSettings(departure_s=60, camera_offline_s=2 * HOUR_S), new_id=lambda: "V1")
    said = [
        change.kind
        for number in range(5)
        for change in visits.observe(DOOR, number / 5, [replace(face("anna"), captured_at_s=number / 5)])
    ]
    assert said == ["arrived"]
    visits.camera_lost(DOOR, 10.0)
    assert visits.end_overdue(10.0 + HOUR_S) == ()
    visits.camera_back(DOOR, 10.0 + HOUR_S)
    assert visits.end_overdue(10.0 + HOUR_S + 40) == ()
    (departed,) = visits.end_overdue(10.0 + HOUR_S + 60)
    assert (departed.kind, departed.visit_id) == ("departed", "V1")


def test_the_death_of_the_other_cameras_delays_no_frame_and_no_event(
    home: Home, annas_film: Path, start_rtsp: StartRtsp, clip: Path, broker: Broker, tmp_path: Path
) -> None:
    frozen = start_rtsp({"/front": [clip]})
    line_target = start_rtsp({"/front": [clip]}).url("/front")
    with FaultyLine(target_of(line_target)) as swallowing, FaultyLine(target_of(line_target)) as garbling:
        cameras = {
            "frozen": frozen.url("/front"),
            "swallowed": through(swallowing, line_target),
            "garbled": through(garbling, line_target),
            "dead": str(clip),
        }
        others = [{"name": name, "url": url, "read_timeout_s": 10} for name, url in cameras.items()]
        environment = home.environment(*others, camera(annas_film), **broker.environment())
        with broker.ear() as ear, RunningService(environment, tmp_path / "log" / "log") as service:
            for name in cameras:
                ear.wait_for(f"facerec/camera/{name}/status", b"online", PATIENCE_S)
            with broker.ear() as later:  # receives "online" of all first
                frozen.pause()
                swallowing.swallow()
                garbling.garble()
                os.kill(wait_for_child(service, "dead"), signal.SIGSTOP)
                for name in cameras:
                    later.wait_for(f"facerec/camera/{name}/status", b"offline", PATIENCE_S)
            with broker.ear() as later:
                for kind in ("arrived", "departed"):
                    later.wait(partial(tells_of, kind), PATIENCE_S)
            # Each arrival is one of another visit: none was cut in two.
            arrivals = [event["visit_id"] for event in events(ear) if event["event_type"] == "arrived"]
            assert len(arrivals) == len(set(arrivals))
            assert not [m for m in ear.on(f"facerec/camera/{DOOR}/status")[1:] if m.payload == b"offline"]
            assert service.terminate() == 0
        assert service.log.count("Retrying indefinitely") == len(cameras)


def test_pictures_of_any_size_and_kind_stop_nobody(
    home: Home, annas_film: Path, broker: Broker, tmp_path: Path
) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    sizes = [(1, 1), (1, 4000), (4000, 1), (3, 2), (640, 360), (2000, 1500), (17, 2000)]
    for number, (width, height) in enumerate(sizes):
        noise = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
        cv2.imwrite(str(odd / f"{number}.png"), noise)
    strange = {"name": "attic", "url": str(odd), "fps": 30, "region": [0.1, 0.1, 0.9, 0.9]}
    environment = home.environment(strange, camera(annas_film), **broker.environment())
    with broker.ear() as ear, RunningService(environment, tmp_path / "log" / "log") as service:
        wait_for_event(ear, "arrived", "anna")

        def counted(message: Message) -> bool:
            return message.topic == "facerec/camera/attic/state" and json.loads(message.payload)["fps"] > 0

        ear.wait(counted, PATIENCE_S)
        assert service.terminate() == 0
    assert "Traceback" not in service.log


@pytest.mark.parametrize(
    ("program", "kinds"),
    [
        ("", {FailureKind.READER_EXITED}),
        ("os.abort()", {FailureKind.READER_EXITED}),
        ("os.close(output); time.sleep(1000)", {FailureKind.READER_EXITED}),
        ("send('{\"v\": 1')", {FailureKind.READER_EXITED}),
        ("send('opened 320 240\\n')", {FailureKind.READER_INVALID}),
        ("send(b'\\xff\\x00\\n')", {FailureKind.READER_INVALID}),
        ("send(b'x' * 3_000_000)", {FailureKind.READER_INVALID}),
        ("send('[' * 4000 + '\\n')", {FailureKind.READER_INVALID}),
        (
            'send(\'{"v": 1, "type": "opened", "width_px": "320", "height_px": 240, "fps": 5}\\n\')',
            {FailureKind.READER_INVALID},
        ),
        ('send(\'{"v": 1, "type": "frame", "captured_at_s": 1e999}\\n\')', {FailureKind.READER_INVALID}),
        ('send(\'{"v": 3, "type": "alive"}\\n\')', {FailureKind.READER_INVALID}),
    ],
)
def test_nothing_that_a_reader_sends_ends_its_supervision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, kinds: set[FailureKind]
) -> None:
    alive = """send('{"v": 1, "type": "alive"}\\n')"""
    replace_children(monkeypatch, tmp_path, f"{alive}\ntime.sleep(0.1)\n{program}")
    with watched(settings(tmp_path, read_timeout_s=1)) as door:
        door.wait_until_reported(False)
        wait_until(lambda: door.camera.counters.reconnects >= 2)
    assert set(door.failures) == kinds


def test_half_a_message_is_no_sign_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = f"send({OPENED!r})\nwhile True: send('{{'); time.sleep(0.1)"
    replace_children(monkeypatch, tmp_path, program)
    with watched(settings(tmp_path, read_timeout_s=1)) as door:
        wait_until(lambda: door.failures)
    assert door.failures[0] is FailureKind.SILENT


def test_an_error_in_the_status_callback_of_a_camera_does_not_end_its_supervision(
    clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reported: list[bool] = []

    def on_status(_camera: str, online: bool, _failure: CameraFailure | None) -> None:
        reported.append(online)
        raise ZeroDivisionError

    door = Camera(settings(clip), on_status)
    door.start()
    try:
        assert door.latest(0.0, PATIENCE_S) is not None
        pid = door.reader_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: reported == [True, False, True])
    finally:
        door.stop()
    assert "ZeroDivisionError" in caplog.text


def test_an_unexpected_error_of_the_supervision_takes_the_camera_offline_and_is_retried(
    clip: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with watched(settings(clip)) as door:
        door.frame()
        pid = door.camera.reader_pid
        assert pid is not None
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", "no\0path")  # for which no exception is foreseen
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: "unexpected error" in caplog.text)
        door.wait_until_reported(True, False, True)
        door.frame()


def test_a_reader_gets_a_few_variables_only(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPERVISOR_TOKEN", "t0k3n")
    monkeypatch.setenv("FACEREC_MQTT__PASSWORD", "c4n4ry")
    monkeypatch.setenv("https_proxy", "http://u:p455@127.0.0.1:9")
    monkeypatch.setenv("TZ", "Europe/Oslo")
    with watched(settings(clip)) as door:
        door.frame()
        environment = Path(f"/proc/{door.camera.reader_pid}/environ").read_bytes()
    for secret in (b"t0k3n", b"c4n4ry", b"p455"):
        assert secret not in environment
    assert b"TZ=Europe/Oslo" in environment
    assert f"PATH={os.environ['PATH']}".encode() in environment
