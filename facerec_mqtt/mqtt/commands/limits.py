"""How many commands are carried out, and in which order."""

import threading
from collections import defaultdict

from facerec_mqtt.mqtt.commands.requests import Assign, Capture, Command, Enable, Rebuild, StopCapture

MAX_WAITING = 16
"""Commands that wait to be carried out, without switches, of which one waits for each camera."""
BURST, PER_SECOND = 10, 0.5
"""So many commands of one kind, and for one camera, may come at once; so many a second in the long run."""


class RateLimit:
    """Lets a few commands through at once, and fewer in the long run. The time is an argument, in seconds."""

    def __init__(self, burst: int = BURST, per_second: float = PER_SECOND) -> None:
        self._burst = burst
        self._per_second = per_second
        self._left = float(burst)
        self._asked_s = 0.0
        self._exceeded = False

    def admit(self, now_s: float) -> bool:
        """Return whether a command that came now may be carried out."""
        self._left = min(self._burst, self._left + max(0.0, now_s - self._asked_s) * self._per_second)
        self._asked_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        self._exceeded = False
        return True

    def first_refusal(self) -> bool:
        """Return whether this is the first refusal of a flood; the others are not answered."""
        first, self._exceeded = not self._exceeded, True
        return first


class CommandQueue:
    """Commands that wait to be carried out. Any thread may use it.

    A camera's switch is never refused: its last command waits, until the limit allows it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._others: list[Rebuild | Capture | StopCapture | Assign] = []
        self._switches: dict[str, Enable] = {}
        self._limits: defaultdict[str, RateLimit] = defaultdict(RateLimit)

    def put(self, command: Command) -> bool:
        """Add a command; returns whether the queue has space for it."""
        with self._lock:
            if isinstance(command, Enable):
                self._switches[command.camera] = command
            elif len(self._others) < MAX_WAITING:
                self._others.append(command)
            else:
                return False
            return True

    def take(self, now_s: float) -> Command | None:
        """Remove and return a command that may be carried out now; `None` when there is none."""
        with self._lock:
            for camera in self._switches:
                if self._limits[camera].admit(now_s):
                    return self._switches.pop(camera)
            return self._others.pop(0) if self._others else None
