"""Visits: who came, with filters; whose a visit was; deleting it."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from facerec_mqtt.core.clock import zone_or_machines
from facerec_mqtt.core.records import score_text
from facerec_mqtt.enrollment.changes import pictures_of_visits
from facerec_mqtt.history import (
    FILE,
    History,
    MissingHistoryError,
    VisitFilter,
    VisitKind,
    VisitRecord,
    history_errors,
)
from facerec_mqtt.monitoring.page_messages import PageFolders
from facerec_mqtt.web.household.errors import InvalidError, NotThereError, household_errors
from facerec_mqtt.web.schemas import Quality, ScoreThen, Visit, VisitDetail, Visits

Names = Callable[[], dict[str, str]]
"""Present display names of everybody enrolled, by slug."""
_DAY_S = 86_400.0


class HouseholdVisits:
    """The visits of one household.

    Args:
        folders: where its files are.
        names: what people are called at present.
    """

    def __init__(self, folders: PageFolders, names: Names) -> None:
        self._folders = folders
        self._names = names
        self._zone = zone_or_machines(os.environ)

    def find(self, wanted: VisitFilter, limit: int, cursor: str | None) -> Visits:
        """Visits, the latest first; none where nothing was ever recorded.

        Args:
            wanted: which.
            limit: at most so many.
            cursor: what an earlier answer gave, to go on behind it.

        Raises:
            HouseholdError: the cursor is none, or the history cannot be read.
        """
        try:
            with self.reading() as history:
                found, following = history.find(wanted, limit=limit, cursor=cursor)
        except MissingHistoryError:
            return Visits(visits=[], next=None)
        except ValueError as error:
            raise InvalidError("The cursor is none that was given out; ask without one.") from error
        names, pictures = self._names(), self._pictures(found)
        described = [self._described(visit, names, visit.visit_id in pictures) for visit in found]
        return Visits(visits=[Visit(**each) for each in described], next=following)

    def these(self, visits: Sequence[str]) -> Visits:
        """Some visits, given by id."""
        records = self._records(visits)
        names, pictures = self._names(), self._pictures(records)
        described = [self._described(visit, names, visit.visit_id in pictures) for visit in records]
        return Visits(visits=[Visit(**each) for each in described], next=None)

    def get(self, visit_id: str) -> VisitDetail:
        """One visit with all that is kept of it.

        Raises:
            HouseholdError: there is none, or the history cannot be read.
        """
        visit = self.record(visit_id)
        names, pictures = self._names(), self.picture_files(visit)
        described = self._described(visit, names, bool(pictures))
        with self.reading() as history:
            scores = history.scores.of(visit_id)
        return VisitDetail(
            **described,
            pictures=[picture_url(visit_id, number) for number in range(len(pictures))],
            scores=[
                ScoreThen(
                    seconds=each.seconds,
                    score=each.score,
                    nearest=each.nearest and names.get(each.nearest, each.nearest),
                )
                for each in scores
            ],
            sentence=sentence(visit, described["name"]),
        )

    def record(self, visit_id: str) -> VisitRecord:
        """One visit as the history has it.

        Raises:
            HouseholdError: there is none, or the history cannot be read.
        """
        return self._records([visit_id])[0]

    def _records(self, visits: Sequence[str]) -> list[VisitRecord]:
        try:
            with self.reading() as history:
                records = [history.get(visit_id) for visit_id in visits]
        except MissingHistoryError:
            records = [None]
        found = [record for record in records if record is not None]
        if len(found) < len(records):
            raise NotThereError("There is no such visit any more.")
        return found

    def quality(self, days: int, now_s: float) -> Quality:
        """Whether it works: the visits of the last days.

        Args:
            days: how many.
            now_s: seconds since 1970.

        Raises:
            HouseholdError: the history cannot be read.
        """
        since = now_s - days * _DAY_S
        try:
            with self.reading() as history:
                count = {kind: history.count(VisitFilter(kind=kind, since=since)) for kind in VisitKind}
                nearest = history.best_score(VisitFilter(kind=VisitKind.STRANGER, since=since))
                corrected = history.count(VisitFilter(since=since, corrected=True))
        except MissingHistoryError:
            count, nearest, corrected = dict.fromkeys(VisitKind, 0), None, 0
        return Quality(
            days=days,
            visits=sum(count.values()),
            named=count[VisitKind.FAMILY] + count[VisitKind.VISITOR],
            corrected=corrected,
            doubted=count[VisitKind.DOUBTFUL],
            strangers=count[VisitKind.STRANGER],
            nearest_stranger=None if nearest is None else round(nearest, 3),
        )

    def last_seen(self, people: list[str]) -> dict[str, str]:
        """When members' latest visits began, by slug; those who never came are missing."""
        found: dict[str, str] = {}
        try:
            with self.reading() as history:
                for person in people:
                    latest, _ = history.find(VisitFilter(person=person), limit=1)
                    if latest:
                        found[person] = self.local(latest[0].ended or latest[0].began)
        except MissingHistoryError:
            pass
        return found

    def picture(self, visit_id: str, number: int) -> Path:
        """The JPEG file of one of a visit's pictures, the best of which is number 0.

        Raises:
            HouseholdError: none is kept.
        """
        paths = self.picture_files(self.record(visit_id))
        if number >= len(paths):
            raise NotThereError("This picture of the visit is not kept any more.")
        return paths[number]

    def picture_files(self, visit: VisitRecord) -> tuple[Path, ...]:
        """Where the pictures of a visit are, the best first."""
        return self._pictures([visit]).get(visit.visit_id, ())

    def with_pictures(self, visits: Sequence[VisitRecord]) -> Collection[str]:
        """Which of some visits have a picture, by id."""
        return self._pictures(visits).keys()

    def _pictures(self, visits: Sequence[VisitRecord]) -> Mapping[str, tuple[Path, ...]]:
        return pictures_of_visits(self._folders.enrollment_dir, self._folders.review_dir, visits)

    @contextmanager
    def reading(self) -> Iterator[History]:
        """Open the history to be read.

        Raises:
            MissingHistoryError: there is none yet.
            HouseholdError: it cannot be read.
        """
        with self._open(read_only=True) as history:
            yield history

    @contextmanager
    def writing(self) -> Iterator[History]:
        """Open the history to be changed.

        Raises:
            HouseholdError: there is none, or it cannot be changed.
        """
        if not (self._folders.model_dir / FILE).exists():
            raise NotThereError("There is no such visit any more.")
        with self._open(read_only=False) as history:
            yield history

    @contextmanager
    def _open(self, *, read_only: bool) -> Iterator[History]:
        path = self._folders.model_dir / FILE
        with (
            household_errors(),
            history_errors(path),
            closing(History.open(path, read_only=read_only)) as history,
        ):
            yield history

    def local(self, epoch_s: float) -> str:
        """A time, in seconds since 1970, as ISO 8601 with this machine's offset."""
        return datetime.fromtimestamp(epoch_s).astimezone(self._zone).isoformat(timespec="seconds")

    def _described(self, visit: VisitRecord, names: dict[str, str], has_picture: bool) -> dict[str, Any]:
        return {
            "visit_id": visit.visit_id,
            "kind": visit.kind.value,
            "person": visit.person,
            "name": None if visit.person is None else names.get(visit.person, visit.name),
            "camera": visit.camera,
            "began": self.local(visit.began),
            "ended": None if visit.ended is None else self.local(visit.ended),
            "score": round(visit.score, 3),
            "picture": picture_url(visit.visit_id) if has_picture else None,
            "stranger_id": visit.stranger_id,
            "why": visit.why.model_dump(),
            "confirmed": _was_said(visit),
        }


def picture_url(visit_id: str, number: int = 0) -> str:
    """Where a picture of a visit is given out; number 0 is the best one."""
    file = f"pictures/{number}.jpg" if number else "picture.jpg"
    return f"/api/v1/visits/{quote(visit_id, safe='')}/{file}"


def _was_said(visit: VisitRecord) -> bool:
    """Whether somebody has said who it was; of earlier versions' visits, where a name no picture gave."""
    why = visit.why
    by_nothing_else = visit.person is not None and why.frames > 0 and why.named == 0
    return why.confirmed or why.corrected or by_nothing_else


def sentence(visit: VisitRecord, name: str | None) -> str:
    """Why a visit was named, doubted or refused.

    Args:
        visit: which.
        name: what the person is called at present; `None` for nobody who is known.
    """
    score = score_text(max(visit.why.best_score, visit.score))
    best = f"the best score was {score}, and 0.50 is needed for a name"
    counted = f"{visit.why.frames} picture{'s' * (visit.why.frames != 1)}"
    match visit.kind:
        case VisitKind.FAMILY | VisitKind.VISITOR if _was_said(visit):
            return f"You said that this is {name}."
        case VisitKind.STRANGER if visit.why.corrected or visit.why.confirmed:
            return "You said that this is nobody."
        case VisitKind.FAMILY | VisitKind.VISITOR:
            seen = (
                f"{visit.why.named} of {counted} were named {name}" if visit.why.frames else f"Named {name}"
            )
            return f"{seen}; {best}."
        case VisitKind.DOUBTFUL:
            return f"The face came near to somebody's without being named: {best}."
        case _:
            seen = f"{counted} of the face" if visit.why.frames else "The face"
            return f"{seen} looked like nobody in the model: {best}."
