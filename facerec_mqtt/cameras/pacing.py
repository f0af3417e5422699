"""When to take a frame, when to try again, and how fast frames come: arithmetic on given times."""

from collections import deque

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0
# Of the interval between two frames: a camera that is to give 5 frames a second and does give 5 now
# and then gives one a little early, which must not be passed over.
_EARLY = 0.5
_RATE_OVER_S = 10.0
_DELAY_OVER_S = 10.0
_LONGEST_WAIT_S = 0.5
_LONGEST_CATCHING_UP_S = 3.0


class Pacer:
    """Lets through so many frames a second at most, as evenly as they come."""

    def __init__(self, fps: float) -> None:
        self._interval_s = 1.0 / fps
        self._due_s: float | None = None

    @property
    def due_s(self) -> float | None:
        """When the next frame is wanted; `None` before the first: at once."""
        return self._due_s

    def takes(self, at_s: float) -> bool:
        """Whether the frame of this moment is wanted; if so, it is counted."""
        if self._due_s is None:
            self._due_s = at_s + self._interval_s
            return True
        if at_s < self._due_s - _EARLY * self._interval_s:
            return False
        # From when it was due, not from when it came, so that the rate is kept on average; but frames
        # that were missed are not made up for.
        self._due_s = max(self._due_s + self._interval_s, at_s + _EARLY * self._interval_s)
        return True


class RateMeter:
    """Measures frames a second over the last seconds."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque(maxlen=1024)

    def add(self, at_s: float) -> None:
        """Count one frame."""
        self._times_s.append(at_s)

    def fps(self, now_s: float) -> float:
        """Frames a second over the last ten seconds; 0 when there are less than two."""
        while self._times_s and self._times_s[0] < now_s - _RATE_OVER_S:
            self._times_s.popleft()
        if len(self._times_s) < 2:
            return 0.0
        # Up to now, not up to the last frame: when frames cease, the rate falls.
        return (len(self._times_s) - 1) / max(now_s - self._times_s[0], 1e-3)


def backoff_s(failures: int, chance: float) -> float:
    """How long to wait before the next try.

    Args:
        failures: tries that have failed in a row, 1 or more.
        chance: a random number in [0, 1), so that many cameras behind one switch do not all come at once.

    Returns:
        Seconds: twice as long each time, give or take a quarter, between 1 and 60.
    """
    delay_s = FIRST_DELAY_S * 2.0 ** min(failures - 1, 16) * (0.75 + 0.5 * chance)
    return min(max(delay_s, FIRST_DELAY_S), LONGEST_DELAY_S * (0.75 + 0.25 * chance))


class Backlog:
    """Distinguishes frames that have waited somewhere from fresh ones.

    After a pause in the network all that was held up comes at once, and none of it shows what is going
    on now. The stream's own clock shows it: a frame that has waited is later, against that clock, than the
    swiftest of the last seconds.
    """

    def __init__(self) -> None:
        self._delays_s: deque[tuple[float, float]] = deque()
        self._waiting_since_s: float | None = None
        self._believes = True
        self._is_first = True

    def waited(self, stream_s: float, at_s: float) -> bool:
        """Whether a frame has waited too long to be of use.

        Args:
            stream_s: its time by the stream's clock.
            at_s: when it came.
        """
        if self._is_first:
            # FFmpeg gives it and the second one the same time, which at a frame in ten seconds is far off.
            self._is_first = False
            return False
        if not self._believes:
            return False
        delay_s = at_s - stream_s
        while self._delays_s and self._delays_s[0][0] < at_s - _DELAY_OVER_S:
            self._delays_s.popleft()
        # Rising from the left, so that the least stands first.
        while self._delays_s and self._delays_s[-1][1] >= delay_s:
            self._delays_s.pop()
        self._delays_s.append((at_s, delay_s))
        if delay_s - self._delays_s[0][1] <= _LONGEST_WAIT_S:
            self._waiting_since_s = None
            return False
        if self._waiting_since_s is None:
            self._waiting_since_s = at_s
        # What was held up is read in no time. If it takes long, then this stream's clock goes wrong.
        self._believes = at_s - self._waiting_since_s <= _LONGEST_CATCHING_UP_S
        return self._believes
