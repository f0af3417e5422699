"""The models that are kept, and the way back to one of them."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from facerec_mqtt.core.errors import EnrollmentError, ModelError
from facerec_mqtt.enrollment.file_names import file_name, video_of
from facerec_mqtt.faces import load_cohort
from facerec_mqtt.history import Resemblance, StrangerGroup, Suggestion, resemblance_to, suggest
from facerec_mqtt.recognition import (
    FamilyModel,
    KeptVersion,
    Normaliser,
    SavedReport,
    current_version,
    kept_versions,
    load_version,
    page_of,
    roll_back,
)
from facerec_mqtt.web.household.errors import ConflictError, NotThereError, household_errors
from facerec_mqtt.web.household.refused import worse_of
from facerec_mqtt.web.schemas import Models, ModelStatus, ModelVersion, Worse


class HouseholdModels:
    """The models of one household.

    Args:
        enrollment_dir: the photos that they are made of.
        model_dir: where they are.
    """

    def __init__(self, enrollment_dir: Path, model_dir: Path) -> None:
        self._enrollment_dir = enrollment_dir
        self._model_dir = model_dir
        self._report: tuple[str, float, SavedReport] | None = None
        self._model: FamilyModel | None = None

    def all(self, status: ModelStatus) -> Models:
        """The versions that are kept, the newest first.

        Args:
            status: of the model, as the service has it.

        Raises:
            HouseholdError: the folder cannot be read.
        """
        with household_errors():
            kept = kept_versions(self._model_dir)
        return Models(
            model=status,
            versions=[
                ModelVersion(
                    version=each.version,
                    created=each.created or _stamp(each.version),
                    people=[person.name for person in each.people],
                    current=each.current,
                    not_used_because=each.reason,
                    worse=self._worse(kept) if each is kept[0] and each.reason is not None else None,
                    many_strangers=each.report.many_strangers,
                    recognised=each.recognised,
                    strangers_named=each.fpir,
                    report=self._report_url(each.version),
                )
                for each in kept
            ],
        )

    def _worse(self, kept: Sequence[KeptVersion]) -> Worse | None:
        try:
            return worse_of(self._enrollment_dir, kept[0].report, kept[1:])
        except (EnrollmentError, OSError):
            return None  # the reason in a sentence is there all the same

    def _report_url(self, version: str) -> str | None:
        return report_url(version) if page_of(self._model_dir, version).is_file() else None

    def current_report(self) -> tuple[str, float, SavedReport] | None:
        """Version, time in seconds since 1970 and report of the model in use; `None` where there is none."""
        try:
            version = current_version(self._model_dir)
            if version is None:
                return None
            if self._report is None or self._report[0] != version:
                self._model = model = load_version(self._model_dir, version)
                made_s = datetime.fromisoformat(model.created).timestamp()
                self._report = version, made_s, SavedReport.of(model.report)
        except (ModelError, ValueError):
            return None
        return self._report

    def not_learnt(self, enrollment_dir: Path, photos: Iterable[Path]) -> int:
        """How many photos have come since the model in use was made; all, where there is none."""
        report = self.current_report()
        files = [file_name(path, enrollment_dir) for path in photos]
        if report is None:
            return len(files)
        # Older models do not say what they were made of.
        learnt = {photo.file for photo in report[2].photos}
        learnt |= {video_of(file) for file in learnt}
        return sum(file not in learnt for file in files) if learnt else 0

    def suggest(self, groups: Sequence[StrangerGroup]) -> Mapping[str, Suggestion]:
        """Whom groups of strangers resemble, by their ids; nobody, where there is no model that can say."""
        if self.current_report() is None or self._model is None:
            return {}
        try:
            return suggest(groups, self._model, load_cohort())
        except ModelError:
            return {}

    def looks(self, person: str) -> Resemblance | None:
        """What the model in use knows of somebody; `None` where it does not know the person."""
        if self.current_report() is None or self._model is None:
            return None
        cohort = load_cohort()
        normaliser = Normaliser(cohort.centres, cohort.top)
        looks = resemblance_to(person, [self._model], normaliser, self._model.backbone_digest)
        return looks if len(looks.own) else None

    def roll_back(self, version: str | None) -> None:
        """Switch to another version that is kept.

        Args:
            version: which; `None` is the last good one before the current one.

        Raises:
            HouseholdError: there is none, it cannot be used, or a rebuild is running.
        """
        with household_errors():
            known = {each.version for each in kept_versions(self._model_dir)}
            if version is not None and version not in known:
                raise NotThereError(f"There is no model version {version} any more.")
            try:
                roll_back(self._model_dir, version)
            except ModelError as error:
                raise ConflictError(str(error)) from error

    def report_page(self, version: str) -> Path:
        """The report of a version as a page.

        Raises:
            HouseholdError: there is none.
        """
        with household_errors():
            known = {each.version for each in kept_versions(self._model_dir)}
        page = page_of(self._model_dir, version)
        if version not in known or page.is_symlink() or not page.is_file():
            raise NotThereError("There is no report of such a version any more.")
        return page


def report_url(version: str) -> str:
    """Where the report of a version is given out."""
    return f"/api/v1/model/versions/{quote(version)}/report.html"


def _stamp(version: str) -> str:
    with suppress(ValueError):
        return datetime.strptime(version[:16], "%Y%m%dT%H%M%S%z").isoformat()
    return version
