"""A publisher that runs against a real broker, and what it publishes."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from facerec_mqtt.core.records import Person, PersonState, PresenceChange
from facerec_mqtt.mqtt.commands import Command
from facerec_mqtt.mqtt.home_assistant import Component
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.settings.schema import MqttSettings, PrivacySettings
from tests.support.broker import Ear, wait_until
from tests.support.sightings import face

ANNA = Person("anna", "Anna")
HERE = PersonState(ANNA, True, "front_door", 10.0, 0.9)
AWAY = PersonState(ANNA, False, "front_door", 10.0, 0.9)


def arrival(at_s: float, visit_id: str = "V1") -> PresenceChange:
    return PresenceChange("front_door", "anna", "arrived", at_s, visit_id, 4, 5, face("anna", at_s=at_s))


@contextmanager
def running(
    settings: MqttSettings,
    *,
    privacy: PrivacySettings | None = None,
    announced: Mapping[str, Component] | None = None,
    discovery: Mapping[str, object] | None = None,
) -> Iterator[Publisher]:
    """A publisher that recalls what was announced, and has something to announce before it connects."""
    publisher = Publisher(settings, privacy or PrivacySettings(), cameras=["front_door"])
    publisher.recall(announced or {})
    if discovery is not None:
        publisher.publish_discovery(discovery)
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.stop()


def let_answer(ear: Ear) -> None:
    """Have a publisher answer: it has read by then all that the broker had sent it before, receipts too."""
    result = "facerec/command/result"
    before = len(ear.on(result))
    ear.say("facerec/command/rebuild", "nonsense")
    ear.wait(lambda _: len(ear.on(result)) > before)


def break_connection(publisher: Publisher) -> None:
    """End a publisher's connection as a network does."""
    client = publisher._outbox.client
    assert client is not None
    connection = client.socket()
    assert isinstance(connection, socket.socket)
    connection.shutdown(socket.SHUT_RDWR)


def next_command(publisher: Publisher) -> Command:
    """Wait for a command that passed every check."""
    taken: list[Command] = []

    def came() -> bool:
        command = publisher.commands.take(time.monotonic())
        taken.extend([] if command is None else [command])
        return bool(taken)

    wait_until(came)
    return taken[0]


def wait_for_log(caplog: pytest.LogCaptureFixture, text: str) -> None:
    wait_until(lambda: text in caplog.text)
