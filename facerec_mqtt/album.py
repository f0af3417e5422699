"""A person's pictures in the enrollment folder, as the program itself adds to them and takes them away.

    enrollment/Anna/                20261123-180211-412_front_door.jpg ...     to learn from
    enrollment/_test/Anna/          20261123-180243-120_front_door.jpg ...     to test with

The rebuild does not use `_test`; `facerec-mqtt evaluate --folder enrollment/_test` scores a model on it. A
picture appears whole or not at all, readable by its owner alone.

    enrollment/.forgetting/         Anna/ and _test/Anna/, while she is being forgotten
"""

import contextlib
import fcntl
import os
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from facerec_mqtt.artifact import replace_file
from facerec_mqtt.capture import Part
from facerec_mqtt.errors import EnrollmentError
from facerec_mqtt.records import Person
from facerec_mqtt.roster import SET_ASIDE, TEST, is_of_somebody
from facerec_mqtt.slugs import SlugError, person_name, slug


class Album:
    """Where the pictures of one person go.

    Args:
        name: the person's, as their folder is called.
        learn_dir: the folder of pictures to learn from.
        test_dir: the folder of pictures to test with.
        made: folders that were not there before.
    """

    def __init__(self, name: str, learn_dir: Path, test_dir: Path, made: Sequence[Path]) -> None:
        self.name = name
        self._made = made
        self._folders: dict[Part, Path] = {"learn": learn_dir, "test": test_dir}

    @classmethod
    def open(cls, enrollment_dir: Path, name: str) -> "Album":
        """Find a person's folders, which need not exist yet, and check that they may be written to.

        Raises:
            EnrollmentError: the name cannot be a folder's, another person's folder would be called the same
                in topics, a folder is a link out of the enrollment folder, or it cannot be written.
        """
        try:
            clean = person_name(name)
        except SlugError as error:
            raise EnrollmentError(str(error)) from None
        learn_dir, test_dir = _folder_of(enrollment_dir, clean), _folder_of(enrollment_dir / TEST, clean)
        for other in folders_in(enrollment_dir).values():
            if other.slug == slug(clean) and other.name != clean:
                raise EnrollmentError(
                    f'There is a folder "{other.name}" already, and "{clean}" would be called the same in'
                    " topics; use one name for one person."
                )
        made: list[Path] = []
        try:
            for folder in (learn_dir, test_dir):
                if not folder.resolve().is_relative_to(enrollment_dir.resolve()):
                    raise EnrollmentError(
                        f'"{folder}" is a link out of the enrollment folder; put a real folder in its place.'
                    )
                for each in (enrollment_dir, folder.parent, folder):
                    if not each.is_dir():
                        each.mkdir(mode=0o700, parents=True)
                        made.append(each)
                for unfinished in folder.glob(".unfinished-*"):
                    unfinished.unlink()
        except OSError as error:
            raise _not_written(enrollment_dir, error) from error
        return cls(clean, learn_dir, test_dir, made)

    def add(self, part: Part, jpeg: bytes, taken: datetime, camera: str) -> Path:
        """Add a picture.

        Args:
            part: what it is for.
            jpeg: the file.
            taken: when, in local time.
            camera: the camera's slug.

        Raises:
            EnrollmentError: it cannot be written; nothing of it is left.
        """
        stamp = f"{taken:%Y%m%d-%H%M%S}-{taken.microsecond // 1000:03d}"
        path = self._folders[part] / f"{stamp}_{camera}.jpg"
        try:
            replace_file(path, jpeg)
        except OSError as error:
            raise _not_written(self._folders[part], error) from error
        return path

    def close(self) -> None:
        """Leave no new folder without a picture behind: such a person would stand in every report."""
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):
                folder.rmdir()  # unless it holds something


@dataclass(frozen=True, slots=True)
class _Move:
    home: Path
    """Where the folder belongs."""
    aside: Path
    earlier: bool
    """Whether an earlier command has set it aside."""


class SetAside:
    """Folders of one person, to be deleted: moved whole to where no rebuild looks, and back if need be.

    Args:
        enrollment_dir: the enrollment folder.
        person: whose they are.
        folders: in the enrollment folder; some may be set aside already.
    """

    def __init__(self, enrollment_dir: Path, person: Person, folders: Iterable[Path]) -> None:
        self.folder = enrollment_dir / SET_ASIDE
        self._enrollment_dir = enrollment_dir
        self._person = person
        self._to_move = tuple(folders)
        self._moves: list[_Move] = []

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where they are now."""
        return tuple(move.aside for move in self._moves)

    def move(self) -> None:
        """Set them aside.

        Raises:
            OSError: one cannot be moved; those before it are.
        """
        for folder in self._to_move:
            if folder.is_relative_to(self.folder):
                home = self._enrollment_dir / folder.relative_to(self.folder)
                self._moves.append(_Move(home, folder, earlier=True))
                continue
            target = self.folder / folder.relative_to(self._enrollment_dir)
            while target.exists():
                target = target.with_name(f"{target.name}_")  # makes the same slug
            # Noted first, so that it is put back wherever this is interrupted.
            self._moves.append(_Move(folder, target, earlier=False))
            for parent in (self.folder, target.parent):
                parent.mkdir(mode=0o700, exist_ok=True)
            folder.rename(target)

    def put_back(self) -> tuple[Path, ...]:
        """Move them back to where they belong.

        Returns:
            Those that stay: set aside by an earlier command, with newer pictures in their place.

        Raises:
            OSError: one cannot be moved.
        """
        stay = []
        for move in self._moves:
            there = {owner.slug for owner in folders_in(move.home.parent).values()}
            if move.earlier and self._person.slug in there:
                stay.append(move.aside)
            elif move.aside.exists():
                move.home.parent.mkdir(mode=0o700, exist_ok=True)
                move.aside.rename(move.home)
        self._tidy()
        return tuple(stay)

    def delete(self) -> None:
        """Delete them; of a link, what is behind it stays.

        Raises:
            OSError: something cannot be deleted.
        """
        for folder in self.folders:
            if folder.is_symlink():
                folder.unlink()
            else:
                shutil.rmtree(folder)
        self._tidy()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold them, so that no report takes them for left behind; not every share can do that.

        The system lets go of the lock when its holder ends, however it ends.
        """
        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError):
                descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                held.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield

    def _tidy(self) -> None:
        for folder in (self.folder / TEST, self.folder):
            remove_if_empty(folder)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that is empty, if that is allowed: that it stays is no loss."""
    with contextlib.suppress(OSError):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def parents_in(enrollment_dir: Path) -> tuple[Path, ...]:
    """Where people's folders may be: of photos, of test pictures, and of either set aside."""
    aside = enrollment_dir / SET_ASIDE
    return enrollment_dir, aside, enrollment_dir / TEST, aside / TEST


def folders_in(parent: Path) -> dict[Path, Person]:
    """The folders that are people's, in the order of their names; none where no folder can be listed."""
    try:
        # Unlike Path.is_dir, this takes a link to a share that has dropped for what is not there.
        folders = sorted(path for path in parent.iterdir() if os.path.isdir(path))  # noqa: PTH112
    except OSError:
        return {}
    owners: dict[Path, Person] = {}
    for folder in folders:
        if is_of_somebody(folder):
            name = _composed(folder.name)
            # A folder whose name makes no slug is nobody's, as the rebuild will say.
            with contextlib.suppress(SlugError):
                owners[folder] = Person(slug(name), name)
    return owners


def _folder_of(parent: Path, name: str) -> Path:
    """The folder of that name, also where the disk spells its accents in another way."""
    return next((path for path, owner in folders_in(parent).items() if owner.name == name), parent / name)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "replace"))


def _not_written(folder: Path, error: OSError) -> EnrollmentError:
    return EnrollmentError(
        f'"{folder}" cannot be written ({error.strerror}); free some space, or make the enrollment folder'
        " writable for this user."
    )
