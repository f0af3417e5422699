"""A person's pictures in the enrollment folder, as the program itself adds to them.

    enrollment/Anna/                20261123-180211-412_front_door.jpg ...     to learn from
    enrollment/_test/Anna/          20261123-180243-120_front_door.jpg ...     to test with

The rebuild ignores `_test`; `facerec-mqtt evaluate --folder enrollment/_test` scores a model on it. A
picture appears whole or not at all, readable by its owner alone.
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.files import UNFINISHED_PREFIX, replace_file
from facerec_mqtt.core.records import PersonKind
from facerec_mqtt.core.slugs import SlugError, clean_name, person_name, slug
from facerec_mqtt.enrollment.capture_session import Part
from facerec_mqtt.enrollment.owners import KNOWN, TEST, everybody_in, folder_of, owner_name


def photo_folder(enrollment_dir: Path, name: str, kind: PersonKind = PersonKind.FAMILY) -> Path:
    """Find the folder of a person's photos, which need not exist yet.

    Args:
        enrollment_dir: the enrollment folder.
        name: the person's, or what their folder is called.
        kind: whether it is a member or a known visitor.

    Raises:
        EnrollmentError: the name cannot be a folder's, another person's folder would be called the same in
            topics, or the folder is a link out of the enrollment folder.
    """
    try:
        clean = person_name(name)
    except SlugError as error:
        raise EnrollmentError(str(error)) from None
    below = Path(KNOWN) if kind is PersonKind.VISITOR else Path()
    found = folder_of(enrollment_dir / below, clean)
    own = owner_name(found)
    for folder, other in everybody_in(enrollment_dir).items():
        if other.slug == slug(own) and (owner_name(folder), other.kind) != (own, kind):
            there = folder.parent.relative_to(enrollment_dir) / owner_name(folder)
            raise EnrollmentError(
                f'There is a folder "{there}" already, and "{below / clean}" differs from it by capitals,'
                " accents or signs alone; use one name for one person."
            )
    _require_inside(found, enrollment_dir)
    return found


def _require_inside(folder: Path, enrollment_dir: Path) -> None:
    """Check that a folder is no link out of the enrollment folder.

    Raises:
        EnrollmentError: it is.
    """
    if not folder.resolve().is_relative_to(enrollment_dir.resolve()):
        raise EnrollmentError(
            f'"{folder}" is a link out of the enrollment folder; put a real folder in its place.'
        )


class Album:
    """Where the pictures of one person go.

    Args:
        name: the person's, as their folder is called.
        learn_dir: the folder of pictures to learn from.
        test_dir: the folder of pictures to test with.
        made: folders that are new.
    """

    def __init__(self, name: str, learn_dir: Path, test_dir: Path, made: Sequence[Path]) -> None:
        self.name = name
        self._made = made
        self._folders: dict[Part, Path] = {"learn": learn_dir, "test": test_dir}

    @classmethod
    def open(cls, enrollment_dir: Path, name: str, kind: PersonKind = PersonKind.FAMILY) -> "Album":
        """Find a person's folders, which need not exist yet, and check that they may be written to.

        Args:
            enrollment_dir: the enrollment folder.
            name: the person's, as their folder is called.
            kind: whether it is a member or a known visitor.

        Raises:
            EnrollmentError: the name cannot be a folder's, another person's folder would be called the same
                in topics, a folder is a link out of the enrollment folder, or it cannot be written.
        """
        learn_dir = photo_folder(enrollment_dir, name, kind)
        parent = enrollment_dir / TEST / learn_dir.parent.relative_to(enrollment_dir)
        test_dir = folder_of(parent, owner_name(learn_dir))
        made: list[Path] = []
        try:
            for folder in (learn_dir, test_dir):
                _require_inside(folder, enrollment_dir)
                relative = folder.relative_to(enrollment_dir)
                for each in (enrollment_dir / part for part in (*reversed(relative.parents), relative)):
                    if not each.is_dir():
                        each.mkdir(mode=0o700, parents=True)
                        made.append(each)
                for unfinished in folder.glob(f"{UNFINISHED_PREFIX}*"):
                    unfinished.unlink()
        except OSError as error:
            raise _not_written(enrollment_dir, error) from error
        return cls(clean_name(name), learn_dir, test_dir, made)

    def add(self, part: Part, jpeg: bytes, taken: datetime, camera: str) -> Path:
        """Add a picture.

        Args:
            part: what it is for.
            jpeg: the file.
            taken: when, in local time.
            camera: the camera's slug.

        Raises:
            EnrollmentError: it cannot be written; nothing of it is left.
        """
        stamp = f"{taken:%Y%m%d-%H%M%S}-{taken.microsecond // 1000:03d}"
        path = self._folders[part] / f"{stamp}_{camera}.jpg"
        try:
            replace_file(path, jpeg)
        except OSError as error:
            raise _not_written(self._folders[part], error) from error
        return path

    def close(self) -> None:
        """Remove new folders that are still empty: such a person would be in every report."""
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):
                folder.rmdir()  # unless it holds something


def _not_written(folder: Path, error: OSError) -> EnrollmentError:
    return EnrollmentError(
        f'"{folder}" cannot be written ({error.strerror}); free some space, or make the enrollment folder'
        " writable for this user."
    )
