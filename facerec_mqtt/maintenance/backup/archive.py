"""The file of a backup: a ZIP in which nothing is compressed, with a manifest of sizes and digests.

Any program can look into it. Since every file is stored as it is, none can be larger than the archive: there
are no bombs. Only names that this program makes are accepted, and sizes and digests are checked; owners,
permissions and times in it are ignored.
"""

import hashlib
import json
import struct
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.core.files import UnfitFileError, open_plain
from facerec_mqtt.maintenance.backup.contents import Place, place_of
from facerec_mqtt.settings import first_problem

FORMAT: Literal[1] = 1
"""Raised when an older program could not read a backup any more."""
MANIFEST = "backup.json"
CHUNK_BYTES = 2**20
MAX_MANIFEST_BYTES = 64 * 2**20
"""Enough for 300,000 files."""
_REGULAR = (0, 0o100000)
"""The kinds of file that an entry may be: not stated, and a plain one."""


_DAMAGE = (zipfile.BadZipFile, ValueError, RuntimeError, EOFError, LookupError, OverflowError, struct.error)
"""What the standard library raises where a file is not the ZIP that it claims to be."""


class BackupError(FacerecError):
    """A backup cannot be made, read or put in place."""


class Entry(BaseModel):
    """A file in a backup."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """What a backup holds, as its `backup.json` has it."""

    # A newer program may add a key without raising the format; going back to an older one must be possible.
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    format: Literal[1] = FORMAT
    program: str
    """The version that made it."""
    created: str
    """ISO 8601, UTC."""
    files: dict[str, Entry]


@dataclass(frozen=True, slots=True)
class Archive:
    """An open backup whose names and sizes are checked; digests are when a file is read."""

    path: Path
    manifest: Manifest
    files: dict[str, Place]
    zip: zipfile.ZipFile

    def extract(self, name: str, target: BinaryIO) -> None:
        """Write a file's content.

        Raises:
            BackupError: it is not what was saved.
            OSError: it cannot be written.
        """
        entry, digest, count = self.manifest.files[name], hashlib.sha256(), 0
        with _damaged(self.path), self.zip.open(name) as source:
            while chunk := source.read(CHUNK_BYTES):
                count += len(chunk)
                digest.update(chunk)
                if count > entry.bytes:
                    break
                target.write(chunk)
        if (count, digest.hexdigest()) != (entry.bytes, entry.sha256):
            raise BackupError(
                f'The backup "{self.path}" is damaged: "{name[:200]}" is not what was saved; use another.'
            )


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a backup, and check all but the content of its files.

    Raises:
        BackupError: it cannot be read, is no backup, is damaged, or a newer version has made it.
    """
    with ExitStack() as held:
        try:
            file, size_bytes = held.enter_context(open_plain(path))
            archive = held.enter_context(_opened(path, file))
            manifest = _manifest(path, archive)
            places = _places(path, archive, manifest, size_bytes)
        except UnfitFileError as error:
            raise BackupError(f'"{path}" is no backup of this program: {error}.') from error
        except OSError as error:
            raise BackupError(f'The backup "{path}" cannot be read ({error.strerror}).') from error
        yield Archive(path, manifest, places, archive)


def is_backup(path: Path) -> bool:
    """Whether a file is a backup, of whatever version."""
    try:
        with open_plain(path) as (file, _), zipfile.ZipFile(file) as archive:
            return MANIFEST in archive.namelist()
    except (OSError, *_DAMAGE):
        return False


@contextmanager
def _opened(path: Path, file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGE as error:
        raise BackupError(
            f'"{path}" is no backup of this program, or was cut short; use one that "facerec-mqtt'
            ' backup" made.'
        ) from error
    with archive:
        yield archive


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise BackupError(
            f'The backup "{path}" is damaged ({str(error)[:100]}); take another one.'
        ) from error


def _manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    with _damaged(path):
        try:
            info = archive.getinfo(MANIFEST)
        except KeyError:
            raise BackupError(
                f'"{path}" is no backup of this program: it has no {MANIFEST}; name one that "facerec-mqtt'
                ' backup" made.'
            ) from None
        if info.file_size > MAX_MANIFEST_BYTES or not _is_plain(info):
            raise BackupError(
                f'The backup "{path}" is damaged: its {MANIFEST} is not what this program writes.'
            )
        content = archive.read(info)
        try:
            value = json.loads(content)
        except RecursionError:
            value = None
    found = value.get("format") if isinstance(value, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise BackupError(
            f'The backup "{path}" was made by a newer version (its format is {str(found)[:20]}, and {FORMAT}'
            " is the newest known here); update the program."
        )
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise BackupError(
            f'The backup "{path}" is damaged ({first_problem(error)}); take another one.'
        ) from None


def _places(path: Path, archive: zipfile.ZipFile, manifest: Manifest, size_bytes: int) -> dict[str, Place]:
    """Where each file belongs.

    Raises:
        BackupError: there is a file that should not be, one is missing, or they overlap.
    """
    infos = [info for info in archive.infolist() if info.filename != MANIFEST]
    names = {info.filename for info in infos}
    if sum(info.file_size for info in infos) > size_bytes:
        raise BackupError(f'The backup "{path}" is damaged: it claims to hold more than it does.')
    if len(names) < len(infos) or names != manifest.files.keys():
        odd = next(iter(sorted(names ^ manifest.files.keys())), "a name that is there twice")
        raise BackupError(
            f'The backup "{path}" is damaged: its list of files and what it holds differ ("{odd[:200]}").'
        )
    places = {name: place_of(name) for name in names}
    for info in infos:
        if places[info.filename] is None or not _is_plain(info):
            raise BackupError(
                f'"{path}" holds "{info.filename[:200]}", which no backup of this program does; nothing of it'
                " is used."
            )
    return {name: place for name, place in places.items() if place is not None}


def _is_plain(info: zipfile.ZipInfo) -> bool:
    """Whether an entry is stored as it is, and is neither a link nor encrypted."""
    kind = (info.external_attr >> 16) & 0o170000
    return (
        info.compress_type == zipfile.ZIP_STORED
        and info.file_size == info.compress_size
        and kind in _REGULAR
        and not info.flag_bits & 1
        and not info.is_dir()
    )
