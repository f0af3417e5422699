"""The process that reads one camera: `python -m facerec_mqtt.cameras.reader WORDS_FD FRAME_FD NAME`.

Its orders come on standard input, whose end is its own end too: it never outlives the service. The name
is there for `ps` only. It puts pictures into the shared frame and says one line for each thing that
happens:

    alive                       something came from the camera, or none is due yet
    opened WIDTH HEIGHT FPS     the first picture is about to be put
    frame CAPTURED_AT_S         a picture was put
    failed TEXT                 it cannot go on, and why; the end
    refused TEXT                likewise, where waiting alone will not help; the end
"""

import os
import resource
import signal
import sys
import threading
import time

import cv2

from facerec_mqtt.cameras.protocol import ReaderRequest
from facerec_mqtt.cameras.shared_frame import SharedFrame
from facerec_mqtt.cameras.sources import open_source
from facerec_mqtt.core.errors import CameraError, CameraRefusedError

_ALIVE_EVERY_S = 0.25


class StatusPipe:
    """What this process says to the service."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._said_s = 0.0

    def say(self, line: str) -> None:
        """Say one line. It is short, so that the pipe takes it as a whole."""
        os.write(self._descriptor, line.replace("\n", " ").encode()[:1000] + b"\n")

    def alive(self) -> None:
        """Say that the camera lives, not more often than is of use."""
        now_s = time.monotonic()
        if now_s >= self._said_s + _ALIVE_EVERY_S:
            self._said_s = now_s
            self.say("alive")


def read(orders: ReaderRequest, words: StatusPipe, frame: SharedFrame) -> None:
    """Read the camera until it fails.

    Raises:
        CameraError: it cannot be opened, or has ended.
    """
    opened = False
    source = open_source(orders, words.alive)
    for shot in source.shots:
        if not opened:
            opened = True
            height_px, width_px = shot.image.shape[:2]
            words.say(f"opened {width_px} {height_px} {source.fps:.6g}")
        frame.write(shot.captured_at_s, shot.image)
        words.say(f"frame {shot.captured_at_s!r}")


def main() -> None:
    """Read one camera, as standard input orders."""
    # The service decides when this process ends, not whoever interrupts the terminal's whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # A core file would hold the camera's password.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    words, frame = StatusPipe(int(sys.argv[1])), SharedFrame(int(sys.argv[2]))
    orders = ReaderRequest.from_line(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_service, daemon=True).start()
    cv2.setNumThreads(1)
    try:
        read(orders, words, frame)
    except CameraRefusedError as error:
        words.say(f"refused {error}")
    except CameraError as error:
        words.say(f"failed {error}")
    except (cv2.error, MemoryError) as error:
        # Their texts can hold the address.
        words.say(f"failed it sends what cannot be decoded ({type(error).__name__})")
    # At once, since the closing of a dead stream can hang.
    os._exit(1)


def _end_with_the_service() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
