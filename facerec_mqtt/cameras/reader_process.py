"""A camera's reader process on the service's side: started, listened to, killed."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facerec_mqtt.cameras.failures import CameraFailedError, CameraFailure, FailureKind, failed
from facerec_mqtt.cameras.protocol import STATUSES, Failed, Opened, ReaderRequest, Status
from facerec_mqtt.cameras.shared_frame import SharedFrame
from facerec_mqtt.core.child_process import LineBuffer, MessageError, child_environment, from_line, to_line

if TYPE_CHECKING:
    from facerec_mqtt.settings import CameraSettings
_PATIENCE_AFTER_KILL_S = 1.0
_LONGEST_MESSAGE = 4096
READER_EXITED = CameraFailure(FailureKind.READER_EXITED)


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

    def __init__(self, process: subprocess.Popen[bytes], status: int) -> None:
        self._process = process
        self._status = status
        self._lines = LineBuffer(_LONGEST_MESSAGE)

    @classmethod
    def start(
        cls, settings: CameraSettings, frame: SharedFrame, *, timeout_s: float, patient: bool
    ) -> ReaderProcess:
        """Start reading a camera into `frame`.

        Args:
            settings: which camera.
            frame: where its pictures are put.
            timeout_s: for how long it may be silent; kept by the caller.
            patient: as in `ReaderRequest`.

        Raises:
            CameraFailedError: the system gives no process.
        """
        password = None if settings.password is None else settings.password.get_secret_value()
        request = ReaderRequest(
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
            status, theirs = os.pipe()
        except OSError as error:
            raise failed(FailureKind.NO_PROCESS, detail=error.strerror) from error
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
            os.close(status)
            raise failed(FailureKind.NO_PROCESS, detail=error.strerror) from error
        finally:
            os.close(theirs)
        if process.stdin is not None:
            # Standard input stays open: its end would be the reader's. A reader that is dead already shows by
            # the end of its messages.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(to_line(request))
                process.stdin.flush()
        return cls(process, status)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def listen(self, timeout_s: float) -> list[Status] | None:
        """Wait for messages of the process.

        Args:
            timeout_s: how long to wait for one.

        Returns:
            The messages; none when it was silent for so long; `None` when it has ended. What is no message
            becomes a `Failed`.
        """
        poll = select.poll()
        poll.register(self._status, select.POLLIN)
        deadline_s = time.monotonic() + timeout_s
        # Half a line is no sign of life: one without an end would keep a dead camera alive.
        while poll.poll(max(0.0, deadline_s - time.monotonic()) * 1000):
            data = os.read(self._status, 65536)
            if not data:
                return None
            if lines := self._lines.feed(data):
                return [_message(line) for line in lines]
        return []

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()

    def close(self) -> None:
        """End the process and release what it held."""
        self._process.kill()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        # One that hangs in a driver cannot be killed; it is left to the system.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_AFTER_KILL_S)
        os.close(self._status)


def probe(settings: CameraSettings, timeout_s: float) -> CameraFacts:
    """Open a camera, take one picture and close it again.

    Raises:
        CameraFailedError: no picture comes within `timeout_s`; why, and what to do.
    """
    frame = SharedFrame.create()
    deadline_s = time.monotonic() + timeout_s
    try:
        # Two steps, to open it and to ask why it does not open, must both fit in.
        reader = ReaderProcess.start(settings, frame, timeout_s=0.6 * timeout_s, patient=False)
        try:
            first = _first_facts(reader, deadline_s, timeout_s)
        finally:
            reader.close()
    except CameraFailedError as error:
        raise CameraFailedError(error.failure, settings.name) from error
    finally:
        frame.close()
    if isinstance(first, CameraFailure):
        raise CameraFailedError(first, settings.name)
    return first


def _first_facts(reader: ReaderProcess, deadline_s: float, timeout_s: float) -> CameraFacts | CameraFailure:
    while (left_s := deadline_s - time.monotonic()) > 0:
        messages = reader.listen(left_s)
        if messages is None:
            return READER_EXITED
        for message in messages:
            match message:
                case Opened():
                    return CameraFacts(message.width_px, message.height_px, message.fps)
                case Failed():
                    return message.failure
    return CameraFailure(FailureKind.SILENT, seconds=timeout_s)


def _message(line: bytes) -> Status:
    try:
        return from_line(line, *STATUSES)
    except MessageError as error:
        return Failed.of(CameraFailure(FailureKind.READER_INVALID, detail=str(error)))


def _environment() -> dict[str, str]:
    """The environment of a reader: quiet libraries, few threads, little memory."""
    return child_environment(
        OPENCV_FFMPEG_LOGLEVEL="-8",
        OPENCV_LOG_LEVEL="SILENT",
        OPENCV_FFMPEG_CAPTURE_OPTIONS="",
        OPENBLAS_NUM_THREADS="1",
        MALLOC_ARENA_MAX="2",
    )
