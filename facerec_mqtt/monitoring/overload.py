"""Whether the machine keeps up with its cameras; reported once when it does not, and once when it does again.

Of more frames than can be searched, the loop takes the newest of each camera in turn, so that all cameras
lose alike. Nothing here reads a clock: every time is an argument, in seconds of `time.monotonic`.
"""

from dataclasses import dataclass

WINDOW_S = 60.0
"""Frames are counted over this time; a short rebuild or a busy neighbour is no overload."""
TOO_MANY = 0.2
"""From this share of frames that were not taken on, the machine is overloaded."""
FEW = 0.05
"""And at this share or less it is not any more."""


@dataclass(frozen=True, slots=True)
class FrameTotals:
    """Frames of all cameras since the start."""

    came: int
    """That the cameras gave."""
    taken: int
    """That were searched, or skipped for another reason than lack of time: nothing moves, switched off."""


@dataclass(frozen=True, slots=True)
class Overload:
    """The machine does not keep up, or keeps up again."""

    is_over: bool
    came_per_s: float
    taken_per_s: float


class OverloadMonitor:
    """Compares the frames that came with those that were taken. Of one thread."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._before = FrameTotals(0, 0)
        self._is_overloaded = False

    def check(self, totals: FrameTotals, now_s: float) -> Overload | None:
        """Take in the counts, a few times a minute or more often.

        Returns:
            What has changed; `None` for nothing.
        """
        if self._since_s is None:
            self._since_s, self._before = now_s, totals
            return None
        elapsed_s = now_s - self._since_s
        if elapsed_s < WINDOW_S:
            return None
        came, taken = totals.came - self._before.came, totals.taken - self._before.taken
        self._since_s, self._before = now_s, totals
        missed = 1 - taken / came if came > 0 else 0.0
        if missed >= TOO_MANY if not self._is_overloaded else missed <= FEW:
            self._is_overloaded = not self._is_overloaded
            return Overload(not self._is_overloaded, came / elapsed_s, taken / elapsed_s)
        return None
