"""The heartbeat for health checks: a file that is touched, and systemd's watchdog.

systemd is notified as sd_notify(3) describes: one datagram a message, to the socket in `NOTIFY_SOCKET`.
"""

import logging
import os
import socket
import time
from collections.abc import MutableMapping
from pathlib import Path

_log = logging.getLogger(__name__)
BEAT_S = 5.0


class Heartbeat:
    """Beats while the service's loop runs.

    Args:
        file: touched at each beat; `None` for no file.
        environment: with systemd's variables; they are removed, so that no child process inherits them.
    """

    def __init__(self, file: Path | None, environment: MutableMapping[str, str] = os.environ) -> None:
        self._file = file
        self._address = environment.pop("NOTIFY_SOCKET", None)
        limit = environment.pop("WATCHDOG_USEC", "")
        environment.pop("WATCHDOG_PID", None)
        # systemd asks for two notifications within its limit.
        self._every_s = min(BEAT_S, int(limit) / 2e6) if limit.isdecimal() and int(limit) else BEAT_S
        self._due_s = 0.0
        self._logged: set[str] = set()

    def ready(self) -> None:
        """The service has started."""
        self._notify("READY=1")

    def beat(self, now_s: float) -> None:
        """The service is alive; to be called often."""
        if now_s < self._due_s:
            return
        self._due_s = now_s + self._every_s
        self._notify("WATCHDOG=1")
        if self._file is not None:
            try:
                self._file.touch()
            except OSError as error:
                self._warn_once(
                    f'The heartbeat file "{self._file}" cannot be touched ({error.strerror}); health checks '
                    "will fail. Set FACEREC_HEARTBEAT_FILE to a file that can be written."
                )

    def stopping(self, *, restarts: bool = False) -> None:
        """The service is about to end.

        Args:
            restarts: the same process starts again at once, and is then ready again.
        """
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={now_us}" if restarts else "STOPPING=1")

    def _notify(self, state: str) -> None:
        if self._address is None:
            return
        # An abstract address is written with an at sign in place of its first byte, zero.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(state.encode(), address)
        except BlockingIOError:
            pass  # systemd is busy; the next notification follows soon
        except OSError as error:
            self._warn_once(f"systemd cannot be notified that the service is alive ({error.strerror}).")

    def _warn_once(self, sentence: str) -> None:
        if sentence not in self._logged:
            self._logged.add(sentence)
            _log.warning("%s", sentence)
