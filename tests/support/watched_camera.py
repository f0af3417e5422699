"""Cameras as the service uses them, and what they report."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from facerec_mqtt.cameras import Camera, CameraFailure, FailureKind, Launch, launch_alone
from facerec_mqtt.core.records import Frame
from facerec_mqtt.settings.schema import CameraSettings
from tests.support.rtsp import CLIP_FPS, CLIP_FRAMES, number_of

PASSWORD = "p@ss:w/rd#%?"
PATIENCE_S = 120.0


def settings(url: str | Path, **others: Any) -> CameraSettings:
    """Of a camera that is not taken for dead because the machine is busy."""
    return CameraSettings(name="Door", url=str(url), **{"read_timeout_s": 30, "fps": 60} | others)


class Watched:
    """A running camera and the changes that it has reported."""

    def __init__(self, camera_settings: CameraSettings, launch: Launch) -> None:
        self._changed = threading.Condition()
        self.reported: list[tuple[bool, CameraFailure | None]] = []
        self.camera = Camera(camera_settings, self._on_status, launch=launch)
        self._last_s = 0.0

    def _on_status(self, camera: str, online: bool, failure: CameraFailure | None) -> None:
        assert camera == "door"
        with self._changed:
            self.reported.append((online, failure))
            self._changed.notify_all()

    def wait_until_reported(self, *onlines: bool) -> None:
        """Wait for these changes, from the beginning, and no others."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.reported) >= len(onlines), PATIENCE_S), (
                self.reported
            )
            assert tuple(online for online, _ in self.reported) == onlines

    @property
    def failures(self) -> list[FailureKind]:
        """Why it was lost, each time."""
        return [failure.kind for _, failure in self.reported if failure is not None]

    def frame(self) -> Frame:
        """The next frame after the one that was got before."""
        frame = self.camera.latest(self._last_s, PATIENCE_S)
        assert frame is not None, self.reported
        assert frame.captured_at_s > self._last_s
        self._last_s = frame.captured_at_s
        return frame

    def frames(self, count: int) -> list[Frame]:
        return [self.frame() for _ in range(count)]


@contextmanager
def watched(camera_settings: CameraSettings, launch: Launch = launch_alone) -> Iterator[Watched]:
    one = Watched(camera_settings, launch)
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
