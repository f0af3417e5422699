"""Read a picture file that may be anything: cut short, huge, turned, or no picture at all.

What a file would cost is found out before a byte of it is decoded: the size is taken from the header, so
that a small file that claims to hold a gigantic picture is refused, and a JPEG's scans are counted, since
each goes over the whole picture once more.
"""

import re
import struct
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.files import NotPlainError, TooLargeError, read_plain
from facerec_mqtt.core.records import Image

MAX_FILE_BYTES = 80 * 2**20
MAX_PIXELS = 64_000_000
MIN_SIDE_PX = 16
MAX_SIDE_PX = 30_000  # OpenCV's warps count pixels in 16 bits
MAX_SCANS = 100  # a progressive photo has about ten
_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_END = b"\xff\xd9"
# What ends a scan's data: neither a byte 255 of them nor a restart.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_EXIF_WITHIN = 2**17
# Tags of EXIF 2.3: where its directory is, when the picture was taken, when the file was changed.
_EXIF_DIRECTORY, _TAKEN, _CHANGED = 0x8769, 0x9003, 0x0132


def read_picture(path: Path, *, enough_px: int | None = None) -> Image:
    """Read one picture file.

    Args:
        path: a JPEG, PNG or WebP file, whatever its name ends in.
        enough_px: as for `decode_picture`.

    Returns:
        (H, W, 3) uint8 BGR, upright as its EXIF orientation says.

    Raises:
        PictureError: it cannot be read, and why; the sentence begins with the path.
    """
    try:
        return decode_picture(read_bytes(path), enough_px=enough_px)
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from error


def read_bytes(path: Path) -> bytes:
    """Read a whole file, if it is a plain file of a reasonable size.

    Raises:
        PictureError: it is missing, forbidden, no plain file, empty or too large.
    """
    try:
        data = read_plain(path, MAX_FILE_BYTES)
    except NotPlainError as error:
        raise PictureError("It is not a plain file; put the picture itself there.") from error
    except TooLargeError as error:
        raise PictureError(
            f"The file has {error.found_bytes / 2**20:.0f} MB, more than {MAX_FILE_BYTES // 2**20};"
            " save the picture smaller."
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise PictureError(f"It cannot be opened ({reason}); check its name and permissions.") from error
    if not data:
        raise PictureError("The file is empty; copy the picture again.")
    return data


def decode_picture(data: bytes, *, enough_px: int | None = None) -> Image:
    """Decode the bytes of a picture file.

    Args:
        data: the whole file.
        enough_px: where the longer side has at least twice as many pixels, the picture is decoded to a
            half, a quarter or an eighth, never below this; far faster for a phone's JPEGs.

    Returns:
        (H, W, 3) uint8 BGR, upright as its EXIF orientation says.

    Raises:
        PictureError: it is no picture, of a kind that is not supported, damaged, too small or too large.
    """
    width_px, height_px = _measure(data)
    if min(width_px, height_px) < MIN_SIDE_PX:
        raise PictureError(
            f"The picture has only {width_px}x{height_px} pixels, and {MIN_SIDE_PX} on each side are the"
            " least; take a larger one."
        )
    if width_px * height_px > MAX_PIXELS or max(width_px, height_px) > MAX_SIDE_PX:
        raise PictureError(
            f"The picture has {width_px}x{height_px} pixels ({width_px * height_px / 1e6:.0f} megapixels),"
            f" more than {MAX_PIXELS // 1_000_000} megapixels or {MAX_SIDE_PX} on a side; save it smaller."
        )
    divisor = 1
    while enough_px is not None and divisor < 8 and max(width_px, height_px) // (divisor * 2) >= enough_px:
        divisor *= 2
    small_jpeg = _REDUCED.get(divisor) if data.startswith(b"\xff\xd8") else None
    try:
        image = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR if small_jpeg is None else small_jpeg
        )
    except cv2.error as error:
        raise PictureError("The picture is damaged and cannot be decoded; copy it again.") from error
    if image is None:
        raise PictureError("The picture is damaged and cannot be decoded; copy it again.")
    if divisor > 1 and small_jpeg is None:
        size = (max(1, image.shape[1] // divisor), max(1, image.shape[0] // divisor))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(image, np.uint8)


def taken_at(data: bytes) -> float | None:
    """When a JPEG picture was taken, by the camera's clock as EXIF has it.

    Returns:
        Seconds of any epoch; `None` where the file does not say it, or not in a form that can be read.
    """
    start = data.find(b"Exif\0\0", 0, _EXIF_WITHIN)
    if not data.startswith(b"\xff\xd8") or start < 0:
        return None
    block = data[start + 6 : start + 6 + 2**16]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(f"{order}I", block, 4)
        tags = _directory(block, order, first)
        if _EXIF_DIRECTORY in tags:
            tags |= _directory(block, order, tags[_EXIF_DIRECTORY])
        at = tags.get(_TAKEN, tags.get(_CHANGED))
        if at is None:
            return None
        said = block[at : at + 19].decode("ascii")
        return datetime.strptime(said, "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except (struct.error, ValueError, OverflowError):
        return None


def _directory(block: bytes, order: str, at: int) -> dict[int, int]:
    """Tags of a TIFF directory with their value or where it lies."""
    (count,) = struct.unpack_from(f"{order}H", block, at)
    entries = [struct.unpack_from(f"{order}HHII", block, at + 2 + 12 * number) for number in range(count)]
    return {tag: value for tag, _, _, value in entries}


def _measure(data: bytes) -> tuple[int, int]:
    """Width and height in pixels by the header, before any decoding."""
    if data.startswith(b"\xff\xd8"):
        return _measure_jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        if data[12:16] != b"IHDR" or b"IEND" not in data[-64:]:
            raise _cut_short()
        width_px, height_px = struct.unpack(">II", data[16:24])
        return width_px, height_px
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _measure_webp(data)
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        raise PictureError("It is a HEIC picture, which is not supported; export it as JPEG.")
    for mark, kind in ((b"GIF8", "GIF"), (b"BM", "BMP"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF")):
        if data.startswith(mark):
            raise PictureError(f"It is a {kind} picture, which is not supported; save it as JPEG or PNG.")
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        raise PictureError("It is an AVIF picture, which is not supported; save it as JPEG or PNG.")
    raise PictureError("It is not a picture; JPEG, PNG and WebP can be read.")


def _measure_jpeg(data: bytes) -> tuple[int, int]:
    """Walk over the segments up to the picture's own data, which must be there to its end.

    The end mark is looked for after the header only, since an embedded thumbnail has one too.
    """
    position = 2
    size: tuple[int, int] | None = None
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise PictureError("The picture is damaged and cannot be decoded; copy it again.")
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            position += 2
            continue
        if marker == 0xD9:
            break
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _JPEG_SIZES and position + 9 <= len(data):
            height_px, width_px = struct.unpack(">HH", data[position + 5 : position + 9])
            size = width_px, height_px
        position += 2 + length
        if marker == 0xDA:
            if size is None or data.find(_JPEG_END, position) < 0:
                raise _cut_short()
            if _has_too_many_scans(data, position):
                raise PictureError(
                    f"The picture is put together from more than {MAX_SCANS} scans, as no camera makes it,"
                    " and would take very long to decode; save it anew."
                )
            return size
    raise _cut_short()


def _has_too_many_scans(data: bytes, position: int) -> bool:
    """Count a JPEG's scans from where the first one's data begin; what follows its end is not looked at."""
    scans = 1
    while scans <= MAX_SCANS:
        marker = _JPEG_MARKER.search(data, position)
        if marker is None or marker[0] == _JPEG_END:
            return False
        scans += marker[0] == b"\xff\xda"
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return True


def _measure_webp(data: bytes) -> tuple[int, int]:
    if len(data) < 30 or struct.unpack("<I", data[4:8])[0] + 8 > len(data):
        raise _cut_short()
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width_px, height_px = struct.unpack("<HH", data[26:30])
    return width_px & 0x3FFF, height_px & 0x3FFF


def _cut_short() -> PictureError:
    return PictureError("The picture is cut short; copy it again.")
