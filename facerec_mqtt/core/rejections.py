"""Why a picture is not used, or what is remarkable in one that is: codes with data.

Each code has its one sentence here, which is made where somebody reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum


class RejectionCode(StrEnum):
    """Why a picture is not used, as JSON has it (`reason_code`)."""

    # The file.
    UNREADABLE = "unreadable"
    NOT_A_PLAIN_FILE = "not_a_plain_file"
    EMPTY_FILE = "empty_file"
    FILE_TOO_LARGE = "file_too_large"
    # Its place in the enrollment folder.
    OUTSIDE_OF_FOLDERS = "outside_of_folders"
    TOO_DEEP = "too_deep"
    NOT_LISTED = "not_listed"
    BROKEN_LINK = "broken_link"
    LINK_LEADS_OUTSIDE = "link_leads_outside"
    # The picture in it.
    NOT_A_PICTURE = "not_a_picture"
    UNSUPPORTED_FORMAT = "unsupported_format"
    DAMAGED = "damaged"
    CUT_SHORT = "cut_short"
    PICTURE_TOO_SMALL = "picture_too_small"
    PICTURE_TOO_LARGE = "picture_too_large"
    DECOMPRESSION_BOMB = "decompression_bomb"
    TOO_MANY_SCANS = "too_many_scans"
    NOT_PROCESSED = "not_processed"
    # The video in it.
    IS_A_VIDEO = "is_a_video"
    VIDEO_DAMAGED = "video_damaged"
    VIDEO_EMPTY = "video_empty"
    NO_VIDEO = "no_video"
    VIDEO_TOO_LONG = "video_too_long"
    VIDEO_OF_SEVERAL = "video_of_several"
    # The face in the picture.
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    FACE_TOO_SMALL = "face_too_small"
    BLURRED = "blurred"
    # The face beside the other photos.
    DUPLICATE_OF = "duplicate_of"
    DUPLICATE_OF_MEMBER = "duplicate_of_member"
    LOOKS_LIKE_ANOTHER = "looks_like_another"
    UNLIKE_THE_OTHERS = "unlike_the_others"


_SENTENCES: Mapping[RejectionCode, str] = {
    RejectionCode.UNREADABLE: "It cannot be opened ({detail}); check its name and permissions.",
    RejectionCode.NOT_A_PLAIN_FILE: "It is not a plain file; put the picture itself there.",
    RejectionCode.EMPTY_FILE: "The file is empty; copy the picture again.",
    RejectionCode.FILE_TOO_LARGE: (
        "The file has {found_mb:.0f} MB, more than {limit_mb:.0f}; save the picture smaller."
    ),
    RejectionCode.OUTSIDE_OF_FOLDERS: "It lies outside of any person's folder; move it into one.",
    RejectionCode.TOO_DEEP: (
        "It is a folder more than {count} levels below the person's; move its photos further up."
    ),
    RejectionCode.NOT_LISTED: "It cannot be accessed ({detail}); check its permissions.",
    RejectionCode.BROKEN_LINK: "It is a link to nowhere; put the picture itself there.",
    RejectionCode.LINK_LEADS_OUTSIDE: (
        "It is a link out of the enrollment folder; put the picture itself there."
    ),
    RejectionCode.NOT_A_PICTURE: (
        "It is not a picture; JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP and TIFF can be read, and in a person's"
        " folder MP4, MOV, MKV and AVI."
    ),
    RejectionCode.UNSUPPORTED_FORMAT: "It is a {format} picture, which is not supported; export it as JPEG.",
    RejectionCode.DAMAGED: "The picture is damaged and cannot be decoded; copy it again.",
    RejectionCode.CUT_SHORT: "The picture is cut short; copy it again.",
    RejectionCode.PICTURE_TOO_SMALL: (
        "The picture has only {width_px:.0f}x{height_px:.0f} pixels, and {needed_px:.0f} on each side are the"
        " least; take a larger one."
    ),
    RejectionCode.PICTURE_TOO_LARGE: (
        "The picture has {width_px:.0f}x{height_px:.0f} pixels ({found_mp:.0f} megapixels), more than"
        " {limit_mp:.0f} megapixels or {limit_px:.0f} on a side; save it smaller."
    ),
    RejectionCode.DECOMPRESSION_BOMB: (
        "The picture claims to have far more than {limit_mp:.0f} megapixels; save it smaller."
    ),
    RejectionCode.TOO_MANY_SCANS: (
        "The picture is put together from more than {count} scans, as no camera makes it, and would take"
        " very long to decode; save it again."
    ),
    RejectionCode.NOT_PROCESSED: "OpenCV cannot work with it ({detail}).",
    RejectionCode.IS_A_VIDEO: "It is a video; give a picture here.",
    RejectionCode.VIDEO_DAMAGED: (
        "The video is damaged, cut short, or of a kind that cannot be decoded; copy it again, or save it as"
        " MP4."
    ),
    RejectionCode.VIDEO_EMPTY: "The video has no picture that can be decoded; copy it again.",
    RejectionCode.NO_VIDEO: "It holds sound alone and no video; put a video or a photo there.",
    RejectionCode.VIDEO_TOO_LONG: (
        "The video is {found_minutes:.0f} minutes long, and {limit_minutes:.0f} are the most; cut out the"
        " part that shows the person."
    ),
    RejectionCode.VIDEO_OF_SEVERAL: (
        "The video shows {count} people, and it is not clear who is meant; add photos of the person alone."
    ),
    RejectionCode.NO_FACE: "No face was found in it.",
    RejectionCode.SEVERAL_FACES: (
        "It shows {count} faces, none of them clearly the largest; cut out the right one."
    ),
    RejectionCode.FACE_TOO_SMALL: (
        "The face is only {width_px:.0f} pixels wide, and {needed_px:.0f} are the least."
    ),
    RejectionCode.BLURRED: "The face is too blurred.",
    RejectionCode.DUPLICATE_OF: "It is a near-duplicate of {file}, which is used.",
    RejectionCode.DUPLICATE_OF_MEMBER: (
        "It is a near-duplicate of {file}, which is used; delete the wrong one."
    ),
    RejectionCode.LOOKS_LIKE_ANOTHER: (
        "It looks more like {name} than like the other photos of {own}; check who is in it."
    ),
    RejectionCode.UNLIKE_THE_OTHERS: ("It does not look like the other photos of {own}; check who is in it."),
}


class RemarkCode(StrEnum):
    """What is worth knowing of a picture that is used, as JSON has it (`note_code`)."""

    LARGEST_TAKEN = "largest_taken"
    FITTING_TAKEN = "fitting_taken"
    MOST_SEEN_TAKEN = "most_seen_taken"
    RESEMBLES = "resembles"
    NOT_RECOGNISED = "not_recognised"
    TAKEN_FOR = "taken_for"


_REMARKS: Mapping[RemarkCode, str] = {
    RemarkCode.LARGEST_TAKEN: "It shows {count} faces; the largest, {place}, was taken.",
    RemarkCode.FITTING_TAKEN: (
        "It shows {count} faces; the one {place}, which fits the person's other photos, was taken."
    ),
    RemarkCode.MOST_SEEN_TAKEN: "The video shows {count} people; the one who is seen most was taken.",
    RemarkCode.RESEMBLES: "It resembles {name}; if that is who it shows, move it into that folder.",
    RemarkCode.NOT_RECOGNISED: "Not recognised.",
    RemarkCode.TAKEN_FOR: "Taken for {name}.",
}


class Place(StrEnum):
    """Where in a picture something is."""

    LEFT = "on the left"
    MIDDLE = "in the middle"
    RIGHT = "on the right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why a picture is not used; of the data only those are set that its sentence has.

    Raises:
        ValueError: the sentence of this code needs data that are missing.
    """

    code: RejectionCode
    width_px: float | None = None
    """Of the picture, or of the face in it."""
    height_px: float | None = None
    needed_px: float | None = None
    """How many pixels are the least."""
    limit_px: float | None = None
    """How many pixels on a side are the most."""
    found_mp: float | None = None
    """Megapixels of the picture."""
    limit_mp: float | None = None
    found_mb: float | None = None
    """Size of the file in units of 2^20 bytes."""
    limit_mb: float | None = None
    count: int | None = None
    """How many faces were found, or how many scans or levels of folders are the most."""
    found_minutes: float | None = None
    """Length of the video."""
    limit_minutes: float | None = None
    file: str | None = None
    """The other file, as the report names it: `Anna/001.jpg`."""
    name: str | None = None
    """The person it looks like."""
    own: str | None = None
    """In whose folder it is."""
    format: str | None = None
    """`GIF`: of the picture."""
    detail: str | None = None
    """What the system, or a library, reported."""

    def __post_init__(self) -> None:
        try:
            self.sentence  # noqa: B018 - raises
        except KeyError as error:
            raise ValueError(f"A rejection {self.code} lacks its {error}.") from None

    @property
    def sentence(self) -> str:
        """What people read: what is wrong, and what to do."""
        return _SENTENCES[self.code].format_map(self.data)

    @property
    def data(self) -> dict[str, str | float]:
        """What is known besides the code."""
        return _data(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What is worth knowing of a picture that is used; see `Rejection`.

    Raises:
        ValueError: the sentence of this code needs data that are missing.
    """

    code: RemarkCode
    count: int | None = None
    """How many faces were found."""
    place: Place | None = None
    """Where the face is that was taken."""
    name: str | None = None
    """The person it resembles or was taken for."""

    def __post_init__(self) -> None:
        try:
            self.sentence  # noqa: B018 - raises
        except KeyError as error:
            raise ValueError(f"A remark {self.code} lacks its {error}.") from None

    @property
    def sentence(self) -> str:
        """What people read."""
        return _REMARKS[self.code].format_map(self.data)

    @property
    def data(self) -> dict[str, str | float]:
        """What is known besides the code."""
        return _data(self)


def _data(facts: Rejection | Remark) -> dict[str, str | float]:
    values = {each.name: getattr(facts, each.name) for each in fields(facts) if each.name != "code"}
    return {name: value for name, value in values.items() if value is not None}
