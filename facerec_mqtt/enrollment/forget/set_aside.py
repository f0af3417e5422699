"""Folders of somebody who is to be forgotten, moved aside and back."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from facerec_mqtt.core.records import Person
from facerec_mqtt.enrollment.owners import SET_ASIDE, folders_in, set_aside_in


@dataclass(frozen=True, slots=True)
class _Move:
    home: Path
    """Where the folder belongs."""
    aside: Path
    earlier: bool
    """Whether an earlier command has moved it aside."""


class SetAside:
    """Folders of one person, to be deleted: moved whole to where no rebuild looks, and back if need be.

    Args:
        enrollment_dir: the enrollment folder.
        person: whose they are.
        folders: in the enrollment folder; some may be moved aside already.
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
        """Move them aside.

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
            for parent in reversed(target.parents):
                if parent.is_relative_to(self.folder):
                    parent.mkdir(mode=0o700, exist_ok=True)
            folder.rename(target)

    def put_back(self) -> tuple[Path, ...]:
        """Move them back to where they belong.

        Returns:
            Those that stay: moved aside by an earlier command, with newer pictures in their place.

        Raises:
            OSError: one cannot be moved.
        """
        stay = []
        for move in self._moves:
            there = {owner.slug for owner in folders_in(move.home.parent).values()}
            if move.earlier and self._person.slug in there:
                stay.append(move.aside)
            elif move.aside.exists():
                move.home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
        """Lock them, so that no report takes them for left behind; not every share can do that.

        The system releases the lock when its holder ends, however it ends.
        """
        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError):
                descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                held.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield

    def _tidy(self) -> None:
        for folder in reversed(set_aside_in(self._enrollment_dir)):
            remove_if_empty(folder)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that is empty, if that is allowed: that it stays is no loss."""
    with contextlib.suppress(OSError):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
