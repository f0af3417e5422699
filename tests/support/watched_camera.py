"""A camera that is read, with what it reported."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from facerec_mqtt.cameras import Camera
from facerec_mqtt.core.records import Frame
from facerec_mqtt.settings.schema import CameraSettings
from tests.support.rtsp import CLIP_FPS, CLIP_FRAMES, number_of

PASSWORD = "p@ss:w/rd#%?"


PATIENCE_S = 120.0


def settings(url: str | Path, **others: Any) -> CameraSettings:
    """Of a camera that is not taken for dead because the machine is busy."""
    return CameraSettings(name="door", url=str(url), **{"read_timeout_s": 30, "fps": 60} | others)


class Watched:
    """A running camera and what it has told."""

    def __init__(self, camera_settings: CameraSettings) -> None:
        self._changed = threading.Condition()
        self.told: list[tuple[bool, str]] = []
        self.camera = Camera(camera_settings, self._hear)
        self._last_s = 0.0

    def _hear(self, camera: str, online: bool, reason: str) -> None:
        assert camera == "door"
        with self._changed:
            self.told.append((online, reason))
            self._changed.notify_all()

    def wait_until_told(self, *onlines: bool) -> None:
        """Wait for these changes, from the beginning, and no others."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.told) >= len(onlines), PATIENCE_S), self.told
            assert tuple(online for online, _ in self.told) == onlines

    def frame(self) -> Frame:
        """The next frame after the one that was got before."""
        frame = self.camera.latest(self._last_s, PATIENCE_S)
        assert frame is not None, self.told
        assert frame.captured_at_s > self._last_s
        self._last_s = frame.captured_at_s
        return frame

    def frames(self, count: int) -> list[Frame]:
        return [self.frame() for _ in range(count)]


@contextmanager
def watched(camera_settings: CameraSettings) -> Iterator[Watched]:
    one = Watched(camera_settings)
    one.camera.start()
    try:
        yield one
    finally:
        one.camera.stop()


def assert_live(before: Frame, after: Frame) -> None:
    """The clip has moved on between two frames by as much as their times of capture say."""
    shown = (number_of(after.image) - number_of(before.image)) % CLIP_FRAMES
    elapsed_s = after.captured_at_s - before.captured_at_s
    assert elapsed_s < CLIP_FRAMES / CLIP_FPS, "too long to tell"
    assert shown / CLIP_FPS == pytest.approx(elapsed_s, abs=1.5)


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
