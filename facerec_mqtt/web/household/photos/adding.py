"""Adding a photo that was sent: through the gate that all photos pass, judged at once by itself."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.images import MAX_FILE_BYTES
from facerec_mqtt.core.picture_formats import HEAD_BYTES, format_of
from facerec_mqtt.core.rejections import Rejection, RejectionCode
from facerec_mqtt.enrollment.changes import Contents, add_photo, photo_name
from facerec_mqtt.web.household.errors import household_errors
from facerec_mqtt.web.household.people import photo_url, stranger_url
from facerec_mqtt.web.household.photos.look_alikes import LookAlikes
from facerec_mqtt.web.schemas import AddedPhoto, Face

# Of these a file is a photo all the same, and stays in the folder.
_OF_THE_FACE = frozenset(
    {
        RejectionCode.NO_FACE,
        RejectionCode.SEVERAL_FACES,
        RejectionCode.FACE_TOO_SMALL,
        RejectionCode.BLURRED,
    }
)


class Upload(Protocol):
    """A file that was sent."""

    @property
    def name(self) -> str:
        """What it was called; anything."""

    def read(self, most_bytes: int) -> bytes:
        """Its content, or so many bytes of it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where photos are added."""

    folder: Path
    person: str | None
    """Slug of whose it is; `None` for strangers."""
    name: str
    """The person's; empty for strangers."""
    require: Callable[[], object]
    """Raises `HouseholdError` where nothing may be added any more."""

    def url(self, file: str) -> str:
        """Where a photo is given out."""
        return stranger_url(file) if self.person is None else photo_url(self.person, file)


class PhotoAdder:
    """Adds photos to a person's folder; may be asked from any thread.

    Args:
        look_alikes: looks at them.
        changing: held while something is changed.
    """

    def __init__(self, look_alikes: LookAlikes, changing: threading.RLock) -> None:
        self._look_alikes = look_alikes
        self._changing = changing

    def add(self, place: Place, upload: Upload, contents: Contents) -> AddedPhoto:
        """Add one.

        Args:
            place: where it goes.
            upload: the file.
            contents: of the folder.

        Raises:
            HouseholdError: the person is gone, or the folder cannot be written.
        """
        shown = upload.name[-200:] or "photo"
        data = upload.read(MAX_FILE_BYTES + 1)

        def refused(rejection: Rejection) -> AddedPhoto:
            return AddedPhoto(
                name=shown, added=False, file=None, reason=rejection.sentence, reason_code=rejection.code
            )

        if len(data) > MAX_FILE_BYTES:
            limit_mb = MAX_FILE_BYTES / 2**20
            found_mb = max(len(data) / 2**20, limit_mb + 1)
            return refused(Rejection(code=RejectionCode.FILE_TOO_LARGE, found_mb=found_mb, limit_mb=limit_mb))
        try:
            if not data:
                raise PictureError(Rejection(code=RejectionCode.EMPTY_FILE))
            ending = f".{format_of(data[:HEAD_BYTES]).name.lower()}".replace(".jpeg", ".jpg")
        except PictureError as error:
            return refused(error.rejection)

        def already(same: str) -> AddedPhoto:
            return AddedPhoto(
                name=shown,
                added=False,
                file=same,
                reason=f"{place.name} has this photo already." if place.name else "It is there already.",
                reason_code="same_photo",
                url=place.url(same),
            )

        same = contents.file_with(data)
        if same is not None:
            return already(same)
        answer = self._look_alikes.look(data)
        rejection = answer.rejection
        if rejection is not None and rejection.code not in _OF_THE_FACE:
            return refused(rejection)
        with self._changing, household_errors():
            place.require()
            # Somebody else may have sent it just now.
            same = Contents(place.folder).file_with(data)
            if same is not None:
                return already(same)
            path = add_photo(place.folder, photo_name(upload.name, ending), data)
        contents.add(path, data)
        return AddedPhoto(
            name=shown,
            added=True,
            file=path.name,
            reason=None if rejection is None else rejection.sentence,
            reason_code=None if rejection is None else rejection.code,
            url=place.url(path.name),
            looks_like=self._look_alikes.said({path.name: answer}, place.person, place.name),
            faces=[Face(box=box) for box in answer.faces]
            if rejection is not None and rejection.code is RejectionCode.SEVERAL_FACES
            else [],
        )
