"""What a box shares with the others of its house, in the order in which the service's loop asks for it."""

from collections.abc import Iterable, Sequence
from typing import Self

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.records import OpenVisit, PersonState, PresenceChange
from facerec_mqtt.recognition import Recognizer
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.house.memory import Memory
from facerec_mqtt.service.house.models import HouseModels
from facerec_mqtt.service.house.presence import HousePresence
from facerec_mqtt.settings import Role, Settings


class House:
    """The house, where this is one of several boxes.

    Args:
        presence: who is there.
        models: the family's model on its way; `None` where it is not shared.
    """

    def __init__(self, presence: HousePresence, models: HouseModels | None) -> None:
        self._presence = presence
        self._models = models
        self._told: str | None = None

    @classmethod
    def of(cls, settings: Settings, publisher: Publisher, version: str) -> Self | None:
        """Make it; `None` where one box watches alone."""
        if settings.house.name is None:
            return None
        takes = settings.house.share_model and settings.house.role is not Role.CAMERA
        models = HouseModels(settings, publisher) if takes else None
        return cls(HousePresence(settings, publisher, version), models)

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
