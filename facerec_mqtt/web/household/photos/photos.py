"""Photos: a person's, with what became of each; adding, moving, deleting, restoring, using anyway."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from facerec_mqtt.core.rejections import RejectionCode
from facerec_mqtt.enrollment.changes import (
    Contents,
    add_photo,
    listed_photos,
    move_photo,
    restore_photo,
    set_marks,
    throw_away,
)
from facerec_mqtt.enrollment.person_file import photos_to_use
from facerec_mqtt.web import words
from facerec_mqtt.web.household.errors import ConflictError, NotThereError, household_errors
from facerec_mqtt.web.household.people import HouseholdPeople, photo_url
from facerec_mqtt.web.household.photos.adding import PhotoAdder, Place, Upload
from facerec_mqtt.web.household.photos.audit import Audit, Judgement
from facerec_mqtt.web.household.photos.look_alikes import LookAlikes
from facerec_mqtt.web.household.photos.worker import PhotoWorker
from facerec_mqtt.web.schemas import AddedPhoto, Face, LooksLike, Photo, Photos

_MOST_COPIES = 300
_SEVERAL = 2
"""Photos of one occasion, which may show who passed."""
# What no wish can change: there is no face, or no picture.
_CANNOT_BE_USED = frozenset(RejectionCode) - {
    RejectionCode.SEVERAL_FACES,
    RejectionCode.FACE_TOO_SMALL,
    RejectionCode.BLURRED,
    RejectionCode.DUPLICATE_OF,
    RejectionCode.DUPLICATE_OF_MEMBER,
    RejectionCode.LOOKS_LIKE_ANOTHER,
    RejectionCode.UNLIKE_THE_OTHERS,
}


@dataclass(frozen=True, slots=True)
class _Found:
    folder: Path
    file: str
    path: Path


class HouseholdPhotos:
    """The photos of one household.

    Args:
        enrollment_dir: the enrollment folder.
        people: who they are of.
        worker: looks at them.
        look_alikes: says whether they look like somebody else.
        audit: what a rebuild would make of them.
        changing: held while something is changed.
    """

    def __init__(
        self,
        enrollment_dir: Path,
        people: HouseholdPeople,
        worker: PhotoWorker,
        look_alikes: LookAlikes,
        audit: Audit,
        changing: threading.RLock,
    ) -> None:
        self._enrollment_dir = enrollment_dir
        self._people = people
        self._worker = worker
        self._look_alikes = look_alikes
        self.adder = PhotoAdder(look_alikes, changing)
        """Adds one photo."""
        self._audit = audit
        self._changing = changing
        self._copies: OrderedDict[tuple[Path, int, int, int], bytes] = OrderedDict()

    def files(self, person: str) -> dict[str, Path]:
        """The files of somebody enrolled, by their paths in the person's folder.

        Raises:
            HouseholdError: there is nobody, or the folder cannot be read.
        """
        self._people.enrolled(person)
        with household_errors():
            return listed_photos(self._enrollment_dir, person)

    def all(self, person: str) -> Photos:
        """Somebody's photos, the latest first, each with what became of it.

        Raises:
            HouseholdError: there is nobody, or the folder cannot be read.
        """
        folder, _ = self._people.enrolled(person)
        marks = photos_to_use(folder)
        files = sorted(self.files(person).items(), key=lambda each: _changed(each[1]), reverse=True)
        judged = self._audit.judgements(path for _, path in files)
        return Photos(
            photos=[_photo(person, file, judged[path], used_anyway=file in marks) for file, path in files],
            judging=self._audit.is_running,
        )

    def add(self, person: str, uploads: Sequence[Upload]) -> list[AddedPhoto]:
        """Add photos; each is judged at once by itself, and beside the others soon after.

        Args:
            person: the slug.
            uploads: the files.

        Raises:
            HouseholdError: there is nobody, also when all are added, or the folder cannot be written.
        """
        folder, owner = self._people.staying(person)
        contents = Contents(folder)
        place = Place(folder, person, owner.name, lambda: self._people.staying(person))
        added = [self.adder.add(place, upload, contents) for upload in uploads]
        self._people.staying(person)
        self._audit.refresh()
        return added

    def copy(self, person: str, file: str, side_px: int) -> bytes:
        """Make a JPEG of a photo to show, upright and at most so large.

        Raises:
            HouseholdError: there is no such photo, or it cannot be shown.
        """
        found = self._find(person, file)
        with household_errors():
            status = found.path.stat()
        key = found.path, status.st_mtime_ns, status.st_size, side_px
        copy = self._copies.get(key)
        if copy is None:
            copy = self._worker.copy(found.path, side_px)
            if side_px <= 640:
                self._copies[key] = copy
        with contextlib.suppress(KeyError):
            self._copies.move_to_end(key)
            while len(self._copies) > _MOST_COPIES:
                self._copies.popitem(last=False)
        return copy

    def faces(self, person: str, file: str) -> list[Face]:
        """The faces that a photo shows, the largest first.

        Raises:
            HouseholdError: there is no such photo.
        """
        answer = self._worker.look(self._find(person, file).path)
        return [Face(box=box) for box in answer.faces]

    def look_alikes(self, person: str, files: Sequence[str], to: str | None) -> LooksLike | None:
        """Which of somebody's photos look like somebody else, and like whom; or seem to show somebody else.

        Args:
            person: the slug.
            files: the photos.
            to: slug of whose they would be; `None` where they stay.

        Raises:
            HouseholdError: there is no such photo or person.
        """
        _, owner = self._people.enrolled(to or person)
        pictures = {file: self._find(person, file).path for file in files}
        like = self._look_alikes.among(pictures, owner.slug, owner.name)
        if like is not None or len(files) < _SEVERAL or to is not None:
            return like
        own = [path for file, path in self.files(person).items() if file not in pictures]
        return self._look_alikes.unlike(pictures, sorted(own, key=_changed, reverse=True), owner.name)

    def move(self, person: str, file: str, to: str, *, sure: bool) -> Photo:
        """Move a photo into somebody else's folder.

        Args:
            person: the slug.
            file: which.
            to: slug of whose it is.
            sure: whether it is used there although it looks like another person.

        Raises:
            HouseholdError: there is no such photo or person, or it cannot be moved.
        """
        with self._changing, household_errors():
            found = self._find(person, file)
            target, _ = self._people.staying(to)
            if target == found.folder:
                raise ConflictError("The photo is in this person's folder already.")
            moved = move_photo(found.path, target)
            set_marks(found.folder, do_not_use=[file])
            if sure:
                set_marks(target, use=[moved.name])
        self._audit.refresh()
        return self._photo(to, moved.name)

    def use(self, person: str, file: str, *, anyway: bool) -> Photo:
        """Use a photo although it would be rejected, or leave that to the rebuild again.

        Raises:
            HouseholdError: there is no such photo, or nothing in it can be used.
        """
        with self._changing, household_errors():
            found = self._find(person, file)
            if anyway:
                answer = self._worker.look(found.path)
                if answer.rejection is not None and answer.rejection.code in _CANNOT_BE_USED:
                    raise ConflictError(f"It cannot be used: {answer.rejection.sentence}")
            set_marks(found.folder, use=[file] if anyway else (), do_not_use=() if anyway else [file])
        self._audit.refresh()
        return self._photo(person, file)

    def choose_face(self, person: str, file: str, face: int) -> Photo:
        """Put what is around one face of a photo in the photo's place; the photo goes to the trash.

        Raises:
            HouseholdError: there is no such photo or face, or the folder cannot be written.
        """
        found = self._find(person, file)
        jpeg = self._worker.cut(found.path, face)
        with self._changing, household_errors():
            self._find(person, file)
            name = f"{found.path.stem}-face-{face + 1}.jpg"
            cut = add_photo(found.path.parent, name, jpeg)
            throw_away(self._enrollment_dir, found.folder, file, datetime.now(UTC))
        self._audit.refresh()
        return self._photo(person, cut.relative_to(found.folder).as_posix())

    def delete(self, person: str, file: str) -> None:
        """Move a photo into the trash, from where it can be restored for 30 days.

        Raises:
            HouseholdError: there is no such photo, or it cannot be moved.
        """
        with self._changing, household_errors():
            found = self._find(person, file)
            throw_away(self._enrollment_dir, found.folder, file, datetime.now(UTC))
            set_marks(found.folder, do_not_use=[file])
        self._audit.refresh()

    def restore(self, person: str, file: str) -> Photo:
        """Take a photo back out of the trash.

        Raises:
            HouseholdError: it is not there, or cannot be moved.
        """
        with self._changing, household_errors():
            folder, _ = self._people.staying(person)
            back = restore_photo(self._enrollment_dir, folder, file)
            if back is None:
                raise NotThereError("There is no such photo in the trash any more.")
        self._audit.refresh()
        return self._photo(person, back.relative_to(folder).as_posix())

    def drop_copies(self) -> None:
        """Drop what is kept in memory to be shown."""
        self._copies.clear()

    def _photo(self, person: str, file: str) -> Photo:
        return next(photo for photo in self.all(person).photos if photo.file == file)

    def _find(self, person: str, file: str) -> _Found:
        """A photo among those that the folder lists: nothing else that was sent is ever made a path."""
        path = self.files(person).get(file)
        if path is None:
            raise NotThereError("There is no such photo any more; somebody may have moved or deleted it.")
        folder = path
        for _ in file.split("/"):
            folder = folder.parent
        return _Found(folder, file, path)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _photo(person: str, file: str, judged: Judgement | None, *, used_anyway: bool) -> Photo:
    code = None if judged is None else judged.reason_code
    return Photo(
        file=file,
        used=None if judged is None else judged.used,
        reason=None if judged is None else words.LIKE_ANOTHER_PHOTO.get(code or "") or judged.reason,
        reason_code=code,
        duplicate_of=None if judged is None else judged.duplicate_of,
        note=None if judged is None else judged.note,
        url=photo_url(person, file),
        can_be_used=code is not None and code not in _CANNOT_BE_USED,
        used_anyway=used_anyway,
    )
