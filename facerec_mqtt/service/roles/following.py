"""A box without a model forgets whom its house forgets, and says so: the command waits for every box."""

import logging

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.recognition import delete_all_models, rebuilding, versions
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.house.confirmations import acknowledgement
from facerec_mqtt.service.house.installing import forget_rest
from facerec_mqtt.service.house.memory import Memory, read_memory, write_memory
from facerec_mqtt.service.roles.messages import HouseModel
from facerec_mqtt.settings import Settings

_log = logging.getLogger(__name__)
_EVERY_S = 1.0


class Follower:
    """Follows what the recognisers say of the model of the house.

    Args:
        settings: the folders.
        publisher: to publish with.
    """

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        self._folder = settings.model_dir
        self._enrollment = settings.enrollment_dir
        self._review = settings.review.folder
        self._topic = publisher.topics.box(settings.mqtt.node_id, "holds")
        self._publisher = publisher
        self._memory = read_memory(settings.model_dir) or Memory()
        self._problem: str | None = None
        self._due_s = 0.0

    def warn_of_models(self) -> None:
        """Say that models of an earlier role lie here, where they do."""
        if versions(self._folder):
            _log.warning(
                'Models of the family lie in "%s", and a box with the role camera needs none; delete that'
                " folder, so that nobody takes them from here.",
                self._folder,
            )

    def step(self, model: HouseModel | None, now_s: float) -> None:
        """Forget who was forgotten, and say so.

        Args:
            model: what the recognisers say; `None` before they have.
            now_s: now, of `time.monotonic`.
        """
        if model is None or now_s < self._due_s:
            return
        self._due_s = now_s + _EVERY_S
        try:
            self._forget(model)
        except (FacerecError, OSError) as error:
            if str(error) != self._problem:
                self._problem = str(error)
                _log.warning("%s", error)
        else:
            self._problem = None
        said = acknowledgement(
            self._memory.model_copy(update={"stamp": model.stamp, "version": model.version}),
            self._enrollment,
            self._problem,
        )
        self._publisher.keep(self._topic, said.model_dump_json().encode())

    def _forget(self, model: HouseModel) -> None:
        before = self._memory
        new = [each for each in model.forgotten if each not in before.forgotten]
        if not new:
            return
        if versions(self._folder):
            with rebuilding(self._folder):
                delete_all_models(self._folder)
            # What another role would begin with: the model of the house, whichever it is then.
            before = Memory()
        forget_rest(self._folder, self._review, new)
        self._memory = before.model_copy(update={"forgotten": model.forgotten})
        write_memory(self._folder, self._memory)
