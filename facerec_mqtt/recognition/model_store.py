"""The family's model on disk: written whole or not at all, checked when it is read.

`model_paths` shows what lies where. `current` is a text file and no symbolic link, so that a network share
can hold it. A version appears by one renaming of a finished folder, is switched to by one replacement of
`current` and goes by one renaming before it is deleted: whatever kills a rebuild, the model before it stays
whole and in use, and what was half done has a name by which the next one clears it away. Everything is
readable by its owner alone, since embeddings of faces are personal data.
"""

import contextlib
import fcntl
import io
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.files import (
    UNFINISHED_PREFIX,
    UnfitFileError,
    read_plain,
    replace_file,
    sync_folder,
    write_new,
)
from facerec_mqtt.core.records import Person
from facerec_mqtt.recognition.arrays import read_arrays
from facerec_mqtt.recognition.manifest import Manifest, parse_manifest
from facerec_mqtt.recognition.model_paths import ARRAYS, MAX_FILE_BYTES, REPORT, ModelPaths

VERSIONS_KEPT = 3
_VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
_MAX_POINTER_BYTES = 100
_STAMP = "%Y%m%dT%H%M%S"


@dataclass(frozen=True, slots=True, eq=False)
class FamilyModel:
    """What a rebuild makes and the service loads."""

    version: str
    """`20261123T100411Z-3f2a`: UTC and four random hexadecimal digits; later versions sort later."""
    created: str
    """ISO 8601, UTC."""
    backbone_digest: str
    """SHA-256 of the backbone that its embeddings were made with."""
    cohort_digest: str
    """SHA-256 of the cohort that its scores were normalised against."""
    people: tuple[Person, ...]
    """In the order of the arrays' rows."""
    arrays: Mapping[str, NDArray[np.float32]]
    """What the head and the calibration consist of; both know their own names in it."""
    report: Mapping[str, Any]
    """What the rebuild found, as plain JSON data."""


def new_version(now: datetime, existing: Iterable[str] = ()) -> str:
    """Name a version made at this time, or just after the latest of the existing ones."""
    stamp = now.astimezone(UTC).replace(microsecond=0)
    latest = max(existing, default=None)
    if latest is not None:
        stamp = max(stamp, datetime.strptime(latest[:16], f"{_STAMP}%z") + timedelta(seconds=1))
    return f"{stamp:{_STAMP}}Z-{secrets.token_hex(2)}"


def current_version(model_dir: Path) -> str | None:
    """Which version is in use; cheap enough to ask between two frames.

    Returns:
        `None` where no model was ever made.

    Raises:
        ModelError: `current` cannot be read or names no version.
    """
    pointer = ModelPaths(model_dir).current
    try:
        version = read_plain(pointer, _MAX_POINTER_BYTES).decode("ascii", "replace").strip()
    except UnfitFileError:
        version = ""
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ModelError(f"{pointer} cannot be read ({error.strerror}); check its permissions.") from error
    if not _VERSION.fullmatch(version):
        raise ModelError(f"{pointer} names no model version but {version[:40]!r}; run facerec-mqtt rebuild.")
    return version


def load_current(model_dir: Path) -> FamilyModel | None:
    """Read and check the version in use.

    Returns:
        `None` where no model was ever made.

    Raises:
        ModelError: it is damaged, foreign or gone.
    """
    version = current_version(model_dir)
    return None if version is None else load_version(model_dir, version)


def load_version(model_dir: Path, version: str) -> FamilyModel:
    """Read and check one version.

    Raises:
        ModelError: it is damaged, foreign or gone.
    """
    folder = ModelPaths(model_dir).version(version)
    try:
        content = read_plain(ModelPaths(model_dir).manifest(version), MAX_FILE_BYTES)
        manifest = parse_manifest(content, str(folder))
        contents = {name: read_plain(folder / name, MAX_FILE_BYTES) for name in (ARRAYS, REPORT)}
        damaged = manifest.damaged(contents)
        if damaged is not None:
            raise ModelError(
                f"The model {folder} is damaged ({damaged} is not what was saved);"
                " run facerec-mqtt rebuild, or go back to an older version."
            )
        arrays = read_arrays(contents[ARRAYS])
        report = json.loads(contents[REPORT])
        if not isinstance(report, dict):
            raise ValueError("the report is not a JSON object")
        if any(array.dtype != np.float32 or not np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("an array holds something else than finite float32 numbers")
        return FamilyModel(
            version=version,
            created=manifest.created,
            backbone_digest=manifest.backbone,
            cohort_digest=manifest.cohort,
            people=manifest.members,
            arrays=arrays,
            report=report,
        )
    except OSError as error:
        raise ModelError(
            f"The model {folder} cannot be read ({error.strerror}: {Path(str(error.filename)).name});"
            " run facerec-mqtt rebuild, or go back to an older version."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"The model {folder} is damaged or is not a model of this program ({_short(error)});"
            " run facerec-mqtt rebuild, or go back to an older version."
        ) from error


def _short(error: Exception) -> str:
    """What is wrong, without the file's content, which some errors carry along."""
    return f"{type(error).__name__}: {error}"[:200]


def save_model(
    model_dir: Path,
    model: FamilyModel,
    *,
    switch: bool = True,
    page: str | None = None,
    keep: int = VERSIONS_KEPT,
) -> None:
    """Write a version, switch to it, and delete those before the last ones.

    Args:
        model_dir: made if it is missing.
        model: what to write.
        switch: whether `current` is to name it.
        page: the report as HTML, for its owner; nothing reads it back.
        keep: so many of the last versions stay.

    Raises:
        ModelError: something could not be written; what was there before is untouched.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(model.arrays))
    paths = ModelPaths(model_dir)
    contents = {
        ARRAYS: buffer.getvalue(),
        REPORT: json.dumps(dict(model.report), ensure_ascii=False, indent=1).encode(),
    }
    manifest = Manifest.make(
        model.version, model.created, model.backbone_digest, model.cohort_digest, model.people, contents
    )
    contents[paths.manifest(model.version).name] = manifest.encode()
    if page is not None:
        contents[paths.page(model.version).name] = page.encode()
    versions_dir = paths.versions
    with writing(model_dir):
        versions_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED_PREFIX, dir=versions_dir))
        try:
            for name, content in contents.items():
                write_new(unfinished / name, content)
            sync_folder(unfinished)
            unfinished.replace(versions_dir / model.version)
        except OSError:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        # A version is on the disk for good before anything points to it.
        sync_folder(versions_dir)
    if switch:
        use_version(model_dir, model.version)
    for version in versions(model_dir)[:-keep]:
        if version != current_version(model_dir):
            # The new model is saved; one too many is no failure, and the next rebuild tries again.
            with contextlib.suppress(OSError):
                delete_version(model_dir, version)


def use_version(model_dir: Path, version: str) -> None:
    """Switch to a version, which must be there.

    Raises:
        ModelError: `current` cannot be written; it names what it named before.
    """
    with writing(model_dir):
        replace_file(ModelPaths(model_dir).current, f"{version}\n".encode("ascii"))


def page_of(model_dir: Path, version: str) -> Path:
    """Where the report of a version is as a page, if it was made."""
    return ModelPaths(model_dir).page(version)


def delete_version(model_dir: Path, version: str) -> None:
    """Delete a version that is not in use; one half deleted is never taken for one.

    Raises:
        OSError: it cannot be deleted.
    """
    folder = ModelPaths(model_dir).version(version)
    doomed = Path(tempfile.mkdtemp(prefix=UNFINISHED_PREFIX, dir=folder.parent))
    folder.replace(doomed)
    shutil.rmtree(doomed)


def delete_all_models(model_dir: Path) -> None:
    """Delete every version and the cache, so that everybody is a stranger to the service.

    Raises:
        OSError: something cannot be deleted.
    """
    # First, so that no version is missed by a service that is just looking for it.
    ModelPaths(model_dir).current.unlink(missing_ok=True)
    for version in versions(model_dir):
        delete_version(model_dir, version)
    delete_cache(model_dir)


def delete_cache(model_dir: Path) -> None:
    """Delete what rebuilds keep for the next one, which then looks at all photos again.

    Raises:
        OSError: it cannot be deleted.
    """
    cache = ModelPaths(model_dir).cache
    if cache.is_dir():
        shutil.rmtree(cache)


def versions(model_dir: Path) -> tuple[str, ...]:
    """All versions that are kept, oldest first.

    Raises:
        ModelError: their folder cannot be read.
    """
    folder = ModelPaths(model_dir).versions
    try:
        names = [entry.name for entry in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise ModelError(f"{folder} cannot be read ({error.strerror}); check its permissions.") from error
    return tuple(sorted(name for name in names if _VERSION.fullmatch(name)))


@contextlib.contextmanager
def rebuilding(model_dir: Path, *, by_restore: bool = False) -> Iterator[None]:
    """Hold the model folder for one rebuild, and clear away what a killed one left.

    The system lets go of the lock when its holder ends, however it ends.

    Args:
        model_dir: made if it is missing.
        by_restore: whoever asks completes a restore that was interrupted; for others there is no model then.

    Raises:
        ModelError: another rebuild is running, a restore was interrupted, or the folder cannot be written.
    """
    with writing(model_dir):
        model_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(ModelPaths(model_dir).rebuild_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ModelError(
                f"A rebuild is already running on {model_dir}; wait until it has ended."
            ) from error
        except OSError as error:
            raise ModelError(
                f"The model folder {model_dir} cannot be locked ({error.strerror}); choose one on a disk that"
                " can lock files."
            ) from error
        if not by_restore and ModelPaths(model_dir).restoring.exists():
            raise ModelError(
                f'A restore into "{model_dir}" was interrupted; give the same command "facerec-mqtt restore"'
                " again."
            )
        with writing(model_dir):
            for leftover in [*ModelPaths(model_dir).unfinished()]:
                if leftover.is_dir():
                    shutil.rmtree(leftover)
                else:
                    leftover.unlink()
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def writing(model_dir: Path) -> Iterator[None]:
    """Turn whatever prevents writing into one sentence.

    Raises:
        ModelError: the disk is full, the folder is read-only, and so on.
    """
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"The model folder {model_dir} cannot be written ({error.strerror}); free some space or correct"
            " its permissions, and rebuild again: the model before this one stays in use."
        ) from error


def is_emptied(model_dir: Path) -> bool:
    """Whether the last person was forgotten: a model folder without a version, and not a missing one."""
    return ModelPaths(model_dir).versions.is_dir() and not versions(model_dir)
