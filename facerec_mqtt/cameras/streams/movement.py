"""Movement is suspected by the sizes of a stream's packets, before any of them is decoded.

An encoder writes what has changed since the picture before. While nothing moves that is noise, about as much
each time; how much depends on how long ago the last key frame was. Whoever walks through the picture adds to
it.
"""

import math
from collections import deque

LONGEST_GROUP_S = 4.5
"""Key frames that are further apart are too rare to be all that is looked at."""
_MOST_PACKETS = 400
_LEARNED_AFTER = 3
_LEARN = 0.3
_OVER_PACKETS = 4
_LIMIT = 5.0
_LEAST_SHARE = 0.05
_LEAST_BYTES = 40.0


class PacketSizes:
    """What the sizes of a camera's packets are while nothing moves; of one stream.

    A *group* is a key frame with the pictures that are based on it.
    """

    def __init__(self) -> None:
        self._usual: list[float] = []
        """Bytes by the place in the group, of pictures that are no key frames."""
        self._deviation: float | None = None
        """Mean absolute difference from that, in bytes."""
        self._group: list[int] = []
        self._groups = 0
        self._key_s: float | None = None
        self._group_s = math.inf
        self._excess: deque[float] = deque(maxlen=_OVER_PACKETS)

    @property
    def is_known(self) -> bool:
        """Whether movement would be noticed."""
        return self._groups >= _LEARNED_AFTER and self._group_s <= LONGEST_GROUP_S

    def add_key(self, at_s: float, *, still: bool) -> None:
        """Take in a key frame.

        Args:
            at_s: when it came.
            still: whether nothing has moved since the one before, as far as is known.
        """
        group, self._group = self._group, []
        if self._key_s is not None:
            self._group_s = at_s - self._key_s
            if still and group:
                self._learn(group)
        self._key_s = at_s
        self._excess.clear()

    def add(self, size: int) -> bool:
        """Take in a packet that is no key frame.

        Args:
            size: in bytes.

        Returns:
            Whether something seems to move.
        """
        place = len(self._group)
        if place < _MOST_PACKETS:
            self._group.append(size)
        if not self._usual or self._deviation is None:
            return False
        usual = self._usual[min(place, len(self._usual) - 1)]
        self._excess.append(size - usual)
        over = sum(self._excess)
        noise = max(self._deviation, _LEAST_BYTES) * math.sqrt(len(self._excess))
        return over > _LIMIT * noise and over > _LEAST_SHARE * usual * len(self._excess)

    def _learn(self, group: list[int]) -> None:
        self._groups += 1
        known = len(self._usual)
        if known:
            differences = [abs(size - usual) for size, usual in zip(group, self._usual, strict=False)]
            mean = sum(differences) / max(1, len(differences))
            self._deviation = (
                mean if self._deviation is None else self._deviation + _LEARN * (mean - self._deviation)
            )
        for place, size in enumerate(group[:known]):
            self._usual[place] += _LEARN * (size - self._usual[place])
        self._usual += map(float, group[known:])
