"""A camera's reader process on the service's side: started, listened to, killed."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facerec_mqtt.cameras.launching import Child, Launch, launch_alone
from facerec_mqtt.cameras.protocol import (
    LONGEST_HANDED,
    STATUSES,
    CameraFailedError,
    CameraFailure,
    Failed,
    FailureKind,
    HandedPicture,
    Opened,
    PictureFollows,
    ReaderRequest,
    Status,
    Want,
    failed,
)
from facerec_mqtt.cameras.shared_frame import SharedFrame
from facerec_mqtt.cameras.streams.messages import Scene, Seen
from facerec_mqtt.core.child_process import LineBuffer, MessageError, from_line, to_line

if TYPE_CHECKING:
    from facerec_mqtt.settings import CameraSettings
_PATIENCE_AFTER_KILL_S = 1.0
_LONGEST_MESSAGE = 4096
# A camera with a battery, or behind a relay that starts it, takes longer to send its stream than it may fall
# silent later.
_OPEN_FACTOR = 3.0
_START_WITHIN_S = 60.0
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

    def __init__(self, child: Child, request: int, status: int) -> None:
        self._child = child
        self._stdin = open(request, "wb")  # noqa: SIM115 - open as long as this is
        self._status = status
        self._lines = LineBuffer(_LONGEST_MESSAGE)

    @classmethod
    def start(
        cls, settings: CameraSettings, frame: SharedFrame, launch: Launch = launch_alone
    ) -> ReaderProcess:
        """Start reading a camera into `frame`.

        Args:
            settings: which camera.
            frame: where its pictures are put.
            launch: how its process is started.

        Raises:
            CameraFailedError: the system gives no process.
        """
        password = None if settings.password is None else settings.password.get_secret_value()
        token = None if settings.token is None else settings.token.get_secret_value()
        line = to_line(
            ReaderRequest(
                kind=settings.kind,
                url=settings.url,
                address=settings.address() if settings.kind in ("rtsp", "http") else settings.url,
                username=settings.username,
                password=password,
                token=token,
                fps=settings.fps,
                timeout_s=settings.read_timeout_s,
                open_timeout_s=_OPEN_FACTOR * settings.read_timeout_s,
                transport=settings.transport,
                rotate=settings.rotate,
                hardware=None if settings.hardware_decoding == "off" else settings.hardware_decoding,
                tls_fingerprint=settings.tls_fingerprint,
            )
        )
        descriptors: list[int] = []
        try:
            descriptors += os.pipe()
            descriptors += os.pipe()
            their_request, request, status, their_status = descriptors
            child = launch(settings.slug, settings.kind, their_request, their_status, frame.descriptor)
        except BaseException as error:
            for each in descriptors:
                os.close(each)
            if isinstance(error, OSError):
                raise failed(FailureKind.NO_PROCESS, detail=error.strerror) from error
            raise
        os.close(their_request)
        os.close(their_status)
        reader = cls(child, request, status)
        # A reader that is dead already shows by the end of its messages.
        with contextlib.suppress(BrokenPipeError):
            reader._stdin.write(line)
            reader._stdin.flush()
        return reader

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

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

    def hand(self, handed: HandedPicture | Want) -> None:
        """Hand it a picture, or whether it is to fetch some; waits until it has taken it, or has ended."""
        if isinstance(handed, Want):
            message = to_line(handed)
        else:
            data = handed.data[: LONGEST_HANDED + 1]
            message = to_line(PictureFollows(handed.came_at_s, len(data))) + data
        # A reader that is just being closed shows by the end of its messages.
        with contextlib.suppress(OSError, ValueError):
            self._stdin.write(message)
            self._stdin.flush()

    def tell(self, scene: Scene) -> None:
        """Tell it what the service has seen."""
        # One that has ended shows by the end of its messages.
        with contextlib.suppress(OSError, ValueError):
            self._stdin.write(to_line(Seen(scene)))
            self._stdin.flush()

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        self._child.kill()

    def close(self) -> None:
        """End the process and release what it held."""
        self._child.kill()
        # Open until now, since the end of its standard input would be the reader's.
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        # One that hangs in a driver cannot be killed; it is left to the system.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(_PATIENCE_AFTER_KILL_S)
        os.close(self._status)


def open_within_s(settings: CameraSettings) -> float:
    """How long a reader may take until its first picture, or until it knows why there is none.

    Most of it is the start of the process on a busy machine; the rest is for its steps, in each of which the
    camera may be slow.
    """
    return _START_WITHIN_S + 2 * _OPEN_FACTOR * settings.read_timeout_s


def probe(settings: CameraSettings, picture: HandedPicture | None = None) -> CameraFacts:
    """Open a camera, take one picture and close it again.

    Args:
        settings: which camera.
        picture: what to hand to the reader of a camera that does not fetch its pictures.

    Raises:
        CameraFailedError: there is no picture; why, and what to do.
    """
    try:
        if picture is None and settings.kind == "mqtt":
            raise failed(FailureKind.NEEDS_SERVICE)
        frame = SharedFrame.create()
        try:
            reader = ReaderProcess.start(settings, frame)
            try:
                if picture is not None:
                    reader.hand(picture)
                return _first_facts(reader, open_within_s(settings))
            finally:
                reader.close()
        finally:
            frame.close()
    except CameraFailedError as error:
        raise CameraFailedError(error.failure, settings.name) from error


def _first_facts(reader: ReaderProcess, timeout_s: float) -> CameraFacts:
    deadline_s = time.monotonic() + timeout_s
    while (left_s := deadline_s - time.monotonic()) > 0:
        messages = reader.listen(left_s)
        if messages is None:
            raise CameraFailedError(READER_EXITED)
        for message in messages:
            match message:
                case Opened():
                    return CameraFacts(message.width_px, message.height_px, message.fps)
                case Failed():
                    raise CameraFailedError(message.failure)
    raise failed(FailureKind.SILENT, seconds=timeout_s)


def _message(line: bytes) -> Status:
    try:
        return from_line(line, *STATUSES)
    except MessageError as error:
        return Failed.of(CameraFailure(FailureKind.READER_INVALID, detail=str(error)))
