"""One camera as the service watches it: its newest frame, whether anything moves, and the faces in it."""

import time
from collections.abc import Callable

from facerec_mqtt.camera import Camera
from facerec_mqtt.config import CameraSettings, RecognitionSettings
from facerec_mqtt.motion import MotionGate
from facerec_mqtt.recognition import Recognizer
from facerec_mqtt.records import Frame, Sighting
from facerec_mqtt.region import Region

# Nothing is decided on a frame older than this: whoever it shows may be gone.
_MAX_FRAME_AGE_S = 1.0


class Watch:
    """One camera and what the loop remembers of it.

    Args:
        settings: which camera.
        recognition: when faces are looked for and named.
        hear: told of the camera's losses and returns, from a thread of the camera's own.
    """

    def __init__(
        self,
        settings: CameraSettings,
        recognition: RecognitionSettings,
        hear: Callable[[str, bool, str], None],
    ) -> None:
        self.settings = settings
        self.camera = Camera(settings, hear)
        self.enabled = True
        self._recognition = recognition
        self._gate = MotionGate()
        self._region = Region(settings.region)
        self._last_frame_s = -1.0

    def newest(self) -> Frame | None:
        """A frame that was not seen yet, if there is one; of an old one nothing more than that it came."""
        frame = self.camera.latest(self._last_frame_s, 0.0)
        if frame is not None:
            self._last_frame_s = frame.captured_at_s
        return frame

    def is_of_use(self, frame: Frame) -> bool:
        """Tell whether anything may be decided on a frame."""
        return self.enabled and time.monotonic() - frame.captured_at_s <= _MAX_FRAME_AGE_S

    def look(self, frame: Frame, recognizer: Recognizer, *, closely: bool) -> tuple[Sighting, ...] | None:
        """Find the faces of a frame.

        Args:
            frame: the whole frame.
            recognizer: who knows the family.
            closely: look also when nothing has moved.

        Returns:
            All faces, in pixels of the whole frame; `None` when nothing has moved and nobody looked.
        """
        part = self._region.cut(frame)
        moved = not self._recognition.motion or self._gate.moved(part)
        if not (moved or closely):
            return None
        found = recognizer.recognise(
            part.image,
            min_face_px=self.settings.min_face_px,
            min_sharpness=self._recognition.min_sharpness,
            min_margin=self._recognition.min_margin,
        )
        return tuple(
            Sighting(
                camera=self.settings.slug,
                captured_at_s=frame.captured_at_s,
                detection=self._region.back(frame, recognition.detection),
                identification=recognition.identification,
                face=recognition.face,
            )
            for recognition in found
        )
