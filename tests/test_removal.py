"""People and cameras that are no more, on a real broker."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from facerec_mqtt.config import MqttSettings, PrivacySettings
from facerec_mqtt.discovery import discovery_payload
from facerec_mqtt.publisher import Publisher
from facerec_mqtt.records import CameraState, Person, PersonState
from tests.fixtures_broker import Broker

ANNA = Person("anna", "Anna")
HERE = PersonState(ANNA, True, "Front door", 10.0, 0.9)


@contextmanager
def running(settings: MqttSettings, *, retain_images: bool = False) -> Iterator[Publisher]:
    privacy = PrivacySettings(retain_images=retain_images)
    publisher = Publisher(settings, privacy, cameras=["front_door"])
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.stop()


def test_a_removed_person_and_camera_leave_no_topic(broker: Broker) -> None:
    with broker.ear() as ear, running(broker.settings()) as publisher:
        publisher.publish_state(HERE)
        publisher.publish_camera_status("front_door", True)
        publisher.publish_camera_enabled("front_door", True)
        publisher.publish_state(CameraState("front_door", ("anna",), 0, 1, 4.9, None))
        ear.wait_for("facerec/status", b"online")
        publisher.remove_person("anna")
        publisher.remove_camera("front_door")
        ear.wait_for("facerec/camera/front_door/enabled/state", b"")
    with broker.ear("facerec/#") as late:
        late.settle()
        assert {message.topic for message in late.messages} == {"facerec/status"}


def test_entities_that_are_no_more_are_removed_and_then_their_topics_emptied(broker: Broker) -> None:
    settings = broker.settings()
    cameras = [("front_door", "Front door")]
    topic, both = discovery_payload(settings, cameras, [ANNA, Person("tom", "Tom")], "1")
    _, one = discovery_payload(settings, cameras, [ANNA], "1")
    tom = PersonState(Person("tom", "Tom"), False, None, None, None)
    with broker.ear() as ear:
        with running(settings) as publisher:
            publisher.publish_discovery(topic, both)
            publisher.publish_state(tom)
            ear.wait_for("facerec/status", b"online")
            publisher.publish_discovery(topic, one)
            ear.wait_for("facerec/person/tom/state", b"")
        said = [json.loads(m.payload)["components"] for m in ear.on(topic)]
    assert said[-2]["person_tom"] == {"platform": "binary_sensor"}
    assert "person_tom" not in said[-1]


def test_entities_that_an_earlier_run_announced_are_removed(broker: Broker) -> None:
    settings = broker.settings()
    topic, both = discovery_payload(settings, [], [ANNA, Person("tom", "Tom")], "1")
    _, one = discovery_payload(settings, [], [ANNA], "2")
    tom = PersonState(Person("tom", "Tom"), False, None, None, None)
    with broker.ear() as ear, running(settings) as publisher:
        publisher.publish_discovery(topic, both)
        publisher.publish_state(tom)
        publisher.publish_state(HERE)
        ear.wait_for("facerec/status", b"online")
    with broker.ear() as ear:
        with running(settings) as publisher:
            publisher.publish_discovery(topic, one)
            ear.wait_for("facerec/person/tom/state", b"")
        said = [json.loads(m.payload)["components"] for m in ear.on(topic)]
        assert {"platform": "binary_sensor"} in [parts.get("person_tom") for parts in said]
        assert "person_tom" not in said[-1]
        assert not [m for m in ear.on("facerec/person/anna/state") if not m.payload]
    with broker.ear("facerec/#") as late:
        late.settle()
        assert {m.topic for m in late.messages} == {"facerec/status", "facerec/person/anna/state"}


def test_where_discovery_is_switched_off_our_earlier_announcement_is_removed_and_no_others(
    broker: Broker,
) -> None:
    settings = broker.settings()
    topic, payload = discovery_payload(settings, [], [ANNA], "1")
    foreign = "homeassistant/device/other/config"
    with broker.ear() as ear:
        ear.say(foreign, json.dumps(payload), retain=True)
        with running(settings) as publisher:
            publisher.publish_discovery(topic, payload)
            publisher.publish_state(HERE)
            ear.wait_for(topic)
        with running(broker.settings(discovery=False)) as publisher:
            publisher.publish_state(HERE)
            ear.wait_for(topic, b"")
    with broker.ear() as late:
        late.settle()
        kept = {message.topic for message in late.messages}
    assert kept == {foreign, "facerec/status", "facerec/person/anna/state"}


@pytest.mark.parametrize("allowed", [True, False])
def test_pictures_that_the_broker_may_not_keep_any_more_are_removed(broker: Broker, allowed: bool) -> None:
    face = "facerec/camera/front_door/face"
    with broker.ear() as ear:
        ear.say(face, b"jpeg", retain=True)
        with running(broker.settings(), retain_images=allowed) as publisher:
            ear.wait_for("facerec/status", b"online")
            publisher.remove_person("marker")
            ear.wait_for("facerec/person/marker/state", b"")
    with broker.ear() as late:
        late.settle()
        assert bool(late.on(face)) is allowed


def test_faces_that_the_broker_keeps_can_be_removed(broker: Broker) -> None:
    face = "facerec/camera/front_door/face"
    with broker.ear() as ear, running(broker.settings(), retain_images=True) as publisher:
        publisher.publish_face("front_door", b"jpeg")
        ear.wait_for(face, b"jpeg")
        publisher.remove_faces()
        ear.wait_for(face, b"")
    with broker.ear() as late:
        late.settle()
        assert late.on(face) == []
