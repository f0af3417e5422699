"""The kinds of camera, each as an endless sequence of pictures, at most so many a second.

These run in the reader's process and may block for as long as they like: who waits for them has a
watchdog.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facerec_mqtt.cameras.failures import FailureKind, failed
from facerec_mqtt.cameras.pacing import Backlog, Pacer
from facerec_mqtt.cameras.protocol import ReaderRequest
from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.images import read_picture
from facerec_mqtt.core.records import Image

Alive = Callable[[], None]
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
# The smallest probe opens a stream in a tenth of a second where FFmpeg's own takes up to five. It needs
# a camera that describes its stream in full; for others there is the patient way.
_QUICK = "rtsp_transport;tcp|allowed_media_types;video|probesize;32"
_PATIENT = "rtsp_transport;tcp|allowed_media_types;video"
# Of the watchdog's time, so that the reason is found before the watchdog strikes.
_OPEN_SHARE = 0.7
_SETTLE_S = 0.5
_USUAL_FPS = 25.0
_PICTURES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A picture, and when it was read."""

    captured_at_s: float
    """In seconds of `time.monotonic`."""
    image: Image
    """(H, W, 3) uint8 BGR; the next one may take its place in memory."""


@dataclass(frozen=True, slots=True)
class Source:
    """An open camera."""

    fps: float
    """Frames a second that it has to give, of which those wanted are taken."""
    shots: Iterator[Shot]
    """Its pictures, endlessly; ends by `CameraFailedError`."""


def open_source(request: ReaderRequest, alive: Alive) -> Source:
    """Open a camera.

    Args:
        request: which, and how.
        alive: to be called whenever the camera has shown that it lives.

    Raises:
        CameraFailedError: it cannot be opened, and why.
    """
    match request.kind:
        case "rtsp":
            return _open_stream(request, alive)
        case "http":
            # Here, since the client takes 10 MB of memory, which the others need not pay.
            from facerec_mqtt.cameras.http_pictures import Snapshots

            snapshots = Snapshots.of(request)
            return Source(request.fps, _poll(snapshots.take, request.fps, alive))
        case "folder":
            return Source(request.fps, _poll(_Folder(Path(request.url)).take, request.fps, alive))
        case "device":
            return _open_device(request, alive)
        case _:
            return _open_file(request, alive)


def _open_stream(request: ReaderRequest, alive: Alive) -> Source:
    for options in (_PATIENT,) if request.patient else (_QUICK, _PATIENT):
        os.environ[_OPTIONS] = options
        alive()
        capture = cv2.VideoCapture(
            request.address,
            cv2.CAP_FFMPEG,
            [
                *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(request.timeout_s * _OPEN_SHARE * 1000)),
                # After its own time-out OpenCV hands out old frames as if they were new. So the
                # watchdog comes first.
                *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(request.timeout_s * 2000)),
                # Each decoder thread delays the picture by one frame.
                *(cv2.CAP_PROP_N_THREADS, 1),
            ],
        )
        if capture.isOpened() and capture.grab():
            # What was looked at before decoding comes first and all at once; it is past.
            settled_s = time.monotonic() + (_SETTLE_S if options == _PATIENT else 0.0)
            return Source(_fps_of(capture), _grab(capture, request.fps, alive, settled_s))
        capture.release()
        alive()
        # OpenCV does not say why. The camera itself does, when asked.
        from facerec_mqtt.cameras.rtsp import describe

        describe(request.url, request.username, request.password, request.timeout_s * _OPEN_SHARE)
    raise failed(FailureKind.CODEC)


def _open_device(request: ReaderRequest, alive: Alive) -> Source:
    device = Path(f"/dev/video{int(request.url)}")
    if not device.exists():
        raise failed(FailureKind.NO_DEVICE, place=device)
    capture = cv2.VideoCapture(int(request.url), cv2.CAP_V4L2)
    if not capture.isOpened() or not capture.grab():
        raise failed(FailureKind.DEVICE_UNREADABLE, place=device)
    return Source(_fps_of(capture), _grab(capture, request.fps, alive))


def _grab(capture: cv2.VideoCapture, fps: float, alive: Alive, settled_s: float = 0.0) -> Iterator[Shot]:
    """Take every frame as it comes, so that none waits, and unpack those that are wanted."""
    pacer, backlog = Pacer(fps), Backlog()
    image = None
    while True:
        now_s = time.monotonic()
        alive()
        waited = backlog.waited(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, now_s)
        if not waited and now_s >= settled_s and pacer.takes(now_s):
            ok, image = capture.retrieve(image)
            if ok:
                yield Shot(now_s, np.asarray(image, np.uint8))
        if not capture.grab():
            raise failed(FailureKind.ENDED)


def _open_file(request: ReaderRequest, alive: Alive) -> Source:
    path = Path(request.url)
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where a share has dropped
        raise failed(FailureKind.NO_FILE, place=path)
    capture = _video(path)
    return Source(_fps_of(capture), _play(path, capture, request.fps, alive))


def _video(path: Path) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened() or not capture.grab():
        raise failed(FailureKind.NOT_A_VIDEO, place=path)
    return capture


def _play(path: Path, capture: cv2.VideoCapture, fps: float, alive: Alive) -> Iterator[Shot]:
    """Play a file over and over, at its own speed."""
    pacer = Pacer(fps)
    interval_s = 1.0 / _fps_of(capture)
    due_s = time.monotonic()
    image = None
    while True:
        _sleep_until(due_s, alive)
        now_s = time.monotonic()
        # After a pause of the whole process it goes on from here, it does not catch up.
        due_s = max(due_s, now_s - 1.0) + interval_s
        if pacer.takes(now_s):
            ok, image = capture.retrieve(image)
            if ok:
                yield Shot(now_s, np.asarray(image, np.uint8))
        if not capture.grab():
            capture.release()
            capture = _video(path)


def _poll(take: Callable[[], Image], fps: float, alive: Alive) -> Iterator[Shot]:
    """Take a picture whenever one is due."""
    pacer = Pacer(fps)
    while True:
        if pacer.due_s is not None:
            _sleep_until(pacer.due_s, alive)
        image = take()
        now_s = time.monotonic()
        alive()
        pacer.takes(max(now_s, pacer.due_s or now_s))
        yield Shot(now_s, image)


class _Folder:
    """Pictures of a folder in the order of their names, over and over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last = ""

    def take(self) -> Image:
        """The next picture; what cannot be read is skipped."""
        names = self._names()
        later = [name for name in names if name > self._last]
        for name in later + names[: len(names) - len(later)]:
            try:
                image = read_picture(self._folder / name)
            except PictureError:
                continue
            self._last = name
            return image
        raise failed(FailureKind.EMPTY_FOLDER, place=self._folder)

    def _names(self) -> list[str]:
        try:
            return sorted(entry.name for entry in self._folder.iterdir() if entry.suffix.lower() in _PICTURES)
        except OSError as error:
            raise failed(FailureKind.UNREADABLE_FOLDER, place=self._folder, detail=error.strerror) from error


def _fps_of(capture: cv2.VideoCapture) -> float:
    """What the stream claims, where that can be."""
    fps = float(capture.get(cv2.CAP_PROP_FPS))
    return fps if math.isfinite(fps) and 0.01 <= fps <= 240 else _USUAL_FPS


def _sleep_until(due_s: float, alive: Alive) -> None:
    while (left_s := due_s - time.monotonic()) > 0:
        alive()
        time.sleep(min(left_s, 0.25))
