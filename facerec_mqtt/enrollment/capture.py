"""Enrolling by camera: frames in, whole pictures in the enrollment folder, and what to tell meanwhile.

The command line opens a camera of its own; the service gives the frames that it has anyway.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from facerec_mqtt.cameras import Camera, probe
from facerec_mqtt.core.errors import CameraError, EnrollmentError, FacerecError
from facerec_mqtt.core.records import AlignedFace, CaptureState, Detection, Frame
from facerec_mqtt.core.slugs import slug
from facerec_mqtt.enrollment.album import Album
from facerec_mqtt.enrollment.capture_session import MAX_COUNT, MAX_SECONDS, MIN_COUNT, PhotoSession
from facerec_mqtt.faces.crops import portrait, portrait_jpeg
from facerec_mqtt.faces.region import Region
from facerec_mqtt.recognition.recognizer import Recognizer
from facerec_mqtt.settings.messages import reason
from facerec_mqtt.settings.schema import CameraSettings, Settings

_log = logging.getLogger(__name__)
_FRAME_WITHIN_S = 0.5
_CONTAINS_LOGIN = (
    "The camera that was given holds a user or password; set the camera in FACEREC_CAMERAS and give its name."
)
Progress = Callable[[str, float], None]
"""Called with the hint and the share of the pictures that are taken, [0, 1]."""


class Found(Protocol):
    """A face that was found and cut out; `recognition.Recognition` and `records.Sighting` are such."""

    @property
    def detection(self) -> Detection:
        """Where it is, in pixels of the frame."""

    @property
    def face(self) -> AlignedFace:
        """What is embedded."""


class Capturing:
    """Pictures of one person, being taken.

    Args:
        album: where they go.
        camera: the camera's slug.
        session: which frames to take.
    """

    def __init__(self, album: Album, camera: str, session: PhotoSession) -> None:
        self._album = album
        self.camera = camera
        self._session = session
        self._hint: str | None = None
        self.files: dict[str, list[Path]] = {"learn": [], "test": []}

    def look(self, frame: Frame, found: Sequence[Found]) -> CaptureState:
        """Take a frame's picture, if it is of use.

        Args:
            frame: the whole frame.
            found: all faces in it.

        Raises:
            EnrollmentError: the picture cannot be written.
        """
        answer = self._session.look(frame.captured_at_s, [(each.detection, each.face) for each in found])
        self._hint = answer.hint
        if answer.part is not None:
            jpeg = portrait_jpeg(portrait(frame.image, found[0].detection.box))
            taken = datetime.fromtimestamp(time.time() - time.monotonic() + frame.captured_at_s).astimezone()
            self.files[answer.part].append(self._album.add(answer.part, jpeg, taken, self.camera))
        return self.state

    @property
    def state(self) -> CaptureState:
        """How it goes."""
        session = self._session
        return CaptureState(self._album.name, self.camera, session.taken, session.wanted, self._hint)

    def over(self, now_s: float) -> bool:
        """Tell whether it has come to its end."""
        return self._session.over(now_s)

    def end(self) -> tuple[bool, str]:
        """Close the album; whether there are any pictures, and a sentence."""
        self._album.close()
        return self._session.outcome()


def open_album(enrollment_dir: Path, name: str, count: int, seconds: float) -> Album:
    """Check what is asked for, and prepare the folders.

    Raises:
        EnrollmentError: the name, the count, the time or a folder will not do.
    """
    if not MIN_COUNT <= count <= MAX_COUNT:
        raise EnrollmentError(f"{count} pictures cannot be taken; ask for {MIN_COUNT} to {MAX_COUNT}.")
    if not 1 <= seconds <= MAX_SECONDS:
        raise EnrollmentError(
            f"Pictures cannot be taken for {seconds:g} s; give from 1 to {MAX_SECONDS:g} seconds."
        )
    return Album.open(enrollment_dir, name)


def capture(
    settings: Settings, name: str, source: str, *, count: int, seconds: float, progress: Progress
) -> dict[str, Any]:
    """Take pictures of a person from a camera.

    Args:
        settings: the enrollment folder, the cameras, and what the detector needs.
        name: the person's.
        source: name of a camera that is set, or the URL, file, folder or device number of another.
        count: pictures that are wanted.
        seconds: how long it may take.
        progress: is told what the person is to do, and how far it is.

    Returns:
        For JSON: `ok`, `message`, `person`, `camera`, and the files `learn` and `test`.

    Raises:
        FacerecError: an argument will not do, the camera gives no picture, or nothing can be written.
    """
    camera_settings = _camera(settings, source)
    album = open_album(settings.enrollment_dir, name, count, seconds)
    recognizer = Recognizer.load(
        None,
        min_detection_score=settings.recognition.min_detection_score,
        max_side_px=settings.recognition.max_side_px,
        threads=settings.recognition.threads,
    )
    camera = Camera(camera_settings)
    region = Region(camera_settings.region)
    try:
        probe(camera_settings)
        # The clock starts once the camera is known to work.
        session = PhotoSession(album.name, count, seconds, time.monotonic(), recognizer.embed)
        capturing = Capturing(album, camera_settings.slug, session)
        last_s = -1.0
        camera.start()
        while not capturing.over(time.monotonic()):
            frame = camera.latest(last_s, _FRAME_WITHIN_S)
            if frame is None:
                continue
            last_s = frame.captured_at_s
            part = region.cut(frame)
            state = capturing.look(part, recognizer.recognise(part.image, min_face_px=0.0))
            progress(str(state.hint), state.taken / state.wanted)
    finally:
        camera.stop()
        album.close()
    ok, message = session.outcome()
    return {
        "ok": ok,
        "message": message,
        "person": capturing.state.person,
        "camera": camera_settings.slug,
        **{part: [str(path) for path in paths] for part, paths in capturing.files.items()},
    }


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
