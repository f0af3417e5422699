"""Forget a person: photos, models, cache, review pictures, and the service's memory.

The order is such that nobody is ever recognised whose photos are gone, wherever it is interrupted:

    1  the photos are set aside, whole, where no rebuild looks: `.forgetting` in the enrollment folder, laid
       out as that is
    2  a model without the person takes the place of the one in use; where nobody else is enrolled, none does
    3  review pictures that resemble the person are deleted
    4  all versions of the model that name the person are deleted, and the cache, unless it was just renewed
    5  the photos and the test pictures are deleted
    6  the broker is told (`farewell`), and the service's memory loses the person

Whatever goes wrong in the first two steps, the photos are put back. After them, and where even that was
prevented, the same command goes on where an earlier one was interrupted, and the roster tells of it.
"""

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facerec_mqtt.core.errors import EnrollmentError, FacerecError, ModelError, PictureError
from facerec_mqtt.core.files import files_below
from facerec_mqtt.core.images import read_picture
from facerec_mqtt.core.records import Person, Vectors
from facerec_mqtt.core.slugs import SlugError, slug
from facerec_mqtt.enrollment.folder import ENDINGS, TEST, folders_in, is_of_somebody, parents_in
from facerec_mqtt.enrollment.set_aside import SetAside, remove_if_empty
from facerec_mqtt.presence.state_file import state_files
from facerec_mqtt.recognition.model_store import current_version, load_version, rebuilding, versions, writing
from facerec_mqtt.recognition.recognizer import Recognizer

RESEMBLES = 0.3
"""Cosine above which a review picture is taken for one of the person. Two people's pictures rarely have
more, one person's of different days rarely less; a stranger's picture too many is no loss."""
_MOST_PHOTOS = 60


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
    """Of photos and of test pictures, also those that an interrupted command has set aside."""
    versions: tuple[str, ...]
    """Of the model, that name the person or cannot be read."""
    in_use: bool
    """Whether one of these is in use."""
    others: tuple[str, ...]
    """Names of all others who are enrolled; where only the model in use knows any, of those."""
    must_stay: frozenset[str]
    """Slugs of the others whom the model in use knows: the one without the person is to know them, too."""


def find_traces(places: Places, name: str) -> Traces:
    """Look for a person.

    Args:
        places: where to look.
        name: the person's, or their slug.

    Raises:
        EnrollmentError: nobody is called that, the photos cannot be seen, or there are none of somebody else
            whom the model in use knows.
        ModelError: the model folder cannot be read.
    """
    for parent in parents_in(places.enrollment):
        _look_into(parent, may_lack=parent != places.enrollment)
    known = {person.slug: person for person in _everybody(places)}
    try:
        person = known[slug(name)]
    except (SlugError, KeyError):
        there = ", ".join(sorted(person.name for person in known.values())) or "nobody"
        raise EnrollmentError(f'There is no trace of anybody called "{name}"; known are: {there}.') from None
    named = tuple(each for each in versions(places.models) if _names(places.models, each, person))
    current = current_version(places.models)
    enrolled = {each.slug: each.name for each in folders_in(places.enrollment).values()}
    members = [] if current is None else _members(places.models, current)
    # A model that cannot be read may know anybody of whom there is a trace.
    may_be_known = [] if current is None else members or known.values()
    in_model = {each.slug: each.name for each in may_be_known if each.slug != person.slug}
    missing = tuple(other for key, other in in_model.items() if key not in enrolled)
    if missing and current in named:
        raise _photos_missing(places, person, missing, sure=bool(members), any_there=bool(enrolled))
    others = tuple(other for key, other in enrolled.items() if key != person.slug)
    return Traces(
        person=person,
        folders=tuple(
            folder
            for parent in parents_in(places.enrollment)
            for folder, owner in folders_in(parent).items()
            if owner.slug == person.slug
        ),
        versions=named,
        in_use=current in named,
        others=others or tuple(in_model.values()),
        must_stay=frozenset(in_model),
    )


def forget(
    places: Places, traces: Traces, rebuild: Callable[[], object], load_recognizer: Callable[[], Recognizer]
) -> None:
    """Remove all traces on this machine but the service's memory: steps 1 to 5.

    Args:
        places: where they are.
        traces: what `find_traces` has found.
        rebuild: makes a model of the enrollment folder and switches to it, be it better or not.
        load_recognizer: opens what finds and embeds the faces of review pictures.

    Raises:
        FacerecError: no model can be made without the person, and nothing was removed; or something cannot
            be deleted, and the command is to be repeated.
    """
    aside = SetAside(places.enrollment, traces.person, traces.folders)
    try:
        with _deleting(places.enrollment):
            aside.move()
        if traces.in_use and traces.others:
            with aside.held():
                _make_model_without(traces.person, rebuild)
    except BaseException as error:
        stay = _put_back(aside, traces.person)
        if stay and isinstance(error, FacerecError):
            where = ", ".join(f'"{folder}"' for folder in stay)
            raise EnrollmentError(
                f"{error} What an earlier command has set aside stays in {where}; move it back, or give the"
                " same command again."
            ) from error
        raise
    with _deleting(places.review):
        _delete_review_pictures(places, traces, aside.folders, load_recognizer)
    with rebuilding(places.models), writing(places.models):
        _delete_models(places.models, traces)
    with _deleting(places.enrollment):
        aside.delete()
    remove_if_empty(places.enrollment / TEST)


def remove_from_state(models: Path, person: Person, *, told: bool = True) -> bool:
    """Take a person out of what services know after a restart; the last step.

    Args:
        models: the folder that the memory is in.
        person: whom.
        told: whether the broker knows already; else the service keeps what it takes them off the broker by.

    Returns:
        Whether a service has kept anything.
    """
    kept = False
    for memory in state_files(models):
        before = memory.recall()
        without = before.without(person.slug)
        after = without
        if not told:
            after = replace(after, announced=before.announced)
            # Without a model, a service takes whoever is in its memory for enrolled.
            if current_version(models) is not None:
                after = replace(after, people=before.people)
        memory.keep(after)
        kept |= after != without
    return kept


def mentions(text: str, person: Person) -> bool:
    """Tell whether a text names somebody, by name or slug, as words of their own."""
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) for word in (person.name, person.slug))


def _everybody(places: Places) -> Iterator[Person]:
    """Everybody of whom there is a trace; the folders last, since they tell how a name is spelt now."""
    for memory in state_files(places.models):
        yield from memory.recall().people
    for version in versions(places.models):
        yield from _members(places.models, version)
    for parent in reversed(parents_in(places.enrollment)):
        yield from folders_in(parent).values()


def _members(models: Path, version: str) -> list[Person]:
    """Whom a version knows; one that cannot be read names nobody whom one could choose."""
    try:
        manifest = json.loads((models / "versions" / version / "manifest.json").read_bytes())
        return [Person(str(each["slug"]), str(each["name"])) for each in manifest["people"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _photos_missing(
    places: Places, person: Person, others: Iterable[str], *, sure: bool, any_there: bool
) -> EnrollmentError:
    """Say that forgetting one would lose others.

    Args:
        places: where their photos should be.
        person: who is to be forgotten.
        others: whom the model in use knows, too.
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
        f" that folder, name the right one with --enrollment, or, if {names} shall go as well, {leave_out}."
    )


def _look_into(folder: Path, *, may_lack: bool) -> None:
    """Check that it can be seen who has a folder in it, lest somebody be taken for gone.

    Raises:
        EnrollmentError: it cannot be.
    """
    try:
        if not may_lack or folder.is_dir():
            for path in folder.iterdir():
                # Even where it is of no account, it must be possible to tell that it is there.
                is_folder = path.is_dir()
                if is_folder and is_of_somebody(path):
                    next(path.iterdir(), None)
    except OSError as error:
        raise EnrollmentError(
            f'Nothing was removed, since "{error.filename}" cannot be read ({error.strerror}), and nobody can'
            " tell whose photos there are; mount it, correct its permissions, name the right enrollment"
            " folder with --enrollment, or make an empty one if no photos are left."
        ) from error


def _names(models: Path, version: str, person: Person) -> bool:
    """Whether any text of a version names somebody; one that cannot be read is better gone, too."""
    try:
        texts = [
            path.read_text(encoding="utf-8")
            for path in (models / "versions" / version).iterdir()
            if path.suffix != ".npz"
        ]
    except (OSError, ValueError):
        return True
    return not texts or any(mentions(text, person) for text in texts)


def _put_back(aside: SetAside, person: Person) -> tuple[Path, ...]:
    """Put the photos back; which stay where an earlier command has set them aside.

    Raises:
        EnrollmentError: they cannot be moved.
    """
    try:
        return aside.put_back()
    except OSError as error:
        raise EnrollmentError(
            f"{person.name} is not forgotten and nothing was removed, but photos lie in"
            f' "{aside.folder}" and cannot be put back ({error.strerror}); move them back, or give the same'
            " command again."
        ) from error


def _make_model_without(person: Person, rebuild: Callable[[], object]) -> None:
    try:
        rebuild()
    except FacerecError as error:
        raise EnrollmentError(
            f"{person.name} is not forgotten and nothing was removed, since no model can be made without"
            f" {person.name}: {error}"
        ) from error


def _delete_review_pictures(
    places: Places, traces: Traces, aside: Iterable[Path], load_recognizer: Callable[[], Recognizer]
) -> None:
    pictures = [path for path in places.review.glob("*/*") if path.suffix in ENDINGS]
    if not pictures:
        return
    recognizer = load_recognizer()
    looks = _looks(places, traces, aside, recognizer)
    for path in pictures:
        if _may_show(path, looks, recognizer):
            path.unlink(missing_ok=True)
            remove_if_empty(path.parent)


def _looks(places: Places, traces: Traces, aside: Iterable[Path], recognizer: Recognizer) -> Vectors:
    """(N, D) unit embeddings of the person, from photos and from what models know."""
    found = []
    photos = sorted(path for folder in aside for path in files_below(folder))
    for path in photos[:: max(1, len(photos) // _MOST_PHOTOS)]:
        with contextlib.suppress(PictureError):
            faces = [each.face for each in recognizer.recognise(read_picture(path), min_face_px=0.0)]
            if faces:
                found.append(recognizer.embed(max(faces, key=lambda face: face.width_px)))
    for version in traces.versions:
        with contextlib.suppress(ModelError, KeyError, IndexError):
            model = load_version(places.models, version)
            row = [person.slug for person in model.people].index(traces.person.slug)
            found.append(model.arrays["templates"][row])
    return np.stack(found) if found else np.zeros((0, 1), np.float32)


def _may_show(path: Path, looks: Vectors, recognizer: Recognizer) -> bool:
    """Whether a picture may show somebody; one in which no face is found may."""
    if not len(looks):
        return False
    try:
        faces = [each.face for each in recognizer.recognise(read_picture(path), min_face_px=0.0)]
    except PictureError:
        return True
    return not faces or any(float((looks @ recognizer.embed(face)).max()) >= RESEMBLES for face in faces)


def _delete_models(models: Path, traces: Traces) -> None:
    """Delete the versions that name the person; where there is nobody else, all of them."""
    doomed = traces.versions
    if not traces.others:
        # First, so that no version is missed by a service that is just looking for it.
        (models / "current").unlink(missing_ok=True)
        doomed = versions(models)
    current = current_version(models)
    for version in doomed:
        if version != current and (models / "versions" / version).is_dir():
            shutil.rmtree(models / "versions" / version)
    if not (traces.in_use and traces.others) and (models / "cache").is_dir():
        shutil.rmtree(models / "cache")


@contextlib.contextmanager
def _deleting(folder: Path) -> Iterator[None]:
    """Turn whatever prevents deleting into one sentence.

    Raises:
        EnrollmentError: a folder is read-only, and so on.
    """
    try:
        yield
    except OSError as error:
        raise EnrollmentError(
            f'"{folder}" cannot be changed ({error.strerror}); make it writable for this user, and give the'
            " same command again."
        ) from error
