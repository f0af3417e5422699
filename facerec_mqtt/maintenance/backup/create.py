"""Writing a backup, while a service runs: no rebuild, no removal and no restore can run meanwhile."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from facerec_mqtt import __version__
from facerec_mqtt.core.files import UNFINISHED_PREFIX, UnfitFileError, open_plain, sync_folder
from facerec_mqtt.history import FILE as HISTORY
from facerec_mqtt.history import copy_history
from facerec_mqtt.maintenance.backup.archive import (
    CHUNK_BYTES,
    MANIFEST,
    MAX_MANIFEST_BYTES,
    BackupError,
    Entry,
    Manifest,
    is_backup,
)
from facerec_mqtt.maintenance.backup.contents import Area, contents_of
from facerec_mqtt.recognition import rebuilding, versions

_WORK = f"{UNFINISHED_PREFIX}backup-"


@dataclass(frozen=True, slots=True)
class Backup:
    """What was backed up."""

    file: Path
    bytes: int
    """Of the file."""
    files: int
    """In it."""
    pictures: int
    """Of these in the enrollment folder."""
    versions: int
    """Of the model."""
    has_history: bool
    left_out: tuple[Path, ...]
    """Links out of the enrollment folder or to folders, and what is no plain file."""


def back_up(enrollment: Path, models: Path, file: Path, now: datetime) -> Backup:
    """Write a backup; a file of that name is replaced when it is complete, if it is a backup.

    Args:
        enrollment: the enrollment folder.
        models: the model folder.
        file: the backup.
        now: with a time zone.

    Raises:
        BackupError: the file cannot be written, or is to lie where it would be backed up itself.
        ModelError: a rebuild is running, or the model folder cannot be read.
        HistoryError: the history cannot be read.
    """
    _require_fit(enrollment, models, file)
    with rebuilding(models), _work_folder(file) as work:
        try:
            return _write(enrollment, models, file, work, now)
        except OSError as error:
            raise BackupError(
                f'The backup "{file}" cannot be made: {error.strerror}'
                f"{'' if error.filename is None else f' ({error.filename})'}; free some space, or correct the"
                " permissions."
            ) from error


def _require_fit(enrollment: Path, models: Path, file: Path) -> None:
    for folder, called in ((enrollment, "enrollment folder"), (models, "model folder")):
        if file.resolve().is_relative_to(folder.resolve()):
            raise BackupError(
                f'The backup "{file}" is to lie in the {called}; choose another place, best on another disk.'
            )
    if os.path.lexists(file) and not is_backup(file):
        raise BackupError(
            f'"{file}" is there already and is no backup, so it is not replaced; choose another name.'
        )


@contextlib.contextmanager
def _work_folder(file: Path) -> Iterator[Path]:
    """A folder beside the backup; those that killed commands have left there are cleared away."""
    with contextlib.ExitStack() as held:
        try:
            for left in file.parent.glob(f"{_WORK}*"):
                _clear_if_left(left)
            work = Path(tempfile.mkdtemp(prefix=_WORK, dir=file.parent))
            held.callback(shutil.rmtree, work, ignore_errors=True)
            descriptor = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            held.callback(os.close, descriptor)
            with contextlib.suppress(OSError):  # a network share that cannot lock
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BackupError(
                f'The backup "{file}" cannot be written ({error.strerror}); choose a folder that is there and'
                " may be written to."
            ) from error
        yield work


def _clear_if_left(work: Path) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(work)
        finally:
            os.close(descriptor)


def _write(enrollment: Path, models: Path, file: Path, work: Path, now: datetime) -> Backup:
    contents = contents_of(enrollment, models)
    history = work / HISTORY
    has_history = copy_history(models, history)
    if has_history:
        contents.files[f"{Area.MODELS}/{HISTORY}"] = history
    unfinished = work / "archive"
    entries: dict[str, Entry] = {}
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for name, path in contents.files.items():
                # What was deleted meanwhile is not missed.
                with contextlib.suppress(FileNotFoundError):
                    entries[name] = _add(archive, name, path, now)
            manifest = Manifest(program=__version__, created=now.astimezone(UTC).isoformat(), files=entries)
            encoded = manifest.model_dump_json().encode()
            if len(encoded) > MAX_MANIFEST_BYTES:
                raise BackupError(f"{len(entries)} files are too many for one backup; move photos elsewhere.")
            archive.writestr(_info(MANIFEST, now), encoded)
        target.flush()
        os.fsync(target.fileno())
    size_bytes = unfinished.stat().st_size
    unfinished.replace(file)
    sync_folder(file.parent)
    return Backup(
        file=file,
        bytes=size_bytes,
        files=len(entries),
        pictures=sum(name.startswith(f"{Area.ENROLLMENT}/") for name in entries),
        versions=len(versions(models)),
        has_history=has_history,
        left_out=tuple(contents.left_out),
    )


def _add(archive: zipfile.ZipFile, name: str, path: Path, now: datetime) -> Entry:
    """Add a file; an `OSError` of a folder that cannot be read names it."""
    digest, count = hashlib.sha256(), 0
    try:
        with open_plain(path) as (source, _), archive.open(_info(name, now), "w", force_zip64=True) as target:
            while chunk := source.read(CHUNK_BYTES):
                digest.update(chunk)
                count += len(chunk)
                target.write(chunk)
    except UnfitFileError as error:
        raise BackupError(f'"{path}" cannot be backed up: {error}.') from error
    return Entry(bytes=count, sha256=digest.hexdigest())


def _info(name: str, now: datetime) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, now.astimezone(UTC).timetuple()[:6])
    info.external_attr = (0o100600) << 16
    return info
