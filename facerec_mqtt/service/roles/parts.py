"""What a box does of the work of its house, by its role, as the service's loop asks for it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from facerec_mqtt.core.records import Detection, Image
from facerec_mqtt.faces import Embedder, load_cohort
from facerec_mqtt.history import StrangerGroups
from facerec_mqtt.presence import Visits
from facerec_mqtt.recognition import Recognizer
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.frames.watched_camera import WatchedCamera
from facerec_mqtt.service.house.house import House
from facerec_mqtt.service.house.work import Work
from facerec_mqtt.service.model_manager import ModelManager
from facerec_mqtt.service.roles.answering import Answerer
from facerec_mqtt.service.roles.asking import Asker
from facerec_mqtt.service.roles.following import Follower
from facerec_mqtt.service.roles.messages import HouseModel
from facerec_mqtt.service.roles.remote import RemoteModels, RemoteRecognizer
from facerec_mqtt.settings import Role, Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """What a service watches."""

    visits: Visits
    cameras: Mapping[str, WatchedCamera]
    """By slug."""
    house: House | None
    """That this box shares."""


class Part:
    """A box that names the faces of its own cameras.

    Args:
        settings: all of them.
        recognizer: without a model for a start.
    """

    models: ModelManager | RemoteModels
    """The model by which faces are named."""
    more_networks: Callable[[], Recognizer] | Callable[[], RemoteRecognizer]
    """Opens the networks once more, for another thread."""
    most_workers: int
    """Pictures that are searched at once, at most."""
    groups: StrangerGroups | None
    """Of strangers who come again; `None` where no embedding may be kept."""

    def __init__(self, settings: Settings, recognizer: Recognizer) -> None:
        self._folder = settings.model_dir
        self.models = ModelManager(settings, recognizer)
        self.more_networks = partial(Recognizer.from_settings, settings.recognition)
        self.most_workers = settings.recognition.most_workers
        self.groups = StrangerGroups(recognizer.shipped_normaliser, recognizer.network)

    def report_no_model(self) -> None:
        """Log that there is none at the start, where that is this box's to make."""
        _log.warning(
            'There is no model in "%s" yet: all are strangers until "facerec-mqtt rebuild" has made one',
            self._folder,
        )

    def start(self) -> None:
        """Begin, once what is published at the start is on its way."""

    def step(self, at: Watch, now_s: float) -> None:
        """Do what is due; a few times a second.

        Args:
            at: what the service watches.
            now_s: now, of `time.monotonic`.
        """
        recognizer = self.models.recognizer
        if at.house is None:
            return
        at.house.tell_work(self._work(now_s))
        if isinstance(recognizer, Recognizer):
            at.house.share(recognizer, now_s)

    def _work(self, now_s: float) -> Work:  # noqa: ARG002 - the other roles know more
        return Work(version=self.models.version)

    def counts(self) -> Mapping[str, int]:
        """What was asked and answered so far."""
        return {}

    def stop(self) -> None:
        """End, while the broker is still connected."""


class CameraPart(Part):
    """A box that asks others who is before its cameras.

    Args:
        settings: all of them.
        publisher: to ask by.

    Raises:
        ModelError: the network that finds faces is missing or damaged.
    """

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        asker = self._asker = Asker(settings, publisher)
        self.more_networks = partial(RemoteRecognizer.load, settings.recognition, asker)
        self.models = RemoteModels(self.more_networks(), asker)
        # A thread that waits for an answer takes no core.
        most = settings.recognition.most_workers
        self.most_workers = settings.recognition.workers or max(most, len(settings.cameras))
        self.groups = None
        self._follower = Follower(settings, publisher)
        self._was_silent = False

    def report_no_model(self) -> None:
        """It has none."""

    def start(self) -> None:
        """Begin to ask."""
        self._follower.warn_of_models()
        self._asker.start()

    def step(self, at: Watch, now_s: float) -> None:
        """Let nobody depart because nobody says who is there, and forget whom the house forgets."""
        model = self._asker.model
        self._follower.step(model, now_s)
        if at.house is not None:
            at.house.tell_work(self._work(now_s))
            if model is not None:
                at.house.tell_made_by(model.stamp.node)
        if self._asker.silent:
            self._was_silent = True
            for slug in at.cameras:
                at.visits.camera_lost(slug, now_s)
        elif self._was_silent:
            self._was_silent = False
            for slug in (slug for slug, watched in at.cameras.items() if watched.camera.online):
                at.visits.camera_back(slug, now_s)

    def _work(self, now_s: float) -> Work:
        answering = () if self._asker.silent else self._asker.recognisers.recent(now_s)
        return Work(role=Role.CAMERA, recognisers=answering)

    def counts(self) -> Mapping[str, int]:
        """What was asked so far."""
        counts = self._asker.counts
        return {
            "asked": counts.asked,
            "repeated": counts.repeated,
            "answered": counts.answered,
            "unanswered": counts.unanswered,
            "ignored": counts.ignored,
        }

    def stop(self) -> None:
        """Ask no more."""
        self._asker.stop()


class RecogniserPart(Part):
    """A box that answers, and has no cameras.

    Args:
        settings: all of them.
        publisher: to answer by.

    Raises:
        ModelError: the network that embeds faces is missing or damaged.
    """

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        embedder = Embedder.load(threads=settings.recognition.threads)
        recognizer = Recognizer(_NoDetector(), embedder, embedder.digest, load_cohort(), None, None)
        super().__init__(settings, recognizer)
        self._answerer = Answerer(settings, publisher)
        self._model: HouseModel | None = None

    def report_no_model(self) -> None:
        """Log that nothing is answered until there is one."""
        _log.info("There is no model yet; nobody is answered until a box of the house has made one")

    def step(self, at: Watch, now_s: float) -> None:
        """Answer by the model in use, once there is one."""
        super().step(at, now_s)
        recognizer, people = self.models.recognizer, self.models.people
        memory = None if at.house is None else at.house.memory
        if people is None or not isinstance(recognizer, Recognizer):
            return
        model = HouseModel(self.models.version, people=people)
        if memory is not None and memory.version == model.version:
            model = HouseModel(model.version, memory.stamp, people, memory.forgotten)
        elif self._model is not None and self._model.version == model.version:
            return  # another model is about to be used
        if model != self._model:
            self._model = model
            self._answerer.use(recognizer, model)

    def _work(self, now_s: float) -> Work:
        version = None if self._model is None else self._model.version
        return Work(role=Role.RECOGNISER, version=version, asked_by=self._answerer.askers.recent(now_s))

    def counts(self) -> Mapping[str, int]:
        """What was answered so far."""
        counts = self._answerer.counts
        return {"answered": counts.answered, "dropped": counts.dropped, "refused": counts.refused}

    def stop(self) -> None:
        """Answer what has come, and no more."""
        self._answerer.stop()


class _NoDetector:
    """Of a box that never looks for faces: the network for it is not loaded."""

    def detect(self, image: Image) -> tuple[Detection, ...]:  # noqa: ARG002 - a `Detector`
        """No faces."""
        return ()


def part_of(settings: Settings, publisher: Publisher) -> Part:
    """The part that a box has by its role, with its networks.

    Args:
        settings: all of them; `require_role` has accepted them.
        publisher: not started yet.

    Raises:
        ModelError: a network is missing or damaged.
    """
    match settings.house.role:
        case Role.CAMERA:
            return CameraPart(settings, publisher)
        case Role.RECOGNISER:
            return RecogniserPart(settings, publisher)
        case Role.ALL:
            return Part(settings, Recognizer.from_settings(settings.recognition))
