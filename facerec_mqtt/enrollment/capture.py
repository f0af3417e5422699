"""Enrolling by camera: frames come in, whole pictures go to the enrollment folder, hints to the person.

The command line opens a camera of its own; the service passes on the frames that it reads anyway.
"""

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from facerec_mqtt.cameras import Camera, probe
from facerec_mqtt.core.clock import WallClock, zone_or_machines
from facerec_mqtt.core.errors import CameraError, EnrollmentError, FacerecError
from facerec_mqtt.core.records import AlignedFace, CaptureState, Detection, Frame, ProgressCallback
from facerec_mqtt.core.slugs import slug
from facerec_mqtt.enrollment.album import Album
from facerec_mqtt.enrollment.capture_session import COUNT, MAX_COUNT, MAX_SECONDS, MIN_COUNT, FrameSelector
from facerec_mqtt.faces import Region, portrait, portrait_jpeg
from facerec_mqtt.mqtt import Capture
from facerec_mqtt.recognition import Recognizer
from facerec_mqtt.settings import CameraSettings, Settings, reason

_log = logging.getLogger(__name__)
_FRAME_WITHIN_S = 0.5
_CONTAINS_LOGIN = (
    "The camera that was given holds a user or password; set the camera in FACEREC_CAMERAS and give its name."
)


class Found(Protocol):
    """A face that was found and cut out; `recognition.Recognition` and `records.Sighting` are such."""

    @property
    def detection(self) -> Detection:
        """Where it is, in pixels of the frame."""

    @property
    def face(self) -> AlignedFace:
        """What is embedded."""


class PhotoCapture:
    """Takes pictures of one person at one camera.

    Args:
        album: where they go.
        camera: the camera's slug.
        selector: which frames to take.
        clock: the wall clock, for the names of the pictures.
    """

    def __init__(self, album: Album, camera: str, selector: FrameSelector, clock: WallClock) -> None:
        self._album = album
        self._clock = clock
        self.camera = camera
        self._selector = selector
        self._hint: str | None = None
        self.files: dict[str, list[Path]] = {"learn": [], "test": []}

    def add(self, frame: Frame, found: Sequence[Found]) -> CaptureState:
        """Add a frame to the pictures, if it is of use.

        Args:
            frame: the whole frame.
            found: all faces in it.

        Raises:
            EnrollmentError: the picture cannot be written.
        """
        answer = self._selector.assess(frame.captured_at_s, [(each.detection, each.face) for each in found])
        self._hint = answer.hint
        if answer.part is not None:
            jpeg = portrait_jpeg(portrait(frame.image, found[0].detection.box))
            taken = self._clock.now().local(frame.captured_at_s)
            self.files[answer.part].append(self._album.add(answer.part, jpeg, taken, self.camera))
        return self.state

    @property
    def state(self) -> CaptureState:
        """How many pictures are taken, and what the person is to do."""
        selector = self._selector
        return CaptureState(self._album.name, self.camera, selector.taken, selector.wanted, self._hint)

    def over(self, now_s: float) -> bool:
        """Whether there are enough pictures, or no time is left."""
        return self._selector.over(now_s)

    def end(self) -> tuple[bool, str]:
        """Close the album.

        Returns:
            Whether there are any pictures, and the outcome in a sentence.
        """
        self._album.close()
        return self._selector.outcome()


def open_album(enrollment_dir: Path, name: str, count: int, seconds: float) -> Album:
    """Check what is asked for, and prepare the folders.

    Raises:
        EnrollmentError: the name, the count, the time or a folder is not accepted.
    """
    if not MIN_COUNT <= count <= MAX_COUNT:
        raise EnrollmentError(f"{count} pictures cannot be taken; ask for {MIN_COUNT} to {MAX_COUNT}.")
    if not 1 <= seconds <= MAX_SECONDS:
        raise EnrollmentError(
            f"Pictures cannot be taken for {seconds:g} s; give from 1 to {MAX_SECONDS:g} seconds."
        )
    return Album.open(enrollment_dir, name)


def capture(
    settings: Settings,
    name: str,
    source: str,
    *,
    count: int,
    seconds: float,
    progress: ProgressCallback,
) -> dict[str, Any]:
    """Take pictures of a person from a camera.

    Args:
        settings: the enrollment folder, the cameras, and what the detector needs.
        name: the person's.
        source: name of a camera that is set, or the URL, file, folder or device number of another.
        count: pictures that are wanted.
        seconds: how long it may take.
        progress: called with what the person is to do, and the share that is done.

    Returns:
        For JSON: `ok`, `message`, `person`, `camera`, and the files `learn` and `test`.

    Raises:
        FacerecError: an argument is not accepted, the camera gives no picture, or nothing can be written.
    """
    camera_settings = _camera(settings, source)
    album = open_album(settings.enrollment_dir, name, count, seconds)
    recognizer = Recognizer.from_settings(settings.recognition)
    camera = Camera(camera_settings)
    region = Region(camera_settings.region)
    try:
        probe(camera_settings)
        # The clock starts once the camera is known to work.
        selector = FrameSelector(album.name, count, seconds, time.monotonic(), recognizer.embed)
        photo_capture = PhotoCapture(
            album, camera_settings.slug, selector, WallClock(zone_or_machines(os.environ))
        )
        last_s = -1.0
        camera.start()
        while not photo_capture.over(time.monotonic()):
            frame = camera.latest(last_s, _FRAME_WITHIN_S)
            if frame is None:
                continue
            last_s = frame.captured_at_s
            part = region.cut(frame)
            state = photo_capture.add(part, recognizer.recognise(part.image, min_face_px=0.0))
            progress(str(state.hint), state.taken / state.wanted)
    finally:
        camera.stop()
        album.close()
    ok, message = selector.outcome()
    return {
        "ok": ok,
        "message": message,
        "person": photo_capture.state.person,
        "camera": camera_settings.slug,
        **{part: [str(path) for path in paths] for part, paths in photo_capture.files.items()},
    }


class Publisher(Protocol):
    """Where a capture's progress and its result go; `service.Publisher` is one."""

    def publish_state(self, state: CaptureState) -> None:
        """Publish how far it is."""

    def publish_result(self, command: str, ok: bool, message: str) -> None:
        """Publish how a command ended."""


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
        self._capturing: PhotoCapture | None = None

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
            selector = FrameSelector(album.name, COUNT, command.seconds, time.monotonic(), recognizer.embed)
            self._capturing = PhotoCapture(album, command.camera, selector, self._clock)
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
            self._publisher.publish_state(self._capturing.add(frame, found))
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

    def cancel(self) -> None:
        """End what somebody does not want to go on with; what was taken stays."""
        if self._capturing is None:
            self._answer(False, "No pictures are being taken.")
        else:
            self._end("Stopped.", failed=False)

    def stop(self) -> None:
        """The service ends; what was taken stays."""
        if self._capturing is not None:
            self._capturing.end()

    def _end(self, why: str | None = None, *, failed: bool = True) -> None:
        assert self._capturing is not None
        ok, message = self._capturing.end()
        self._capturing = None
        self._publisher.publish_state(CaptureState())
        if why is None:
            self._answer(ok, message)
        else:
            self._answer(not failed, f"{why} {message}")

    def _answer(self, ok: bool, message: str) -> None:
        _log.log(logging.INFO if ok else logging.WARNING, "%s", message)
        self._publisher.publish_result("capture", ok=ok, message=message)


def _camera(settings: Settings, source: str) -> CameraSettings:
    """The camera that is meant.

    Raises:
        CameraError: there is none such.
    """
    for camera in settings.cameras:
        if source in (camera.name, camera.slug) or _slug_or_nothing(source) == camera.slug:
            return camera
    unknown = "://" not in source and not source.isdecimal() and not Path(source).exists()
    if unknown and "@" in source:
        raise CameraError(_CONTAINS_LOGIN)
    if unknown:
        there = ", ".join(camera.name for camera in settings.cameras) or "none"
        raise CameraError(
            f'There is no camera "{source}"; there are: {there}. Give one of these, or a URL, a video file, a'
            " folder of pictures or a device number."
        )
    try:
        return CameraSettings(name="camera", url=source)
    except ValidationError as error:
        if "@" in source:
            raise CameraError(_CONTAINS_LOGIN) from None
        first = error.errors(include_url=False, include_input=False)[0]
        raise CameraError(f"The camera that was given {reason(first)}.") from None


def _slug_or_nothing(source: str) -> str:
    try:
        return slug(source)
    except FacerecError:
        return ""
