"""What a box shares with the others of its house, in the order in which the service's loop asks for it."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Self

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.records import OpenVisit, PersonState, PresenceChange
from facerec_mqtt.recognition import Recognizer
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.house.memory import Memory
from facerec_mqtt.service.house.models import HouseModels
from facerec_mqtt.service.house.presence import HousePresence
from facerec_mqtt.service.house.work import Work
from facerec_mqtt.settings import Role, Settings


class House:
    """The house, where this is one of several boxes.

    Args:
        name: what the boxes have in common.
        presence: who is there.
        models: the family's model on its way; `None` where it is not shared.
        publish: has the broker retain what this box does.
    """

    def __init__(
        self,
        name: str,
        presence: HousePresence,
        models: HouseModels | None,
        publish: Callable[[bytes], None],
    ) -> None:
        self.name = name
        """What the boxes have in common."""
        self._presence = presence
        self._models = models
        self._publish = publish
        self._told: str | None = None
        self._work: Work | None = None

    @classmethod
    def of(cls, settings: Settings, publisher: Publisher, version: str) -> Self | None:
        """Make it; `None` where one box watches alone."""
        if settings.house.name is None:
            return None
        takes = settings.house.share_model and settings.house.role is not Role.CAMERA
        models = HouseModels(settings, publisher) if takes else None
        publish = partial(publisher.keep, publisher.topics.box(settings.mqtt.node_id, "work"))
        presence = HousePresence(settings, publisher, version)
        return cls(settings.house.name, presence, models, publish)

    @property
    def work(self) -> Work:
        """What this box does of the work of the house."""
        return self._work or Work()

    def tell_work(self, work: Work) -> None:
        """Take in what this box does, and publish it where that has changed."""
        if work != self._work:
            self._work = work
            self._publish(work.model_dump_json().encode())

    @property
    def memory(self) -> Memory | None:
        """Which model of the house this box has taken in; `None` where it takes none."""
        return None if self._models is None else self._models.memory

    def observe(
        self,
        people: Sequence[PersonState],
        visits: Sequence[OpenVisit],
        changes: Iterable[PresenceChange],
        clock: Clock,
        now_s: float,
    ) -> None:
        """Take in what this box's cameras see, and publish what follows."""
        self._presence.observe(people, visits, changes, clock)
        self._presence.step(clock, now_s)

    def people(self, clock: Clock) -> list[PersonState]:
        """Everybody, by all boxes."""
        return self._presence.people(clock)

    @property
    def made_by(self) -> str | None:
        """As `HouseModels.made_by`, or what a recogniser has told."""
        return self._told if self._models is None else self._models.made_by

    def tell_made_by(self, node: str) -> None:
        """Take in at which box the model was made, at a box that has none."""
        self._told = node or None

    def share(self, recognizer: Recognizer, now_s: float) -> None:
        """Pass on a model that has changed here, and take in one that has changed elsewhere."""
        if self._models is not None:
            self._models.step(
                recognizer,
                now_s,
                synchronised=self._presence.synchronised,
                leading=self._presence.leading,
            )
