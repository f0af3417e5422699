"""What there is of a person on this machine: looked for before forgetting, and again after."""

import contextlib
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.files import UNFINISHED_PREFIX
from facerec_mqtt.core.records import Person
from facerec_mqtt.core.slugs import SlugError, slug
from facerec_mqtt.enrollment.owners import everybody_in, folders_in, is_of_somebody, parents_in
from facerec_mqtt.history import FILE as HISTORY
from facerec_mqtt.history import HistoryError, has_visits, people_with_visits
from facerec_mqtt.presence import state_files
from facerec_mqtt.recognition import ModelPaths, current_version, members, texts, versions

RESTORE_STAGE = f"{UNFINISHED_PREFIX}restore"
"""Where a restore prepares what it will put in place."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where people leave traces on this machine."""

    enrollment: Path
    models: Path
    review: Path


@dataclass(frozen=True, slots=True)
class Traces:
    """What there is of one person."""

    person: Person
    folders: tuple[Path, ...]
    """Of photos and of test pictures, also those that an interrupted command has moved aside."""
    versions: tuple[str, ...]
    """Of the model, that name the person or cannot be read."""
    in_use: bool
    """Whether one of these is in use."""
    others: tuple[str, ...]
    """Names of all others who are enrolled; where only the model in use knows any, of those."""
    must_stay: frozenset[str]
    """Slugs of the others that the model in use knows: the one without the person is to know them, too."""


def find_traces(places: Places, name: str) -> Traces:
    """Look for a person; to be repeated under the rebuild lock.

    Args:
        places: where to look.
        name: the person's, or their slug.

    Raises:
        EnrollmentError: nobody is called that, the photos cannot be seen, or there are none of somebody else
            that the model in use knows.
        ModelError: the model folder cannot be read.
    """
    for parent in parents_in(places.enrollment):
        _look_into(parent, may_lack=parent != places.enrollment)
    known = {person.slug: person for person in _everybody(places)}
    try:
        called = {slug(person.name): person for person in known.values()}
        person = called.get(slug(name)) or known[slug(name)]
    except (SlugError, KeyError):
        there = ", ".join(sorted(person.name for person in known.values())) or "nobody"
        raise EnrollmentError(f'There is no trace of anybody called "{name}"; known are: {there}.') from None
    named = tuple(each for each in versions(places.models) if _version_names(places.models, each, person))
    current = current_version(places.models)
    enrolled = {each.slug: each.name for each in everybody_in(places.enrollment).values()}
    in_use = () if current is None else members(places.models, current)
    # A model that cannot be read may know anybody who has left a trace.
    may_be_known = known.values() if in_use is None else in_use
    in_model = {each.slug: each.name for each in may_be_known if each.slug != person.slug}
    missing = tuple(other for key, other in in_model.items() if key not in enrolled)
    if missing and current in named:
        raise _photos_missing(places, person, missing, sure=in_use is not None, any_there=bool(enrolled))
    others = tuple(other for key, other in enrolled.items() if key != person.slug)
    return Traces(
        person=person,
        folders=tuple(_folders_of(places.enrollment, person)),
        versions=named,
        in_use=current in named,
        others=others or tuple(in_model.values()),
        must_stay=frozenset(in_model),
    )


class Kind(Enum):
    """What may be left of a person."""

    PHOTOS = "photos"
    VERSION = "a version of the model"
    MODEL_IN_USE = "the model in use"
    CACHE = "what each photo gave"
    UNFINISHED = "what a rebuild left half done"
    STATE = "the state of a service"
    VISITS = "visits"


@dataclass(frozen=True, slots=True)
class Remainder:
    """Something that is left of a person, where nothing should be."""

    kind: Kind
    path: Path


def find_remainders(places: Places, person: Person) -> tuple[Remainder, ...]:
    """Look for what is left on the disk of somebody who was forgotten, but for what services have saved.

    Raises:
        ModelError: the model folder cannot be read.
    """
    left = [Remainder(Kind.PHOTOS, folder) for folder in _folders_of(places.enrollment, person)]
    paths, current = ModelPaths(places.models), current_version(places.models)
    for version in versions(places.models):
        # The one in use may name a file of somebody else that is called after the person.
        if version == current:
            known = members(places.models, version)
            if known is None or person.slug in {member.slug for member in known}:
                left.append(Remainder(Kind.MODEL_IN_USE, paths.version(version)))
        elif _version_names(places.models, version, person):
            left.append(Remainder(Kind.VERSION, paths.version(version)))
    left += [Remainder(Kind.UNFINISHED, path) for path in paths.versions.glob(f"{UNFINISHED_PREFIX}*")]
    return tuple(left)


def find_remainders_in_state(places: Places, person: Person) -> tuple[Remainder, ...]:
    """Look for what services still have saved of somebody."""
    return tuple(
        Remainder(Kind.STATE, file.path) for file in state_files(places.models) if file.state.names(person)
    )


def find_remaining_visits(places: Places, person: Person) -> tuple[Remainder, ...]:
    """Look for what the history still has of somebody.

    Raises:
        HistoryError: it cannot be read.
    """
    there = has_visits(places.models, person)
    return (Remainder(Kind.VISITS, places.models / HISTORY),) if there else ()


def require_nothing_left(person: Person, left: Sequence[Remainder]) -> None:
    """Check that somebody is forgotten.

    Raises:
        EnrollmentError: something is left.
    """
    if left:
        what = " and ".join(f'{each.kind.value} in "{each.path}"' for each in left)
        raise EnrollmentError(
            f"{person.name} is not forgotten: {what} came back or could not be removed; give the same command"
            " again."
        )


def delete_unfinished_restore(enrollment_dir: Path) -> None:
    """Delete what a restore has left that was killed before it changed anything; none may be running.

    Raises:
        OSError: it cannot be deleted.
    """
    stage = enrollment_dir / RESTORE_STAGE
    if stage.is_dir():
        shutil.rmtree(stage)


def mentions(text: str, person: Person) -> bool:
    """Whether a text names somebody, by name or slug, as words of their own."""
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) for word in (person.name, person.slug))


def _everybody(places: Places) -> Iterator[Person]:
    """Everybody who has left a trace; the folders last, since they have the present spelling."""
    with contextlib.suppress(HistoryError):
        yield from people_with_visits(places.models)
    for file in state_files(places.models):
        yield from file.state.people
    for version in versions(places.models):
        yield from members(places.models, version) or ()
    for parent in reversed(parents_in(places.enrollment)):
        yield from folders_in(parent).values()


def _photos_missing(
    places: Places, person: Person, others: Iterable[str], *, sure: bool, any_there: bool
) -> EnrollmentError:
    """Make the error that forgetting one would lose others.

    Args:
        places: where their photos should be.
        person: who is to be forgotten.
        others: who the model in use knows, too.
        sure: whether it does; one that cannot be read may.
        any_there: whether there are photos of anybody, so that a rebuild can leave the others out.
    """
    names = ", ".join(others)
    knows = "also knows" if sure else "cannot be read and may also know"
    leave_out = (
        "run facerec-mqtt rebuild first, which leaves out whoever has no folder"
        if any_there
        else f'stop the service and delete the folder "{places.models}"'
    )
    return EnrollmentError(
        f"{person.name} is not forgotten and nothing was removed: the model in use {knows} {names}, whose"
        f' photos are not in "{places.enrollment}", so that one without {person.name} would lose them; mount'
        f" that folder, name the right one with --enrollment, or, to remove {names} too, {leave_out}."
    )


def _look_into(folder: Path, *, may_lack: bool) -> None:
    """Check that a folder can be listed, so that nobody in it is taken for gone.

    Raises:
        EnrollmentError: it cannot be.
    """
    try:
        if not may_lack or folder.is_dir():
            for path in folder.iterdir():
                # Also of a folder that is ignored, it must be possible to tell that it is there.
                is_folder = path.is_dir()
                if is_folder and is_of_somebody(path):
                    next(path.iterdir(), None)
    except OSError as error:
        raise EnrollmentError(
            f'Nothing was removed, since "{error.filename}" cannot be read ({error.strerror}), and nobody can'
            " tell whose photos there are; mount it, correct its permissions, name the right enrollment"
            " folder with --enrollment, or make an empty one if no photos are left."
        ) from error


def _version_names(models: Path, version: str, person: Person) -> bool:
    """Whether any text of a version names somebody; one that cannot be read is better deleted, too."""
    found = texts(models, version)
    return not found or any(mentions(text, person) for text in found)


def _folders_of(enrollment: Path, person: Person) -> Iterator[Path]:
    """Folders of photos and of test pictures, also those that an interrupted command has moved aside."""
    for parent in parents_in(enrollment):
        yield from (folder for folder, owner in folders_in(parent).items() if owner.slug == person.slug)
