"""A camera that sends one and the same picture: it is said once, and once when it moves again."""

from collections.abc import Iterable

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.records import Image
from facerec_mqtt.presence import Presence
from facerec_mqtt.rendering import render_frame
from facerec_mqtt.service.frames.frozen_picture import FROZEN_S, FrozenPicture

HALL = render_frame((), seed=0, noise=0.0, samples=1)[::2, ::2]
EVERY_S = 10.0
RNG = np.random.default_rng(7)


def noisy(picture: Image, grey_levels: float) -> Image:
    return np.clip(picture + RNG.normal(0, grey_levels, picture.shape), 0, 255).astype(np.uint8)


def with_clock(picture: Image, number: int) -> Image:
    place, white = (8, 30), (255, 255, 255)
    written = cv2.putText(picture.copy(), f"12:00:{number:03}", place, cv2.FONT_HERSHEY_SIMPLEX, 1, white, 2)
    return np.asarray(written, np.uint8)


def changes(pictures: Iterable[Image]) -> list[tuple[float, bool]]:
    """When it was said, in seconds, and what."""
    frozen = FrozenPicture()
    found = []
    for number, picture in enumerate(pictures):
        at_s = 1000 + EVERY_S * number
        if frozen.look(picture, at_s) is not None:
            found.append((at_s - 1000, frozen.is_frozen))
    return found


FOR_LONG = int(2 * FROZEN_S / EVERY_S)


def test_one_picture_for_minutes_is_said_once_and_its_end_once() -> None:
    still = noisy(HALL, 2)
    said = changes([still] * FOR_LONG + [noisy(HALL, 2) for _ in range(20)])
    assert said == [(FROZEN_S, True), (EVERY_S * FOR_LONG, False)]


def test_a_clock_over_a_frozen_picture_does_not_hide_it() -> None:
    still = noisy(HALL, 2)
    assert changes(with_clock(still, number) for number in range(FOR_LONG)) == [(FROZEN_S, True)]


@pytest.mark.parametrize("grey_levels", [0.5, 2.0])
def test_an_empty_hall_is_not_frozen(grey_levels: float) -> None:
    assert changes(noisy(HALL, grey_levels) for _ in range(FOR_LONG)) == []


def test_a_picture_every_four_minutes_is_not_frozen() -> None:
    sent = [noisy(HALL, 2) for _ in range(4)]
    assert changes(sent[int(number * EVERY_S // 240)] for number in range(int(4 * 240 / EVERY_S))) == []


@pytest.mark.parametrize("grey", [0, 16, 255])
def test_a_dark_night_is_not_frozen(grey: int) -> None:
    black = np.full((180, 320, 3), grey, np.uint8)
    assert changes(with_clock(black, number) for number in range(FOR_LONG)) == []


def test_a_jpeg_of_a_frozen_picture_is_frozen_and_another_size_is_another_picture() -> None:
    encoded = cv2.imencode(".jpg", noisy(HALL, 2))[1]
    still = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    small = np.ascontiguousarray(still[::2, ::2])
    assert changes([still] * (FOR_LONG // 3) + [small] * (FOR_LONG // 3)) == []
    assert changes([small] * FOR_LONG) == [(FROZEN_S, True)]


def test_what_nobody_saw_does_not_count() -> None:
    frozen, still = FrozenPicture(), noisy(HALL, 2)
    assert frozen.look(still, 0.0) is None
    # The camera was away for an hour, and shows the same when it is back.
    assert frozen.look(still, 3600.0) is None
    for at_s in range(3610, 3600 + int(FROZEN_S), 10):
        assert frozen.look(still, at_s) is None
    assert frozen.look(still, 3600 + FROZEN_S) == FROZEN_S
    assert frozen.look(still, 7200.0) is None


def test_the_state_of_the_camera_says_so_at_once() -> None:
    presence = Presence(["door"])
    assert [state.frozen for state in presence.take_unpublished(0.0)] == [False]  # type: ignore[union-attr]
    presence.camera_frozen("door", frozen=True)
    assert [state.frozen for state in presence.take_unpublished(1.5)] == [True]  # type: ignore[union-attr]
    assert presence.take_unpublished(3.0) == ()
