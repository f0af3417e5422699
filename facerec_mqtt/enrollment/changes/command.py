"""The command by MQTT that says who a visit or a stranger was. It waits for disks, in a thread of its own."""

import logging
import threading
from contextlib import closing
from pathlib import Path
from typing import Protocol

from facerec_mqtt.core.errors import EnrollmentError, FacerecError
from facerec_mqtt.core.records import Person
from facerec_mqtt.enrollment.changes.assignment import Whose, assign_visits, pictures_of_visits
from facerec_mqtt.history import FILE, History, HistoryWriter, VisitRecord, history_errors
from facerec_mqtt.mqtt import Assign

_log = logging.getLogger(__name__)
_UNTIL_WRITTEN_S = 5.0


class UnknownVisitError(FacerecError):
    """There is no such visit, or no such stranger."""


class Answering(Protocol):
    """Answers commands."""

    def publish_result(self, command: str, ok: bool, message: str) -> None:
        """Answer a command."""


class AssignmentController:
    """Carries out such commands, one after the other.

    Args:
        enrollment_dir: where pictures of visits move.
        review_dir: where they are.
        model_dir: the folder that the history is in.
        writer: may still have to write a visit that has just begun.
        publisher: of the answers.
    """

    def __init__(
        self,
        enrollment_dir: Path,
        review_dir: Path,
        model_dir: Path,
        writer: HistoryWriter,
        publisher: Answering,
    ) -> None:
        self._enrollment_dir = enrollment_dir
        self._review_dir = review_dir
        self._path = model_dir / FILE
        self._writer = writer
        self._publisher = publisher
        self._one_at_a_time = threading.Lock()

    def start(self, command: Assign) -> None:
        """Carry out a command; returns at once."""
        threading.Thread(target=self._carry_out, args=(command,), name="assign", daemon=True).start()

    def _carry_out(self, command: Assign) -> None:
        with self._one_at_a_time:
            try:
                message = self._assign(command)
            except FacerecError as error:
                self._publisher.publish_result("assign", ok=False, message=str(error))
            else:
                _log.info("%s", message)
                self._publisher.publish_result("assign", ok=True, message=message)

    def _assign(self, command: Assign) -> str:
        """Say who some visits were, and move their pictures.

        Returns:
            What was done, in a sentence.

        Raises:
            UnknownVisitError: there are none.
            FacerecError: the person is unknown, or a folder or the history cannot be written.
        """
        if not self._writer.is_on:
            raise UnknownVisitError("assign: no visits are kept; set FACEREC_HISTORY__DAYS to more than 0.")
        self._writer.is_up_to_date(_UNTIL_WRITTEN_S)
        with history_errors(self._path), closing(History.open(self._path)) as history:
            visits = _meant(history, command)
            history.try_to_write()
            found = pictures_of_visits(self._enrollment_dir, self._review_dir, visits)
            pictures = sum(map(len, found.values()))
            whose = Whose(command.person, command.name, command.visitor)
            try:
                person = assign_visits(history, self._enrollment_dir, self._review_dir, visits, whose)
            except OSError as error:
                raise EnrollmentError(
                    f"assign: a picture cannot be moved ({error.strerror}: {error.filename}); check the"
                    " permissions of the enrollment folder and of the review folder, and send it again."
                ) from error
        return _sentence(person, len(visits), pictures)


def _meant(history: History, command: Assign) -> list[VisitRecord]:
    """The visits that a command is about.

    Raises:
        UnknownVisitError: there are none.
    """
    if command.visit_id is not None:
        ids: tuple[str, ...] = (command.visit_id,)
    else:
        ids = history.strangers.visits(history.strangers.current(command.stranger_id or ""))
    visits = [visit for visit in map(history.get, ids) if visit is not None]
    if not visits:
        what = f'visit "{command.visit_id}"' if command.visit_id else f'stranger "{command.stranger_id}"'
        raise UnknownVisitError(f"assign: there is no {what} in the history; send the id of an event.")
    return visits


def _sentence(person: Person | None, visits: int, pictures: int) -> str:
    whom = "nobody who is known" if person is None else person.name
    done = f"{visits} {'visit is' if visits == 1 else 'visits are'} assigned to {whom}"
    if not pictures:
        return f"{done}; no picture of it was kept." if visits == 1 else f"{done}; no pictures were kept."
    kept = "1 picture is" if pictures == 1 else f"{pictures} pictures are"
    return f"{done}, and {kept} in the enrollment folder; rebuild the model to use what is there."
