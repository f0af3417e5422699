"""Take a person off the broker: entities in Home Assistant, and every retained topic that names them.

A running service does that itself as soon as its model is another one; then this only waits for it.
"""

import json
import queue
import secrets
import time
from collections.abc import Callable

from facerec_mqtt.core.errors import BrokerError
from facerec_mqtt.mqtt import payloads
from facerec_mqtt.mqtt.announcer import Announcements, Component, components_of
from facerec_mqtt.mqtt.connection import (
    Connected,
    Lost,
    Received,
    Signal,
    address,
    close_connection,
    closed_before_login,
    no_answer,
    open_connection,
)
from facerec_mqtt.mqtt.payloads import Topics
from facerec_mqtt.settings.schema import MqttSettings

SERVICE_WITHIN_S = 60.0
"""A service looks for a new model every second, and empties topics two seconds after it has seen one."""
_ANSWER_WITHIN_S = 10.0
_ENTITIES_FIRST_S = 2.0
Names = Callable[[str], bool]
"""Tells whether a text names the person."""


def remove_person_from_broker(settings: MqttSettings, person: str, names: Names) -> str:
    """Remove what the broker keeps of a person.

    Args:
        settings: the broker, and our topics on it.
        person: the slug.
        names: tells whether a text names the person.

    Returns:
        What was done, in one sentence.

    Raises:
        BrokerError: the broker cannot be reached or refuses us, or a running service goes on naming the
            person.
    """
    visit = _Visit(settings, person, names)
    try:
        visit.begin()
        if visit.kept.get(visit.topics.status) == payloads.ONLINE.encode():
            if not visit.wait_until(lambda: not visit.is_announced(), SERVICE_WITHIN_S):
                raise BrokerError(
                    f"{address(settings)}: the running service still names the person; does it use this"
                    " model folder? Restart it, and give the same command again."
                )
            return "The running service has taken the person off MQTT and Home Assistant."
        cleared = visit.clear()
        return f"The broker kept {cleared} topics that named or may have shown the person; they are cleared."
    finally:
        visit.end()


class _Visit:
    """One short connection, and what the broker keeps for us as far as it was heard."""

    def __init__(self, settings: MqttSettings, person: str, names: Names) -> None:
        self.topics = Topics(settings.base_topic)
        self.kept: dict[str, bytes] = {}
        self._settings = settings
        self._person = person
        self._person_topic = self.topics.person(person)
        self._names = names
        self._signals: queue.SimpleQueue[Signal] = queue.SimpleQueue()
        self._discovery = f"{settings.discovery_prefix}/device/{settings.node_id}/config"
        self._mark = f"{settings.base_topic}/forget/{secrets.token_hex(4)}"
        self._all_heard = False
        self._client = open_connection(settings, f"facerec-forget-{secrets.token_hex(4)}", self._signals.put)

    def begin(self) -> None:
        """Log in, and hear all that is kept."""
        if not self.wait_until(lambda: self._all_heard, _ANSWER_WITHIN_S):
            raise BrokerError(f"{address(self._settings)}: {no_answer(self._settings)}")

    def end(self) -> None:
        close_connection(self._client)

    def wait_until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Take in what the broker says until something is so; whether it came to be."""
        deadline_s = time.monotonic() + timeout_s
        while not done():
            try:
                signal = self._signals.get(timeout=max(0.001, deadline_s - time.monotonic()))
            except queue.Empty:
                return False
            match signal:
                case Connected(refusal):
                    if refusal is not None:
                        raise BrokerError(f"{address(self._settings)}: {refusal}")
                    self._client.subscribe([(f"{self.topics.base}/#", 1), (self._discovery, 1)])
                    # It comes back to us after all that was kept.
                    self._client.publish(self._mark, b"", qos=1)
                case Lost():
                    raise BrokerError(f"{address(self._settings)}: {closed_before_login(self._settings)}")
                case Received(topic, payload, retained):
                    self._all_heard |= topic == self._mark
                    if retained or topic in self.kept:
                        self.kept[topic] = payload
        return True

    def is_announced(self) -> bool:
        """Whether the person still has a state or entities, or is one whom the model knows."""
        announced = self.kept.get(self._discovery, b"")
        return (
            bool(self.kept.get(self._person_topic))
            or f'"{self._person_topic}"'.encode() in announced
            or f'"{self._person}"'.encode() in self.kept.get(self.topics.model_state, b"")
        )

    def clear(self) -> int:
        """Remove what names the person, and all retained faces, since they bear no name; how many topics."""
        gone = {
            topic
            for topic, payload in self.kept.items()
            if payload
            and (
                topic == self._person_topic
                or topic.endswith("/face")
                or self._names(payload.decode("utf-8", "replace"))
            )
        }
        announced = self.kept.get(self._discovery, b"")
        if self._discovery in gone and (parts := components_of(announced)):
            announcements = Announcements(self.topics.base)
            announcements.recall(parts)
            kept = {key: part for key, part in parts.items() if not self._is_of_person(part)}
            announcements.announce({**json.loads(announced), "components": kept})
            self._keep(self._discovery, payloads.encode(announcements.whole()))
            # Home Assistant is to know the entities, to drop them before their topics are emptied.
            self.wait_until(lambda: False, _ENTITIES_FIRST_S)
            self._keep(self._discovery, payloads.encode(announcements.farewell()))
            self._keep(self._discovery, payloads.encode(announcements.present()))
        for topic in sorted(gone - {self._discovery}):
            self._keep(topic, b"")
        return len(gone)

    def _is_of_person(self, part: Component) -> bool:
        trigger = part["platform"] == "device_automation" and self._names(
            json.dumps(part, ensure_ascii=False)
        )
        return trigger or part.get("state_topic") == self._person_topic

    def _keep(self, topic: str, payload: bytes) -> None:
        sent = self._client.publish(topic, payload, qos=1, retain=True)
        sent.wait_for_publish(_ANSWER_WITHIN_S)
        if not sent.is_published():
            raise BrokerError(f"{address(self._settings)}: it does not take what we publish on {topic}.")
