"""What belongs to a backup, and what a file in one may be called.

enrollment/...                      all visible files of the enrollment folder, also `_strangers` and `_test`
models/versions/<version>/...       the models
models/current                      which one is in use
models/history.db                   the history, copied while it may be written
models/*.json, models/*.npz         what services and the page keep beside the models
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath

from facerec_mqtt.core.files import files_below, is_visible
from facerec_mqtt.enrollment import PERSON_FILE
from facerec_mqtt.history import FILE as HISTORY
from facerec_mqtt.recognition import ModelPaths, versions


class Area(StrEnum):
    """Which of the two folders a file lies in."""

    ENROLLMENT = "enrollment"
    MODELS = "models"


CURRENT = "current"
VERSIONS = "versions"
_MAX_LEVELS = 16
_MAX_PART_BYTES = 255
_BESIDE_MODELS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}\.(json|npz)")
_IN_VERSION = re.compile(r"(\d{8}T\d{6}Z-[0-9a-f]{4})/(manifest\.json|model\.npz|report\.json|report\.html)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file of a backup belongs."""

    area: Area
    path: str
    """In its folder, with `/` between the parts."""

    def __str__(self) -> str:
        return f"{self.area}/{self.path}"

    @property
    def is_history(self) -> bool:
        """Whether it is the history, which is not put in place as a file."""
        return self.area is Area.MODELS and self.path == HISTORY

    @property
    def is_person_file(self) -> bool:
        """Whether it is what is said about a person: there is one for each."""
        return self.area is Area.ENROLLMENT and self.path.endswith(f"/{PERSON_FILE}")

    @property
    def version(self) -> str | None:
        """The version of the model that it is of."""
        parts = self.path.split("/")
        return parts[1] if self.area is Area.MODELS and parts[0] == VERSIONS else None


def place_of(name: str) -> Place | None:
    """Where a file of that name belongs; `None` where no backup of this program has such a file."""
    area, _, path = name.partition("/")
    parts = path.split("/")
    if "\0" in name or any(len(os.fsencode(part)) > _MAX_PART_BYTES for part in parts):
        return None
    if area == Area.ENROLLMENT:
        # Neither hidden files nor what storage boxes leave: also no "..", and no folder of `forget`'s.
        shown = parts[:-1] if len(parts) > 1 and parts[-1] == PERSON_FILE else parts
        fits = len(parts) <= _MAX_LEVELS and all(part and is_visible(Path(part)) for part in shown)
        return Place(Area.ENROLLMENT, path) if fits and PurePosixPath(path).parts == tuple(parts) else None
    if area != Area.MODELS:
        return None
    fits = (
        path in (CURRENT, HISTORY)
        or bool(_BESIDE_MODELS.fullmatch(path))
        or (parts[0] == VERSIONS and bool(_IN_VERSION.fullmatch("/".join(parts[1:]))))
    )
    return Place(Area.MODELS, path) if fits else None


@dataclass(slots=True)
class Contents:
    """What is to be backed up, but for the history."""

    files: dict[str, Path] = field(default_factory=dict)
    """By the name in the backup."""
    left_out: list[Path] = field(default_factory=list)
    """Links out of the enrollment folder, links to folders, what is no plain file, and what lies too deep."""

    def add(self, area: Area, root: Path, path: Path) -> None:
        """Add a file of one of the folders."""
        relative = os.fsencode(path.relative_to(root)).decode("utf-8", "backslashreplace")
        name = f"{area}/{relative}"
        while name in self.files:
            name += "_"
        if place_of(name) is None:
            self.left_out.append(path)
        else:
            self.files[name] = path


def contents_of(enrollment: Path, models: Path) -> Contents:
    """List what is to be backed up; folders that are missing have nothing.

    Raises:
        OSError: a folder cannot be listed.
        ModelError: the model folder cannot be read.
    """
    found = Contents()
    if enrollment.is_dir():
        root = enrollment.resolve()
        for path in files_below(enrollment):
            if path.is_file() and path.resolve().is_relative_to(root):
                found.add(Area.ENROLLMENT, enrollment, path)
            else:
                found.left_out.append(path)
        found.left_out += _linked_folders(enrollment)
        for path in sorted({file.parent / PERSON_FILE for file in found.files.values()}):
            if path.is_file() and not path.is_symlink():
                found.add(Area.ENROLLMENT, enrollment, path)
    paths = ModelPaths(models)
    for version in versions(models):
        for path in sorted(paths.version(version).iterdir()):
            _add_of_models(found, models, path)
    if models.is_dir():
        for path in sorted(models.iterdir()):
            if path.name != HISTORY:
                _add_of_models(found, models, path)
    return found


def _add_of_models(found: Contents, models: Path, path: Path) -> None:
    if path.is_file() and place_of(f"{Area.MODELS}/{path.relative_to(models)}") is not None:
        found.add(Area.MODELS, models, path)


def _linked_folders(folder: Path) -> Iterator[Path]:
    for place, folders, _ in os.walk(folder):
        folders[:] = sorted(name for name in folders if is_visible(Path(name)))
        yield from (Path(place, name) for name in folders if Path(place, name).is_symlink())
