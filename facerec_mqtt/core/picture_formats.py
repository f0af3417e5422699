"""Which kind of picture or video a file is, by its first bytes."""

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


class VideoFormat(StrEnum):
    """What a video file may be."""

    MP4 = "MP4"
    """Or MOV, 3GP, M4V: one family."""
    MATROSKA = "Matroska"
    AVI = "AVI"


ALL_FORMATS = frozenset(Format)
WEB_FORMATS = frozenset({Format.JPEG, Format.PNG, Format.WEBP})
"""What cameras send."""

HEAD_BYTES = 64
_HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_QUICKTIME_ATOMS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
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
    if video_format_of(head) is not None:
        raise PictureError(Rejection(code=RejectionCode.IS_A_VIDEO))
    raise PictureError(Rejection(code=RejectionCode.NOT_A_PICTURE))


def video_format_of(head: bytes) -> VideoFormat | None:
    """Recognise a video by its first bytes, 64 or more; `None` where it is none."""
    if head[4:8] == b"ftyp":
        return None if _brands(head) & (_AVIF_BRANDS | _HEIC_BRANDS) else VideoFormat.MP4
    if head[4:8] in _QUICKTIME_ATOMS:
        return VideoFormat.MP4
    if head.startswith(b"\x1aE\xdf\xa3"):
        return VideoFormat.MATROSKA
    return VideoFormat.AVI if head[:4] == b"RIFF" and head[8:12] == b"AVI " else None


def _brands(head: bytes) -> set[bytes]:
    """The major and the compatible brands of an ISO media file (ISO/IEC 14496-12, 4.3)."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}
