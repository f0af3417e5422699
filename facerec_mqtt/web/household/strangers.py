"""Strangers: visits without a name, put together when they are of one person."""

from collections.abc import Callable, Mapping, Sequence

from facerec_mqtt.history import (
    History,
    MissingHistoryError,
    StrangerGroup,
    Suggestion,
    VisitFilter,
    VisitRecord,
)
from facerec_mqtt.presence import new_visit_id
from facerec_mqtt.web.household.errors import ConflictError, NotThereError
from facerec_mqtt.web.household.visits import HouseholdVisits, picture_url
from facerec_mqtt.web.schemas import Stranger, Strangers

Suggest = Callable[[Sequence[StrangerGroup]], Mapping[str, Suggestion]]
_MOST_PICTURES = 24


class HouseholdStrangers:
    """The groups of strangers of one household.

    Args:
        visits: that they consist of.
        suggest: says whom groups resemble, by their ids.
    """

    def __init__(self, visits: HouseholdVisits, suggest: Suggest) -> None:
        self._visits = visits
        self._suggest = suggest

    def all(self) -> Strangers:
        """All groups, the one that was seen last first.

        Raises:
            HouseholdError: the history cannot be read.
        """
        try:
            with self._visits.reading() as history:
                return Strangers(strangers=self._described(history, history.strangers.groups()))
        except MissingHistoryError:
            return Strangers(strangers=[])

    def records(self, stranger_id: str) -> Sequence[VisitRecord]:
        """The visits of a group.

        Raises:
            HouseholdError: there is no such group, or the history cannot be read.
        """
        try:
            with self._visits.reading() as history:
                found = [history.get(visit_id) for visit_id in history.strangers.visits(stranger_id)]
        except MissingHistoryError:
            found = []
        if not found:
            raise _not_there()
        return [visit for visit in found if visit is not None]

    def merge(self, from_id: str, into_id: str) -> Stranger:
        """Make two groups one, which keeps the second one's id.

        Raises:
            HouseholdError: there are not both, or the history cannot be changed.
        """
        if from_id == into_id:
            raise ConflictError("These are one group already.")
        with self._visits.writing() as history:
            if not history.strangers.merge(from_id, into_id):
                raise _not_there()
            return self._one(history, into_id)

    def split(self, stranger_id: str, visits: Sequence[str]) -> Stranger:
        """Take visits out of a group into one of their own.

        Raises:
            HouseholdError: there is no such group, none of these visits is in it, or all are.
        """
        with self._visits.writing() as history:
            there = set(history.strangers.visits(stranger_id))
            if not there & set(visits):
                raise NotThereError("None of these visits is in this group any more.")
            if there <= set(visits):
                raise ConflictError("These are all visits of this group; choose some of them.")
            new_id = new_visit_id()
            history.strangers.split(stranger_id, visits, new_id)
            return self._one(history, new_id)

    def _one(self, history: History, stranger_id: str) -> Stranger:
        group = history.strangers.group(stranger_id)
        if group is None:
            raise _not_there()
        return self._described(history, [group])[0]

    def _described(self, history: History, groups: Sequence[StrangerGroup]) -> list[Stranger]:
        latest = {
            group.stranger_id: history.find(VisitFilter(stranger_id=group.stranger_id), limit=_MOST_PICTURES)[
                0
            ]
            for group in groups
        }
        suggestions = self._suggest(groups)
        pictured = self._visits.with_pictures([visit for visits in latest.values() for visit in visits])
        return [
            Stranger(
                stranger_id=group.stranger_id,
                visits=group.visits,
                first_seen=self._visits.local(group.first_seen),
                last_seen=self._visits.local(group.last_seen),
                cameras=list(group.cameras),
                pictures=[
                    picture_url(visit.visit_id)
                    for visit in latest[group.stranger_id]
                    if visit.visit_id in pictured
                ],
                suggestion=_words(suggestions.get(group.stranger_id)),
            )
            for group in groups
        ]


def _words(suggestion: Suggestion | None) -> str | None:
    """Whom a group resembles, in words: "Tom, 0.41"."""
    return None if suggestion is None else f"{suggestion.person.name}, {suggestion.score:.2f}"


def _not_there() -> NotThereError:
    return NotThereError("There is no such group of strangers any more; somebody may have named it.")
