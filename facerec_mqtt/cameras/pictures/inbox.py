"""The reader's side of what the service hands over: the newest picture, or whether pictures are wanted."""

import math
import os
import sys
import threading
import time
from typing import BinaryIO

from facerec_mqtt.cameras.protocol import HandedPicture, PictureFollows, Want
from facerec_mqtt.core.child_process import MessageError, from_line

_LONGEST_LINE = 4096
ALIVE_EVERY_S = 0.5
"""Whoever waits for what comes reports that often that the camera is alive."""


class Inbox:
    """Takes what comes on standard input, in a thread of its own, and ends the process when that ends."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._newest: HandedPicture | None = None
        self._wanted_until_s = math.inf

    def start(self, file: BinaryIO | None = None) -> None:
        """Begin to listen to standard input, of which the request has been read."""
        stream = sys.stdin.buffer if file is None else file
        threading.Thread(target=self._listen, args=(stream,), name="inbox", daemon=True).start()

    def take(self, timeout_s: float) -> HandedPicture | None:
        """The newest picture, each once; `None` when none came within this time."""
        with self._news:
            self._news.wait_for(lambda: self._newest is not None, timeout_s)
            newest, self._newest = self._newest, None
            return newest

    def wait_until_wanted(self, timeout_s: float) -> bool:
        """Whether pictures are wanted, now or within this time."""
        with self._news:
            return self._news.wait_for(lambda: time.monotonic() < self._wanted_until_s, timeout_s)

    def _listen(self, stream: BinaryIO) -> None:
        try:
            while line := stream.readline(_LONGEST_LINE):
                message = from_line(line, PictureFollows, Want)
                data = stream.read(message.size_bytes) if isinstance(message, PictureFollows) else b""
                with self._news:
                    match message:
                        case PictureFollows():
                            self._newest = HandedPicture(message.came_at_s, data)
                        case Want():
                            self._wanted_until_s = message.until_s
                    self._news.notify()
        except (OSError, MessageError):
            pass  # the service is gone, in the middle of a message
        os._exit(0)
