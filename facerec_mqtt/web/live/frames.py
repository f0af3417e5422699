"""The newest picture of each camera as a JPEG, made here: recognition does not feel who looks."""

import io
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from facerec_mqtt.cameras.shared_frame import SharedFrame
from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.core.records import Image
from facerec_mqtt.monitoring.page_messages import PageCamera

WIDTHS_PX = (320, 640, 1280)
"""Pictures are made this wide, or as they are."""
_QUALITY = 80


class NoPictureError(FacerecError):
    """A camera has no picture."""

    status = 503


class UnknownCameraError(FacerecError):
    """There is no camera of this name."""

    status = 404


@dataclass(frozen=True, slots=True)
class Picture:
    """A camera's picture."""

    captured_at_s: float
    """In seconds of `time.monotonic`."""
    jpeg: bytes


@dataclass(slots=True, eq=False)
class _Camera:
    frame: SharedFrame | None
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: dict[int, Picture] = field(default_factory=dict)
    """The newest, by width."""


class Frames:
    """Pictures of the cameras; every method may be called from any thread.

    Args:
        cameras: all of them, with the descriptors of their shared frames.
    """

    def __init__(self, cameras: Iterable[PageCamera]) -> None:
        self._cameras = {
            camera.slug: _Camera(None if camera.descriptor is None else SharedFrame(camera.descriptor))
            for camera in cameras
        }

    def newest(self, camera: str, width_px: int | None = None) -> Picture:
        """The newest picture of a camera; of one frame each width is made once.

        Args:
            camera: its slug.
            width_px: how wide it is to be, at most; rounded up to one of `WIDTHS_PX`. `None` for as it is.

        Raises:
            UnknownCameraError: there is no such camera.
            NoPictureError: it has given none yet.
        """
        known = self._cameras.get(camera)
        if known is None:
            raise UnknownCameraError(
                f'There is no camera "{camera}"; there are: {", ".join(self._cameras) or "none"}.'
            )
        width_px = next((each for each in WIDTHS_PX if width_px is not None and width_px <= each), 0)
        with known.lock:
            last = known.made.get(width_px)
            after_s = 0.0 if last is None else last.captured_at_s
            newer = None if known.frame is None else known.frame.read(after_s)
            if newer is not None:
                last = known.made[width_px] = Picture(newer[0], _jpeg(newer[1], width_px))
        if last is None:
            raise NoPictureError(f'The camera "{camera}" has given no picture yet.')
        return last

    def size_px(self, camera: str) -> tuple[int, int] | None:
        """Width and height of a camera's picture; `None` before the first."""
        known = self._cameras.get(camera)
        newest = None if known is None or known.frame is None else known.frame.read(0.0)
        return None if newest is None else (newest[1].shape[1], newest[1].shape[0])


def _jpeg(image: Image, width_px: int) -> bytes:
    # Imported when the first picture is asked for: it is memory that a page at rest does without.
    from PIL import Image as Pillow

    height_px, full_width_px = image.shape[:2]
    picture = Pillow.frombuffer("RGB", (full_width_px, height_px), image, "raw", "BGR", 0, 1)
    if 0 < width_px < full_width_px:
        size = width_px, max(1, round(height_px * width_px / full_width_px))
        picture = picture.resize(size, Pillow.Resampling.BILINEAR, reducing_gap=1.5)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
