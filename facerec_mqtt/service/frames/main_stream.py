"""A camera's main stream, opened only while a face without a name is too small in the sub-stream."""

import logging
import math
import threading
from dataclasses import replace

from facerec_mqtt.cameras import Camera, CameraFailure, Launch, launch_alone
from facerec_mqtt.core.records import Box, Frame, Sighting
from facerec_mqtt.recognition import Recognition
from facerec_mqtt.service.roles.remote import AnyRecognizer
from facerec_mqtt.settings import CameraSettings, RecognitionSettings

_log = logging.getLogger(__name__)
CLOSE_AFTER_S = 10.0
"""Not needed for so long, it is closed."""
RETRY_AFTER_S = 300.0
"""After a failure the sub-stream alone is used for so long."""
_SAME_MOMENT_S = 1.0
_AROUND_WIDTHS = 1.5
_OFF_WIDTHS = 1.0
_SIZE_RATIO = 2.0


class MainStream:
    """Looks at faces that are too small in the sub-stream. Of one thread at a time.

    Args:
        settings: of the camera; its `main_url` is set.
        recognition: how faces are found and named.
        launch: how the process that reads it is started.
    """

    def __init__(
        self, settings: CameraSettings, recognition: RecognitionSettings, launch: Launch = launch_alone
    ) -> None:
        self._settings = settings
        self._launch = launch
        self._recognition = recognition
        self._camera: Camera | None = None
        self._needed_s = -math.inf
        self._retry_s = -math.inf
        self._failed = False
        """Whether the failure was logged, and it has not given a picture since."""
        self._failure: CameraFailure | None = None
        """Of the camera's thread: why it was lost."""

    @property
    def is_open(self) -> bool:
        """Whether it is being read, or opened."""
        return self._camera is not None

    def look(self, frame: Frame, sighting: Sighting, recognizer: AnyRecognizer) -> Sighting:
        """Identify a face by the main stream.

        Args:
            frame: of the sub-stream.
            sighting: a face in it that is too small.
            recognizer: who knows the family.

        Returns:
            The sighting with who it is; as it was, where the main stream gives no picture of this moment yet,
            or does not show the face there.
        """
        at_s = frame.captured_at_s
        self._needed_s = at_s
        if self._camera is None and at_s >= self._retry_s:
            self._open()
        newest = None if self._camera is None else self._camera.latest(at_s - _SAME_MOMENT_S, 0.0)
        if newest is None:
            return sighting
        self._report_read()
        found = self._find(frame, sighting.detection.box, newest, recognizer)
        if found is None or found.identification.refusal == "face too small":
            return sighting
        return replace(
            sighting, identification=found.identification, face=found.face, embedding=found.embedding
        )

    def close_if_idle(self, now_s: float) -> None:
        """Close it when it has not been needed for a while, or has failed."""
        failure = self._failure
        if failure is not None:
            self._failure = None
            self._retry_s = now_s + RETRY_AFTER_S
            if not self._failed:
                self._failed = True
                _log.warning(
                    'Camera "%s": its main stream %s. Faces too small in the sub-stream stay without a name',
                    self._settings.name,
                    failure.sentence,
                )
            self.close()
        elif now_s - self._needed_s > CLOSE_AFTER_S:
            self.close()

    def close(self) -> None:
        """Close it; returns at once."""
        camera, self._camera = self._camera, None
        if camera is not None:
            threading.Thread(target=camera.stop, name="close main stream").start()

    def _open(self) -> None:
        _log.debug('Camera "%s": its main stream is opened', self._settings.name)
        main = self._settings.of_main_stream()
        self._camera = Camera(main, self._on_status, logged=False, launch=self._launch)
        self._camera.start()

    def _on_status(self, _camera: str, online: bool, failure: CameraFailure | None) -> None:
        if not online:
            self._failure = failure

    def _report_read(self) -> None:
        if self._failed:
            self._failed = False
            _log.info('Camera "%s": its main stream can be read again', self._settings.name)

    def _find(self, frame: Frame, box: Box, main: Frame, recognizer: AnyRecognizer) -> Recognition | None:
        """The face of the main stream's frame that is at the same place."""
        across, down = (
            main.image.shape[1] / frame.image.shape[1],
            main.image.shape[0] / frame.image.shape[0],
        )
        x_min, y_min, x_max, y_max = box[0] * across, box[1] * down, box[2] * across, box[3] * down
        width = x_max - x_min
        around = _AROUND_WIDTHS * width
        left, top = max(0, int(x_min - around)), max(0, int(y_min - around))
        part = main.image[top : int(y_max + around) + 1, left : int(x_max + around) + 1]
        found = recognizer.recognise(
            part,
            min_face_px=self._settings.min_face_px,
            min_sharpness=self._recognition.min_sharpness,
            min_margin=self._recognition.min_margin,
        )
        centre = ((x_min + x_max) / 2 - left, (y_min + y_max) / 2 - top)
        near = [
            each
            for each in found
            if _distance(each.detection.box, centre) <= _OFF_WIDTHS * width
            and width / _SIZE_RATIO <= each.detection.box[2] - each.detection.box[0] <= width * _SIZE_RATIO
        ]
        return min(near, key=lambda each: _distance(each.detection.box, centre), default=None)


def _distance(box: Box, point: tuple[float, float]) -> float:
    return math.hypot((box[0] + box[2]) / 2 - point[0], (box[1] + box[3]) / 2 - point[1])
