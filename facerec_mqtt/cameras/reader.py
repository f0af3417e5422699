"""The process that reads one camera: `python -m facerec_mqtt.cameras.reader STATUS_FD FRAME_FD NAME`.

Its request comes on standard input, as do pictures that the service hands to it; when that ends, so does the
process: it never outlives the service.
The name is there for `ps` only. It puts pictures into the shared frame and sends a message for each thing
that happens; see `protocol`.
"""

import os
import resource
import signal
import sys
import threading
import time
from typing import Never

import numpy as np

from facerec_mqtt.cameras.protocol import (
    HANDED,
    Alive,
    CameraFailedError,
    CameraFailure,
    Failed,
    FailureKind,
    FrameWritten,
    Opened,
    ReaderRequest,
    Ready,
    Status,
)
from facerec_mqtt.cameras.shared_frame import SharedFrame
from facerec_mqtt.cameras.sources import Unchanged, open_source
from facerec_mqtt.cameras.streams.messages import DecodedBy, Scene, Seen, StillUnchanged
from facerec_mqtt.core.child_process import from_line, to_line

_ALIVE_EVERY_S = 0.25


class StatusPipe:
    """Sends messages to the service."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._alive_s = 0.0

    def send(self, message: Status) -> None:
        """Send one message. It is short, so that the pipe takes it as a whole."""
        self._alive_s = time.monotonic()
        os.write(self._descriptor, to_line(message))

    def alive(self) -> None:
        """Report that the camera is alive, at most a few times a second."""
        if time.monotonic() >= self._alive_s + _ALIVE_EVERY_S:
            self.send(Alive())


class Service:
    """What the service says on standard input."""

    def __init__(self) -> None:
        self.scene = Scene.ACTIVE

    def follow(self) -> None:
        """Take in its messages in a thread; the end of them is the end of this process."""
        threading.Thread(target=self._follow, name="service", daemon=True).start()

    def _follow(self) -> None:
        try:
            for line in sys.stdin.buffer:
                self.scene = from_line(line, Seen).scene
        finally:
            os._exit(0)


def read(request: ReaderRequest, status: StatusPipe, frame: SharedFrame, service: Service) -> None:
    """Read the camera until it fails.

    Raises:
        CameraFailedError: it cannot be opened, or has ended.
    """
    opened = False
    source = open_source(request, status.alive, lambda: service.scene)
    if source.is_prompted:
        status.send(Ready())
    for shot in source.shots:
        if isinstance(shot, DecodedBy):
            status.send(shot)
            continue
        if isinstance(shot, Unchanged):
            status.send(StillUnchanged(shot.at_s))
            continue
        # Turned clockwise; a view, which is copied once, into the shared frame.
        image = np.rot90(shot.image, -request.rotate // 90) if request.rotate else shot.image
        if not opened:
            opened = True
            height_px, width_px = image.shape[:2]
            status.send(Opened(width_px, height_px, source.fps))
        frame.write(shot.captured_at_s, image)
        status.send(FrameWritten(shot.captured_at_s))
        # Not two pictures at a time.
        del shot, image


def protect_process() -> None:
    """Set what holds for the whole of a reader's life."""
    # The service decides when this process ends, not whoever interrupts the terminal's whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # A core file would hold the camera's password.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(status_descriptor: int, frame_descriptor: int) -> Never:
    """Read one camera, as the request on standard input says, and end the process."""
    status, frame = StatusPipe(status_descriptor), SharedFrame(frame_descriptor)
    request = from_line(sys.stdin.buffer.readline(), ReaderRequest)
    service = Service()
    if request.kind not in HANDED:  # there the pictures come on it
        service.follow()
    try:
        read(request, status, frame, service)
    except CameraFailedError as error:
        status.send(Failed.of(error.failure))
    except Exception as error:
        # Its text can hold the address.
        status.send(Failed.of(CameraFailure(FailureKind.INTERNAL, detail=type(error).__name__)))
    # At once, since the closing of a dead stream can hang.
    os._exit(1)


if __name__ == "__main__":
    protect_process()
    serve(int(sys.argv[1]), int(sys.argv[2]))
