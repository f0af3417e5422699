"""The enrollment folder: whose pictures are where. Nothing in it is ever changed.

enrollment/
    Anna/               pictures of Anna, also in folders of their own: Anna/2019/1.jpg
        .facerec.json       what is said about her: see `person_file`
    José Núñez/         pictures of José Núñez
    _known/Postman/     pictures of a known visitor, who is recognised and is not family; may be missing
    _strangers/         pictures of people who are not family; may be missing
    _test/              pictures to test a model with, laid out like the folder itself; may be missing
    .trash/             photos that were deleted on the page, for 30 days
    .forgetting/        what `forget` has moved aside, laid out likewise; there only while it is at work
    .unfinished-restore/    what a restore prepares; there only while it is at work
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.files import is_clutter, is_visible, text_name
from facerec_mqtt.core.records import Person, PersonKind
from facerec_mqtt.core.rejections import Rejection, RejectionCode
from facerec_mqtt.enrollment.owners import (
    KNOWN,
    SET_ASIDE,
    STRANGERS,
    Use,
    folders_of_visitors,
    forgetting_was_interrupted,
    is_of_somebody,
    owner_name,
    owners_of,
    use_of,
)
from facerec_mqtt.enrollment.person_file import photos_to_use

MAX_LEVELS = 8
"""Of folders within a person's folder."""
_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
ENDINGS = (*_JPEG, ".png", ".webp", ".heic", ".heif", ".avif", ".gif", ".bmp", ".tif", ".tiff")
"""Of pictures' names, by which nothing is judged: see `core.images`."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A file that may be a picture of somebody, or one picture of a video."""

    path: Path
    file: str
    """`Anna/001.jpg`: as the report names it."""
    person: str | None
    """The person's slug; `None` for a stranger."""
    folder: str
    """`Anna`: whose it is, as people read it; `_strangers`."""
    use_anyway: bool = False
    """Whether it is used although it would be rejected."""
    at_s: float | None = None
    """Of a picture of a video: seconds from its beginning."""


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """A file that is not opened, because of where it is."""

    file: str
    folder: str | None
    """`Anna`: in whose folder; `None` outside of any."""
    person: str | None
    """The person's slug; `None` for a stranger, and outside of any folder."""
    rejection: Rejection


@dataclass(frozen=True, slots=True)
class EnrollmentFolder:
    """Who is to be enrolled with what."""

    people: tuple[Person, ...]
    """By slug."""
    photos: tuple[Photo, ...]
    rejected: tuple[RejectedFile, ...]
    notes: tuple[str, ...]
    """Folders that are not used, or are one person's together, each in a sentence."""


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
    reader = _Reader(enrollment_dir)
    try:
        reader.read()
    except OSError as error:
        remedy = "check its permissions, or create it" if isinstance(error, PermissionError) else "create it"
        raise EnrollmentError(
            f'The {called} "{enrollment_dir}" cannot be read ({error.strerror}); {remedy}, with a'
            f" folder of photos for each person, as {enrollment_dir / 'Anna'}."
        ) from error
    if not reader.people and not (strangers_suffice and reader.photos):
        raise EnrollmentError(
            f'The {called} "{enrollment_dir}" holds nobody; create a folder of photos for each person,'
            f" as {enrollment_dir / 'Anna'}.{''.join(f' {note}' for note in reader.notes)}"
        )
    return EnrollmentFolder(
        people=tuple(reader.people[key] for key in sorted(reader.people)),
        photos=tuple(reader.photos),
        rejected=tuple(reader.rejected),
        notes=tuple(reader.notes),
    )


def read_photos_of(enrollment_dir: Path, person: str) -> EnrollmentFolder:
    """List one person's pictures; nobody, where there is no such person.

    Args:
        enrollment_dir: of a folder for each person.
        person: the slug.

    Raises:
        EnrollmentError: the folder cannot be read, or two names make the same identifier.
    """
    reader = _Reader(enrollment_dir)
    try:
        reader.read_owned_by(person)
    except OSError as error:
        raise EnrollmentError(
            f'The enrollment folder "{enrollment_dir}" cannot be read ({error.strerror}); check its'
            " permissions, or create it."
        ) from error
    return EnrollmentFolder(
        tuple(reader.people.values()), tuple(reader.photos), tuple(reader.rejected), tuple(reader.notes)
    )


class _Reader:
    """Goes through the enrollment folder once.

    Args:
        enrollment_dir: of a folder for each person.
    """

    def __init__(self, enrollment_dir: Path) -> None:
        self._enrollment_dir = self._root = enrollment_dir
        self._folders: dict[str, Path] = {}
        self._owners: dict[Path, Person] = {}
        self._to_use: set[str] = set()
        self.people: dict[str, Person] = {}
        self.photos: list[Photo] = []
        self.rejected: list[RejectedFile] = []
        self.notes: list[str] = []

    def read_owned_by(self, person: str) -> None:
        """List what is in the folders of one person, given by slug.

        Raises:
            OSError: the enrollment folder itself cannot be read.
            EnrollmentError: two names make the same identifier.
        """
        self._root = self._enrollment_dir.resolve(strict=True)
        self._owners = _owners(_listed(self._enrollment_dir)) | folders_of_visitors(self._enrollment_dir)
        for folder, owner in self._owners.items():
            if owner.slug == person:
                self._read_entry(folder, owner.kind)

    def read(self) -> None:
        """List everything.

        Raises:
            OSError: the enrollment folder itself cannot be read.
            EnrollmentError: a name makes no identifier, or two names make the same.
        """
        entries = _listed(self._enrollment_dir)
        hidden = sorted(_hidden_people(self._enrollment_dir))
        self._root = self._enrollment_dir.resolve(strict=True)
        self._owners = _owners(entries)
        self.notes += [
            f'The folder "{text_name(folder)}" is not used, since its name begins with a dot; rename it.'
            for folder in hidden
        ]
        if forgetting_was_interrupted(self._enrollment_dir):
            self.notes.append(
                f'The folder "{SET_ASIDE}" is not used: it holds photos of somebody that an interrupted'
                " facerec-mqtt forget was to remove; give that command again, or move them back."
            )
        for entry in entries:
            self._read_entry(entry)

    def _read_entry(self, entry: Path, kind: PersonKind = PersonKind.FAMILY) -> None:
        """Take a file or folder of the enrollment folder, or of the one of known visitors.

        Args:
            entry: what it is.
            kind: whose folders are beside it.
        """
        name, use = text_name(entry), use_of(entry)
        if kind is PersonKind.VISITOR:
            name = f"{KNOWN}/{name}"
            use = use if use in (Use.PERSON, Use.IGNORED) else Use.RESERVED
        if not _is_folder(entry):
            outside = Rejection(code=RejectionCode.OUTSIDE_OF_FOLDERS)
            self.rejected.append(RejectedFile(name, None, None, outside))
        elif use is Use.RESERVED:
            self.notes.append(
                f'The folder "{name}" is not used, since its name begins with "{owner_name(entry)[0]}".'
            )
        elif use in (Use.PERSON, Use.KNOWN, Use.STRANGERS):  # test pictures are never learnt from
            target = entry.resolve()
            if not target.is_relative_to(self._root):
                self.notes.append(
                    f'The folder "{name}" is not used, since it is a link out of the enrollment folder.'
                )
            elif use is Use.KNOWN:
                visitors = self._entries(entry, name)
                self._owners |= _owners(visitors)
                for visitor in visitors:
                    self._read_entry(visitor, PersonKind.VISITOR)
            else:
                self._to_use |= {f"{name}/{file}" for file in photos_to_use(entry)}
                person = self._person(entry) if use is Use.PERSON else None
                self._read_folder(entry, name, person, level=0, seen={target, *target.parents})

    def _person(self, folder: Path) -> Person:
        """Whose folder it is; a second one of the same name is noted.

        Raises:
            EnrollmentError: the name makes no identifier, or the same as another.
        """
        name, owner = owner_name(folder), self._owners.get(folder)
        if owner is None:
            raise EnrollmentError(
                f"The enrollment folder {text_name(folder)!r} has no letter or digit in its name; rename it"
                " to the person's name."
            )
        person = self.people.setdefault(owner.slug, owner)
        if person.kind is not owner.kind:
            raise EnrollmentError(
                f'"{person.name}" and "{owner.name}", one a known visitor and the other not, would both be'
                f" called {person.slug!r}; rename one of the folders, or put the photos into one of them."
            )
        first = self._folders.setdefault(person.slug, folder)
        if owner_name(first) != name:
            raise EnrollmentError(
                f'The folders "{owner_name(first)}" and "{name}" would both be called {person.slug!r}; rename'
                " one of them."
            )
        if first != folder:
            self.notes.append(
                f'The folders "{text_name(first)}" and "{text_name(folder)}" are used as one person\'s, since'
                " their names look the same; put the photos into one of them."
            )
        return person

    def _read_folder(
        self, folder: Path, label: str, person: Person | None, level: int, seen: set[Path]
    ) -> None:
        """Take the files of a person's folder, and of the folders in it.

        Args:
            folder: to be read.
            label: its path within the enrollment folder, as text.
            person: whose it is; `None` for strangers'.
            level: how deep it is in the person's folder.
            seen: folders that are not to be read again, so that no link leads in a circle.
        """
        owner = STRANGERS if person is None else person.name
        key = None if person is None else person.slug
        for path in self._entries(folder, label):
            file = f"{label}/{text_name(path)}"
            is_folder, rejection = self._place(path, level)
            if rejection is not None:
                self.rejected.append(RejectedFile(file, owner, key, rejection))
            elif not is_folder:
                self.photos.append(Photo(path, file, key, owner, file in self._to_use))
            elif (target := path.resolve()) not in seen:
                seen.add(target)
                self._read_folder(path, file, person, level + 1, seen)

    def _entries(self, folder: Path, label: str) -> list[Path]:
        """What is in a folder, in order; nothing where it cannot be read, which is noted."""
        try:
            return _listed(folder)
        except OSError as error:
            self.notes.append(
                f'The folder "{label}" cannot be read ({error.strerror}); check its permissions.'
            )
            return []

    def _place(self, path: Path, level: int) -> tuple[bool, Rejection | None]:
        """Whether something in a person's folder is a folder, and why it is not used because of its place."""
        try:
            is_folder = path.is_dir()
        except OSError as error:
            return False, Rejection(code=RejectionCode.NOT_LISTED, detail=error.strerror)
        try:
            inside = path.resolve(strict=True).is_relative_to(self._root)
        except (OSError, RuntimeError):
            return is_folder, Rejection(code=RejectionCode.BROKEN_LINK)
        if not inside:
            return is_folder, Rejection(code=RejectionCode.LINK_LEADS_OUTSIDE)
        if is_folder and level >= MAX_LEVELS:
            return is_folder, Rejection(code=RejectionCode.TOO_DEEP, count=MAX_LEVELS)
        return is_folder, None


def _owners(entries: Iterable[Path]) -> dict[Path, Person]:
    return owners_of(filter(is_of_somebody, filter(_is_folder, entries)))


def _listed(folder: Path) -> list[Path]:
    """What is to be seen in a folder, in order.

    Raises:
        OSError: it cannot be listed, or nothing in it can be accessed.
    """
    found = sorted(path for path in folder.iterdir() if is_visible(path))
    for path in found[:1]:
        path.lstat()
    return found


def _is_folder(path: Path) -> bool:
    """Whether it is one; what cannot be accessed is taken for one, so that no person is missed silently."""
    try:
        return path.is_dir()
    except OSError:
        return True


def _hidden_people(folder: Path) -> Iterator[Path]:
    """Folders that a leading dot hides, although there are pictures in them."""
    for path in folder.iterdir():
        if path.name.startswith(".") and not is_clutter(path):
            with contextlib.suppress(OSError):
                if path.is_dir() and any(entry.suffix.lower() in ENDINGS for entry in path.iterdir()):
                    yield path
