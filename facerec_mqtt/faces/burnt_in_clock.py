"""A clock that the camera writes along an edge of its picture is not motion, although its digits change.

A digit changes in one frame and then stands still until the next. What moves changes in frame after frame.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
"""(H, W) bool, of the small picture that motion is looked for in."""
EDGE_SHARE = 0.22
"""Of the picture's height, at the top and at the bottom: cameras write their text there."""
_FRAMES = 3
"""What changes in so many frames in a row moves."""
_SHOWN_S = 3.0
"""And is shown for so long after."""
_NEARBY = np.ones((7, 7), np.uint8)


class BurntInClock:
    """Hides single changes along the edges of one camera's picture."""

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None
        self._in_a_row: NDArray[np.int16] | None = None
        self._shown_until_s: NDArray[np.float64] | None = None

    def hidden(
        self, small: NDArray[np.float32], limit: float, at_s: float, *, is_in_a_row: bool = True
    ) -> Mask:
        """Take in the next picture.

        Args:
            small: (H, W) float32 grey, 0 to 255.
            limit: what differs by no more has not changed.
            at_s: its capture.
            is_in_a_row: whether it follows the one before at the camera's rate; a digit has had no time to
                change twice.

        Returns:
            Where a change is no movement.
        """
        before, self._before = self._before, small
        if (
            before is None
            or self._in_a_row is None
            or self._shown_until_s is None
            or before.shape != small.shape
        ):
            self._in_a_row = np.zeros(small.shape, np.int16)
            self._shown_until_s = np.full(small.shape, -np.inf)
            return np.zeros(small.shape, np.bool_)
        changed = cv2.dilate((np.abs(small - before) > limit).astype(np.uint8), _NEARBY) > 0
        before_it = self._in_a_row if is_in_a_row else 0
        self._in_a_row = np.where(changed, before_it + 1, 0).astype(np.int16)
        self._shown_until_s[self._in_a_row >= _FRAMES] = at_s + _SHOWN_S
        edge = round(EDGE_SHARE * small.shape[0])
        hidden = self._shown_until_s < at_s
        hidden[edge : small.shape[0] - edge] = False
        return hidden
