"""A folder of pictures as a camera."""

from pathlib import Path

from facerec_mqtt.cameras.protocol import FailureKind, failed
from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.images import read_picture
from facerec_mqtt.core.records import Image

_PICTURES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp")


class Folder:
    """Pictures of a folder in the order of their names, over and over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last = ""

    def take(self) -> Image:
        """The next picture; what cannot be read is skipped."""
        names = self._names()
        later = [name for name in names if name > self._last]
        for name in later + names[: len(names) - len(later)]:
            try:
                image = read_picture(self._folder / name)
            except PictureError:
                continue
            self._last = name
            return image
        raise failed(FailureKind.EMPTY_FOLDER, place=self._folder)

    def _names(self) -> list[str]:
        try:
            return sorted(entry.name for entry in self._folder.iterdir() if entry.suffix.lower() in _PICTURES)
        except OSError as error:
            raise failed(FailureKind.UNREADABLE_FOLDER, place=self._folder, detail=error.strerror) from error
