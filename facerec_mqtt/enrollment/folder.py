"""The enrollment folder: whose pictures lie where. Nothing in it is ever changed.

enrollment/
    Anna/               pictures of Anna
    José Núñez/         pictures of José Núñez
    _strangers/         pictures of people who are not family; may be missing
    _test/              pictures to test a model with, laid out like the folder itself; may be missing
    .forgetting/        what `forget` has set aside, laid out likewise; there only while it is at work
"""

import contextlib
import fcntl
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.records import Person
from facerec_mqtt.core.slugs import SlugError, slug


def parents_in(enrollment_dir: Path) -> tuple[Path, ...]:
    """Where people's folders may be: of photos, of test pictures, and of either set aside."""
    aside = enrollment_dir / SET_ASIDE
    return enrollment_dir, aside, enrollment_dir / TEST, aside / TEST


def folders_in(parent: Path) -> dict[Path, Person]:
    """The folders that are people's, in the order of their names; none where no folder can be listed."""
    try:
        # Unlike Path.is_dir, this takes a link to a share that has dropped for what is not there.
        folders = sorted(path for path in parent.iterdir() if os.path.isdir(path))  # noqa: PTH112
    except OSError:
        return {}
    owners: dict[Path, Person] = {}
    for folder in folders:
        if is_of_somebody(folder):
            name = _composed(folder.name)
            # A folder whose name makes no slug is nobody's, as the rebuild will say.
            with contextlib.suppress(SlugError):
                owners[folder] = Person(slug(name), name)
    return owners


def folder_of(parent: Path, name: str) -> Path:
    """The folder of that name, also where the disk spells its accents in another way."""
    return next((path for path, owner in folders_in(parent).items() if owner.name == name), parent / name)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "replace"))


STRANGERS = "_strangers"
TEST = "_test"
SET_ASIDE = ".forgetting"
ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
_UNSUPPORTED = {
    ".heic": "HEIC",
    ".heif": "HEIF",
    ".avif": "AVIF",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".tiff": "TIFF",
}
# What desktops and storage boxes leave in any folder.
_CLUTTER = {"@eadir", "lost+found", "#recycle", "thumbs.db", "desktop.ini"}
_HIDDEN_CLUTTER = (".trash", ".recycle", ".thumb", ".@", ".st", ".sync", ".git")


@dataclass(frozen=True, slots=True)
class Photo:
    """A file that may be a picture of somebody."""

    path: Path
    file: str
    """`Anna/001.jpg`: as the report names it."""
    person: str | None
    """The person's slug; `None` for a stranger."""


@dataclass(frozen=True, slots=True)
class EnrollmentFolder:
    """Who is to be enrolled with what."""

    people: tuple[Person, ...]
    """By slug."""
    photos: tuple[Photo, ...]
    set_aside: tuple[tuple[str, str], ...]
    """Files that are not looked into, with the reason."""
    notes: tuple[str, ...]
    """Folders that are not used, each in a sentence."""


def read_enrollment_folder(
    enrollment_dir: Path, *, called: str = "enrollment folder", strangers_suffice: bool = False
) -> EnrollmentFolder:
    """List the people and their pictures.

    Args:
        enrollment_dir: of a folder for each person.
        called: what it is in sentences about it.
        strangers_suffice: whether it may hold strangers alone.

    Raises:
        EnrollmentError: the folder is missing, unreadable or holds nobody, a name makes no identifier,
            or two names make the same.
    """
    try:
        entries = _listed(enrollment_dir)
        hidden = sorted(_hidden_people(enrollment_dir))
        root = enrollment_dir.resolve(strict=True)
    except OSError as error:
        mend = "check its permissions, or make it" if isinstance(error, PermissionError) else "make it"
        raise EnrollmentError(
            f'The {called} "{enrollment_dir}" cannot be read ({error.strerror}); {mend}, with a'
            f" folder of photos for each person, as {enrollment_dir / 'Anna'}."
        ) from error
    people: dict[str, Person] = {}
    photos: list[Photo] = []
    set_aside: list[tuple[str, str]] = []
    notes = [
        f'The folder "{_name(folder)}" is not used, since its name begins with a dot; rename it.'
        for folder in hidden
    ]
    if _forgetting_was_interrupted(enrollment_dir):
        notes.append(
            f'The folder "{SET_ASIDE}" is not used: it holds photos of somebody whom an interrupted'
            " facerec-mqtt forget was to remove; give that command again, or move them back."
        )
    for folder in entries:
        name = _name(folder)
        strangers = name == STRANGERS
        if not _is_folder(folder):
            set_aside.append((name, "It lies outside of any person's folder; move it into one."))
            continue
        if name == TEST:
            continue  # never learnt from, so that a model can be tested with it
        if name.startswith("_") and not strangers:
            notes.append(f'The folder "{name}" is not used, since its name begins with an underscore.')
            continue
        if not folder.resolve().is_relative_to(root):
            notes.append(f'The folder "{name}" is not used, since it is a link out of the enrollment folder.')
            continue
        person = None
        if not strangers:
            person = Person(_slug(name), name)
            if person.slug in people:
                raise EnrollmentError(
                    f'The folders "{people[person.slug].name}" and "{name}" would both be called'
                    f" {person.slug!r}; rename one of them."
                )
            people[person.slug] = person
        try:
            files = _listed(folder)
        except OSError as error:
            notes.append(f'The folder "{name}" cannot be read ({error.strerror}); check its permissions.')
            continue
        for path in files:
            file = f"{name}/{_name(path)}"
            reason = _why_not(path, root)
            if reason is None:
                photos.append(Photo(path, file, None if person is None else person.slug))
            else:
                set_aside.append((file, reason))
    if not people and not (strangers_suffice and photos):
        raise EnrollmentError(
            f'The {called} "{enrollment_dir}" holds nobody; make a folder of photos for each person,'
            f" as {enrollment_dir / 'Anna'}.{''.join(f' {note}' for note in notes)}"
        )
    return EnrollmentFolder(
        people=tuple(people[key] for key in sorted(people)),
        photos=tuple(photos),
        set_aside=tuple(set_aside),
        notes=tuple(notes),
    )


def is_of_somebody(folder: Path) -> bool:
    """Whether a folder is a person's by its name."""
    return _is_meant(folder) and not folder.name.startswith("_")


def _is_meant(path: Path) -> bool:
    """Whether somebody has put it there to be seen, by its name."""
    return not path.name.startswith(".") and path.name.lower() not in _CLUTTER


def _listed(folder: Path) -> list[Path]:
    """What is to be seen in a folder, in order.

    Raises:
        OSError: it cannot be listed, or nothing in it can be looked at.
    """
    found = sorted(path for path in folder.iterdir() if _is_meant(path))
    for path in found[:1]:
        path.lstat()
    return found


def _is_folder(path: Path) -> bool:
    """Whether it is one; what cannot be looked at is taken for one, lest a person be missed in silence."""
    try:
        return path.is_dir()
    except OSError:
        return True


def _hidden_people(folder: Path) -> Iterator[Path]:
    """Folders that a leading dot hides, although there are pictures in them."""
    for path in folder.iterdir():
        name = path.name.lower()
        if name.startswith(".") and not name.startswith(_HIDDEN_CLUTTER):
            with contextlib.suppress(OSError):
                if path.is_dir() and any(entry.suffix.lower() in ENDINGS for entry in path.iterdir()):
                    yield path


def _forgetting_was_interrupted(enrollment_dir: Path) -> bool:
    """Whether `forget` has left photos set aside; while it is at work it holds a lock on their folder."""
    folder = enrollment_dir / SET_ASIDE
    found = [path for parent in (folder, folder / TEST) for path in parent.glob("*")]
    if all(path.name.startswith((".", "_")) for path in found):
        return False
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
    except BlockingIOError:
        return False
    except OSError:
        return True  # nobody can tell on a share that has no locks
    return True


def _name(path: Path) -> str:
    """A file's name as text that can be printed and compared, whatever its bytes and its system."""
    return unicodedata.normalize("NFC", os.fsencode(path.name).decode("utf-8", "replace"))


def _slug(name: str) -> str:
    try:
        return slug(name)
    except SlugError as error:
        raise EnrollmentError(
            f"The enrollment folder {name!r} has no letter or digit in its name; rename it to the person's"
            " name."
        ) from error


def _why_not(path: Path, root: Path) -> str | None:
    ending = path.suffix.lower()
    try:
        if path.is_dir():
            return "It is a folder; put the photos directly into the person's folder."
    except OSError as error:
        return f"It cannot be looked at ({error.strerror}); check its permissions."
    if ending in _UNSUPPORTED:
        return f"It is a {_UNSUPPORTED[ending]} picture, which is not supported; export it as JPEG."
    if ending not in ENDINGS:
        return f"It is no picture by its name; those that end in {', '.join(ENDINGS)} are used."
    try:
        inside = path.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return "It is a link to nowhere; put the picture itself there."
    return None if inside else "It is a link out of the enrollment folder; put the picture itself there."
