"""Read a picture file that may be anything: cut short, huge, turned, or no picture at all.

Pillow reads what a file is and how large a picture its header announces, so that a small file that claims
to hold a gigantic picture is refused before a byte of it is decoded. JPEG and WebP are decoded by OpenCV, in
half of Pillow's time; PNG is not, since OpenCV allocates as much memory as any chunk claims to have. Pillow
is imported when the first picture comes: a process that only reads video streams never pays for it.
"""

import functools
import io
import re
import struct
import warnings
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.files import NotPlainError, open_plain
from facerec_mqtt.core.picture_formats import ALL_FORMATS, HEAD_BYTES, Format, format_of
from facerec_mqtt.core.records import Image
from facerec_mqtt.core.rejections import Rejection, RejectionCode

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from PIL.ImageFile import ImageFile

MAX_FILE_BYTES = 80 * 2**20
MAX_PIXELS = 64_000_000
MIN_SIDE_PX = 16
MAX_SIDE_PX = 30_000  # OpenCV's warps count pixels in 16 bits
MAX_SCANS = 100  # a progressive photo has about ten; libjpeg itself has no limit
_BY_OPENCV = frozenset({Format.JPEG, Format.WEBP})

# What Pillow raises on damaged files, in its plugins and its decoders.
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
)
_JPEG_END = b"\xff\xd9"
# What ends a scan's data: neither a byte 255 of them nor a restart.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
# Tags of EXIF 2.3: where its directory is, when the picture was taken, when the file was changed.
_EXIF_DIRECTORY, _TAKEN, _CHANGED = 0x8769, 0x9003, 0x0132


def read_picture(path: Path, *, enough_px: int | None = None) -> Image:
    """Read one picture file.

    Args:
        path: a picture of any format, whatever its name ends in.
        enough_px: as for `decode_picture`.

    Returns:
        (H, W, 3) uint8 BGR, upright as its EXIF orientation says.

    Raises:
        PictureError: it cannot be read, and why; the sentence begins with the path.
    """
    try:
        return decode_picture(read_bytes(path), enough_px=enough_px)
    except PictureError as error:
        raise PictureError(error.rejection, path) from error


def read_bytes(path: Path) -> bytes:
    """Read a whole file, if it is a plain file of a reasonable size that begins as a picture does.

    Raises:
        PictureError: it is missing, forbidden, no plain file, empty, no picture or too large.
    """
    try:
        with open_plain(path) as (file, size_bytes):
            head = file.read(HEAD_BYTES)
            if not head:
                raise PictureError(Rejection(code=RejectionCode.EMPTY_FILE))
            format_of(head)  # before anything else, so that no film is read to its end
            if size_bytes > MAX_FILE_BYTES:
                raise PictureError(
                    Rejection(
                        code=RejectionCode.FILE_TOO_LARGE,
                        found_mb=size_bytes / 2**20,
                        limit_mb=MAX_FILE_BYTES / 2**20,
                    )
                )
            return head + file.read(size_bytes + 1)
    except NotPlainError as error:
        raise PictureError(Rejection(code=RejectionCode.NOT_A_PLAIN_FILE)) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise PictureError(Rejection(code=RejectionCode.UNREADABLE, detail=reason)) from error


def decode_picture(
    data: bytes, *, enough_px: int | None = None, formats: Collection[Format] = ALL_FORMATS
) -> Image:
    """Decode the bytes of a picture file; of several pictures in it, the first.

    Args:
        data: the whole file.
        enough_px: where the longer side has at least twice as many pixels, the picture is decoded to a
            half, a quarter or an eighth, never below this; far faster for a phone's JPEGs.
        formats: what is accepted. The fewer, the less code meets what somebody else sends.

    Returns:
        (H, W, 3) uint8 BGR, upright as its EXIF orientation says.

    Raises:
        PictureError: it is no picture, of a kind that is not supported, damaged, too small or too large.
    """
    if not data:
        raise PictureError(Rejection(code=RejectionCode.EMPTY_FILE))
    found = format_of(data[:HEAD_BYTES])
    if found not in formats:
        raise PictureError(Rejection(code=RejectionCode.UNSUPPORTED_FORMAT, format=found))
    stream = io.BytesIO(data)
    try:
        picture = _openers()[found](stream)
    except _bomb_error() as error:
        bomb = Rejection(code=RejectionCode.DECOMPRESSION_BOMB, limit_mp=MAX_PIXELS / 1e6)
        raise PictureError(bomb) from error
    except _PILLOW_ERRORS as error:
        code = RejectionCode.CUT_SHORT if _is_cut_short(data, found, 0) else RejectionCode.DAMAGED
        raise PictureError(Rejection(code=code)) from error
    # Pillow stops at the data of a JPEG's first scan, behind any thumbnail with an end mark of its own.
    if _is_cut_short(data, found, stream.tell()):
        raise PictureError(Rejection(code=RejectionCode.CUT_SHORT))
    check_size(*picture.size)
    if found is Format.JPEG and _has_too_many_scans(data, stream.tell()):
        raise PictureError(Rejection(code=RejectionCode.TOO_MANY_SCANS, count=MAX_SCANS))
    divisor = 1
    while enough_px is not None and divisor < 8 and max(picture.size) // (divisor * 2) >= enough_px:
        divisor *= 2
    if found in _BY_OPENCV:
        return _decode_with_opencv(data, divisor, is_jpeg=found is Format.JPEG)
    return _decode_with_pillow(picture, found, divisor)


def taken_at(data: bytes) -> float | None:
    """When a picture was taken, by the camera's clock as EXIF has it.

    Returns:
        Seconds of any epoch; `None` where the file does not say it, or not in a form that can be read.
    """
    from PIL.Image import Exif

    try:
        block = _openers()[format_of(data[:HEAD_BYTES])](io.BytesIO(data)).info.get("exif")
        if not block:
            return None
        exif = Exif()
        exif.load(block)
        taken = exif.get_ifd(_EXIF_DIRECTORY).get(_TAKEN, exif.get(_CHANGED))
        return datetime.strptime(str(taken)[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except (PictureError, _bomb_error(), *_PILLOW_ERRORS):
        return None


@functools.cache
def _openers() -> dict[Format, Callable[[io.BytesIO], "ImageFile"]]:
    """What reads each format's header; decoding is left to `load`.

    The classes themselves, since `Image.open` warns of pictures above a size of its own, and of odd ones, on
    standard error.
    """
    from PIL.AvifImagePlugin import AvifImageFile
    from PIL.BmpImagePlugin import BmpImageFile
    from PIL.GifImagePlugin import GifImageFile
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile
    from PIL.TiffImagePlugin import TiffImageFile
    from PIL.WebPImagePlugin import WebPImageFile

    # What it remarks on odd EXIF data is of no use to anybody here.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    return {
        Format.JPEG: JpegImageFile,
        Format.PNG: PngImageFile,
        Format.WEBP: WebPImageFile,
        Format.HEIC: _open_heic,
        Format.AVIF: AvifImageFile,
        Format.GIF: GifImageFile,
        Format.BMP: BmpImageFile,
        Format.TIFF: TiffImageFile,
    }


def _bomb_error() -> type[Exception]:
    from PIL.Image import DecompressionBombError

    return DecompressionBombError


def _open_heic(stream: io.BytesIO) -> "ImageFile":
    from pi_heif import HeifImageFile

    opened: ImageFile = HeifImageFile(stream)
    return opened


def _is_cut_short(data: bytes, found: Format, header_end: int) -> bool:
    """Whether a picture's end is missing; whatever follows the end does not matter."""
    if found is Format.JPEG:
        return data.find(_JPEG_END, header_end) < 0
    if found is Format.PNG:
        return data.rfind(_PNG_END) < 0
    if found is Format.WEBP:
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    return False  # their decoders find out


def check_size(width_px: int, height_px: int) -> None:
    """Refuse what is too small to show a face, or too large to be decoded.

    Raises:
        PictureError: it is.
    """
    if min(width_px, height_px) < MIN_SIDE_PX:
        raise PictureError(
            Rejection(
                code=RejectionCode.PICTURE_TOO_SMALL,
                width_px=width_px,
                height_px=height_px,
                needed_px=MIN_SIDE_PX,
            )
        )
    if width_px * height_px > MAX_PIXELS or max(width_px, height_px) > MAX_SIDE_PX:
        raise PictureError(
            Rejection(
                code=RejectionCode.PICTURE_TOO_LARGE,
                width_px=width_px,
                height_px=height_px,
                found_mp=width_px * height_px / 1e6,
                limit_mp=MAX_PIXELS / 1e6,
                limit_px=MAX_SIDE_PX,
            )
        )


def _has_too_many_scans(data: bytes, position: int) -> bool:
    """Count a JPEG's scans from where the first one's data begin; each goes over the whole picture again."""
    scans = 1
    while scans <= MAX_SCANS:
        marker = _JPEG_MARKER.search(data, position)
        if marker is None or marker[0] == _JPEG_END:
            return False
        scans += marker[0] == b"\xff\xda"
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return True


def _decode_with_opencv(data: bytes, divisor: int, *, is_jpeg: bool) -> Image:
    """Decode a JPEG or WebP file; a JPEG is reduced while it is decoded."""
    # No table of them at the import: the page loads OpenCV when it decodes its first picture.
    reduced = f"IMREAD_REDUCED_COLOR_{divisor}" if is_jpeg and divisor in (2, 4, 8) else "IMREAD_COLOR"
    mode: int = getattr(cv2, reduced)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
    except cv2.error as error:
        raise PictureError(Rejection(code=RejectionCode.DAMAGED)) from error
    if image is None:
        raise PictureError(Rejection(code=RejectionCode.DAMAGED))
    if divisor > 1 and not is_jpeg:
        size = (max(1, image.shape[1] // divisor), max(1, image.shape[0] // divisor))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(image, np.uint8)


def _decode_with_pillow(picture: "ImageFile", found: Format, divisor: int) -> Image:
    """Decode a file whose header is read."""
    from PIL import ImageOps

    try:
        picture.load()
        coloured = _as_rgb(picture, found)
        upright = ImageOps.exif_transpose(coloured.reduce(divisor) if divisor > 1 else coloured)
        check_size(*upright.size)  # which a HEIC may change while it is decoded
        pixels = np.frombuffer(upright.tobytes("raw", "BGR"), np.uint8)
        return pixels.reshape(upright.height, upright.width, 3).copy()  # which can be written to
    except _PILLOW_ERRORS as error:
        raise PictureError(Rejection(code=RejectionCode.DAMAGED)) from error


def _as_rgb(picture: "ImageFile", found: Format) -> "PillowImage":
    """Bring a decoded picture to three channels of 8 bits.

    Raises:
        PictureError: its pixels are no brightness from 0 to a known most.
    """
    from PIL import Image

    if picture.mode == "RGB":
        return picture
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        raise PictureError(Rejection(code=RejectionCode.UNSUPPORTED_FORMAT, format=f"32-bit {found}"))
    return picture.convert("RGB")
