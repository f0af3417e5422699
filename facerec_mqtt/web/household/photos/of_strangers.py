"""Pictures of people who are not family, from which the model learns whom not to name."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from facerec_mqtt.core.files import files_below
from facerec_mqtt.enrollment.changes import Contents, throw_away
from facerec_mqtt.enrollment.owners import STRANGERS
from facerec_mqtt.web.household.errors import NotThereError, household_errors
from facerec_mqtt.web.household.photos.adding import PhotoAdder, Place, Upload
from facerec_mqtt.web.household.photos.worker import PhotoWorker
from facerec_mqtt.web.schemas import AddedPhoto


class StrangerPhotos:
    """The pictures of strangers of one household; may be asked from any thread.

    Args:
        enrollment_dir: the enrollment folder.
        adder: adds one.
        worker: makes copies to show.
        changing: held while something is changed.
    """

    def __init__(
        self, enrollment_dir: Path, adder: PhotoAdder, worker: PhotoWorker, changing: threading.RLock
    ) -> None:
        self._enrollment_dir = enrollment_dir
        self._folder = enrollment_dir / STRANGERS
        self._adder = adder
        self._worker = worker
        self._changing = changing

    def files(self) -> list[str]:
        """What they are called, the last first; links are left out, and what is behind one."""
        return list(reversed(self._listed()))

    def add(self, uploads: Sequence[Upload]) -> list[AddedPhoto]:
        """Add some; each is judged at once, and says where it looks like one of the family.

        Raises:
            HouseholdError: the folder cannot be written.
        """
        contents = Contents(self._folder)
        place = Place(self._folder, None, "", self._make_folder)
        return [self._adder.add(place, upload, contents) for upload in uploads]

    def copy(self, file: str, side_px: int) -> bytes:
        """Make a JPEG of one to show.

        Raises:
            HouseholdError: there is no such picture, or it cannot be shown.
        """
        return self._worker.copy(self._find(file), side_px)

    def delete(self, file: str) -> None:
        """Move one into the trash, where it is kept for 30 days.

        Raises:
            HouseholdError: there is no such picture, or it cannot be moved.
        """
        with self._changing, household_errors():
            self._find(file)
            throw_away(self._enrollment_dir, self._folder, file, datetime.now(UTC))

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _listed(self) -> list[str]:
        if self._folder.is_symlink() or not self._folder.is_dir():
            return []
        with household_errors():
            found = [path for path in files_below(self._folder) if path.is_file() and not path.is_symlink()]
        return [path.relative_to(self._folder).as_posix() for path in found]

    def _find(self, file: str) -> Path:
        """One of those that the folder lists: nothing else that was sent is ever made a path."""
        if file not in self._listed():
            raise NotThereError("There is no such picture any more; somebody may have deleted it.")
        return self._folder / file
