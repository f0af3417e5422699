"""Forget a person: photos, models, cache, review pictures, and what services have saved.

The order is such that nobody is ever recognised whose photos are gone, wherever it is interrupted:

    1  the photos are moved aside, whole, to where no rebuild looks: `.forgetting` in the enrollment folder,
       laid out as that is
    2  a model without the person takes the place of the one in use; where nobody else is enrolled, none does
    3  review pictures that resemble the person are deleted
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
import fcntl
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facerec_mqtt.core.errors import EnrollmentError, FacerecError, ModelError, PictureError
from facerec_mqtt.core.files import files_below
from facerec_mqtt.core.images import read_picture
from facerec_mqtt.core.records import Person, Vectors
from facerec_mqtt.enrollment.folder import ENDINGS
from facerec_mqtt.enrollment.owners import SET_ASIDE, folders_in, parents_in, set_aside_in
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
from facerec_mqtt.recognition import (
    ModelPaths,
    Recognizer,
    current_version,
    delete_all_models,
    delete_cache,
    delete_version,
    load_version,
    rebuilding,
    versions,
    writing,
)

RESEMBLES = 0.3
"""Cosine above which a review picture is taken for one of the person. Two people's pictures rarely have
more, one person's of different days rarely less; a stranger's picture too many is no loss."""
_MAX_PHOTOS = 60
"""Of the person, by which review pictures are judged."""


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
        with _deleting(places.review):
            _delete_review_pictures(places, traces, aside.folders, load_recognizer)
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


def _delete_review_pictures(
    places: Places, traces: Traces, aside: Iterable[Path], load_recognizer: Callable[[], Recognizer]
) -> None:
    seen: set[Path] = set()
    judge: tuple[Vectors, Recognizer] | None = None
    # The service may write one while this looks at the others.
    while pictures := {path for path in places.review.glob("*/*") if path.suffix in ENDINGS} - seen:
        seen |= pictures
        if judge is None:
            recognizer = load_recognizer()
            judge = _embeddings(places, traces, aside, recognizer), recognizer
        for path in sorted(pictures):
            if _may_show(path, *judge):
                path.unlink(missing_ok=True)
                remove_if_empty(path.parent)


def _embeddings(places: Places, traces: Traces, aside: Iterable[Path], recognizer: Recognizer) -> Vectors:
    """(N, D) unit embeddings of the person, from photos and from what models know."""
    found = []
    photos = sorted(path for folder in aside for path in files_below(folder))
    for path in photos[:: max(1, len(photos) // _MAX_PHOTOS)]:
        with contextlib.suppress(PictureError):
            faces = [each.face for each in recognizer.recognise(read_picture(path), min_face_px=0.0)]
            if faces:
                found.append(recognizer.embed(max(faces, key=lambda face: face.width_px)))
    for version in traces.versions:
        # One that cannot be read, or only mentions the person, as in the name of somebody else's photo.
        with contextlib.suppress(ModelError, KeyError, IndexError, ValueError):
            model = load_version(places.models, version)
            row = [person.slug for person in model.people].index(traces.person.slug)
            found.append(model.arrays["templates"][row])
    return np.stack(found) if found else np.zeros((0, 1), np.float32)


def _may_show(path: Path, known: Vectors, recognizer: Recognizer) -> bool:
    """Whether a picture may show somebody; one in which no face is found may."""
    if not len(known):
        return False
    try:
        faces = [each.face for each in recognizer.recognise(read_picture(path), min_face_px=0.0)]
    except PictureError:
        return True
    return not faces or any(float((known @ recognizer.embed(face)).max()) >= RESEMBLES for face in faces)


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


@dataclass(frozen=True, slots=True)
class _Move:
    home: Path
    """Where the folder belongs."""
    aside: Path
    earlier: bool
    """Whether an earlier command has moved it aside."""


class SetAside:
    """Folders of one person, to be deleted: moved whole to where no rebuild looks, and back if need be.

    Args:
        enrollment_dir: the enrollment folder.
        person: whose they are.
        folders: in the enrollment folder; some may be moved aside already.
    """

    def __init__(self, enrollment_dir: Path, person: Person, folders: Iterable[Path]) -> None:
        self.folder = enrollment_dir / SET_ASIDE
        self._enrollment_dir = enrollment_dir
        self._person = person
        self._to_move = tuple(folders)
        self._moves: list[_Move] = []

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where they are now."""
        return tuple(move.aside for move in self._moves)

    def move(self) -> None:
        """Move them aside.

        Raises:
            OSError: one cannot be moved; those before it are.
        """
        for folder in self._to_move:
            if folder.is_relative_to(self.folder):
                home = self._enrollment_dir / folder.relative_to(self.folder)
                self._moves.append(_Move(home, folder, earlier=True))
                continue
            target = self.folder / folder.relative_to(self._enrollment_dir)
            while target.exists():
                target = target.with_name(f"{target.name}_")  # makes the same slug
            # Noted first, so that it is put back wherever this is interrupted.
            self._moves.append(_Move(folder, target, earlier=False))
            for parent in reversed(target.parents):
                if parent.is_relative_to(self.folder):
                    parent.mkdir(mode=0o700, exist_ok=True)
            folder.rename(target)

    def put_back(self) -> tuple[Path, ...]:
        """Move them back to where they belong.

        Returns:
            Those that stay: moved aside by an earlier command, with newer pictures in their place.

        Raises:
            OSError: one cannot be moved.
        """
        stay = []
        for move in self._moves:
            there = {owner.slug for owner in folders_in(move.home.parent).values()}
            if move.earlier and self._person.slug in there:
                stay.append(move.aside)
            elif move.aside.exists():
                move.home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                move.aside.rename(move.home)
        self._tidy()
        return tuple(stay)

    def delete(self) -> None:
        """Delete them; of a link, what is behind it stays.

        Raises:
            OSError: something cannot be deleted.
        """
        for folder in self.folders:
            if folder.is_symlink():
                folder.unlink()
            else:
                shutil.rmtree(folder)
        self._tidy()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Lock them, so that no report takes them for left behind; not every share can do that.

        The system releases the lock when its holder ends, however it ends.
        """
        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError):
                descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                held.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield

    def _tidy(self) -> None:
        for folder in reversed(set_aside_in(self._enrollment_dir)):
            remove_if_empty(folder)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that is empty, if that is allowed: that it stays is no loss."""
    with contextlib.suppress(OSError):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
