"""A camera whose picture is frozen: the stream goes on, and always shows the same.

No sensor gives one picture twice: its noise changes something in most of the details. A clock that the camera
writes over a frozen picture covers few of them. Nothing here reads a clock of ours.
"""

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import Image

FROZEN_S = 300.0
"""A picture that has not changed for so long is frozen: some cameras send a new one every few minutes."""
_SAMPLED = 8
"""Every so many rows and columns one pixel is looked at."""
_DETAIL = 6
"""Grey levels between neighbours where there is something to see: black stays black at night."""
_LEAST_DETAILS = 60
_UNCHANGED = 0.85
"""Share of the details that are the same bit for bit in a frozen picture."""
_PAUSE_S = 60.0

_Sample = NDArray[np.uint8]


class FrozenPicture:
    """Watches one camera's pictures."""

    def __init__(self) -> None:
        self._reference: _Sample | None = None
        self._details: NDArray[np.bool_] | None = None
        self._since_s = 0.0
        self._last_s = 0.0
        self.is_frozen = False

    def look(self, image: Image, at_s: float) -> float | None:
        """Take in the next picture.

        Args:
            image: (H, W, 3) uint8 BGR.
            at_s: its capture.

        Returns:
            Where `is_frozen` has changed just now: for how long the picture has stood still, in seconds.
        """
        sample = np.ascontiguousarray(image[::_SAMPLED, ::_SAMPLED])
        stood_s = at_s - self._since_s
        if not self._is_same(sample):
            self._reference, self._details = sample, _details(sample)
            self._since_s = at_s
        elif at_s - self._last_s > _PAUSE_S and not self.is_frozen:
            self._since_s = at_s  # nobody knows what it showed meanwhile
        self._last_s = at_s
        is_frozen = at_s - self._since_s >= FROZEN_S
        if is_frozen == self.is_frozen:
            return None
        self.is_frozen = is_frozen
        return stood_s

    def _is_same(self, sample: _Sample) -> bool:
        if self._reference is None or self._details is None or self._reference.shape != sample.shape:
            return False
        if np.count_nonzero(self._details) < _LEAST_DETAILS:
            return False
        return bool(np.mean((sample == self._reference).all(axis=2)[self._details]) >= _UNCHANGED)


def _details(sample: _Sample) -> NDArray[np.bool_]:
    """(H, W) bool: where neighbouring pixels differ."""
    grey = sample.mean(axis=2)
    across = np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    down = np.abs(np.diff(grey, axis=0, append=grey[-1:]))
    return np.asarray((across > _DETAIL) | (down > _DETAIL))
