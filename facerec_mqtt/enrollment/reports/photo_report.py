"""What became of one file of the enrollment folder, or of a folder for evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from facerec_mqtt.core.rejections import Rejection, RejectionCode, Remark

_DUPLICATES = (RejectionCode.DUPLICATE_OF, RejectionCode.DUPLICATE_OF_MEMBER)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoReport:
    """What became of one file."""

    file: str
    """`Anna/001.jpg`."""
    folder: str | None
    """`Anna`: name of the folder that it lies in; `None` for a file outside of any."""
    person: str | None
    """The person's slug; `None` for a stranger's picture or a file outside of any folder."""
    rejection: Rejection | None = None
    """Why it was not used; `None` when it was."""
    remark: Remark | None = None
    """What its owner may want to know of one that was used."""

    @property
    def used(self) -> bool:
        """Whether it was used."""
        return self.rejection is None

    @property
    def sentence(self) -> str | None:
        """Why it was not used, or what is worth knowing of it; `None` where there is nothing to say."""
        facts = self.rejection or self.remark
        return None if facts is None else facts.sentence

    def as_json(self) -> dict[str, Any]:
        """As reports list it; the note, and what it is a near-duplicate of, only where there are such."""
        rejection, remark = self.rejection, self.remark
        listed: dict[str, Any] = {
            "file": self.file,
            "folder": self.folder,
            "person": self.person,
            "used": self.used,
            "reason": None if rejection is None else rejection.sentence,
            "reason_code": None if rejection is None else rejection.code,
        }
        if rejection is not None and rejection.code in _DUPLICATES:
            listed["duplicate_of"] = rejection.file
        return listed if remark is None else listed | {"note": remark.sentence, "note_code": remark.code}


def photos_of(slug: str | None, photos: Sequence[PhotoReport]) -> tuple[PhotoReport, ...]:
    """The photos of one person; of strangers and of nobody for `None`."""
    return tuple(photo for photo in photos if photo.person == slug)
