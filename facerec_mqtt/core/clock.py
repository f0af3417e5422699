"""The wall clock, from the times of `time.monotonic` that frames and visits carry.

Two things happen to a wall clock while the service runs. It is *set*, as on a small box that learns the time
minutes after its start: what it showed before was wrong, and so is every time that was made of it. Or the
machine *sleeps*: `time.monotonic` stands still meanwhile and the wall clock does not, yet both were right
before. The kernel's boot clock, which counts on in a sleep, tells one from the other.
"""

import contextlib
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from facerec_mqtt.core.errors import SettingsError

_log = logging.getLogger(__name__)
_TOGETHER_S = 0.01
_SLEEP_S = 0.5
"""Two clocks that are read one after the other differ by less."""
_POSIX_ZONE = re.compile(r"(<[+\-0-9A-Za-z]{3,}>|[A-Za-z]{3,})[+-]?\d{1,3}.*")


@dataclass(frozen=True, slots=True)
class Reading:
    """The three clocks at one moment, in seconds."""

    wall_s: float
    """`time.time`: since 1970."""
    monotonic_s: float
    """`time.monotonic`: stands still while the machine sleeps."""
    boot_s: float
    """`CLOCK_BOOTTIME`: as the monotonic clock, but counts on while the machine sleeps."""

    @classmethod
    def take(cls) -> Self:
        """Read the machine's clocks; again when other programs came between one and the next."""
        for _ in range(3):
            begun_s = time.monotonic()
            boot_s = time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else begun_s
            wall_s, monotonic_s = time.time(), time.monotonic()
            if monotonic_s - begun_s < _TOGETHER_S:
                break
        return cls(wall_s, monotonic_s, boot_s)


@dataclass(frozen=True, slots=True)
class Clock:
    """Turns seconds of `time.monotonic` into the wall clock's."""

    epoch_at_zero_s: float
    """What the wall clock showed when the monotonic one was at zero, for times since the last sleep."""
    zone: tzinfo | None = None
    """`None` is the machine's own."""
    before: tuple[tuple[float, float], ...] = ()
    """For each sleep of the machine, the last first: its moment in seconds of `time.monotonic`, and what
    takes the place of `epoch_at_zero_s` for times before it."""

    def epoch(self, at_s: float) -> float:
        """Seconds since 1970, to the millisecond."""
        epoch_at_zero_s = self.epoch_at_zero_s
        for slept_at_s, earlier_s in self.before:
            if at_s > slept_at_s:
                break
            epoch_at_zero_s = earlier_s
        return round(epoch_at_zero_s + at_s, 3)

    def monotonic(self, epoch_s: float) -> float:
        """Seconds of `time.monotonic` of a time since 1970, such as an earlier run has written down."""
        at_s = epoch_s - self.epoch_at_zero_s
        for slept_at_s, earlier_s in self.before:
            if at_s > slept_at_s:
                break
            at_s = min(epoch_s - earlier_s, slept_at_s)
        return at_s

    def local(self, at_s: float) -> datetime:
        """Local time with its offset, that of the moment: summer time may begin within a visit."""
        return datetime.fromtimestamp(self.epoch(at_s), UTC).astimezone(self.zone)

    def iso(self, at_s: float, timespec: str = "seconds") -> str:
        """ISO 8601, local time with its offset."""
        return self.local(at_s).isoformat(timespec=timespec)


class WallClock:
    """The one owner of wall clock against monotonic. Any thread may use it.

    Args:
        zone: the local time zone; `None` is the machine's own.
        read: reads the clocks.
    """

    def __init__(self, zone: tzinfo | None = None, read: Callable[[], Reading] = Reading.take) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._before: Reading | None = None
        self._clock = Clock(0.0, zone)
        self._set_by_s = 0.0

    def now(self) -> Clock:
        """What holds now: the clocks are read, and a sleep or a step since the last time is noticed."""
        with self._lock:
            self._update(self._read())
            return self._clock

    @property
    def set_by_s(self) -> float:
        """By how much the wall clock was set since the start, all steps together; a sleep is none."""
        return self._set_by_s

    def _update(self, now: Reading) -> None:
        before, clock = self._before, self._clock
        self._before = now
        epoch_at_zero_s = now.wall_s - now.monotonic_s
        if before is None:
            self._clock = replace(clock, epoch_at_zero_s=epoch_at_zero_s)
            return
        slept_s = (now.boot_s - now.monotonic_s) - (before.boot_s - before.monotonic_s)
        if slept_s < _SLEEP_S:
            slept_s = 0.0
        set_by_s = epoch_at_zero_s - clock.epoch_at_zero_s - slept_s
        earlier = tuple((at_s, zero_s + set_by_s) for at_s, zero_s in clock.before)
        if slept_s:
            # When between the two readings it began is unknown. No camera gives a picture so soon after it.
            earlier = ((now.monotonic_s, clock.epoch_at_zero_s + set_by_s), *earlier)
        self._set_by_s += set_by_s
        self._clock = replace(clock, epoch_at_zero_s=epoch_at_zero_s, before=earlier)


def local_zone(environment: Mapping[str, str]) -> tzinfo | None:
    """The zone that `TZ` names, also where the system has no zone data: the package `tzdata` has them.

    Args:
        environment: with `TZ` in it, or not.

    Returns:
        `None` where the machine's own zone is to be used: `TZ` is not set, is a file or needs no data.

    Raises:
        SettingsError: `TZ` names a zone that is unknown, so that the system takes UTC for it.
    """
    name = environment.get("TZ", "").removeprefix(":")
    if not name:
        return None
    with contextlib.suppress(ValueError, OSError, KeyError):  # `ZoneInfoNotFoundError` is a KeyError
        return ZoneInfo(name)
    if _POSIX_ZONE.fullmatch(name) or (name.startswith("/") and Path(name).is_file()):
        return None
    raise SettingsError(
        f'The time zone "{name}" (TZ) is unknown, so times are in UTC; name one such as "Europe/Berlin".'
    )


def zone_or_machines(environment: Mapping[str, str]) -> tzinfo | None:
    """As `local_zone`; an unknown zone is logged, and the machine's own is used."""
    try:
        return local_zone(environment)
    except SettingsError as error:
        _log.warning("%s", error)
        return None


def epoch_of(text: str, zone: tzinfo | None, *, end: bool) -> float:
    """Seconds since 1970 of a date or time.

    Args:
        text: ISO 8601.
        zone: that holds where the text has no offset; `None` is the machine's own.
        end: whether a date alone is its end and not its beginning.

    Raises:
        ValueError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
        if end and len(text) <= len("2026-11-30"):
            moment += timedelta(days=1)
        if moment.tzinfo is None:
            moment = moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
        return moment.timestamp()
    except (OverflowError, OSError) as error:
        raise ValueError("no time that there is") from error


class Timers:
    """Actions that are due at some time, each at most once. Times are arguments, in seconds."""

    def __init__(self) -> None:
        self._due_s: dict[Callable[[], None], float] = {}

    def set(self, action: Callable[[], None], due_s: float) -> None:
        """Have something done at a time, and not at the one that was set before."""
        self._due_s[action] = due_s

    def due_s(self, action: Callable[[], None]) -> float | None:
        """When something is due; `None` when it is not."""
        return self._due_s.get(action)

    def wait_s(self, now_s: float) -> float | None:
        """How long until something is due; `None` when nothing is."""
        return max(0.0, min(self._due_s.values()) - now_s) if self._due_s else None

    def run(self, now_s: float) -> None:
        """Do what is due, in order."""
        for action in sorted(self._due_s, key=self._due_s.__getitem__):
            if self._due_s[action] <= now_s:
                del self._due_s[action]
                action()
