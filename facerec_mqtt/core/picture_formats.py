"""Which kind of picture a file is, by its first bytes."""

from enum import StrEnum

from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.rejections import Rejection, RejectionCode


class Format(StrEnum):
    """What a picture file may be."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"
    HEIC = "HEIC"
    AVIF = "AVIF"
    GIF = "GIF"
    BMP = "BMP"
    TIFF = "TIFF"


ALL_FORMATS = frozenset(Format)
WEB_FORMATS = frozenset({Format.JPEG, Format.PNG, Format.WEBP})
"""What cameras send."""

HEAD_BYTES = 64
_HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_SIGNATURES = (
    (b"\xff\xd8\xff", Format.JPEG),
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    (b"BM", Format.BMP),
    (b"II*\0", Format.TIFF),
    (b"MM\0*", Format.TIFF),
)
# Pictures that are not supported, so that their owners learn more than that they are none.
_UNSUPPORTED = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
)


def format_of(head: bytes) -> Format:
    """Recognise the format of a picture by its first bytes.

    Args:
        head: 64 bytes or more, or the whole file.

    Raises:
        PictureError: it is no picture, or of a format that is not supported.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Format.WEBP
    if head[4:8] == b"ftyp":
        brands = _brands(head)
        if brands & _AVIF_BRANDS:
            return Format.AVIF
        if brands & _HEIC_BRANDS:
            return Format.HEIC
    for signature, known in _SIGNATURES:
        if head.startswith(signature):
            return known
    for signature, name in _UNSUPPORTED:
        if head.startswith(signature):
            raise PictureError(Rejection(code=RejectionCode.UNSUPPORTED_FORMAT, format=name))
    raise PictureError(Rejection(code=RejectionCode.NOT_A_PICTURE))


def _brands(head: bytes) -> set[bytes]:
    """The major and the compatible brands of an ISO media file (ISO/IEC 14496-12, 4.3)."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}
