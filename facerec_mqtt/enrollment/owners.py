"""Whose folder a folder in the enrollment folder is, by its name."""

import contextlib
import fcntl
import os
from collections.abc import Iterable
from enum import Enum, auto
from pathlib import Path

from facerec_mqtt.core.files import is_visible, text_name
from facerec_mqtt.core.records import Person, PersonKind
from facerec_mqtt.core.slugs import RESERVED_SIGNS, SlugError, clean_name, slug
from facerec_mqtt.enrollment.person_file import display_name

KNOWN = "_known"
STRANGERS = "_strangers"
TEST = "_test"
SET_ASIDE = ".forgetting"
TRASH = ".trash"
"""Photos that were deleted on the page: `.trash/Anna/<when>/1.jpg`; never read as anybody's."""


class Use(Enum):
    """What a folder in the enrollment folder is for, by its name."""

    PERSON = auto()
    KNOWN = auto()
    """Of folders of known visitors."""
    STRANGERS = auto()
    TEST = auto()
    RESERVED = auto()
    """It begins with a sign that no person's does."""
    IGNORED = auto()
    """It is hidden, or left by a desktop or a storage box."""


def use_of(folder: Path) -> Use:
    """What a folder is for, by its name."""
    name = owner_name(folder)
    if not is_visible(folder):
        return Use.IGNORED
    if name in _USES:
        return _USES[name]
    return Use.RESERVED if name.startswith(RESERVED_SIGNS) else Use.PERSON


_USES = {KNOWN: Use.KNOWN, STRANGERS: Use.STRANGERS, TEST: Use.TEST}


def owner_name(folder: Path) -> str:
    """What a folder is called: "Tom " and "Tom" are one."""
    return clean_name(text_name(folder))


def is_of_somebody(folder: Path) -> bool:
    """Whether a folder is a person's by its name."""
    return use_of(folder) is Use.PERSON


def parents_in(enrollment_dir: Path) -> tuple[Path, ...]:
    """Where people's folders may be: of photos, of test pictures, of deleted ones, and of any moved aside."""
    return *_parents(enrollment_dir), *set_aside_in(enrollment_dir)


def set_aside_in(enrollment_dir: Path) -> tuple[Path, ...]:
    """Where the folders may be that `forget` has moved aside."""
    return _parents(enrollment_dir / SET_ASIDE)


def _parents(root: Path) -> tuple[Path, ...]:
    return root, root / KNOWN, root / TEST, root / TEST / KNOWN, root / TRASH


def everybody_in(enrollment_dir: Path) -> dict[Path, Person]:
    """The folders of photos of members and of known visitors; none where no folder can be listed."""
    return folders_in(enrollment_dir) | folders_of_visitors(enrollment_dir)


def folders_of_visitors(enrollment_dir: Path) -> dict[Path, Person]:
    """The folders of photos of known visitors; none where no folder can be listed."""
    return folders_in(enrollment_dir / KNOWN)


def folders_in(parent: Path) -> dict[Path, Person]:
    """The folders that are people's, in the order of their names; none where no folder can be listed."""
    try:
        # Unlike Path.is_dir, this takes a link to a share that has dropped for what is not there.
        folders = sorted(path for path in parent.iterdir() if os.path.isdir(path))  # noqa: PTH112
    except OSError:
        return {}
    return owners_of(filter(is_of_somebody, folders))


def owners_of(folders: Iterable[Path]) -> dict[Path, Person]:
    """Whose each of some folders is; one whose name makes no slug is nobody's, as the rebuild will report.

    A display name counts unless somebody else is called that, or would be in topics.
    """
    slugs: dict[Path, str] = {}
    for folder in folders:
        with contextlib.suppress(SlugError):
            slugs[folder] = slug(owner_name(folder))
    names: dict[str, str] = {}
    taken = {key: key for key in slugs.values()}
    for folder, key in slugs.items():
        name = display_name(folder)
        if name is not None and key not in names and taken.setdefault(slug(name), key) == key:
            names[key] = name
    return {
        folder: Person(key, names.get(key, owner_name(folder)), _kind(folder))
        for folder, key in slugs.items()
    }


def _kind(folder: Path) -> PersonKind:
    return PersonKind.VISITOR if use_of(folder.parent) is Use.KNOWN else PersonKind.FAMILY


def folder_of(parent: Path, name: str) -> Path:
    """The folder of whoever is called that, also where the disk spells its accents in another way."""
    owners = folders_in(parent)
    called = (path for path, owner in owners.items() if owner.name == name)
    named = (path for path in owners if owner_name(path) == name)
    return next(called, None) or next(named, parent / name)


def forgetting_was_interrupted(enrollment_dir: Path) -> bool:
    """Whether `forget` has left photos there; while it is at work it holds a lock on their folder."""
    folder = enrollment_dir / SET_ASIDE
    found = [path for parent in set_aside_in(enrollment_dir) for path in parent.glob("*")]
    if all(path.name.startswith((".", "_")) for path in found):
        return False
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a share without locks cannot say
    return True
