"""The page as a child process of low priority: started, listened to, restarted."""

import contextlib
import logging
import os
import queue
import random
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from facerec_mqtt.cameras.pacing import backoff_s
from facerec_mqtt.core.child_process import MessageError, child_environment
from facerec_mqtt.monitoring.page_messages import (
    MAX_MESSAGE_BYTES,
    PageAlive,
    PageCommand,
    PageFailed,
    PageListening,
    PageRequest,
    from_page,
)
from facerec_mqtt.settings import WebSettings

_log = logging.getLogger(__name__)
_NICENESS = 10
_START_WITHIN_S = 60.0
_SILENT_S = 30.0
"""A page that sends no sign of life for this long hangs."""
_WELL_AFTER_S = 30.0
_STOP_WITHIN_S = 1.0
_MAX_COMMANDS = 64
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - not to listen on
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")


def where_found(settings: WebSettings) -> str:
    """Where a browser finds the page, also one on another device, for the log."""
    if settings.ingress or settings.host not in _EVERYWHERE:
        return settings.address
    scheme, _, rest = settings.address.partition("://")
    port = rest.rpartition(":")[2]
    return f"{settings.address}, and from other devices {scheme}://{_own_address()}:{port}"


def _own_address() -> str:
    """The address by which others reach this machine; finding it out sends nothing."""
    if any(Path(mark).exists() for mark in _CONTAINER_MARKS):  # its own address leads nowhere
        return "<address of the machine that the container runs on>"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outwards, contextlib.suppress(OSError):
        outwards.connect(("192.0.2.1", 9))
        return str(outwards.getsockname()[0])
    return socket.gethostname()


class PageProcess:
    """Keeps the page running; `send` and `take` never wait.

    Args:
        address: where a browser finds it, for the log.
        request: makes what the process is to know, given the descriptor of its socket, and names the
            descriptors that it gets.
    """

    def __init__(self, address: str, request: Callable[[int], tuple[PageRequest, tuple[int, ...]]]) -> None:
        self._address = address
        self._request = request
        self._commands: queue.Queue[PageCommand | PageListening] = queue.Queue(_MAX_COMMANDS)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        """Guards what follows."""
        self._link: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        # Of the supervising thread alone.
        self._reported: str | None = None
        self._listened = False

    def start(self) -> None:
        """Begin to serve; returns at once."""
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the page, within a second."""
        with self._lock:
            self._stopping.set()
            if self._process is not None:
                self._process.kill()
        if self._thread is not None:
            self._thread.join(_STOP_WITHIN_S)

    def send(self, message: bytes) -> bool:
        """Send the page a message; returns whether it took it. One that is slow, or away, misses it."""
        with self._lock:
            if self._link is None:
                return False
            try:
                self._link.send(message, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except OSError:
                return False
        return True

    def take(self) -> PageCommand | PageListening | None:
        """The page's next message: a command, or that it has begun and knows nothing yet."""
        try:
            return self._commands.get_nowait()
        except queue.Empty:
            return None

    # --- The supervising thread

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began_s = time.monotonic()
            self._listened = False
            try:
                failure = self._serve_once()
            except OSError as error:
                failure = f"its process cannot be started ({error.strerror})"
            except Exception as error:
                _log.exception("The page: unexpected error")
                failure = f"its supervision has failed ({type(error).__name__})"
            if self._stopping.is_set():
                return
            was_well = self._listened and time.monotonic() - began_s >= _WELL_AFTER_S
            failures = 1 if was_well else failures + 1
            if failure != self._reported:
                self._reported = failure
                _log.warning("The page is not there: %s. Trying again; recognition goes on.", failure)
            self._stopping.wait(backoff_s(failures, random.random()))  # noqa: S311 - spreads load, guards nothing

    def _serve_once(self) -> str:
        """Serve until the process ends; returns why it has.

        Raises:
            OSError: there is no process.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                process = self._start(theirs)
            with self._lock:
                self._link, self._process = ours, process
                if self._stopping.is_set():
                    process.kill()
            try:
                return self._listen(ours, process)
            finally:
                with self._lock:
                    self._link = self._process = None
                _end(process)
        finally:
            ours.close()

    def _start(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        request, descriptors = self._request(theirs.fileno())
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "facerec_mqtt.web"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), *descriptors),
            env=child_environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MALLOC_ARENA_MAX="2"),
            # A terminal's Ctrl-C goes to the whole group; the service ends its child itself.
            start_new_session=True,
        )
        # One that has ended already shows by the end of its messages.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        if process.stdin is not None:
            # Standard input stays open: its end is the page's, which never outlives the service.
            with contextlib.suppress(OSError):
                process.stdin.write(request.to_line())
                process.stdin.flush()
        return process

    def _listen(self, link: socket.socket, process: subprocess.Popen[bytes]) -> str:
        poll = select.poll()
        poll.register(link, select.POLLIN)
        timeout_s = _START_WITHIN_S
        while poll.poll(timeout_s * 1000):
            try:
                data = link.recv(MAX_MESSAGE_BYTES)
            except ConnectionResetError:
                continue  # it has left messages of ours unread; what it sent before is still to come
            if not data:
                return _how_ended(process)
            try:
                message = from_page(data)
            except MessageError:
                return "it has sent something that is not understood"
            match message:
                case PageFailed():
                    return message.message
                case PageAlive():
                    pass
                case PageListening():
                    timeout_s = _SILENT_S
                    self._report_listening()
                    self._offer(message)
                case _:
                    self._offer(message)
        return f"it has not answered for {timeout_s:.0f} s"

    def _report_listening(self) -> None:
        self._listened = True
        _log.info("The page%s: %s", "" if self._reported is None else " is back", self._address)
        self._reported = None

    def _offer(self, message: PageCommand | PageListening) -> None:
        with contextlib.suppress(queue.Full):  # the loop takes four times a second what people ask for
            self._commands.put_nowait(message)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_WITHIN_S)


def _how_ended(process: subprocess.Popen[bytes]) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        status = process.wait(_STOP_WITHIN_S)
        return f"it was ended by signal {-status}" if status < 0 else f"it has ended with status {status}"
    return "it has closed its connection"
