"""The process that judges each photo by itself: started when it is needed, ended when it is idle."""

import base64
import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from facerec_mqtt.core.child_process import child_environment
from facerec_mqtt.enrollment.judging.worker import Answer, Request
from facerec_mqtt.web.household.errors import NotThereError, TryAgainError

_IDLE_S = 60.0
_LOOK_S = 60.0
_QUEUE_S = 120.0
_MOST_BYTES = 64 * 2**20


class PhotoWorker:
    """Looks at photos, one after the other; may be asked from any thread.

    What cannot be shown or cut out is a `NotThereError`, what takes too long a `TryAgainError`.

    Args:
        idle_s: the process is ended when it was not needed for so long.
    """

    def __init__(self, *, idle_s: float = _IDLE_S) -> None:
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None

    def look(self, path: Path, model_dir: Path | None = None, queue_s: float = _QUEUE_S) -> Answer:
        """Judge a photo by itself, list its faces and, where models are given, say who it shows.

        Args:
            path: of the photo.
            model_dir: where the models are.
            queue_s: for so long others may be looked at before.
        """
        return self._ask(Request(do="look", path=path, model_dir=model_dir), queue_s)

    def unlike(self, new: Sequence[Path], own: Sequence[Path], queue_s: float = _QUEUE_S) -> list[int]:
        """Which pictures show somebody else than a person's other photos, by their place.

        Args:
            new: the pictures.
            own: the other photos.
            queue_s: for so long others may be looked at before.
        """
        return self._ask(Request(do="compare", new=list(new), own=list(own)), queue_s).unlike

    def copy(self, path: Path, side_px: int) -> bytes:
        """Make a JPEG of a photo to show, upright and at most so large."""
        return self._jpeg(Request(do="copy", path=path, side_px=side_px))

    def cut(self, path: Path, face: int) -> bytes:
        """Make a JPEG of one of a photo's faces with its surroundings."""
        return self._jpeg(Request(do="cut", path=path, face=face))

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _jpeg(self, request: Request) -> bytes:
        answer = self._ask(request)
        if answer.jpeg is None:
            raise NotThereError(answer.error or "The photo cannot be shown.")
        return base64.b64decode(answer.jpeg)

    def _ask(self, request: Request, queue_s: float = _QUEUE_S) -> Answer:
        if not self._lock.acquire(timeout=queue_s):
            raise TryAgainError("Many photos are being looked at; try again in a minute.")
        try:
            if self._timer is not None:
                self._timer.cancel()
            try:
                answer = Answer.model_validate_json(self._exchange_again(request))
            except (OSError, ValueError) as error:
                self._end()
                raise TryAgainError(
                    "This photo could not be looked at: it took too long, or too much memory; try again, or"
                    " save the photo smaller."
                ) from error
            self._timer = threading.Timer(self._idle_s, self._end_if_idle)
            self._timer.daemon = True
            self._timer.start()
            return answer
        finally:
            self._lock.release()

    def _exchange_again(self, request: Request) -> bytes:
        """As `_exchange`, once more where a process that was idle has died."""
        was_idle = self._process is not None
        try:
            return self._exchange(request)
        except OSError:
            self._end()
            if not was_idle:
                raise
            return self._exchange(request)

    def _exchange(self, request: Request) -> bytes:
        """Send a request and wait for the line that answers it.

        Raises:
            OSError: the process has ended, or takes too long.
        """
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "facerec_mqtt.enrollment.judging.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env=child_environment(),
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(request.model_dump_json().encode() + b"\n")
        until_s = time.monotonic() + _LOOK_S
        line = bytearray()
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], max(0.0, until_s - time.monotonic()))
            part = os.read(process.stdout.fileno(), 2**20) if ready else b""
            if not part or len(line) > _MOST_BYTES:
                raise TimeoutError("no answer")
            line += part
        return bytes(line)

    def _end_if_idle(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._lock.release()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
