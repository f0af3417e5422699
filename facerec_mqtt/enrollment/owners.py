"""Whose folder a folder in the enrollment folder is, by its name."""

import contextlib
import os
from enum import Enum, auto
from pathlib import Path

from facerec_mqtt.core.files import is_visible, text_name
from facerec_mqtt.core.records import Person
from facerec_mqtt.core.slugs import RESERVED_SIGNS, SlugError, clean_name, slug

STRANGERS = "_strangers"
TEST = "_test"
SET_ASIDE = ".forgetting"


class Use(Enum):
    """What a folder in the enrollment folder is for, by its name."""

    PERSON = auto()
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
    if name in (STRANGERS, TEST):
        return Use.STRANGERS if name == STRANGERS else Use.TEST
    return Use.RESERVED if name.startswith(RESERVED_SIGNS) else Use.PERSON


def owner_name(folder: Path) -> str:
    """The name of the person whose folder it is: "Tom " and "Tom" are one."""
    return clean_name(text_name(folder))


def is_of_somebody(folder: Path) -> bool:
    """Whether a folder is a person's by its name."""
    return use_of(folder) is Use.PERSON


def parents_in(enrollment_dir: Path) -> tuple[Path, ...]:
    """Where people's folders may be: of photos, of test pictures, and of either moved aside."""
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
    for folder in filter(is_of_somebody, folders):
        # A folder whose name makes no slug is nobody's, as the rebuild will report.
        with contextlib.suppress(SlugError):
            owners[folder] = Person(slug(owner_name(folder)), owner_name(folder))
    return owners


def folder_of(parent: Path, name: str) -> Path:
    """The folder of that name, also where the disk spells its accents in another way."""
    return next((path for path, owner in folders_in(parent).items() if owner.name == name), parent / name)
