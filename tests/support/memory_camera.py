"""A camera whose pictures come from the test: all else is as of any other, but no process reads."""

import time

from facerec_mqtt.cameras import Camera
from facerec_mqtt.cameras.shared_frame import SharedFrame
from facerec_mqtt.core.records import Image


class MemoryCamera(Camera):
    """Gives what it is given."""

    def start(self) -> None:
        self._frame = SharedFrame.create()

    def give(self, image: Image) -> float:
        """Have a picture captured now; returns when that was."""
        assert self._frame is not None
        at_s = time.monotonic()
        self._frame.write(at_s, image)
        self._on_frame(at_s)
        return at_s
