"""Two streams of a camera: the main one is opened while a face is too small in the other, and only then."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.records import Frame, Image, Sighting
from facerec_mqtt.recognition import Recognizer, load_current
from facerec_mqtt.rendering import FAMILY, Pose, render_frame
from facerec_mqtt.service.frames.main_stream import CLOSE_AFTER_S, RETRY_AFTER_S, MainStream
from facerec_mqtt.settings import CameraSettings, RecognitionSettings
from tests.support.broker import Broker, wait_until
from tests.support.rtsp_camera import RtspCamera
from tests.support.service import Home, RunningService
from tests.support.service_runs import camera, events, wait_for_event
from tests.support.watched_camera import PASSWORD

LARGE = (1280, 720)


def halls(face_px: float, count: int = 6) -> list[Image]:
    """Anna in the hall; she moves a little."""
    return [
        render_frame(
            ((FAMILY["Anna"], Pose(640 + 6 * number, 320, face_px, yaw_deg=2 * number)),),
            size=LARGE,
            seed=number,
            samples=2,
        )
        for number in range(count)
    ]


def jpegs(pictures: Sequence[Image], size: tuple[int, int] = LARGE) -> list[bytes]:
    small = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in pictures)
    return [cv2.imencode(".jpg", each)[1].tobytes() for each in small]


@pytest.fixture(scope="module")
def far() -> list[Image]:
    """She is 96 pixels wide in the main stream, 24 in a quarter of it."""
    return halls(96)


@pytest.fixture(scope="module")
def recognizer(rebuilt: Home) -> Recognizer:
    return Recognizer.load(load_current(rebuilt.models))


def a_look(far: Sequence[Image], recognizer: Recognizer) -> tuple[Frame, Sighting]:
    """A frame of the sub-stream, and the face in it."""
    small = np.asarray(cv2.resize(far[0], (320, 180), interpolation=cv2.INTER_AREA), np.uint8)
    frame = Frame("door", time.monotonic(), small)
    (found,) = recognizer.recognise(small, min_face_px=40)
    assert found.identification.refusal == "face too small"
    sighting = Sighting("door", frame.captured_at_s, found.detection, found.identification, found.face)
    return frame, sighting


@contextmanager
def main_stream(url: str, **settings: str) -> Iterator[MainStream]:
    door = CameraSettings.model_validate({"name": "Door", "url": "rtsp://h/", "main_url": url, **settings})
    main = MainStream(door, RecognitionSettings())
    try:
        yield main
    finally:
        main.close()


def test_a_face_is_named_by_it_and_it_is_closed_when_it_is_not_needed(
    far: list[Image], recognizer: Recognizer
) -> None:
    with (
        RtspCamera(jpegs(far), login=("cam", PASSWORD)) as door,
        main_stream(door.url, username="cam", password=PASSWORD) as main,
    ):
        main.close_if_idle(time.monotonic())
        assert not main.is_open
        assert door.asked == []
        seen: list[Sighting] = []

        def is_named() -> bool:
            seen.append(main.look(*a_look(far, recognizer), recognizer))
            return seen[-1].identification.person == "anna"

        wait_until(is_named)
        assert seen[0].identification.refusal == "face too small"
        assert seen[-1].face.width_px > 2 * seen[0].face.width_px
        # The face is followed by its place in the sub-stream.
        assert seen[-1].detection.box == pytest.approx(seen[0].detection.box)
        main.close_if_idle(time.monotonic() + 0.5 * CLOSE_AFTER_S)
        assert main.is_open
        main.close_if_idle(time.monotonic() + 1.1 * CLOSE_AFTER_S)
        assert not main.is_open


def test_somebody_who_is_not_there_in_it_is_not_named(far: list[Image], recognizer: Recognizer) -> None:
    empty = render_frame((), size=LARGE, seed=3, samples=1)
    with RtspCamera(jpegs([empty])) as door, main_stream(door.url) as main:
        wait_until(lambda: main.look(*a_look(far, recognizer), recognizer) is not None and bool(door.played))
        wait_until(lambda: door.played[0] > 1)
        frame, sighting = a_look(far, recognizer)
        assert main.look(frame, sighting, recognizer) is sighting


def test_one_that_fails_costs_one_line_and_is_left_alone_for_a_while(
    far: list[Image], recognizer: Recognizer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        RtspCamera(jpegs(far), login=("cam", PASSWORD)) as door,
        main_stream(door.url, username="cam", password="guess-7391") as main,
    ):
        frame, sighting = a_look(far, recognizer)

        def has_failed() -> bool:
            assert main.look(frame, sighting, recognizer) is sighting
            main.close_if_idle(frame.captured_at_s)
            return not main.is_open

        for _ in range(2):
            wait_until(has_failed)
            tries = door.asked.count("DESCRIBE")
            assert main.look(frame, sighting, recognizer) is sighting
            assert not main.is_open
            assert door.asked.count("DESCRIBE") == tries
            frame = Frame("door", frame.captured_at_s + 1.1 * RETRY_AFTER_S, frame.image)
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warned) == 1
    assert "401" in warned[0].getMessage()
    assert "guess-7391" not in caplog.text


def test_who_is_far_away_arrives_by_it_and_of_who_is_near_it_is_never_opened(
    far: list[Image], home: Home, broker: Broker, tmp_path: Path
) -> None:
    near = [each[210:430, 440:840] for each in far]
    with (
        RtspCamera(jpegs(far, (320, 176))) as far_sub,
        RtspCamera(jpegs(far)) as far_main,
        RtspCamera(jpegs(near, (320, 176))) as near_sub,
        RtspCamera(jpegs(far)) as near_main,
        RtspCamera(jpegs(far, (320, 176))) as without,
    ):
        cameras = (
            camera(far_sub.url, main_url=far_main.url),
            camera(near_sub.url, main_url=near_main.url) | {"name": "near"},
            camera(without.url) | {"name": "without"},
        )
        settings = home.environment(*cameras, **broker.environment())
        with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
            wait_for_event(ear, "arrived", "anna")
            ear.wait(lambda message: b'"camera":"front_door"' in message.payload)
            ear.wait(lambda message: b'"camera":"near"' in message.payload)
            assert {event["camera"] for event in events(ear)} == {"front_door", "near"}
            assert service.terminate() == 0
        assert "PLAY" in far_main.asked
        assert near_main.asked == []
