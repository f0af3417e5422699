"""What the page has commands do, in processes of their own: recognising a picture, forgetting somebody."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from facerec_mqtt.core.child_process import child_environment
from facerec_mqtt.core.records import Person
from facerec_mqtt.monitoring.page_messages import PageFolders
from facerec_mqtt.web.household.errors import ConflictError, InvalidError, TryAgainError, household_errors
from facerec_mqtt.web.schemas import FoundFace, Recognised

MOST_WAITING = 4
_RECOGNISE_S = 60.0
_FORGET_S = 3600.0
_NICENESS = 19


def start_command(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start one of the program's own commands, where it is in nobody's way.

    Args:
        arguments: of the command.
        environment: set for it beside what every child process gets.

    Raises:
        OSError: no process can be started.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "facerec_mqtt", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=child_environment(**environment),
    )
    # One that has ended already needs none.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
    return process


def run_command(*arguments: str, timeout_s: float, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run such a command to its end.

    Raises:
        OSError: no process can be started.
        TimeoutExpired: it took longer, and was ended.
    """
    with start_command(*arguments, **environment) as process:
        try:
            output, said = process.communicate(timeout=timeout_s)
        except BaseException:
            process.kill()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, output, said)


class _Printed(BaseModel):
    """A line of `predict --json`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    error: str | None = None
    faces: list[FoundFace] = []


class Recogniser:
    """Tries pictures; may be asked from any thread.

    Args:
        model_dir: where the models are.
        timeout_s: a picture that takes longer is given up.
        most_waiting: so many others may wait while one is looked at.
    """

    def __init__(
        self, model_dir: Path, *, timeout_s: float = _RECOGNISE_S, most_waiting: int = MOST_WAITING
    ) -> None:
        self._model_dir = model_dir
        self._timeout_s = timeout_s
        self._places = threading.BoundedSemaphore(1 + most_waiting)
        self._one = threading.Lock()

    def recognise(self, picture: bytes) -> Recognised:
        """Say who is in a picture, which is not kept.

        Raises:
            HouseholdError: there is no model, it is no picture, or too many are waiting.
        """
        if not self._places.acquire(blocking=False):
            raise TryAgainError("Several pictures are being looked at already; try again in a minute.")
        try:
            with household_errors(), tempfile.TemporaryDirectory(prefix="facerec-") as folder:
                file = Path(folder, "picture")
                file.write_bytes(picture)
                with self._one:
                    return self._predict(file)
        finally:
            self._places.release()

    def _predict(self, file: Path) -> Recognised:
        arguments = "predict", "--json", "--model-dir", str(self._model_dir), str(file)
        try:
            done = run_command(*arguments, timeout_s=self._timeout_s)
        except subprocess.TimeoutExpired as error:
            raise TryAgainError("Looking at the picture took too long; try a smaller one.") from error
        if not done.stdout:
            said = done.stderr.decode("utf-8", "replace").strip().removeprefix("facerec-mqtt: ")
            raise ConflictError(said[-500:] or "The picture could not be looked at.")
        try:
            printed = _Printed.model_validate_json(done.stdout)
        except ValidationError as error:
            raise TryAgainError("The picture could not be looked at; try again.") from error
        if printed.error is not None:
            raise InvalidError(printed.error.removeprefix(f"{file}: "))
        return Recognised(file="picture", faces=printed.faces)


class Forgetting:
    """Forgets one after the other; may be asked from any thread.

    Args:
        folders: where the household's files are.
        fpir: gives the share of strangers that the model in use was made for; `None` where it is unknown.
        changing: held while something is changed.
    """

    def __init__(
        self, folders: PageFolders, fpir: Callable[[], float | None], changing: threading.RLock
    ) -> None:
        self._folders = folders
        self._fpir = fpir
        self._changing = changing
        self._person: Person | None = None
        self._failure: str | None = None

    def require_to_stay(self, person: str) -> None:
        """See that nothing is added to somebody who is being forgotten.

        Args:
            person: the slug.

        Raises:
            ConflictError: it is this person.
        """
        being = self._person
        if being is not None and being.slug == person:
            raise ConflictError(f"{being.name} is being forgotten; nothing more is taken.")

    @property
    def notes(self) -> list[str]:
        """Who is being forgotten, and what failed last, a sentence each."""
        person, failure = self._person, self._failure
        being = [] if person is None else [f"{person.name} is being forgotten; a model is made without them."]
        return being + ([] if failure is None else [failure])

    def forget(self, person: Person, wait_s: float) -> bool:
        """Remove all traces of somebody.

        Args:
            person: who.
            wait_s: for how long to wait until it is done; it goes on after that.

        Returns:
            Whether it is done.

        Raises:
            HouseholdError: somebody is being forgotten already, or it failed within this time.
        """
        with self._changing:
            if self._person is not None:
                raise ConflictError(f"{self._person.name} is being forgotten; try again when that is done.")
            self._person, self._failure = person, None
        thread = threading.Thread(target=self._run, args=(person,), name="forget", daemon=True)
        thread.start()
        thread.join(wait_s)
        if thread.is_alive():
            return False
        failure, self._failure = self._failure, None
        if failure is not None:
            raise TryAgainError(failure)
        return True

    def _run(self, person: Person) -> None:
        folders = self._folders
        where = ["--enrollment", str(folders.enrollment_dir), "--model-dir", str(folders.model_dir)]
        if folders.shares_model:
            where.append("--for-house")
        own = {"FACEREC_REVIEW__FOLDER": str(folders.review_dir)}
        fpir = self._fpir()
        if fpir is not None:
            own["FACEREC_RECOGNITION__FPIR"] = str(fpir)
        try:
            done = run_command(
                "forget", person.slug, "--yes", "--for-page", *where, timeout_s=_FORGET_S, **own
            )
            if done.returncode != 0:
                lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
                said = lines[-1].removeprefix("facerec-mqtt: ") if lines else "the command ended early."
                self._failure = said[-800:]
        except (OSError, subprocess.TimeoutExpired):
            self._failure = f"{person.name} is not forgotten: the command could not be run; try again."
        finally:
            self._person = None
