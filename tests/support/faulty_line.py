"""A TCP line between two real programs that can fail as lines do."""

import contextlib
import random
import socket
import threading
from types import TracebackType
from typing import Self


class FaultyLine:
    """Listens on a port of its own, and passes on to another what comes, as long as it is whole.

    Args:
        target: port of the loopback interface that it leads to.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._changed = threading.Condition()
        self._fault = ""
        self._ends: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._garble = random.Random(7)
        self.port = 0
        self.connections = 0
        """Made through it so far."""

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()

    def cut(self) -> None:
        """Close it at both ends, and let nobody connect."""
        if self._listener is not None:
            # Closing alone does not wake whoever waits in `accept`.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self._set("cut")
        with self._changed:
            ends = set(self._ends)
        for end in ends:
            _end(end)

    def swallow(self) -> None:
        """Stay open and let nothing through, neither way: neither side learns that the other is gone."""
        self._set("swallow")

    def garble(self) -> None:
        """Put noise in the place of what the target says."""
        self._set("garble")

    def restore(self) -> None:
        """Be whole, for new connections; what was swallowed does not come any more."""
        self.cut()
        self._set("")
        self._listen()

    def lead_to(self, target: int) -> None:
        """Be whole, and lead to another port."""
        self._target = target
        self.restore()

    def _set(self, fault: str) -> None:
        with self._changed:
            self._fault = fault
            self._changed.notify_all()

    def _listen(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            far = socket.socket()
            with contextlib.suppress(OSError):
                far.connect(("127.0.0.1", self._target))
            with self._changed:
                self._ends |= {near, far}
            for source, sink, from_target in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._pass_on, args=(source, sink, from_target), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, from_target: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._fault == "garble" and from_target:
                    data = self._garble.randbytes(len(data))
                if self._fault != "swallow":
                    sink.sendall(data)
        with self._changed:
            # A line that swallows passes no end of a side on.
            self._changed.wait_for(lambda: self._fault != "swallow")
            self._ends -= {source, sink}
        for end in (source, sink):
            _end(end)
            end.close()


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
