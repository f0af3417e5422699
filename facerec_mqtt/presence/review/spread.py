"""At most so many values of a time that may be long: the best of each span. Pure."""

import math
from typing import Generic, TypeVar

T = TypeVar("T")


class Spread(Generic[T]):
    """Keeps the best value of each span of time; spans double as often as there are too many.

    Args:
        most: how many values are kept at most, 1 or more.
        span_s: length of the first spans, in seconds.
    """

    def __init__(self, most: int, span_s: float) -> None:
        self._most = most
        self._span_s = span_s
        self._begin_s: float | None = None
        self._best: dict[int, tuple[float, float, T]] = {}
        """By the number of the span: time in seconds, worth, value."""

    def wants(self, at_s: float, worth: float) -> bool:
        """Whether a value of that time and worth would be kept now."""
        best = self._best.get(self._span(at_s))
        return best is None or worth > best[1]

    def add(self, at_s: float, worth: float, value: T) -> None:
        """Keep a value, unless its span has a better one."""
        if self._begin_s is None:
            self._begin_s = at_s
        if self.wants(at_s, worth):
            self._best[self._span(at_s)] = at_s, worth, value
        while len(self._best) > self._most:
            before, self._best = self._best, {}
            self._span_s *= 2
            for each in before.values():
                if self.wants(*each[:2]):
                    self._best[self._span(each[0])] = each

    def extend(self, other: "Spread[T]", since_s: float = -math.inf) -> None:
        """Add what another has kept from a moment on."""
        for at_s, worth, value in other.kept():
            if at_s >= since_s:
                self.add(at_s, worth, value)

    def kept(self) -> list[tuple[float, float, T]]:
        """Time in seconds, worth and value of each, the earliest first."""
        return sorted(self._best.values(), key=lambda each: each[0])

    def _span(self, at_s: float) -> int:
        return math.floor((at_s - (at_s if self._begin_s is None else self._begin_s)) / self._span_s)
