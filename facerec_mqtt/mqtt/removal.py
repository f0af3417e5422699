"""Remove a person from the broker: entities in Home Assistant, and every retained topic that names them.

A running service does that itself as soon as its model is another one; then this only waits for it.
"""

import json
import queue
import secrets
import time
from collections.abc import Callable

from facerec_mqtt.core.errors import BrokerError
from facerec_mqtt.mqtt import payloads
from facerec_mqtt.mqtt.connection import Connection, Lost, Received, connection
from facerec_mqtt.mqtt.failures import ConnectionFailedError, Fault, Outage, address
from facerec_mqtt.mqtt.home_assistant import Announcements, Component, components_of, person_keys
from facerec_mqtt.mqtt.topics import Topics
from facerec_mqtt.settings import MqttSettings

SERVICE_WITHIN_S = 60.0
"""A service looks for a new model every second, and empties topics two seconds after it has seen one."""
_ANSWER_WITHIN_S = 10.0
_ENTITIES_FIRST_S = 2.0
Names = Callable[[str], bool]
"""Whether a text names the person."""


def remove_person_from_broker(
    settings: MqttSettings, person: str, names: Names, house: str | None = None
) -> str:
    """Remove what the broker keeps of a person.

    Args:
        settings: the broker, and our topics on it.
        person: the slug.
        names: whether a text names the person.
        house: its name, where this is one of several boxes.

    Returns:
        What was done, in one sentence.

    Raises:
        BrokerError: the broker cannot be reached or refuses us, or a running service goes on naming the
            person.
    """
    with connection(settings, f"facerec-forget-{secrets.token_hex(4)}") as open_connection:
        session = _Session(open_connection, settings, person, names, house)
        session.read_kept()
        if session.kept.get(session.topics.status) == payloads.ONLINE.encode():
            if not session.wait_until(lambda: not session.is_announced(), SERVICE_WITHIN_S):
                raise BrokerError(
                    f"{address(settings)}: the running service still names the person; does it use this"
                    " model folder? Restart it, and give the same command again."
                )
            return (
                "The running service has removed the person from MQTT and Home Assistant. Its state file"
                " keeps the ids of the entities until Home Assistant starts again, to remove them once more."
            )
        cleared = session.clear()
        return f"The broker kept {cleared} topics that named or may have shown the person; they are cleared."


class _Session:
    """One short connection, and what the broker keeps for us as far as it has come."""

    def __init__(
        self, opened: Connection, settings: MqttSettings, person: str, names: Names, house: str | None
    ) -> None:
        self.topics = Topics.of(settings, house)
        self.kept: dict[str, bytes] = {}
        self._connection = opened
        self._settings = settings
        self._person = person
        self._person_topic = self.topics.person(person)
        self._person_topics = {self.topics.person(person, leaf) for leaf in ("state", "face", "tracker")}
        self._keys = set(person_keys(person))
        self._names = names
        self._mark = self.topics.forget_mark(secrets.token_hex(4))
        self._all_read = False

    def read_kept(self) -> None:
        """Read all that is kept."""
        topics = self.topics
        filters = {
            topics.all,
            topics.discovery,
            topics.all_discovery_parts,
            topics.of_house().discovery,
        }
        self._connection.client.subscribe([(each, 1) for each in filters])
        # It comes back to us after all that was kept.
        self._connection.client.publish(self._mark, b"", qos=1)
        if not self.wait_until(lambda: self._all_read, _ANSWER_WITHIN_S):
            raise ConnectionFailedError(Outage(Fault.MUTE), self._settings)

    def wait_until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Take in what the broker sends until something is so; returns whether it came to be."""
        deadline_s = time.monotonic() + timeout_s
        while not done():
            try:
                signal = self._connection.signals.get(timeout=max(0.001, deadline_s - time.monotonic()))
            except queue.Empty:
                return False
            match signal:
                case Lost(outage):
                    raise ConnectionFailedError(outage, self._settings)
                case Received(topic, payload, retained):
                    self._all_read |= topic == self._mark
                    if retained or topic in self.kept:
                        self.kept[topic] = payload
        return True

    def is_announced(self) -> bool:
        """Whether the person still has a state or entities, or is one the model knows."""
        return (
            bool(self.kept.get(self._person_topic))
            or any(f'"{self._person_topic}"'.encode() in self.kept[topic] for topic in self._discovery())
            or f'"{self._person}"'.encode() in self.kept.get(self.topics.model_state, b"")
        )

    def clear(self) -> int:
        """Remove what names the person, and all retained faces, since they bear no name.

        Returns:
            How many topics.
        """
        gone = {
            topic
            for topic, payload in self.kept.items()
            if payload
            and (
                topic in self._person_topics
                or self.topics.is_face(topic)
                or self._names(payload.decode("utf-8", "replace"))
            )
        }
        announced = sorted(gone & self._discovery())
        steps = [self._without_person(topic) for topic in announced]
        for number in range(3):
            for topic, messages in zip(announced, steps, strict=True):
                self._keep(topic, messages[number])
            if number == 0 and announced:
                # Home Assistant is to know the entities, to drop them before their topics are emptied.
                self.wait_until(lambda: False, _ENTITIES_FIRST_S)
        for topic in sorted(gone.difference(announced)):
            self._keep(topic, b"")
        return len(gone)

    def _discovery(self) -> set[str]:
        """The topics of our discovery message, which may be in parts."""
        of_house = self.topics.of_house().discovery
        return {topic for topic in self.kept if self.topics.is_discovery(topic) or topic == of_house}

    def _without_person(self, topic: str) -> tuple[bytes, bytes, bytes]:
        """Make what removes the person's entities: all there are, which of them go, and the others."""
        payload = self.kept[topic]
        parts = components_of(payload)
        kept = {key: part for key, part in parts.items() if not self._is_of_person(key, part)}
        if not parts:
            return b"", b"", b""
        announcements = Announcements(self.topics.base)
        announcements.recall(parts)
        announcements.announce({**json.loads(payload), "components": kept})
        whole, removal = payloads.encode(announcements.whole()), payloads.encode(announcements.removal())
        return whole, removal, payloads.encode(announcements.present()) if kept else b""

    def _is_of_person(self, key: str, part: Component) -> bool:
        trigger = part["platform"] == "device_automation" and self._names(
            json.dumps(part, ensure_ascii=False)
        )
        return trigger or key in self._keys or part.get("state_topic") == self._person_topic

    def _keep(self, topic: str, payload: bytes) -> None:
        sent = self._connection.client.publish(topic, payload, qos=1, retain=True)
        sent.wait_for_publish(_ANSWER_WITHIN_S)
        if not sent.is_published():
            raise BrokerError(f"{address(self._settings)}: it does not take what we publish on {topic}.")
