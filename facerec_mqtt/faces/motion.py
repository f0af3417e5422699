"""The motion gate: frames in which nothing moves are not searched for faces."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import Frame, Image
from facerec_mqtt.faces.burnt_in_clock import BurntInClock, Mask

# Pictures are compared at this width: a face of 40 px in 1280 is then five dots wide.
_WIDTH_PX = 160
# The background follows the picture with this time constant: what stands still is soon part of it, what
# passes leaves little trace.
_LEARN_S = 4.0
# In grey levels, on top of so many times the noise that the camera itself shows.
_LEAST_CHANGE = 10.0
_NOISE_FACTOR = 5.0
# Of the picture: less is an insect or a spark of the sensor, more is another picture altogether.
_LEAST_SHARE = 0.0012
_MOST_SHARE = 0.6
_MOST_GAIN = 2.0


class MotionGate:
    """Open while something moves, and for a while after.

    Args:
        hold_s: how long it stays open after the last movement: somebody who stands still to look for
            the key is still there.
    """

    def __init__(self, hold_s: float = 3.0) -> None:
        self._hold_s = hold_s
        self._background: NDArray[np.float32] | None = None
        self._noise = 1.0
        self._clock = BurntInClock()
        self._last_s = -math.inf
        self._unchanged_s = -math.inf
        self.moved_share = 0.0
        """Of the picture, in the last frame."""
        self._open_until_s = -math.inf

    def unchanged(self, at_s: float) -> None:
        """Nothing has moved since the last frame, as the camera's stream tells without pictures."""
        self._unchanged_s = at_s

    def moved(self, frame: Frame) -> bool:
        """Compare the next frame of a camera with those before.

        Args:
            frame: the frames must come in the order of their time.

        Returns:
            Whether it should be searched for faces. The first frame always should, and so should the
            first after a while without any: who was in the one before may have gone unseen.
        """
        small = _small(frame.image)
        if self._background is None or self._background.shape != small.shape:
            self._background = small
            self.moved_share, changed = 0.0, True
        else:
            elapsed_s = max(0.0, frame.captured_at_s - self._last_s)
            is_next = self._unchanged_s <= self._last_s
            clock = self._clock.hidden(small, self._limit, frame.captured_at_s, is_in_a_row=is_next)
            changed = self._compare(small, self._background, 1.0 - math.exp(-elapsed_s / _LEARN_S), clock)
            unknown_s = frame.captured_at_s - max(self._last_s, self._unchanged_s)
            changed = changed or unknown_s > self._hold_s
        self._last_s = frame.captured_at_s
        if changed:
            self._open_until_s = frame.captured_at_s + self._hold_s
        return frame.captured_at_s <= self._open_until_s

    @property
    def _limit(self) -> float:
        return _LEAST_CHANGE + _NOISE_FACTOR * self._noise

    def _compare(
        self,
        small: NDArray[np.float32],
        background: NDArray[np.float32],
        rate: float,
        clock: Mask,
    ) -> bool:
        """Compare with the background but for a clock, and learn from the picture at this rate."""
        # A cloud or the camera's exposure changes all alike; that is no movement.
        gain = (_median(background) + 1.0) / (_median(small) + 1.0)
        difference = small * min(max(gain, 1.0 / _MOST_GAIN), _MOST_GAIN) - background
        difference -= _median(difference)
        distance = np.abs(difference)
        moved = distance > self._limit
        if np.count_nonzero(moved) > _MOST_SHARE * moved.size:
            # Day to night vision, or the camera was turned: what was learned is of no use any more.
            self._background = small
            self.moved_share = 0.0
            return True
        # The median, since what moves is less than half of the picture; 1.4826 makes it a deviation.
        self._noise += rate * (1.4826 * _median(distance) - self._noise)
        cv2.accumulateWeighted(small, background, rate)
        self.moved_share = np.count_nonzero(moved & ~clock) / moved.size
        return self.moved_share >= _LEAST_SHARE


def _median(values: NDArray[np.float32]) -> float:
    """The upper median; numpy's own takes eight times as long."""
    middle = values.size // 2
    return float(np.partition(values, middle, axis=None)[middle])


def _small(image: Image) -> NDArray[np.float32]:
    """The picture in grey at a small size, blurred: (H, W) float32, 0 to 255."""
    height_px, width_px = image.shape[:2]
    width, height = _WIDTH_PX, max(1, round(_WIDTH_PX * height_px / width_px))
    # In two steps, since to average every pixel of a large picture takes ten times as long.
    coarse = cv2.resize(image, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    grey = cv2.cvtColor(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.GaussianBlur(grey, (5, 5), 0), np.float32)
