"""The rebuild as a child process of low priority, so that recognition goes on beside it.

TensorFlow and the photos live and die with the child. It gets one message on standard input and sends
messages on standard output; nothing that it says or does can end the service. See `core.child_process`.
"""

import contextlib
import fcntl
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import IO, ClassVar

from facerec_mqtt.core.child_process import LineBuffer, MessageError, child_environment, from_line, to_line
from facerec_mqtt.faces import is_chatter
from facerec_mqtt.settings import Settings

_log = logging.getLogger(__name__)
_NICENESS = 15
_LONGEST_LINE = 65536
# Read at once, so that a child that talks without end cannot hold up the service.
_MOST_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class RebuildRequest:
    """The one message to the child: all that it needs of the settings."""

    TYPE: ClassVar[str] = "rebuild"
    enrollment_dir: str
    model_dir: str
    fpir: float
    min_margin: float
    force: bool
    """Use the new model even when it is clearly worse."""


@dataclass(frozen=True, slots=True)
class RebuildProgress:
    """How far the child is."""

    TYPE: ClassVar[str] = "progress"
    stage: str
    percent: int
    seconds_left: int | None


@dataclass(frozen=True, slots=True)
class RebuildDone:
    """There is a new model."""

    TYPE: ClassVar[str] = "done"
    ok: ClassVar[bool] = True
    message: str
    """One sentence on it."""
    switched: bool
    """Whether it is in use; otherwise it is clearly worse than the one that is."""


@dataclass(frozen=True, slots=True)
class RebuildFailed:
    """There is no new model."""

    TYPE: ClassVar[str] = "failed"
    ok: ClassVar[bool] = False
    message: str
    """Why, in one sentence."""


RebuildResult = RebuildDone | RebuildFailed


class RebuildProcess:
    """One rebuild that runs beside the service. `start` it once, then `poll` it."""

    def __init__(self, settings: Settings, *, force: bool) -> None:
        self._settings = settings
        self._force = force
        self._process: subprocess.Popen[bytes] | None = None
        self._result: RebuildResult | None = None
        self._messages, self._errors = LineBuffer(_LONGEST_LINE), LineBuffer(_LONGEST_LINE)
        self._last_error = ""
        self.percent = 0
        self.stage: str | None = None
        self.seconds_left: int | None = None

    def start(self) -> None:
        """Start the child.

        Raises:
            OSError: the system cannot start another process.
        """
        recognition = self._settings.recognition
        request = RebuildRequest(
            enrollment_dir=str(self._settings.enrollment_dir),
            model_dir=str(self._settings.model_dir),
            fpir=recognition.fpir,
            min_margin=recognition.min_margin,
            force=self._force,
        )
        process = self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "facerec_mqtt", "rebuild", "--for-service"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(),
            # A terminal's Ctrl-C goes to the whole group; the service ends its child itself.
            start_new_session=True,
        )
        # One that has ended already shows when it is polled.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                with contextlib.suppress(OSError):
                    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _MOST_BYTES)
        if process.stdin is not None:
            # Standard input stays open: its end is the end of the child, which never outlives the service.
            with contextlib.suppress(OSError):
                process.stdin.write(to_line(request))
                process.stdin.flush()

    def poll(self) -> RebuildResult | None:
        """Read what the child has sent; returns how it ended, or `None` while it runs. Never blocks."""
        process = self._process
        if process is None:
            return self._result
        # Asked first, so that what it sent at its very end is read too.
        status = process.poll()
        data, is_open = _read(process.stdout)
        for line in self._messages.feed(data):
            self._on_line(line)
        for line in self._errors.feed(_read(process.stderr)[0]):
            self._on_error(line)
        if status is None:
            if not is_open:
                # It can send no result any more.
                process.kill()
            return None
        self._close()
        if self._result is None:
            self._result = RebuildFailed(_reason(status, self._last_error))
        return self._result

    def stop(self, timeout_s: float = 2.0) -> None:
        """End the child; the model in use stays as it is."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._close()

    def _close(self) -> None:
        process = self._process
        self._process = None
        if process is not None:
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _on_line(self, line: bytes) -> None:
        try:
            message = from_line(line, RebuildProgress, RebuildDone, RebuildFailed)
        except MessageError as error:
            _log.debug("The rebuild sent an invalid message: %s", error)
            return
        match message:
            case RebuildProgress():
                self.stage, self.seconds_left = message.stage, message.seconds_left
                self.percent = min(max(message.percent, 0), 100)
            case RebuildDone() | RebuildFailed():
                self._result = message

    def _on_error(self, line: bytes) -> None:
        text = line.decode(errors="replace").strip()
        if text and not is_chatter(line):
            _log.debug("rebuild: %s", text)
            self._last_error = text[:300]


def _read(pipe: IO[bytes] | None) -> tuple[bytes, bool]:
    """What is in a pipe at present, up to a limit, and whether more may come."""
    data = b""
    try:
        while pipe is not None and len(data) < _MOST_BYTES:
            part = os.read(pipe.fileno(), 65536)
            if not part:
                return data, False
            data += part
    except BlockingIOError:  # nothing at present
        pass
    except OSError:
        return data, False
    return data, True


def _reason(status: int, last_error: str) -> str:
    """Why a child ended that sent no result."""
    if status < 0:
        ended = f"The rebuild was ended by signal {-status}, possibly out of memory."
    else:
        ended = f"The rebuild ended with status {status} and without a result."
    return f"{ended} {last_error}".rstrip()
