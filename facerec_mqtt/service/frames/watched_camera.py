"""A camera that is watched, and what is kept of it from frame to frame."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from facerec_mqtt.cameras import Camera, Launch, OnStatus
from facerec_mqtt.faces import MotionGate, Region
from facerec_mqtt.monitoring import CameraTotals
from facerec_mqtt.service.frames.frozen_picture import FrozenPicture
from facerec_mqtt.service.frames.main_stream import MainStream
from facerec_mqtt.settings import CameraSettings, RecognitionSettings

MAX_FRAME_AGE_S = 1.0
"""Nothing is decided on a frame older than this: whoever it shows may be gone."""


def is_in_time(captured_at_s: float) -> bool:
    """Whether a frame is new enough to be acted upon."""
    return time.monotonic() - captured_at_s <= MAX_FRAME_AGE_S


@dataclass(slots=True, eq=False)
class WatchedCamera:
    """One camera. The loop's; while a frame is searched, `gate`, `main` and `frozen` are the search's."""

    settings: CameraSettings
    camera: Camera
    gate: MotionGate
    region: Region
    main: MainStream | None = None
    """Where it has one."""
    frozen: FrozenPicture = field(default_factory=FrozenPicture)
    enabled: bool = True
    last_frame_s: float = -1.0
    """The last one that was acted upon, or skipped."""
    search_began_s: float = 0.0
    """Of the search that goes on, or of the last one."""
    is_searched: bool = False
    """Whether a frame is being searched."""
    discarded: int = 0
    """How often a search that may have gone on was to have no consequences."""
    is_failing: bool = False
    """Whether the last frame could not be searched."""
    taken: int = 0
    """Frames that were in time."""

    @classmethod
    def of(
        cls,
        settings: CameraSettings,
        recognition: RecognitionSettings,
        on_status: OnStatus,
        launch: Launch,
        on_news: Callable[[], None],
    ) -> Self:
        """Make it; nothing is started.

        Args:
            settings: which camera.
            recognition: how faces are found and named.
            on_status: called when it is lost or back.
            launch: how its processes are started.
            on_news: called when there is a frame.
        """
        main = MainStream(settings, recognition, launch) if settings.main_url else None
        camera = Camera(settings, on_status, launch=launch, on_news=on_news)
        return cls(settings, camera, MotionGate(), Region(settings.region), main)

    @property
    def has_frame(self) -> bool:
        """Whether there is one that was not searched yet."""
        return self.camera.newest_s > self.last_frame_s

    @property
    def totals(self) -> CameraTotals:
        """What it has given since the start."""
        counters = self.camera.counters
        return CameraTotals(counters.frames, counters.reconnects, self.taken)

    def discard_search(self) -> None:
        """Do not act upon the frame that is being searched, if there is one: it shows what was before."""
        self.discarded += 1

    def close_idle(self, now_s: float) -> None:
        """Close the main stream where it is not needed."""
        if self.main is not None and not self.is_searched:
            self.main.close_if_idle(now_s)

    def stop(self) -> None:
        """End reading, within two seconds."""
        if self.main is not None:
            self.main.close()
        self.camera.stop()
