"""Putting a backup back: verified whole beside what is there, then put in place (`plan`)."""

import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.files import is_visible, sync_folder
from facerec_mqtt.core.slugs import SlugError, slug
from facerec_mqtt.enrollment import RESTORE_STAGE, folders_in
from facerec_mqtt.history import FILE as HISTORY
from facerec_mqtt.history import prepare_copy, require_usable
from facerec_mqtt.maintenance.backup.archive import CHUNK_BYTES, Archive, BackupError, open_archive
from facerec_mqtt.maintenance.backup.contents import CURRENT, VERSIONS, Area, Place
from facerec_mqtt.maintenance.backup.plan import Plan, Stages, Step, complete, decide, names_for
from facerec_mqtt.recognition import ModelPaths, current_version, load_version, rebuilding, versions


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in place."""

    created: str
    """When the backup was made: ISO 8601, UTC."""
    pictures: int
    """Of the enrollment folder, that are new or take another's place."""
    kept: int
    """Files that were there already and stay, in a merge."""
    versions: int
    """Of the model."""
    model: str | None
    """Which version is in use now because of this."""
    visits: int | None
    """In the backup; `None` where it has no history."""
    model_fault: str | None
    """Why its models are left out; one sentence."""


@dataclass(frozen=True, slots=True)
class _Verified:
    """What is staged."""

    places: Mapping[str, Place]
    """Of all that is to be put in place, by path below `new`, but for the history."""
    current: str | None
    versions: tuple[str, ...]
    visits: int | None
    model_fault: str | None


def restore(enrollment: Path, models: Path, file: Path, *, merge: bool) -> Restored:
    """Put a backup in place. Until it has succeeded, what was there is kept.

    Args:
        enrollment: the enrollment folder.
        models: the model folder.
        file: the backup.
        merge: add what is missing and overwrite nothing; otherwise what is there is replaced, as far as the
            backup has anything of the kind: photos, models, visits, and each file of a service or the page.

    Raises:
        BackupError: the backup is damaged, hostile or newer, and nothing was touched; or it was verified and
            something cannot be put in place, and the command is to be repeated.
        ModelError: a rebuild is running, or the model folder cannot be written.
        HistoryError: the history of the backup or the one that is there cannot be used.
    """
    with rebuilding(models, by_restore=True):
        complete(models)
        stages = Stages(enrollment / RESTORE_STAGE, models / RESTORE_STAGE)
        try:
            with _staging(file), open_archive(file) as archive:
                enrollment.mkdir(mode=0o700, parents=True, exist_ok=True)
                stages.clear()
                _require_space(archive, enrollment, models)
                _extract(archive, stages)
                verified = _verify(archive, stages)
                require_usable(models)
                plan, kept = _plan(enrollment, models, stages, verified, merge=merge)
                created = archive.manifest.created
                decide(stages, models, plan)
        except BaseException:
            if not ModelPaths(models).restoring.exists():
                _clear(stages)
            raise
        complete(models)
        return Restored(
            created=created,
            pictures=_pictures(verified, kept),
            kept=len(kept),
            versions=len(verified.versions),
            model=plan.current,
            visits=verified.visits,
            model_fault=verified.model_fault,
        )


def _pictures(verified: _Verified, kept: frozenset[str]) -> int:
    return sum(place.area is Area.ENROLLMENT for name, place in verified.places.items() if name not in kept)


def _clear(stages: Stages) -> None:
    try:
        stages.clear()
    except OSError:  # the next restore clears it away
        return


@contextmanager
def _staging(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupError(
            f'The backup "{file}" cannot be put in place ({error.strerror}: {error.filename}); nothing was'
            " changed. Free some space, or correct the permissions, and try again."
        ) from error


def _require_space(archive: Archive, enrollment: Path, models: Path) -> None:
    """Check that all fits beside what is there; on one disk the two areas need room together."""
    needed: dict[int, int] = {}
    roots = {Area.ENROLLMENT: enrollment, Area.MODELS: models}
    free: dict[int, tuple[int, Path]] = {}
    for name, place in archive.files.items():
        root = roots[place.area]
        device = root.stat().st_dev
        needed[device] = needed.get(device, 0) + archive.manifest.files[name].bytes
        if device not in free:
            at = os.statvfs(root)
            free[device] = at.f_bavail * at.f_frsize, root
    for device, wanted in needed.items():
        there, root = free[device]
        if wanted > there:
            raise BackupError(
                f'The backup needs {wanted // 2**20 + 1} MB beside "{root}", and {there // 2**20} MB are'
                " free; nothing was changed. Free some space and try again."
            )


def _extract(archive: Archive, stages: Stages) -> None:
    """Write everything into the stages, through to the disk.

    Raises:
        BackupError: a file is not what was saved.
        OSError: it cannot be written.
    """
    folders: set[Path] = set()
    for name, place in archive.files.items():
        path = stages.new(place.area) / place.path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folders.add(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            archive.extract(name, target)
            target.flush()
            os.fsync(target.fileno())
    for folder in folders:
        sync_folder(folder)


def _verify(archive: Archive, stages: Stages) -> _Verified:
    """Check what is staged for what this program can use.

    Raises:
        BackupError: which version of the model is in use cannot be told.
        HistoryError: the history is damaged, or a newer version has made it.
    """
    places = {str(place): place for place in archive.files.values()}
    staged = stages.new(Area.MODELS)
    visits = prepare_copy(staged / HISTORY) if (staged / HISTORY).exists() else None
    there = tuple(sorted({place.version for place in places.values() if place.version is not None}))
    fault = current = None
    try:
        current = current_version(staged)
        if current is not None:
            load_version(staged, current)
    except ModelError as error:
        fault, current, there = str(error), None, ()
    chosen = {
        name: place
        for name, place in places.items()
        if not place.is_history
        and str(place) != f"{Area.MODELS}/{CURRENT}"
        and (fault is None or place.version is None)
    }
    return _Verified(chosen, current, there, visits, fault)


def _plan(
    enrollment: Path, models: Path, stages: Stages, verified: _Verified, *, merge: bool
) -> tuple[Plan, frozenset[str]]:
    """Decide what goes where.

    Returns:
        The plan, and which files stay as they are.

    Raises:
        BackupError: a folder lies on another disk.
        OSError: what is there cannot be read.
    """
    roots = {Area.ENROLLMENT: enrollment, Area.MODELS: models}
    if merge:
        steps, kept = _steps_of_merge(roots, stages, verified)
        in_use = current_version(models)
        plan = Plan(
            enrollment=str(enrollment.absolute()),
            merge=True,
            steps=steps,
            current=verified.current if in_use is None else None,
            has_history=verified.visits is not None,
        )
    else:
        steps, kept = _steps_of_replacement(verified), frozenset[str]()
        new = {step.target for step in steps if step.area is Area.ENROLLMENT}
        gone = [path.name for path in enrollment.iterdir() if is_visible(path) and path.name not in new]
        outdated = [version for version in versions(models) if version not in verified.versions]
        plan = Plan(
            enrollment=str(enrollment.absolute()),
            merge=False,
            steps=steps,
            outdated=[f"{VERSIONS}/{each}" for each in outdated] if verified.current else [],
            removed=gone if new else [],
            current=verified.current,
            has_history=verified.visits is not None,
        )
    _require_same_disk(plan, roots)
    return plan, kept


def _steps_of_replacement(verified: _Verified) -> list[Step]:
    """A step for each person's folder, each version, and each file beside them."""
    tops: dict[tuple[Area, str], None] = {}
    for place in verified.places.values():
        top = f"{VERSIONS}/{place.version}" if place.version else place.path.split("/")[0]
        tops[place.area, top] = None
    return [Step(area=area, source=top, target=top) for area, top in tops]


def _steps_of_merge(
    roots: Mapping[Area, Path], stages: Stages, verified: _Verified
) -> tuple[list[Step], frozenset[str]]:
    """A step for each picture that is not there, each version, and each file beside them."""
    steps: dict[tuple[Area, str], str] = {}
    kept: set[str] = set()
    for name, place in verified.places.items():
        root = roots[place.area]
        if place.area is Area.MODELS:
            source = f"{VERSIONS}/{place.version}" if place.version else place.path
            if os.path.lexists(root / source):
                kept.add(name)
            else:
                steps[place.area, source] = source
            continue
        target = _in_owners_folder(root, place.path)
        if place.is_person_file and os.path.lexists(root / target):
            kept.add(name)
            continue
        there = itertools.takewhile(os.path.lexists, names_for(root / target))
        if any(_same(stages.new(place.area) / place.path, path) for path in there):
            kept.add(name)
        else:
            steps[place.area, place.path] = target
    return [
        Step(area=area, source=source, target=target) for (area, source), target in steps.items()
    ], frozenset(kept)


def _in_owners_folder(root: Path, path: str) -> str:
    """The path of a picture in the folder that its owner has here: "anna" may be called "Anna" now."""
    parts = PurePosixPath(path).parts
    depth = 1 if len(parts) > 2 and parts[0].startswith("_") else 0
    if len(parts) <= depth + 1:
        return path
    parent = root.joinpath(*parts[:depth])
    try:
        wanted = slug(parts[depth])
    except SlugError:
        return path
    for folder, owner in folders_in(parent).items():
        if owner.slug == wanted:
            return str(PurePosixPath(*parts[:depth], folder.name, *parts[depth + 1 :]))
    return path


def _same(one: Path, other: Path) -> bool:
    """Whether two files have the same content."""
    try:
        if one.stat().st_size != other.stat().st_size:
            return False
        return _digest(one) == _digest(other)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()


def _require_same_disk(plan: Plan, roots: Mapping[Area, Path]) -> None:
    """Check that each step can be a renaming.

    Raises:
        BackupError: a folder is another disk, or a file lies where a folder is needed.
    """
    checked: set[Path] = set()
    touched = [(step.area, step.target) for step in plan.steps]
    touched += [(Area.MODELS, name) for name in plan.outdated]
    touched += [(Area.ENROLLMENT, name) for name in plan.removed]
    for area, target in touched:
        root = roots[area]
        # In a merge the folder of the target counts, otherwise the target itself.
        for path in [root / target] if not plan.merge else (root / target).parents:
            if path == root or path in checked:
                break
            checked.add(path)
            if not os.path.lexists(path):
                continue
            status = path.stat() if plan.merge else path.lstat()
            if status.st_dev != root.stat().st_dev:
                raise BackupError(
                    f'"{path}" lies on another disk than "{root}"; nothing was changed. Unmount it, or'
                    " restore into other folders and copy the files."
                )
            if plan.merge and not path.is_dir():
                raise BackupError(f'"{path}" is no folder; nothing was changed. Move it away and try again.')
