"""The reader's process as the service sees it: started, listened to, killed."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facerec_mqtt.cameras.protocol import ReaderRequest
from facerec_mqtt.cameras.shared_frame import SharedFrame
from facerec_mqtt.core.errors import CameraError

if TYPE_CHECKING:
    from facerec_mqtt.settings.schema import CameraSettings
_PATIENCE_AFTER_KILL_S = 1.0


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """What a camera gives."""

    width: int
    """In pixels."""
    height: int
    """In pixels."""
    fps: float
    """Frames a second that it sends; of these at most `CameraSettings.fps` are looked at."""


class ReaderProcess:
    """One connection to a camera, in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], words: int) -> None:
        self._process = process
        self._words = words
        self._unfinished = b""

    @classmethod
    def start(
        cls, settings: CameraSettings, frame: SharedFrame, *, timeout_s: float, patient: bool
    ) -> ReaderProcess:
        """Start reading a camera into `frame`.

        Args:
            settings: which camera.
            frame: where its pictures are put.
            timeout_s: for how long it may be silent; kept by who listens.
            patient: as in `ReaderRequest`.

        Raises:
            CameraError: the system gives no process.
        """
        password = None if settings.password is None else settings.password.get_secret_value()
        orders = ReaderRequest(
            kind=settings.kind,
            url=settings.url,
            address=settings.address() if settings.kind == "rtsp" else settings.url,
            username=settings.username,
            password=password,
            fps=settings.fps,
            timeout_s=timeout_s,
            patient=patient,
        )
        try:
            words, theirs = os.pipe()
        except OSError as error:
            raise CameraError(f"cannot be read: no pipe can be made ({error.strerror})") from error
        numbers = (str(theirs), str(frame.descriptor))
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "facerec_mqtt.cameras.reader", *numbers, settings.slug],
                stdin=subprocess.PIPE,
                # FFmpeg writes the address with its password there.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs, frame.descriptor),
                env=_environment(),
            )
        except OSError as error:
            os.close(words)
            raise CameraError(f"cannot be read: no process can be started ({error.strerror})") from error
        finally:
            os.close(theirs)
        if process.stdin is not None:
            # Standard input stays open: its end would be the reader's. A reader that is dead already
            # shows by the end of its words.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(orders.to_line())
                process.stdin.flush()
        return cls(process, words)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def listen(self, timeout_s: float) -> list[str] | None:
        """What the process has said.

        Args:
            timeout_s: how long to wait for it.

        Returns:
            Its lines; none when it was silent for so long; `None` when it has ended.
        """
        poll = select.poll()
        poll.register(self._words, select.POLLIN)
        if not poll.poll(max(0.0, timeout_s) * 1000):
            return []
        said = os.read(self._words, 65536)
        if not said:
            return None
        *lines, self._unfinished = (self._unfinished + said).split(b"\n")
        # What comes is alive, even if it is half a line.
        return [line.decode(errors="replace") for line in lines] or ["alive"]

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()

    def close(self) -> None:
        """End the process and give back what it held."""
        self._process.kill()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        # One that hangs in a driver cannot be killed; it is left to the system.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_AFTER_KILL_S)
        os.close(self._words)


def probe(settings: CameraSettings, timeout_s: float) -> CameraFacts:
    """Open a camera, take one picture and close it again.

    Raises:
        CameraError: no picture comes within `timeout_s`; why, and what to do.
    """
    frame = SharedFrame.create()
    deadline_s = time.monotonic() + timeout_s
    try:
        # Two steps, to open it and to ask why it does not open, must both fit in.
        reader = ReaderProcess.start(settings, frame, timeout_s=0.6 * timeout_s, patient=False)
        try:
            return _first_facts(settings, reader, deadline_s, timeout_s)
        finally:
            reader.close()
    finally:
        frame.close()


def _first_facts(
    settings: CameraSettings, reader: ReaderProcess, deadline_s: float, timeout_s: float
) -> CameraFacts:
    while (left_s := deadline_s - time.monotonic()) > 0:
        lines = reader.listen(left_s)
        if lines is None:
            raise CameraError(f'Camera "{settings.name}" {ENDED}.')
        for line in lines:
            word, _, rest = line.partition(" ")
            if word == "opened":
                width, height, fps = rest.split()
                return CameraFacts(int(width), int(height), float(fps))
            if word in ("failed", "refused"):
                raise CameraError(f'Camera "{settings.name}" {rest}.')
    raise CameraError(f'Camera "{settings.name}" gave no picture within {timeout_s:g} s; see that it is on.')


ENDED = "cannot be read: its reader ended without a word; see that memory is not short"


def _environment() -> dict[str, str]:
    """Our own without the settings, and with everything quiet and small."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("FACEREC_")}
    return kept | {
        "OPENCV_FFMPEG_LOGLEVEL": "-8",
        "OPENCV_LOG_LEVEL": "SILENT",
        "OPENCV_FFMPEG_CAPTURE_OPTIONS": "",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }
