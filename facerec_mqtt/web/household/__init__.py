"""What the page gives and changes: visits, strangers, people, photos, the model. There is no HTTP in it."""

import contextlib
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.enrollment.changes import empty_trash, rename_in_model
from facerec_mqtt.history import VisitFilter, visits_to_forget
from facerec_mqtt.monitoring.page_messages import PageFolders
from facerec_mqtt.settings import Choices as KeptChoices
from facerec_mqtt.settings import read_choices, write_choices
from facerec_mqtt.web.household.assigning import Assigning
from facerec_mqtt.web.household.commands import Forgetting, Recogniser
from facerec_mqtt.web.household.errors import (
    ConflictError,
    HouseholdError,
    InvalidError,
    NotThereError,
    TryAgainError,
    household_errors,
)
from facerec_mqtt.web.household.models import HouseholdModels
from facerec_mqtt.web.household.people import HouseholdPeople
from facerec_mqtt.web.household.photos import (
    Audit,
    HouseholdPhotos,
    LookAlikes,
    PhotoWorker,
    StrangerPhotos,
    Upload,
)
from facerec_mqtt.web.household.strangers import HouseholdStrangers
from facerec_mqtt.web.household.visits import HouseholdVisits
from facerec_mqtt.web.live import Live
from facerec_mqtt.web.schemas import (
    AddedPhoto,
    Assignment,
    Checks,
    Choices,
    Face,
    LooksLike,
    Merge,
    Models,
    NewChoices,
    NewName,
    People,
    Person,
    Photo,
    PhotoChange,
    Photos,
    PhotosToCompare,
    Quality,
    Recognised,
    Stranger,
    Strangers,
    ToForget,
    Visit,
    VisitDetail,
    Visits,
)
from facerec_mqtt.web.words import what_goes

__all__ = [
    "ConflictError",
    "Household",
    "HouseholdError",
    "InvalidError",
    "NotThereError",
    "TryAgainError",
    "Upload",
]
_WAIT_FOR_FORGET_S = 20.0
_SOON_S = 30.0
"""Within it whoever needs the model folder has taken hold of it."""


class Household:
    """All that a household has on this machine; every method may be called from any thread.

    What fails is a `HouseholdError`, one sentence and a status.

    Args:
        folders: where its files are.
        live: the service, for who is present and for the state of the model.
    """

    def __init__(self, folders: PageFolders, live: Live) -> None:
        names = ("enrollment_dir", "model_dir", "review_dir")
        folders = folders.model_copy(update={name: getattr(folders, name).absolute() for name in names})
        self._folders = folders
        self._live = live
        self._changing = threading.RLock()
        self._forgetting = Forgetting(folders, self._fpir, self._changing)
        self._people = HouseholdPeople(folders.enrollment_dir, self._forgetting.require_to_stay)
        self._visits = HouseholdVisits(folders, self._people.names)
        self._models = HouseholdModels(folders.enrollment_dir, folders.model_dir)
        self._strangers = HouseholdStrangers(self._visits, self._models.suggest)
        self._audit = Audit(folders.enrollment_dir, folders.model_dir)
        self._worker = PhotoWorker()
        self._look_alikes = LookAlikes(self._worker, folders.model_dir, self._people.names)
        self._assigning = Assigning(folders, self._visits, self._look_alikes, self._audit, self._changing)
        self._photos = HouseholdPhotos(
            folders.enrollment_dir,
            self._people,
            self._worker,
            self._look_alikes,
            self._audit,
            self._changing,
        )
        self.stranger_photos = StrangerPhotos(
            folders.enrollment_dir, self._photos.adder, self._worker, self._changing
        )
        """Pictures of people who are not family, for the model to learn whom not to name."""
        self._recogniser = Recogniser(folders.model_dir)

    def start(self) -> None:
        """Delete what has been in the trash for long."""
        empty_trash(self._folders.enrollment_dir, datetime.now(UTC))

    def close(self) -> None:
        """End the processes that it has started."""
        self._worker.close()
        self._audit.close()

    # --- Visits

    def visits(self, wanted: VisitFilter, limit: int, cursor: str | None) -> Visits:
        """Visits, the latest first."""
        return self._visits.find(wanted, limit, cursor)

    def visit(self, visit_id: str) -> VisitDetail:
        """One visit with all that is kept of it."""
        return self._visits.get(visit_id)

    def assign_visit(self, visit_id: str, assignment: Assignment) -> Visit:
        """Say who a visit was; its pictures move into that folder."""
        with self._changing:
            self._assigning.assign([self._visits.record(visit_id)], assignment)
            return Visit.model_validate(self._visits.get(visit_id).model_dump())

    def check_visit(self, visit_id: str, assignment: Assignment) -> LooksLike | None:
        """Whether a visit can be assigned so, and whether its pictures look like somebody else."""
        return self._assigning.check([self._visits.record(visit_id)], assignment)

    def delete_visit(self, visit_id: str) -> None:
        """Delete a visit with its picture."""
        with self._changing:
            self._assigning.delete([self._visits.record(visit_id)])

    def visit_picture(self, visit_id: str, number: int = 0) -> Path:
        """The JPEG file of one of a visit's pictures, the best of which is number 0."""
        return self._visits.picture(visit_id, number)

    def quality(self, days: int) -> Quality:
        """Whether it works: the visits of the last days."""
        return self._visits.quality(days, time.time())

    # --- Strangers

    def strangers(self) -> Strangers:
        """All groups of strangers, the one that was seen last first."""
        return self._strangers.all()

    def assign_stranger(self, stranger_id: str, assignment: Assignment) -> Visits:
        """Say who a group of strangers is: as for a visit, for all of them."""
        with self._changing:
            records = self._strangers.records(stranger_id)
            self._assigning.assign(records, assignment)
            return self._visits.these([visit.visit_id for visit in records])

    def check_stranger(self, stranger_id: str, assignment: Assignment) -> LooksLike | None:
        """The same of a group of strangers."""
        return self._assigning.check(self._strangers.records(stranger_id), assignment)

    def merge_strangers(self, merge: Merge) -> Stranger:
        """Make two groups one, which keeps the second one's id."""
        with self._changing:
            return self._strangers.merge(merge.from_, merge.into)

    def split_stranger(self, stranger_id: str, visits: Sequence[str]) -> Stranger:
        """Take visits out of a group into one of their own."""
        with self._changing:
            return self._strangers.split(stranger_id, visits)

    def delete_stranger(self, stranger_id: str) -> None:
        """Delete all visits of a group, with their pictures."""
        with self._changing:
            self._assigning.delete(self._strangers.records(stranger_id))

    # --- People and photos

    def people(self) -> People:
        """Everybody enrolled, with how well each is recognised."""
        self._learn_report()
        report = self._models.current_report()
        people = self._people.all(
            lambda person: list(self._photos.files(person)),
            None if report is None else report[2],
            self._last_seen,
            {each.person: each for each in self._live.status.people},
        )
        return people.model_copy(update={"notes": self._forgetting.notes})

    def person(self, person: str) -> Person:
        """One of them."""
        self._people.enrolled(person)
        return next(each for each in self.people().people if each.person == person)

    def add_person(self, name: NewName) -> Person:
        """Make a folder for somebody new."""
        with self._changing:
            return self.person(self._people.add(name.name))

    def rename_person(self, person: str, name: NewName) -> Person:
        """Call somebody otherwise; entities and visits stay, Home Assistant learns the name."""
        with self._changing:
            self._people.rename(person, name.name)
            # While a rebuild runs it cannot be; the rebuild brings the name.
            self._audit.give_way(_SOON_S)
            with contextlib.suppress(ModelError):
                rename_in_model(self._folders.model_dir, person, self._people.names()[person])
        return self.person(person)

    def to_forget(self, person: str) -> ToForget:
        """What goes when somebody is forgotten."""
        _, owner = self._people.enrolled(person)
        photos, looks = len(self._photos.files(person)), self._models.looks(person)
        with household_errors():
            named, found = visits_to_forget(self._folders.model_dir, person, looks)
        unnamed = None if looks is None else len(found)
        sentence = what_goes(owner.name, photos, named, unnamed)
        return ToForget(photos=photos, visits=named, unnamed=unnamed, sentence=sentence)

    def forget_person(self, person: str) -> bool:
        """Remove all traces of somebody; whether that is done, or goes on for a while."""
        _, owner = self._people.enrolled(person)
        self._audit.give_way(_SOON_S)
        done = self._forgetting.forget(owner, _WAIT_FOR_FORGET_S)
        self._photos.drop_copies()
        return done

    def photos(self, person: str) -> Photos:
        """Somebody's photos, each with what became of it."""
        self._learn_report()
        return self._photos.all(person)

    def new_photos(self, person: str | None = None) -> int:
        """How many photos, of somebody or of all, the model in use has not learnt from."""
        people = list(self._people.names()) if person is None else [person]
        files = [path for each in people for path in self._photos.files(each).values()]
        return self._models.not_learnt(self._folders.enrollment_dir, files)

    def add_photos(self, person: str, uploads: Sequence[Upload]) -> list[AddedPhoto]:
        """Add photos; each is judged at once."""
        return self._photos.add(person, uploads)

    def look_alikes(self, person: str, asked: PhotosToCompare) -> LooksLike | None:
        """Which of somebody's photos look like somebody else."""
        return self._photos.look_alikes(person, asked.files, asked.to)

    def delete_photo(self, person: str, file: str) -> None:
        """Move a photo into the trash, from where it can be restored for 30 days."""
        self._photos.delete(person, file)

    def restore_photo(self, person: str, file: str) -> Photo:
        """Take a photo back out of the trash."""
        return self._photos.restore(person, file)

    def change_photo(self, person: str, file: str, change: PhotoChange) -> Photo:
        """Move a photo to somebody else, use it although it was rejected, or choose one of its faces."""
        if change.person is not None:
            return self._photos.move(person, file, change.person, sure=change.sure)
        if change.face is not None:
            return self._photos.choose_face(person, file, change.face)
        return self._photos.use(person, file, anyway=bool(change.use))

    def photo_faces(self, person: str, file: str) -> list[Face]:
        """The faces that a photo shows, the largest first."""
        return self._photos.faces(person, file)

    def photo_jpeg(self, person: str, file: str, side_px: int) -> bytes:
        """A JPEG of a photo to show, upright and at most so large."""
        return self._photos.copy(person, file, side_px)

    # --- The model

    def model(self) -> Models:
        """The model in use and the versions that are kept."""
        return self._models.all(self._live.status.model)

    def rollback(self, version: str | None) -> Models:
        """Switch to another version that is kept."""
        self._audit.give_way(_SOON_S)
        self._models.roll_back(version)
        return self.model()

    def give_way(self) -> None:
        """Somebody else needs the model folder for a rebuild: cease to look at photos for a while."""
        self._audit.give_way(_SOON_S)

    def report_page(self, version: str) -> Path:
        """The report of a version as a page."""
        return self._models.report_page(version)

    def recognise(self, picture: bytes) -> Recognised:
        """Who is in a picture, which is not kept."""
        return self._recogniser.recognise(picture)

    def choices(self) -> Choices:
        """What was chosen on the page: whether pictures of visits are kept."""
        chosen, enabled = read_choices(self._folders.model_dir).keeps_pictures, self._folders.keeps_pictures
        return Choices(keeps_pictures=enabled or bool(chosen), by_settings=enabled, asked=chosen is not None)

    def choose(self, choices: NewChoices) -> Choices:
        """Choose it; the service follows within seconds."""
        if self._folders.keeps_pictures and not choices.keeps_pictures:
            raise ConflictError(
                "The settings keep pictures of visits; set FACEREC_REVIEW__ENABLED=false and start again."
            )
        with self._changing, household_errors():
            write_choices(self._folders.model_dir, KeptChoices(keeps_pictures=choices.keeps_pictures))
        return self.choices()

    def checks(self) -> Checks:
        """Everything that recognition needs, tried again."""
        # Imported when it is asked for: it is memory that a page at rest does without.
        from facerec_mqtt.web.household.checks import check_all

        return check_all(self._folders, self._live.status)

    # --- Beneath

    def _last_seen(self, people: list[str]) -> dict[str, str]:
        try:
            return self._visits.last_seen(people)
        except HouseholdError:
            return {}  # a history that cannot be read keeps nobody from their photos

    def _learn_report(self) -> None:
        report = self._models.current_report()
        if report is not None:
            self._audit.learn(*report)

    def _fpir(self) -> float | None:
        report = self._models.current_report()
        return None if report is None else report[2].fpir
