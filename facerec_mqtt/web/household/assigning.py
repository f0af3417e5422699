"""Saying who visits were, and deleting them: on the disk and in the history."""

import threading
from collections.abc import Sequence

from facerec_mqtt.enrollment.changes import Whose, assign_visits, pictures_for_review, place_of
from facerec_mqtt.history import VisitRecord
from facerec_mqtt.monitoring.page_messages import PageFolders
from facerec_mqtt.web.household.errors import household_errors
from facerec_mqtt.web.household.photos import Audit, LookAlikes
from facerec_mqtt.web.household.visits import HouseholdVisits
from facerec_mqtt.web.schemas import Assignment, LooksLike

_MOST_LOOKED_AT = 8
"""Of a group of strangers with hundreds of pictures."""


class Assigning:
    """Changes whose visits are; may be asked from any thread.

    Args:
        folders: where the household's files are.
        visits: what they are of.
        look_alikes: says whether their pictures look like somebody else.
        audit: what a rebuild would make of all photos.
        changing: held while something is changed.
    """

    def __init__(
        self,
        folders: PageFolders,
        visits: HouseholdVisits,
        look_alikes: LookAlikes,
        audit: Audit,
        changing: threading.RLock,
    ) -> None:
        self._folders = folders
        self._visits = visits
        self._look_alikes = look_alikes
        self._audit = audit
        self._changing = changing

    def check(self, visits: Sequence[VisitRecord], assignment: Assignment) -> LooksLike | None:
        """Say whether pictures of visits look like somebody else than they are to be assigned to.

        Raises:
            HouseholdError: they cannot be assigned so.
        """
        with household_errors():
            _, owner = place_of(self._folders.enrollment_dir, _whose(assignment))
        if owner is None:
            return None
        pictures = [picture for visit in visits for picture in self._visits.picture_files(visit)]
        # None of these names leaves the process: a picture of a visit is known by its number.
        numbered = {str(number): path for number, path in enumerate(pictures[:_MOST_LOOKED_AT])}
        return self._look_alikes.among(numbered, owner.slug, owner.name)

    def assign(self, visits: Sequence[VisitRecord], assignment: Assignment) -> None:
        """Say who visits were; their pictures move into that folder.

        Raises:
            HouseholdError: they cannot be assigned so.
        """
        enrollment_dir, review_dir = self._folders.enrollment_dir, self._folders.review_dir
        whose, sure = _whose(assignment), assignment.sure
        with self._changing, self._visits.writing() as history:
            history.try_to_write()
            with household_errors():
                assign_visits(history, enrollment_dir, review_dir, visits, whose, use_anyway=sure)
        self._audit.refresh()

    def delete(self, visits: Sequence[VisitRecord]) -> None:
        """Delete visits with their pictures.

        Raises:
            HouseholdError: they cannot be deleted.
        """
        with self._changing, self._visits.writing() as history:
            history.try_to_write()
            for visit in visits:
                # Those that were assigned are photos of somebody by now, and stay.
                with household_errors():
                    for picture in pictures_for_review(self._folders.review_dir, visit):
                        picture.unlink(missing_ok=True)
            history.delete(*(visit.visit_id for visit in visits))


def _whose(assignment: Assignment) -> Whose:
    return Whose(assignment.person, assignment.name, assignment.visitor)
