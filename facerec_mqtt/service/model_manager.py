"""The family's model as the service has it: the one that is current on disk, and rebuilds of it.

What follows from another model for visits, presence and Home Assistant is the service's.
"""

import logging
from dataclasses import replace

from facerec_mqtt.core.errors import CommandError, ModelError
from facerec_mqtt.core.records import ModelState, Person, family_of
from facerec_mqtt.enrollment.reports.summary import model_message, summary
from facerec_mqtt.recognition import (
    FamilyModel,
    Recognizer,
    SavedReport,
    current_version,
    is_emptied,
    load_version,
)
from facerec_mqtt.service.rebuild_process import RebuildDone, RebuildFailed, RebuildProcess, RebuildResult
from facerec_mqtt.settings import Settings

_log = logging.getLogger(__name__)


class ModelManager:
    """Follows the model folder, and rebuilds on command, one rebuild at a time.

    Args:
        settings: where the photos and the models are.
        recognizer: what loads models; without one for a start.
    """

    def __init__(self, settings: Settings, recognizer: Recognizer) -> None:
        self._settings = settings
        self._recognizer = recognizer
        self._newer = recognizer
        self._is_known = recognizer.model is not None
        self._model_fault: str | None = None
        self._rebuild: RebuildProcess | None = None
        self._rebuild_fault: str | None = None
        self._reported: tuple[str | None, int] | None = None

    @property
    def recognizer(self) -> Recognizer:
        """With the model in use."""
        return self._recognizer

    @property
    def model(self) -> FamilyModel | None:
        """The model in use; `None` when there is none."""
        return self._recognizer.model

    @property
    def version(self) -> str | None:
        """Of the model in use; `None` when there is none."""
        return None if self.model is None else self.model.version

    @property
    def people(self) -> tuple[Person, ...] | None:
        """Who is enrolled; empty once the last person was forgotten.

        `None` while nobody can tell: there is no model yet, or none that could be loaded since the start.
        """
        if not self._is_known:
            return None
        return () if self.model is None else self.model.people

    @property
    def fault(self) -> str | None:
        """Why the last rebuild failed, or why the model on disk cannot be used."""
        return self._rebuild_fault or self._model_fault

    def newer(self) -> Recognizer | None:
        """Load the model that is current on disk; a damaged one changes nothing but the fault.

        Returns:
            What is to be used from now on, without a model where the last person was forgotten; `None` where
            that is still the same.
        """
        try:
            newer = self._load_newer()
        except ModelError as error:
            if str(error) != self._model_fault:
                self._model_fault = str(error)
                _log.error("%s", error)
            return None
        self._model_fault = None
        self._newer = newer or self._recognizer
        return newer

    def use(self) -> None:
        """Use what `newer` has loaded last."""
        self._recognizer = self._newer
        self._is_known, self._rebuild_fault = True, None
        self._log_other_share()

    def _log_other_share(self) -> None:
        """Log where the model in use was made for another share of strangers than is asked for now."""
        stated = None if self.model is None else SavedReport.of(self.model.report).fpir
        wanted = self._settings.recognition.fpir
        if stated is not None and stated != wanted:
            _log.warning(
                "The model in use was made to let %g %% of strangers' visits through, and"
                ' FACEREC_RECOGNITION__FPIR asks for %g %%; "facerec-mqtt rebuild" makes one for that.',
                100 * stated,
                100 * wanted,
            )

    def _load_newer(self) -> Recognizer | None:
        """Load the model that is current on disk, unless it is in use.

        Raises:
            ModelError: it cannot be used.
        """
        folder = self._settings.model_dir
        # Read once, so that the version that is compared is the one that is loaded.
        version = current_version(folder)
        if version is not None:
            if version == self.version:
                return None
            return self._recognizer.with_model(load_version(folder, version))
        if is_emptied(folder):
            return None if self.people == () else self._recognizer.with_model(None)
        if self.model is None:
            return None
        raise ModelError(
            f'The model folder "{folder}" is gone; the model in memory stays in use until there is one again.'
        )

    def rebuild(self, *, force: bool) -> None:
        """Start a rebuild.

        Raises:
            CommandError: one is running, or the system cannot start another process.
        """
        if self._rebuild is not None:
            raise CommandError("A rebuild is already running.")
        rebuild = RebuildProcess(self._settings, force=force)
        try:
            rebuild.start()
        except OSError as error:
            raise CommandError(f"The rebuild cannot be started ({error.strerror}).") from error
        self._rebuild, self._rebuild_fault, self._reported = rebuild, None, None
        _log.info('Rebuilding the model from "%s"', self._settings.enrollment_dir)

    def has_moved(self) -> bool:
        """Whether the rebuild has progressed since the last call."""
        if self._rebuild is None or (self._rebuild.stage, self._rebuild.percent) == self._reported:
            return False
        self._reported = self._rebuild.stage, self._rebuild.percent
        return True

    def ended(self) -> RebuildResult | None:
        """How the rebuild has ended, once; `None` while it runs, and after that."""
        result = None if self._rebuild is None else self._rebuild.poll()
        if result is not None:
            self._rebuild = None
        return result

    def settle(self, result: RebuildResult) -> str:
        """Note how a rebuild has ended, once the model that it may have made is loaded.

        Returns:
            The answer to the command.
        """
        self._rebuild_fault = None if result.ok else result.message
        match result:
            case RebuildFailed():
                _log.error("The rebuild failed: %s", result.message)
            case RebuildDone(switched=False):
                _log.warning("%s", result.message)
        return result.message

    def state(self) -> ModelState:
        """Make the state that is published."""
        if self._rebuild is None:
            return model_state(self.model, None, self.fault)
        state = model_state(self.model, self._rebuild.percent, self.fault)
        return replace(state, stage=self._rebuild.stage, seconds_left=self._rebuild.seconds_left)

    def stop(self) -> None:
        """The service ends: so does the rebuild."""
        if self._rebuild is not None:
            self._rebuild.stop()


def model_state(model: FamilyModel | None, progress: int | None, fault: str | None) -> ModelState:
    """Make the state of a model.

    Args:
        model: the one in use; `None` when there is none.
        progress: of a rebuild that runs, percent; `None` when none does.
        fault: why the last rebuild failed, or why the model on disk cannot be used.
    """
    people = () if model is None else tuple(person.slug for person in family_of(model.people))
    version = None if model is None else model.version
    report = None if model is None else summary(model.report)
    message = fault
    if message is None and model is not None:
        names = ", ".join(person.name for person in model.people)
        message = model_message(model.version, names, model.report)
    if progress is not None:
        return ModelState("training", progress, version, people, report, message)
    if fault is not None:
        return ModelState("failed", None, version, people, report, message)
    return ModelState("missing" if model is None else "ready", None, version, people, report, message)
