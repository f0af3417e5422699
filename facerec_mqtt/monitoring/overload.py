"""Whether the machine keeps up with its cameras; said once when it does not, and once when it does again.

Of more frames than can be looked at, the loop takes the newest of each camera in turn, so that all cameras
lose alike. Nothing here reads a clock: every time is an argument, in seconds of `time.monotonic`.
"""

from dataclasses import dataclass

WINDOW_S = 60.0
"""Frames are counted over this time; a rebuild's or a neighbour's moment is no lack of capacity."""
TOO_MANY = 0.2
"""From this share of frames that were not looked at on, it is said."""
FEW = 0.05
"""And from this share downwards that it is over."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Frames of all cameras since the start."""

    came: int
    """That the cameras gave."""
    taken: int
    """That were looked at, or left alone for a reason of their own: nothing moves, switched off."""


class OverloadMonitor:
    """Compares what came with what was taken. Of one thread."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._before = Tally(0, 0)
        self._is_short = False

    def judge(self, tally: Tally, now_s: float) -> str | None:
        """Take in the counts, a few times a minute or more often.

        Returns:
            A sentence where there is something to say.
        """
        if self._since_s is None:
            self._since_s, self._before = now_s, tally
            return None
        if now_s - self._since_s < WINDOW_S:
            return None
        elapsed_s = now_s - self._since_s
        came, taken = tally.came - self._before.came, tally.taken - self._before.taken
        self._since_s, self._before = now_s, tally
        missed = 1 - taken / came if came > 0 else 0.0
        if not self._is_short and missed >= TOO_MANY:
            self._is_short = True
            return (
                f"More frames come than this machine can look at: {came / elapsed_s:.1f} a second, of which "
                f"{taken / elapsed_s:.1f} are taken, from all cameras in turn. Lower the cameras' fps, use "
                "smaller streams, or watch fewer cameras."
            )
        if self._is_short and missed <= FEW:
            self._is_short = False
            return "The machine keeps up with its cameras again."
        return None
