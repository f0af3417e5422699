"""Tells whoever watches over the service that it is well: a file that is touched, and systemd.

systemd is spoken to as sd_notify(3) says: one datagram a message, to the socket in `NOTIFY_SOCKET`.
"""

import logging
import os
import socket
from collections.abc import MutableMapping
from pathlib import Path

_log = logging.getLogger(__name__)
BEAT_S = 5.0


class Heartbeat:
    """Beats while the service's loop goes round.

    Args:
        file: touched at each beat; `None` for no file.
        environment: where systemd has put its wishes; they are taken out of it, so that no child sees them.
    """

    def __init__(self, file: Path | None, environment: MutableMapping[str, str] = os.environ) -> None:
        self._file = file
        self._address = environment.pop("NOTIFY_SOCKET", None)
        limit = environment.pop("WATCHDOG_USEC", "")
        environment.pop("WATCHDOG_PID", None)
        # systemd asks to hear twice within its limit.
        self._every_s = min(BEAT_S, int(limit) / 2e6) if limit.isdecimal() and int(limit) else BEAT_S
        self._due_s = 0.0
        self._told: set[str] = set()

    def ready(self) -> None:
        """The service has started."""
        self._notify("READY=1")

    def beat(self, now_s: float) -> None:
        """The service is well; to be called often."""
        if now_s < self._due_s:
            return
        self._due_s = now_s + self._every_s
        self._notify("WATCHDOG=1")
        if self._file is not None:
            try:
                self._file.touch()
            except OSError as error:
                self._complain(
                    f'The heartbeat file "{self._file}" cannot be touched ({error.strerror}); health checks '
                    "will fail. Set FACEREC_HEARTBEAT_FILE to a file that can be written."
                )

    def stopping(self) -> None:
        """The service is about to end."""
        self._notify("STOPPING=1")

    def _notify(self, state: str) -> None:
        if self._address is None:
            return
        # An abstract address is written with an at sign in place of its first byte, zero.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
                speaker.setblocking(False)
                speaker.sendto(state.encode(), address)
        except BlockingIOError:
            pass  # systemd is busy; it is told again soon
        except OSError as error:
            self._complain(f"systemd cannot be told that the service is well ({error.strerror}).")

    def _complain(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            _log.warning("%s", sentence)
