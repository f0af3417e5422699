"""People: who is enrolled, how well each is recognised; adding, renaming, forgetting."""

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.records import Person as Enrolled
from facerec_mqtt.core.records import PersonKind
from facerec_mqtt.core.slugs import SlugError, person_name, slug
from facerec_mqtt.enrollment.album import photo_folder
from facerec_mqtt.enrollment.changes import rename_person
from facerec_mqtt.enrollment.file_names import video_of
from facerec_mqtt.enrollment.owners import everybody_in
from facerec_mqtt.recognition import SavedReport
from facerec_mqtt.web.household.errors import (
    ConflictError,
    InvalidError,
    NotThereError,
    household_errors,
)
from facerec_mqtt.web.schemas import People, Person, PersonStatus


class HouseholdPeople:
    """The people of one household.

    Args:
        enrollment_dir: the enrollment folder.
        require_to_stay: raises `ConflictError` where somebody is being forgotten, by slug.
    """

    def __init__(self, enrollment_dir: Path, require_to_stay: Callable[[str], None]) -> None:
        self._enrollment_dir = enrollment_dir
        self._require_to_stay = require_to_stay

    def names(self) -> dict[str, str]:
        """What everybody enrolled is called at present, by slug."""
        return {owner.slug: owner.name for owner in everybody_in(self._enrollment_dir).values()}

    def enrolled(self, person: str) -> tuple[Path, Enrolled]:
        """The first folder of somebody, and who it is.

        Raises:
            NotThereError: nobody is enrolled under that slug.
        """
        for folder, owner in everybody_in(self._enrollment_dir).items():
            if owner.slug == person:
                return folder, owner
        raise NotThereError(f'Nobody called "{person[:100]}" is enrolled.')

    def staying(self, person: str) -> tuple[Path, Enrolled]:
        """The same of somebody to whom something is to be added.

        Raises:
            NotThereError: nobody is enrolled under that slug.
            ConflictError: somebody is, but is being forgotten.
        """
        self._require_to_stay(person)
        return self.enrolled(person)

    def all(
        self,
        photos: Callable[[str], list[str]],
        report: SavedReport | None,
        last_seen: Callable[[list[str]], Mapping[str, str]],
        live: Mapping[str, PersonStatus],
    ) -> People:
        """Everybody enrolled, members first.

        Args:
            photos: gives the photos of somebody, by slug.
            report: of the model in use.
            last_seen: gives when people were seen last, by slug.
            live: who is present, by slug.
        """
        folders = everybody_in(self._enrollment_dir)
        owners = {owner.slug: owner for owner in folders.values()}
        judged = {} if report is None else _judged(report)
        seen = last_seen(list(owners))
        people = []
        for key, owner in owners.items():
            files, now = photos(key), live.get(key)
            named = [
                folder.relative_to(self._enrollment_dir).as_posix()
                for folder, of in folders.items()
                if of.slug == key
            ]
            known = {
                file: judged[path]
                for file in files
                for folder in named
                if (path := f"{folder}/{file}") in judged
            }
            used = [file for file in files if known.get(file)]
            details = None if report is None else report.details.get(key)
            people.append(
                Person(
                    person=key,
                    name=owner.name,
                    kind="visitor" if owner.kind is PersonKind.VISITOR else "family",
                    photos=len(files),
                    used=None if details is None else details.used,
                    set_aside=len(known) - len(used),
                    new=len(files) - len(known) if judged else 0,
                    recognised=None if details is None else details.tpir,
                    present=now is not None and now.present,
                    last_seen=(now and now.last_seen) or seen.get(key),
                    picture=photo_url(key, (used or files)[0]) if files else None,
                )
            )
        return People(people=people)

    def add(self, name: str) -> str:
        """Make a folder for somebody new.

        Returns:
            The slug.

        Raises:
            HouseholdError: the name cannot be a person's, or is taken.
        """
        try:
            clean = person_name(name)
        except SlugError as error:
            raise InvalidError(str(error)) from error
        with household_errors():
            taken = self.names().items()
            there = next((known for key, known in taken if slug(clean) in (key, slug(known))), None)
            if there is not None:
                raise ConflictError(
                    f'"{there}" is enrolled already; choose a name that differs by more than capitals,'
                    " accents and signs."
                )
            folder = photo_folder(self._enrollment_dir, clean)
            self._enrollment_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700)
        return slug(clean)

    def rename(self, person: str, name: str) -> None:
        """Call somebody otherwise; slug, entities and visits stay.

        Raises:
            HouseholdError: there is nobody, the name cannot be a person's, or is taken.
        """
        folder, _ = self.enrolled(person)
        try:
            clean = person_name(name)
        except SlugError as error:
            raise InvalidError(str(error)) from error
        with household_errors():
            try:
                rename_person(self._enrollment_dir, folder, clean)
            except EnrollmentError as error:
                raise ConflictError(str(error)) from error


def _judged(report: SavedReport) -> dict[str, bool]:
    """Which files a model was made of; a video is used where one of its pictures is."""
    judged: dict[str, bool] = {}
    for photo in report.photos:
        file = video_of(photo.file) or photo.file
        judged[file] = judged.get(file, False) or photo.used
    return judged


def photo_url(person: str, file: str) -> str:
    """Where a photo is given out."""
    return f"/api/v1/people/{person}/photos/{quote(file)}"


def stranger_url(file: str) -> str:
    """Where a picture of a stranger is given out."""
    return f"/api/v1/strangers/photos/{quote(file)}"
