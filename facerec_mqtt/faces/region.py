"""The part of a camera's picture that is searched for faces."""

from dataclasses import replace

import numpy as np

from facerec_mqtt.core.records import Detection, Frame


class Region:
    """Cuts the region out of frames, and moves what was found there back to the whole picture."""

    def __init__(self, fractions: tuple[float, float, float, float] | None) -> None:
        self._fractions = fractions

    def cut(self, frame: Frame) -> Frame:
        """The frame, reduced to the region; no pixel is copied."""
        if self._fractions is None:
            return frame
        left, top, right, bottom = self._edges(frame)
        return replace(frame, image=frame.image[top:bottom, left:right])

    def to_whole_frame(self, frame: Frame, detection: Detection) -> Detection:
        """A detection on the cut frame, in pixels of the whole `frame`."""
        if self._fractions is None:
            return detection
        left, top, _, _ = self._edges(frame)
        x_min, y_min, x_max, y_max = detection.box
        return replace(
            detection,
            box=(x_min + left, y_min + top, x_max + left, y_max + top),
            landmarks=detection.landmarks + np.array([left, top], np.float32),
        )

    def _edges(self, frame: Frame) -> tuple[int, int, int, int]:
        height, width = frame.image.shape[:2]
        left, top, right, bottom = self._fractions or (0.0, 0.0, 1.0, 1.0)
        # A pixel at least, also of a tiny picture.
        x, y = min(int(left * width), width - 1), min(int(top * height), height - 1)
        return x, y, max(x + 1, round(right * width)), max(y + 1, round(bottom * height))
