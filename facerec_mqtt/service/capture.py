"""Enrollment pictures taken by command while the service runs, from the frames that it has anyway."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from facerec_mqtt.core.clock import WallClock
from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.records import CaptureState, Frame
from facerec_mqtt.enrollment.capture import Capturing, Found, open_album
from facerec_mqtt.enrollment.capture_session import COUNT, PhotoSession
from facerec_mqtt.mqtt.commands import Capture
from facerec_mqtt.recognition.recognizer import Recognizer
from facerec_mqtt.service.publisher import Publisher

_log = logging.getLogger(__name__)


class CaptureController:
    """Carries out the capture commands that come to the service, one at a time.

    Args:
        enrollment_dir: where the pictures go.
        publisher: publishes its progress and its result.
        clock: the wall clock, for the names of the pictures.
    """

    def __init__(self, enrollment_dir: Path, publisher: Publisher, clock: WallClock) -> None:
        self._enrollment_dir = enrollment_dir
        self._publisher = publisher
        self._clock = clock
        self._capturing: Capturing | None = None

    def is_at(self, camera: str) -> bool:
        """Whether pictures are being taken at a camera, given by slug."""
        return self._capturing is not None and self._capturing.camera == camera

    def start(self, command: Capture, recognizer: Recognizer, *, enabled: bool) -> None:
        """Begin to take pictures, or answer why not.

        Args:
            command: whose, and where.
            recognizer: whose backbone measures how much pictures differ.
            enabled: whether faces are looked for at that camera.
        """
        try:
            if self._capturing is not None:
                raise EnrollmentError(
                    f"Pictures of {self._capturing.state.person} are being taken; wait until that has ended."
                )
            if not enabled:
                raise EnrollmentError(
                    f'Recognition at "{command.camera}" is switched off; switch it on first.'
                )
            album = open_album(self._enrollment_dir, command.person, COUNT, command.seconds)
            session = PhotoSession(album.name, COUNT, command.seconds, time.monotonic(), recognizer.embed)
            self._capturing = Capturing(album, command.camera, session, self._clock)
        except EnrollmentError as error:
            self._answer(False, str(error))
            return
        _log.info("Taking pictures of %s at %s", command.person, command.camera)
        self._publisher.publish_state(self._capturing.state)

    def offer(self, camera: str, frame: Frame, found: Sequence[Found]) -> None:
        """Take a picture of a frame that was searched, if one is wanted."""
        if self._capturing is None or self._capturing.camera != camera:
            return
        try:
            self._publisher.publish_state(self._capturing.look(frame, found))
            self.end_if_over(time.monotonic())
        except EnrollmentError as error:
            self._end(str(error))

    def end_if_over(self, now_s: float) -> None:
        """End a capture whose time is over; to be called about once a second or more often."""
        if self._capturing is not None and self._capturing.over(now_s):
            self._end()

    def camera_off(self, camera: str) -> None:
        """Recognition at a camera was switched off: its pictures are not to be used any more."""
        if self.is_at(camera):
            self._end("Recognition was switched off meanwhile.")

    def stop(self) -> None:
        """The service ends; what was taken stays."""
        if self._capturing is not None:
            self._capturing.end()

    def _end(self, failure: str | None = None) -> None:
        assert self._capturing is not None
        ok, message = self._capturing.end()
        self._capturing = None
        self._publisher.publish_state(CaptureState())
        self._answer(ok and failure is None, message if failure is None else f"{failure} {message}")

    def _answer(self, ok: bool, message: str) -> None:
        _log.log(logging.INFO if ok else logging.WARNING, "%s", message)
        self._publisher.publish_result("capture", ok=ok, message=message)
