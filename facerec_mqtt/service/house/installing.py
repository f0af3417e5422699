"""Puts a model of another box in place as a rebuild would, and removes whoever was forgotten."""

import contextlib
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.files import UNFINISHED_PREFIX
from facerec_mqtt.core.records import Person
from facerec_mqtt.history import HistoryError, forget_visits, people_with_visits
from facerec_mqtt.presence import remove_person, state_files
from facerec_mqtt.recognition import (
    FamilyModel,
    ModelPaths,
    delete_all_models,
    delete_cache,
    delete_version,
    load_version,
    members,
    save_model,
    use_version,
    versions,
)
from facerec_mqtt.service.house.package import Forgotten, HouseManifest


@contextlib.contextmanager
def received(
    folder: Path, manifest: HouseManifest, files: Mapping[str, bytes]
) -> Iterator[FamilyModel | None]:
    """Read what was received as any version is read, from a folder of its own.

    Args:
        folder: the model folder, which is locked.
        manifest: what came with the files.
        files: of the version, by name.

    Raises:
        ModelError: it is none.
    """
    if manifest.version is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix=UNFINISHED_PREFIX, dir=folder) as name:
        place = ModelPaths(Path(name)).version(manifest.version)
        place.mkdir(parents=True)
        for file, content in files.items():
            (place / file).write_bytes(content)
        yield load_version(Path(name), manifest.version)


def install(
    folder: Path, model: FamilyModel | None, manifest: HouseManifest, forgotten: Collection[Forgotten]
) -> None:
    """Put a model in place that was checked, and delete versions of people who were forgotten.

    Args:
        folder: the model folder, which is locked.
        model: `None` where the last person was forgotten.
        manifest: what came with it.
        forgotten: of whom this box has nothing any more.

    Raises:
        ModelError: it cannot be written; what was there is in use.
        OSError: an older version cannot be deleted.
    """
    if model is None:
        delete_all_models(folder)
        return
    if model.version in versions(folder) and not _is_same(folder, model):
        delete_version(folder, model.version)
    if model.version in versions(folder):
        use_version(folder, model.version)
    else:
        save_model(folder, model)
    if any(each not in forgotten for each in manifest.forgotten):
        _delete_versions(folder, model.version, manifest.forgotten)


def forget_rest(folder: Path, review: Path, forgotten: Collection[Forgotten]) -> None:
    """Remove people who were forgotten from what a box has besides models: its state and its visits.

    Args:
        folder: the model folder.
        review: the folder with pictures of visits.
        forgotten: of whom this box may have something.

    Raises:
        HistoryError: the visits cannot be removed.
    """
    people = [person for file in state_files(folder) for person in file.state.people]
    people += [Person(slug, slug) for file in state_files(folder) for slug in file.state.known]
    with contextlib.suppress(HistoryError):
        people += people_with_visits(folder)
    for person in people:
        if any(each.matches(person.slug) for each in forgotten):
            forget_visits(folder, person, review)
            remove_person(folder, person, from_broker=False)


def _delete_versions(folder: Path, used: str, forgotten: Collection[Forgotten]) -> None:
    for version in versions(folder):
        known = members(folder, version)
        may_know = known is None or any(each.matches(person.slug) for each in forgotten for person in known)
        if version != used and may_know:
            delete_version(folder, version)
    delete_cache(folder)  # whose photos it holds, nobody can tell


def _is_same(folder: Path, model: FamilyModel) -> bool:
    """Whether a version that is there is the one that was received."""
    try:
        other = load_version(folder, model.version)
    except ModelError:
        return False
    return (
        other.people == model.people
        and other.arrays.keys() == model.arrays.keys()
        and all(array.tobytes() == model.arrays[name].tobytes() for name, array in other.arrays.items())
    )
