"""Forget a person: photos, models, cache, review pictures, and what services have saved.

The order is such that nobody is ever recognised whose photos are gone, wherever it is interrupted:

    1  the photos are moved aside, whole, to where no rebuild looks: `.forgetting` in the enrollment folder,
       laid out as that is
    2  a model without the person takes the place of the one in use; where nobody else is enrolled, none does
    3  review pictures that resemble the person are deleted, and visits without a name that do
    4  all versions of the model that name the person are deleted, and the cache, unless it was just renewed
    5  the photos and the test pictures are deleted
    6  the person is removed from the broker (`mqtt.removal`), and from what services have saved
    7  the person's visits are deleted (`history.removal`)

Nothing of it is done by what was found before the question was asked: all that may change in the meantime is
looked for again, and while 1 to 5 are done no rebuild can run. Whatever goes wrong in the first two steps,
the photos are put back. After them, and where even that was prevented, the same command goes on where an
earlier one was interrupted, and reports of the enrollment folder mention it.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from facerec_mqtt.core.errors import EnrollmentError, FacerecError
from facerec_mqtt.core.records import Person
from facerec_mqtt.enrollment.folder import ENDINGS
from facerec_mqtt.enrollment.forget.likeness import Likeness
from facerec_mqtt.enrollment.forget.set_aside import SetAside, remove_if_empty
from facerec_mqtt.enrollment.owners import parents_in
from facerec_mqtt.enrollment.traces import (
    Kind,
    Places,
    Remainder,
    Traces,
    delete_unfinished_restore,
    find_remainders,
    find_traces,
    require_nothing_left,
)
from facerec_mqtt.history import HistoryError, forget_strangers, knows_strangers
from facerec_mqtt.recognition import (
    ModelPaths,
    Recognizer,
    current_version,
    delete_all_models,
    delete_cache,
    delete_version,
    rebuilding,
    versions,
    writing,
)


def forget(
    places: Places,
    name: str,
    rebuild: Callable[[Collection[str]], object],
    load_recognizer: Callable[[], Recognizer],
) -> Person:
    """Remove all traces on this machine except what services have saved: steps 1 to 5.

    Args:
        places: where they are.
        name: the person's, or their slug.
        rebuild: makes a model of the enrollment folder and switches to it, be it better or not; it is given
            the slugs of those that the model must know, and finds the model folder locked for it.
        load_recognizer: opens what finds and embeds the faces of review pictures.

    Returns:
        Who was removed.

    Raises:
        FacerecError: a rebuild is running, or no model can be made without the person, and nothing was
            removed; or something cannot be deleted or was left, and the command is to be repeated.
    """
    with rebuilding(places.models):
        with _deleting(places.enrollment):
            delete_unfinished_restore(places.enrollment)
        traces = find_traces(places, name)
        cache_before = _signature(ModelPaths(places.models).photo_cache)
        aside = SetAside(places.enrollment, traces.person, traces.folders)
        _replace_model(places, traces, aside, rebuild)
        likeness = Likeness(places, traces, aside.folders, load_recognizer)
        with _deleting(places.review):
            _delete_review_pictures(places.review, likeness)
        _delete_strangers(places.models, likeness, traces.person)
        with writing(places.models):
            _delete_models(places.models, traces)
        with _deleting(places.enrollment):
            aside.delete()
        for parent in reversed(parents_in(places.enrollment)[1:]):
            remove_if_empty(parent)
        left = find_remainders(places, traces.person)
        cache = ModelPaths(places.models).photo_cache
        if cache_before is not None and _signature(cache) == cache_before:
            left = (*left, Remainder(Kind.CACHE, cache))
        require_nothing_left(traces.person, left)
    return traces.person


def _replace_model(
    places: Places, traces: Traces, aside: "SetAside", rebuild: Callable[[Collection[str]], object]
) -> None:
    """Move the photos aside and make a model without them; where that fails, put them back."""
    try:
        with _deleting(places.enrollment):
            aside.move()
        if traces.in_use and traces.others:
            with aside.held():
                _make_model_without(traces, rebuild)
    except BaseException as error:
        stay = _put_back(aside, traces.person)
        if stay and isinstance(error, FacerecError):
            where = ", ".join(f'"{folder}"' for folder in stay)
            raise EnrollmentError(
                f"{error} Photos that an earlier command moved aside stay in {where}; move them back, or give"
                " the same command again."
            ) from error
        raise


def _put_back(aside: "SetAside", person: Person) -> tuple[Path, ...]:
    """Put the photos back; which stay where an earlier command has moved them.

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


def _make_model_without(traces: Traces, rebuild: Callable[[Collection[str]], object]) -> None:
    name = traces.person.name
    try:
        rebuild(traces.must_stay)
    except FacerecError as error:
        raise EnrollmentError(
            f"{name} is not forgotten and nothing was removed, since no model can be made without"
            f" {name}: {error}"
        ) from error


def _delete_review_pictures(review: Path, likeness: Likeness) -> None:
    seen: set[Path] = set()
    # The service may write one while this looks at the others.
    while pictures := {path for path in review.glob("*/*") if path.suffix in ENDINGS} - seen:
        seen |= pictures
        for path in sorted(pictures):
            if likeness.may_be_in(path):
                path.unlink(missing_ok=True)
                remove_if_empty(path.parent)


def _delete_strangers(models: Path, likeness: Likeness, person: Person) -> None:
    """Delete the visits without a name that probably are the person's.

    Raises:
        EnrollmentError: they cannot be deleted.
    """
    try:
        if knows_strangers(models):
            forget_strangers(models, likeness.looks)
    except HistoryError as error:
        raise EnrollmentError(
            f"{person.name} is not forgotten yet: {str(error).rstrip('.')}; then give the same command again."
        ) from error


def _delete_models(models: Path, traces: Traces) -> None:
    """Delete the versions that name the person; where there is nobody else, all of them."""
    if not traces.others:
        delete_all_models(models)
        return
    doomed = set(traces.versions) & set(versions(models)) - {current_version(models)}
    for version in sorted(doomed):
        delete_version(models, version)
    if not traces.in_use:
        delete_cache(models)


def _signature(path: Path) -> tuple[int, int] | None:
    """What distinguishes a file from its replacement; `None` where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


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
