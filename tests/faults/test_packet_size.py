"""Brokers that take no large messages: what is too large is left out or sent in parts; all else goes on."""

import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from facerec_mqtt.cli.demo.small_broker import small_broker
from facerec_mqtt.core.records import ModelState, Person, PersonState
from facerec_mqtt.mqtt.home_assistant import discovery_payload
from facerec_mqtt.mqtt.topics import Topics
from facerec_mqtt.settings.schema import MqttSettings
from tests.support.broker import Broker, Ear, run_broker, wait_until
from tests.support.publisher import ANNA, HERE, arrival, running

MAX_BYTES = 5000
PICTURE = b"\xff\xd8" + bytes(6000)
LARGE_PICTURE = b"\xff\xd8" + bytes(2_500_000)
"""More than Mosquitto takes unless told otherwise."""
REPORT = {"photos": ["x" * 40] * 200}
TOPICS = Topics()
EVENTS, FACE = TOPICS.camera("front_door", "event"), TOPICS.camera("front_door", "face")


@pytest.fixture
def narrow_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that takes no message of more than 5,000 bytes."""
    yield from run_broker(tmp_path / "broker", f"allow_anonymous true\nmax_packet_size {MAX_BYTES}\n")


def announcement(settings: MqttSettings, *people: Person) -> dict[str, object]:
    cameras = [("front_door", "Front door"), ("garden", "Garden")]
    return discovery_payload(settings, cameras, people, "1")[1]


def connections(broker: Broker) -> int:
    log = (broker.folder / "mosquitto.log").read_text()
    return len(re.findall(r"New client connected .* as facerec-home ", log))


def parts_on(ear: Ear) -> dict[str, dict[str, object]]:
    """The last of each part of the announcement that was published, by topic; emptied ones are empty."""
    found = [message for message in ear.messages if TOPICS.is_discovery(message.topic)]
    return {m.topic: json.loads(m.payload or b"{}").get("components", {}) for m in found}


@pytest.mark.parametrize(("protocol", "most"), [("5", 1), ("3.1.1", 5)])
def test_what_is_too_large_is_left_out_or_sent_in_parts_and_all_else_goes_on(
    narrow_broker: Broker, protocol: str, most: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = narrow_broker.settings(protocol=protocol)
    announced = announcement(settings, ANNA)
    with narrow_broker.ear() as ear, running(settings, discovery=announced) as publisher:
        publisher.publish_state(HERE)
        publisher.publish_state(ModelState("ready", None, "m", ("anna",), REPORT, None))
        components = announced["components"]
        assert isinstance(components, dict)
        wanted = {TOPICS.discovery_part(key): {key: part} for key, part in components.items()}
        ear.wait(lambda _: wanted.items() <= parts_on(ear).items())
        model = json.loads(ear.wait_for(TOPICS.model_state).payload)
        assert (model["status"], model["report"]) == ("ready", None)
        for visit in ("V1", "V2", "V3"):
            wait_until(lambda: publisher.online)
            publisher.publish_face("front_door", PICTURE)
            publisher.publish_event(arrival(time.monotonic(), visit), name="Anna", model=None)
            ear.wait(lambda m, visit=visit: m.topic == EVENTS and visit in m.text)  # type: ignore[misc]
        ear.wait_for(TOPICS.person("anna"))
        assert publisher.online
        assert not ear.on(FACE)
    assert connections(narrow_broker) <= most
    lines = caplog.text.splitlines()
    assert not [line for line in lines if "client id" in line]
    about_discovery = [line for line in lines if "parts" in line and f"{TOPICS.discovery}," in line]
    assert len(about_discovery) == 1
    about_pictures = [line for line in lines if FACE in line and "is not published" in line]
    assert len(about_pictures) == 1
    if protocol == "5":
        assert f" {MAX_BYTES} bytes" in about_pictures[0]
    assert len([line for line in lines if line.startswith("WARNING")]) <= most + 2


def test_parts_of_what_is_no_more_are_removed_and_then_emptied(narrow_broker: Broker) -> None:
    tom = Person("tom", "Tom")
    topic = TOPICS.discovery_part("person_tom")
    settings = narrow_broker.settings()
    with (
        narrow_broker.ear() as ear,
        running(settings, discovery=announcement(settings, ANNA, tom)) as publisher,
    ):
        ear.wait_for(topic)
        publisher.publish_state(PersonState(tom, False, None, None, None))
        publisher.remove_person("tom")
        publisher.publish_discovery(announcement(settings, ANNA))
        ear.wait_for(TOPICS.person("tom"), b"")
        emptied = [message.topic for message in ear.messages if not message.payload]
        # Whatever reads a topic goes before the topic does.
        assert emptied.index(topic) < emptied.index(TOPICS.person("tom"))
    kept = narrow_broker.retained()
    assert TOPICS.discovery_part("person_anna") in kept
    assert topic not in kept


def test_when_the_broker_takes_more_again_one_message_takes_the_place_of_the_parts(
    narrow_broker: Broker,
) -> None:
    broker = narrow_broker
    settings = broker.settings()
    announced = announcement(settings, ANNA)
    with running(settings, discovery=announced):
        with broker.ear() as ear:
            ear.wait_for("facerec/status", b"online")
            ear.wait_for(TOPICS.discovery_part("stranger_seen"))
        parts = {topic: value for topic, value in broker.retained().items() if TOPICS.is_discovery(topic)}
    broker.stop()
    broker.config = "allow_anonymous true\n"
    broker.start()
    foreign = "homeassistant/device/home/lamp/config"
    with broker.ear() as ear:
        for topic, payload in parts.items():
            ear.say(topic, payload, retain=True)
        ear.say(foreign, b'{"device": {"identifiers": ["lamp"]}, "components": {}}', retain=True)
        with running(settings, discovery=announced):
            ear.wait_for(TOPICS.discovery)
            for topic in parts:
                ear.wait_for(topic, b'{"migrate_discovery":true}')
                ear.wait_for(topic, b"")
    kept = {topic for topic in broker.retained() if TOPICS.is_discovery(topic)}
    assert kept == {TOPICS.discovery, foreign}


@pytest.fixture
def small_broker_settings() -> Iterator[MqttSettings]:
    """amqtt, which speaks MQTT 3.1.1 alone and knows no limit."""
    with small_broker() as settings:
        yield settings


def test_a_broker_without_a_limit_gets_everything_whole(
    small_broker_settings: MqttSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = small_broker_settings
    announced = announcement(settings, ANNA)
    with (
        Broker(tmp_path, settings.port, "", protocol=MQTTProtocolVersion.MQTTv311).ear() as ear,
        running(settings, discovery=announced) as publisher,
    ):
        publisher.publish_state(ModelState("ready", None, "m", ("anna",), REPORT, None))
        wait_until(lambda: publisher.online)
        publisher.publish_face("front_door", LARGE_PICTURE)
        assert ear.wait_for(FACE).payload == LARGE_PICTURE
        assert json.loads(ear.wait_for(TOPICS.model_state).payload)["report"] == REPORT
        assert json.loads(ear.wait_for(TOPICS.discovery).payload) == announced
        assert set(parts_on(ear)) == {TOPICS.discovery}
    assert "is not published" not in caplog.text
