"""The process that forks readers: `python -m facerec_mqtt.cameras.launching.forking CONTROL_FD`.

It ends with the service, which is when the control socket does, and its readers end with it. It has one
thread and imports no more than its readers use: what it holds when it forks, they all have.
"""

import contextlib
import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Never

from facerec_mqtt.cameras import reader
from facerec_mqtt.cameras.launching.messages import (
    LONGEST_MESSAGE,
    KillReader,
    NotStarted,
    Started,
    StartReader,
)
from facerec_mqtt.core.child_process import from_line, to_line

_PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>
_DESCRIPTORS = 3
_LIBRARY = "av"
_LIBRARIES = {
    "http": "facerec_mqtt.cameras.http_source",
    "frigate": "facerec_mqtt.cameras.pictures.frigate",
    "mqtt": "facerec_mqtt.cameras.pictures.handed",
    "folder": "facerec_mqtt.core.images",
}


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._readers: set[int] = set()
        # A child that has ended wakes the poll.
        self._wakes, self._wake = os.pipe()

    def run(self) -> None:
        """Serve until the service is gone."""
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wakes, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._wakes:
                    os.read(self._wakes, LONGEST_MESSAGE)
                    self._reap()
                elif not self._take_message():
                    return

    def _take_message(self) -> bool:
        line, descriptors, _, _ = socket.recv_fds(self._control, LONGEST_MESSAGE, _DESCRIPTORS)
        if not line:
            return False
        match from_line(line, StartReader, KillReader):
            case StartReader(name=name, kind=kind):
                importlib.import_module(_LIBRARIES.get(kind, _LIBRARY))
                self._control.send(to_line(self._start(name, descriptors)))
                for each in descriptors:
                    os.close(each)
            # Only what has not been waited for: the number of one that has may be another process' by now.
            case KillReader(pid=pid) if pid in self._readers:
                os.kill(pid, signal.SIGKILL)
        return True

    def _start(self, name: str, descriptors: list[int]) -> Started | NotStarted:
        # What lives now lives on: a collection in a reader need not touch it, and so copy its pages.
        gc.freeze()
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            return NotStarted(error.strerror)
        if pid == 0:
            self._become_reader(name, parent, *descriptors)
        self._readers.add(pid)
        return Started(pid)

    def _become_reader(self, name: str, parent: int, request: int, status: int, frame: int) -> Never:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for each in (self._control.detach(), self._wakes, self._wake):
                os.close(each)
            os.dup2(request, 0)
            os.close(request)
            # Without the server nobody could kill it.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            with contextlib.suppress(OSError):
                Path("/proc/self/comm").write_text(name)
            if os.getppid() == parent:
                reader.serve(status, frame)
        finally:
            os._exit(1)

    def _reap(self) -> None:
        for pid in tuple(self._readers):
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                self._readers.discard(pid)


def main() -> None:
    """Serve the service that has started this process."""
    reader.protect_process()
    _Server(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
