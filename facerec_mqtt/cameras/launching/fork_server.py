"""The fork server on the service's side."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time

from facerec_mqtt.cameras.launching.alone import reader_environment
from facerec_mqtt.cameras.launching.messages import (
    LONGEST_MESSAGE,
    KillReader,
    NotStarted,
    Started,
    StartReader,
)
from facerec_mqtt.core.child_process import MessageError, from_line, to_line

_PROGRAM = "facerec_mqtt.cameras.launching.forking"
_ANSWERS: tuple[type[Started | NotStarted], ...] = (Started, NotStarted)
_ANSWER_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.01


class ForkedReader:
    """A reader that the server has forked; as much of `subprocess.Popen` as is needed of it."""

    def __init__(self, pid: int, control: socket.socket) -> None:
        self.pid = pid
        self._control = control

    def kill(self) -> None:
        """End it, whatever it is doing."""
        # Where the server is gone, its readers are too.
        with contextlib.suppress(OSError):
            self._control.send(to_line(KillReader(self.pid)))

    def wait(self, timeout: float) -> None:
        """Wait until it has ended, after `kill`.

        Raises:
            subprocess.TimeoutExpired: it has not.
        """
        deadline_s = time.monotonic() + timeout
        with contextlib.suppress(ProcessLookupError, PermissionError):
            while True:
                os.kill(self.pid, 0)
                if time.monotonic() >= deadline_s:
                    raise subprocess.TimeoutExpired("reader", timeout)
                time.sleep(_LOOK_EVERY_S)


class ForkServer:
    """Has readers forked by a process of its own, which is started with the first of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._is_closed = False

    def launch(self, name: str, kind: str, request: int, status: int, frame: int) -> ForkedReader:
        """Start a reader; a `Launch`."""
        with self._lock:
            if self._is_closed:
                raise OSError(None, "the fork server is closed")
            control = self._control or self._start()
            try:
                socket.send_fds(control, [to_line(StartReader(name, kind))], [request, status, frame])
                answer = from_line(control.recv(LONGEST_MESSAGE), *_ANSWERS)
            except (OSError, MessageError) as error:
                # It has ended, and its readers with it. The next reader starts another one.
                self._end()
                raise OSError(None, "the fork server has ended") from error
            if isinstance(answer, NotStarted):
                raise OSError(None, answer.detail)
            return ForkedReader(answer.pid, control)

    def close(self) -> None:
        """End the server, and all readers that it has started; no more will be."""
        self._is_closed = True
        process = self._process
        if process is not None:
            # Whoever waits for its answer holds the lock until it is dead.
            process.kill()
        with self._lock:
            self._end()

    def _start(self) -> socket.socket:
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", _PROGRAM, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    # FFmpeg writes addresses with their passwords there.
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=reader_environment(),
                )
            except OSError:
                control.close()
                raise
        control.settimeout(_ANSWER_WITHIN_S)
        self._control = control
        return control

    def _end(self) -> None:
        process, self._process = self._process, None
        control, self._control = self._control, None
        if process is not None:
            process.kill()
            process.wait()
        if control is not None:
            control.close()
