"""The motion gate opens for what moves, and for nothing else for long."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.records import Frame, Image
from facerec_mqtt.faces.motion import MotionGate
from tests.support.paths import SHARED

FPS = 5.0
VIDEO = SHARED / "data" / "video" / "P1_bird.mkv"


@cache
def grain() -> Image:
    """Noise of mean 128 and deviation 32, larger than the pictures it is laid over."""
    noise = np.random.default_rng(7).normal(128, 32, (600, 800, 3))
    return noise.clip(0, 255).astype(np.uint8)


@cache
def porch(width: int = 640, height: int = 360) -> Image:
    """A picture with structure: slopes and a door."""
    y, x = np.mgrid[0:height, 0:width]
    grey = 60 + 90 * x / width + 40 * np.sin(y / 23)
    image = np.repeat(grey[..., None], 3, axis=2)
    image[height // 4 :, width // 3 : width // 2] = (40, 60, 110)
    return image.clip(0, 255).astype(np.uint8)


def with_visitor(image: Image, x: int, size: int = 60) -> Image:
    picture = image.copy()
    cv2.ellipse(picture, (x, image.shape[0] // 2), (size // 2, size), 0, 0, 360, (120, 150, 200), -1)
    return picture


def noisy(image: Image, deviation: float, number: int) -> Image:
    """The picture with sensor noise, other noise for each number."""
    height, width = image.shape[:2]
    y, x = divmod(7919 * number, 97)
    noise = grain()[y % 97 : y % 97 + height, x : x + width]
    return np.asarray(cv2.addWeighted(image, 1.0, noise, deviation / 32.0, -128 * deviation / 32.0), np.uint8)


def answers(gate: MotionGate, images: Iterator[Image], start_s: float = 0.0) -> list[bool]:
    return [gate.moved(Frame("door", start_s + i / FPS, image)) for i, image in enumerate(images)]


def settled(scene: Callable[[int], Image], hold_s: float = 1.0) -> MotionGate:
    """A gate that has watched a scene for ten seconds and has closed."""
    gate = MotionGate(hold_s)
    assert not answers(gate, (scene(i) for i in range(50)))[-1]
    return gate


def test_the_first_frame_opens() -> None:
    assert MotionGate().moved(Frame("door", 5.0, porch()))


def test_a_still_picture_closes_after_the_hold() -> None:
    seen = answers(MotionGate(hold_s=1.0), (porch() for _ in range(20)))
    assert seen == [True] * 6 + [False] * 14


@pytest.mark.parametrize("deviation", [2.0, 8.0, 20.0])
def test_the_noise_of_the_sensor_does_not_open(deviation: float) -> None:
    gate = settled(lambda i: noisy(porch(), deviation, i))
    assert not any(answers(gate, (noisy(porch(), deviation, 100 + i) for i in range(50)), 10.0))


@pytest.mark.parametrize("deviation", [2.0, 8.0, 20.0])
def test_a_visitor_opens_in_spite_of_noise(deviation: float) -> None:
    gate = settled(lambda i: noisy(porch(), deviation, i))
    walk = (noisy(with_visitor(porch(), 100 + 12 * i), deviation, 100 + i) for i in range(20))
    assert all(answers(gate, walk, 10.0))


@pytest.mark.parametrize("size", [(1920, 1080), (1280, 720), (640, 360), (320, 240), (90, 160)])
def test_it_works_at_every_size_of_picture(size: tuple[int, int]) -> None:
    scene = porch(*size)
    gate = settled(lambda _: scene)
    assert not gate.moved(Frame("door", 10.0, scene))
    assert gate.moved(Frame("door", 10.2, with_visitor(scene, size[0] // 4, max(8, size[0] // 20))))


def test_a_single_spark_does_not_open() -> None:
    gate = settled(lambda _: porch())
    spark = porch()
    spark[100:103, 200:203] = 255
    assert not gate.moved(Frame("door", 10.0, spark))


@pytest.mark.parametrize("gain", [0.8, 1.25])
def test_a_cloud_does_not_open(gain: float) -> None:
    gate = settled(lambda _: porch())
    dimmed = ((porch() * (1 + (gain - 1) * min(1, i / 10))).clip(0, 255).astype(np.uint8) for i in range(30))
    assert not any(answers(gate, dimmed, 10.0))


def test_night_vision_opens_once_and_is_then_learned() -> None:
    gate = settled(lambda _: porch())
    night = 255 - porch()[:, ::-1]
    seen = answers(gate, (night for _ in range(20)), 10.0)
    assert seen[0]
    assert not any(seen[7:])


def test_after_the_movement_it_stays_open_for_the_hold() -> None:
    gate = settled(lambda _: porch(), hold_s=2.0)
    assert gate.moved(Frame("door", 10.0, with_visitor(porch(), 100)))
    assert gate.moved(Frame("door", 11.9, porch()))
    assert not gate.moved(Frame("door", 12.1, porch()))


def test_who_stands_still_becomes_background_and_opens_when_leaving() -> None:
    gate = settled(lambda _: porch())
    standing = with_visitor(porch(), 200)
    seen = answers(gate, (standing for _ in range(200)), 10.0)
    assert seen[0]
    assert not seen[-1]
    assert gate.moved(Frame("door", 50.0, porch()))


def test_after_a_while_without_frames_it_opens_since_who_was_there_may_have_gone() -> None:
    gate = settled(lambda _: porch(), hold_s=2.0)
    assert not gate.moved(Frame("door", 11.8, porch()))
    seen = answers(gate, (porch() for _ in range(20)), 14.0)
    assert seen == [True] * 11 + [False] * 9


def with_clock(picture: Image, digits_px: int, at_s: float, bottom: bool = False) -> Image:
    """The picture with date and time in white digits, as cameras write them."""
    text = (datetime(2026, 11, 30, 9, 58, 30) + timedelta(seconds=at_s)).strftime("%Y-%m-%d %H:%M:%S")
    row = picture.shape[0] - 6 if bottom else digits_px + 6
    scale, thick = digits_px / 22, max(1, round(digits_px / 11))
    written = cv2.putText(picture.copy(), text, (8, row), cv2.FONT_HERSHEY_SIMPLEX, scale, (255,) * 3, thick)
    return np.asarray(written, np.uint8)


@pytest.mark.parametrize("bottom", [False, True])
@pytest.mark.parametrize("digits_px", [16, 32, 48])
def test_a_clock_in_the_picture_does_not_keep_it_open_and_a_visitor_does_open_it(
    digits_px: int, bottom: bool
) -> None:
    gate = MotionGate()
    scenes = (noisy(with_clock(porch(), digits_px, i / FPS, bottom), 2.0, i) for i in range(300))
    seen = answers(gate, scenes)
    assert not any(seen[50:])
    visitor = with_clock(with_visitor(porch(), 200), digits_px, 60.0, bottom)
    assert gate.moved(Frame("door", 60.0, visitor))


@pytest.mark.parametrize("digits_px", [16, 48])
def test_key_frames_alone_do_not_open_it_by_their_clock_and_by_a_visitor_they_do(digits_px: int) -> None:
    gate = MotionGate()
    answers(gate, (noisy(with_clock(porch(), digits_px, i / FPS), 2.0, i) for i in range(100)))
    for number in range(30):
        at_s = 20.0 + 4.0 * number  # further apart than the gate knows who is there
        gate.unchanged(at_s - 0.2)
        key = noisy(with_clock(porch(), digits_px, at_s), 2.0, number)
        assert not gate.moved(Frame("door", at_s, key)), number
    gate.unchanged(139.8)
    assert gate.moved(Frame("door", 140.0, with_clock(with_visitor(porch(), 200), digits_px, 140.0)))
    assert gate.moved_share > 0.01


def test_what_moves_in_the_line_of_a_clock_is_movement() -> None:
    gate = MotionGate()
    answers(gate, (with_clock(porch(), 48, i / FPS) for i in range(100)))
    walk = (with_visitor(with_clock(porch(), 48, 20 + i / FPS), 100 + 12 * i, 16) for i in range(10))
    moved = [np.roll(image, -150, axis=0) for image in walk]  # its head is where the clock was
    assert any(answers(gate, iter(moved), 20.0))


def test_another_size_of_picture_opens_and_is_learned() -> None:
    gate = settled(lambda _: porch())
    larger = porch(1280, 960)
    seen = answers(gate, (larger for _ in range(20)), 10.0)
    assert seen[0]
    assert not seen[-1]


@pytest.mark.skipif(not VIDEO.is_file(), reason="needs the videos of ../shared/data")
def test_a_real_person_before_a_camera_opens_and_the_same_picture_over_again_does_not() -> None:
    capture = cv2.VideoCapture(str(VIDEO))
    pictures = []
    while (read := capture.read())[0]:
        pictures.append(np.asarray(read[1], np.uint8))
    every = pictures[:: round(capture.get(cv2.CAP_PROP_FPS) / FPS)]
    assert all(not np.array_equal(one, other) for one, other in pairwise(every))
    moving = answers(MotionGate(hold_s=0.0), iter(every))
    assert sum(moving) > len(moving) / 2
    gate = settled(lambda i: noisy(every[0], 2.0, i))
    assert not any(answers(gate, (noisy(every[0], 2.0, 100 + i) for i in range(20)), 10.0))
