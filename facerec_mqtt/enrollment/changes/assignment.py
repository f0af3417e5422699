"""Saying who visits were: their pictures go into that person's folder, and the history is changed.

A moved picture has the visit's id in its name, `20261123-180211-412_front_door_01JD….jpg`, so that it is
found again when somebody says that it was another person after all.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.records import Person, PersonKind
from facerec_mqtt.core.slugs import clean_name, slug
from facerec_mqtt.enrollment.album import photo_folder
from facerec_mqtt.enrollment.changes.photos import move_photo, set_marks
from facerec_mqtt.enrollment.owners import STRANGERS, everybody_in
from facerec_mqtt.history import History, VisitKind, VisitRecord
from facerec_mqtt.presence import picture_path

_OF_VISIT = re.compile(r".+_([0-9A-Za-z]{1,40})(-\d+)?\.jpg")
_IN_REVIEW = re.compile(r"(\d{4})-(\d{2})-(\d{2})/(\d{6}-\d{3}_\w+)_(family|visitor|stranger|doubtful)\.jpg")


@dataclass(frozen=True, slots=True)
class Whose:
    """Who visits were: exactly one of these, or nobody of interest."""

    person: str | None = None
    """Slug of somebody enrolled."""
    name: str | None = None
    """Of a member, who may be new."""
    visitor: str | None = None
    """Name of a known visitor, who may be new."""


class UnknownPersonError(EnrollmentError):
    """Nobody enrolled has this slug."""


def assign_visits(
    history: History,
    enrollment_dir: Path,
    review_dir: Path,
    visits: Sequence[VisitRecord],
    whose: Whose,
    *,
    use_anyway: bool = False,
) -> Person | None:
    """Say who some visits were. Wherever this is interrupted, the same again completes it.

    Args:
        history: open to be written.
        enrollment_dir: the enrollment folder.
        review_dir: of the pictures of visits.
        visits: as the history has them.
        whose: who it was.
        use_anyway: whether the next rebuild is to use their pictures although they look like somebody else.

    Returns:
        Who it was; `None` for nobody.

    Raises:
        UnknownPersonError: nobody enrolled has that slug.
        EnrollmentError: the name cannot be anybody's, or the folder cannot be written; nothing was changed.
        OSError: a picture cannot be moved; those before it are, and the history is as it was.
        sqlite3.Error: the history cannot be written.
    """
    with _alone(enrollment_dir):
        # Somebody else may have assigned them just now.
        visits = [now for visit in visits if (now := history.get(visit.visit_id)) is not None]
        return _assign(history, enrollment_dir, review_dir, visits, whose, use_anyway=use_anyway)


@contextlib.contextmanager
def _alone(enrollment_dir: Path) -> Iterator[None]:
    """Wait until no other process assigns visits, where the disk can lock."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            descriptor = os.open(enrollment_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            held.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def _assign(
    history: History,
    enrollment_dir: Path,
    review_dir: Path,
    visits: Sequence[VisitRecord],
    whose: Whose,
    *,
    use_anyway: bool,
) -> Person | None:
    folder, person = place_of(enrollment_dir, whose)
    pictures = pictures_of_visits(enrollment_dir, review_dir, visits)
    moved: list[str] = []
    for visit_id, paths in pictures.items():
        elsewhere = [path for path in paths if path.parent != folder]
        moved += [move_photo(path, folder, _name_of(path, visit_id)).name for path in elsewhere]
    if use_anyway and person is not None and moved:
        set_marks(folder, use=moved)
    kind = VisitKind.STRANGER if person is None else VisitKind(person.kind.value)
    key, name = (None, None) if person is None else (person.slug, person.name)
    history.assign([visit.visit_id for visit in visits], kind, key, name)
    return person


def pictures_of_visits(
    enrollment_dir: Path, review_dir: Path, visits: Iterable[VisitRecord]
) -> Mapping[str, tuple[Path, ...]]:
    """Where the pictures of visits are: in the review folder, and in the folder of who it was said to be.

    Args:
        enrollment_dir: the enrollment folder.
        review_dir: of the pictures of visits.
        visits: as the history has them.

    Returns:
        The files by the visit's id, the best first; those of which none is kept are missing.
    """
    folders: dict[str | None, list[Path]] = {None: [enrollment_dir / STRANGERS]}
    for folder, owner in everybody_in(enrollment_dir).items():
        folders.setdefault(owner.slug, []).append(folder)
    assigned: dict[str | None, dict[str, list[Path]]] = {}
    pictures: dict[str, tuple[Path, ...]] = {}
    for visit in visits:
        if visit.person not in assigned:
            assigned[visit.person] = _by_visit(folders.get(visit.person, ()))
        moved = [path for path in assigned[visit.person].get(visit.visit_id, ()) if _is_plain(path)]
        if found := (*pictures_for_review(review_dir, visit), *moved):
            pictures[visit.visit_id] = found
    return pictures


def pictures_for_review(review_dir: Path, visit: VisitRecord) -> tuple[Path, ...]:
    """The pictures of a visit that are in the review folder, the best first."""
    names = () if visit.picture is None else (visit.picture, *visit.more_pictures)
    paths = (picture_path(review_dir, name) for name in names)
    return tuple(path for path in paths if path is not None)


def place_of(enrollment_dir: Path, whose: Whose) -> tuple[Path, Person | None]:
    """The folder for the pictures, and whose it is.

    Raises:
        EnrollmentError: there is none and can be none.
    """
    enrolled = everybody_in(enrollment_dir)
    if whose.person is not None:
        for folder, owner in enrolled.items():
            if owner.slug == whose.person:
                return folder, owner
        raise UnknownPersonError(f'Nobody enrolled has the identifier "{whose.person}"; give a name.')
    given = whose.name if whose.visitor is None else whose.visitor
    if given is None:
        return enrollment_dir / STRANGERS, None
    kind = PersonKind.FAMILY if whose.visitor is None else PersonKind.VISITOR
    folder = photo_folder(enrollment_dir, given, kind)
    return folder, enrolled.get(folder) or Person(slug(given), clean_name(given), kind)


def _name_of(path: Path, visit_id: str) -> str:
    found = _IN_REVIEW.fullmatch(f"{path.parent.name}/{path.name}")
    if found is None:
        return path.name if _OF_VISIT.fullmatch(path.name) else f"{path.stem}_{visit_id}{path.suffix}"
    year, month, day, rest, _ = found.groups()
    return f"{year}{month}{day}-{rest}_{visit_id}.jpg"


def _by_visit(folders: Iterable[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in folders:
        with contextlib.suppress(OSError):
            for path in sorted(folder.iterdir()):
                if match := _OF_VISIT.fullmatch(path.name):
                    found.setdefault(match[1], []).append(path)
    return found


def _is_plain(path: Path) -> bool:
    """Whether it is a file itself, and its folder no link."""
    return path.is_file() and not path.is_symlink() and not path.parent.is_symlink()
