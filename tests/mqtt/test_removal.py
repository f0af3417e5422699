"""People and cameras that are no more, on a real broker."""

import json
from typing import Any

import pytest

from facerec_mqtt.core.records import Person, PersonState
from facerec_mqtt.mqtt.home_assistant import discovery_payload
from facerec_mqtt.settings.schema import MqttSettings, PrivacySettings
from tests.support.broker import Broker, Ear, wait_until
from tests.support.faulty_line import FaultyLine
from tests.support.publisher import ANNA, HERE, break_connection, let_answer, running

TOM = Person("tom", "Tom")
TOM_AWAY = PersonState(TOM, False, None, None, None)
DISCOVERY = "homeassistant/device/home/config"
REMOVED = {"platform": "binary_sensor"}


def test_a_removed_person_leaves_no_topic(broker: Broker) -> None:
    with broker.ear() as ear, running(broker.settings()) as publisher:
        publisher.publish_state(HERE)
        publisher.publish_camera_status("front_door", True)
        ear.wait_for("facerec/status", b"online")
        publisher.remove_person("anna")
        ear.wait_for("facerec/person/anna/state", b"")
    with broker.ear("facerec/#") as late:
        late.settle()
        kept = {message.topic for message in late.messages}
        assert kept == {"facerec/status", "facerec/camera/front_door/status"}


def entities(ear: Ear) -> list[dict[str, Any]]:
    """The components of every discovery message, in order."""
    return [json.loads(m.payload)["components"] for m in ear.on(DISCOVERY)]


def announcement(settings: MqttSettings, *people: Person) -> dict[str, object]:
    return discovery_payload(settings, [], people, "1")[1]


def test_entities_that_are_no_more_are_removed_and_then_their_topics_emptied(broker: Broker) -> None:
    settings = broker.settings()
    with broker.ear() as ear:
        with running(settings) as publisher:
            publisher.publish_discovery(announcement(settings, ANNA, TOM))
            publisher.publish_state(TOM_AWAY)
            ear.wait_for("facerec/status", b"online")
            publisher.remove_person("tom")
            publisher.publish_discovery(announcement(settings, ANNA))
            ear.wait_for("facerec/person/tom/state", b"")
        said = entities(ear)
    assert said[-2]["person_tom"] == REMOVED
    assert "person_tom" not in said[-1]
    first_empty = next(n for n, m in enumerate(ear.messages) if not m.payload)
    assert max(n for n, m in enumerate(ear.messages) if m.topic == DISCOVERY) < first_empty


@pytest.mark.parametrize("broker_forgets", [False, True])
def test_entities_that_an_earlier_run_announced_are_removed(broker: Broker, broker_forgets: bool) -> None:
    settings = broker.settings()
    with broker.ear() as ear, running(settings) as publisher:
        publisher.publish_discovery(announcement(settings, ANNA, TOM))
        publisher.publish_state(TOM_AWAY)
        publisher.publish_state(HERE)
        ear.wait_for("facerec/status", b"online")
        announced = publisher.announced
    if broker_forgets:
        broker.stop()
        broker.start()
    with broker.ear() as ear:
        with running(settings, announced=announced if broker_forgets else {}) as publisher:
            publisher.publish_discovery(announcement(settings, ANNA))
            publisher.publish_state(HERE)
            ear.wait_for("facerec/person/tom/state", b"")
        said = entities(ear)
        # First as it was, since only what is known to Home Assistant can be removed there.
        assert said[-3]["person_tom"]["state_topic"] == "facerec/person/tom/state"
        assert said[-2]["person_tom"] == REMOVED
        assert "person_tom" not in said[-1]
        assert not [m for m in ear.on("facerec/person/anna/state") if not m.payload]
    with broker.ear() as late:
        late.settle()
        kept = {m.topic for m in late.messages}
        assert kept == {DISCOVERY, "facerec/status", "facerec/person/anna/state"}


@pytest.mark.parametrize("seen", ["ended", "not seen", "started"])
def test_what_goes_is_removed_again_when_home_assistant_starts_unless_it_was_there(
    broker: Broker, seen: str
) -> None:
    settings = broker.settings()
    both, wanted = announcement(settings, ANNA, TOM), announcement(settings, ANNA)
    present = wanted["components"]
    with broker.ear() as ear, running(settings, discovery=both) as publisher:
        ear.wait_for("facerec/status", b"online")
        if seen == "started":
            ear.say("homeassistant/status", "online")
            ear.wait(lambda _: len(ear.on("facerec/status")) == 2)
        if seen == "ended":
            ear.say("homeassistant/status", "offline")
        let_answer(ear)
        publisher.publish_discovery(wanted)
        ear.wait(lambda _: REMOVED in [said.get("person_tom") for said in entities(ear)])
        ear.wait(lambda _: entities(ear)[-1] == present)
        assert ("person_tom" in publisher.announced) == (seen != "started")
        before = len(entities(ear))
        ear.say("homeassistant/status", "online")
        if seen == "started":
            ear.wait(lambda _: len(entities(ear)) == before + 1)
            assert entities(ear)[-1] == present
            return
        ear.wait(lambda _: len(entities(ear)) > before + 2 and entities(ear)[-1] == present)
        assert publisher.announced == present
        later = entities(ear)[before:]
        assert later[0]["person_tom"]["unique_id"] == "facerec_home_person_tom"
        assert later[-2]["person_tom"] == REMOVED


def test_a_removal_that_home_assistant_may_have_missed_is_remembered_over_a_restart(broker: Broker) -> None:
    settings = broker.settings()
    both, wanted = announcement(settings, ANNA, TOM), announcement(settings, ANNA)
    present = wanted["components"]
    with broker.ear() as ear:
        with running(settings, discovery=both) as publisher:
            ear.wait_for("facerec/status", b"online")
            publisher.publish_discovery(wanted)
            ear.wait(lambda _: REMOVED in [said.get("person_tom") for said in entities(ear)])
            ear.wait_for("facerec/person/tom/state", b"")
            remembered = dict(publisher.announced)
        assert "Tom" not in json.dumps(remembered)
        assert "facerec/person/tom" not in json.dumps(remembered)
        before = len(entities(ear))
        with running(settings, announced=remembered, discovery=wanted) as publisher:
            ear.wait(lambda _: len(entities(ear)) > before)
            let_answer(ear)
            assert all(said == present for said in entities(ear)[before:])  # nobody asks for it yet
            ear.say("homeassistant/status", "online")
            ear.wait(lambda _: REMOVED in [said.get("person_tom") for said in entities(ear)[before:]])
            ear.wait(lambda _: entities(ear)[-1] == present)
            assert publisher.announced == present


@pytest.mark.parametrize("broker_forgets", [False, True])
def test_where_discovery_is_switched_off_our_earlier_announcement_is_removed_and_no_others(
    broker: Broker, broker_forgets: bool
) -> None:
    settings = broker.settings()
    topic, payload = discovery_payload(settings, [], [ANNA], "1")
    foreign = "homeassistant/device/other/config"
    with broker.ear() as ear:
        ear.say(foreign, json.dumps(payload), retain=True)
        with running(settings) as publisher:
            publisher.publish_discovery(payload)
            publisher.publish_state(HERE)
            ear.wait_for(topic)
            announced = publisher.announced
        if broker_forgets:
            ear.say(topic, b"", retain=True)
        silent = broker.settings(discovery=False)
        with running(silent, announced=announced if broker_forgets else {}) as publisher:
            publisher.publish_state(HERE)
            ear.wait(lambda _: [m.payload for m in ear.on(topic)].count(b"") == 1 + broker_forgets)
    with broker.ear() as late:
        late.settle()
        kept = {message.topic for message in late.messages}
    assert kept == {foreign, "facerec/status", "facerec/person/anna/state"}


@pytest.mark.parametrize("allowed", [True, False])
def test_pictures_that_the_broker_may_not_keep_any_more_are_removed(broker: Broker, allowed: bool) -> None:
    face = "facerec/camera/front_door/face"
    with broker.ear() as ear:
        ear.say(face, b"jpeg", retain=True)
        with running(broker.settings(), privacy=PrivacySettings(retain_images=allowed)) as publisher:
            ear.wait_for("facerec/status", b"online")
            publisher.remove_person("marker")
            ear.wait_for("facerec/person/marker/state", b"")
    with broker.ear() as late:
        late.settle()
        assert bool(late.on(face)) is allowed


@pytest.mark.parametrize("again", ["birth", "reconnect", "reload"])
def test_a_picture_that_was_removed_once_is_not_emptied_again(broker: Broker, again: str) -> None:
    picture = "facerec/camera/front_door/face"
    with broker.ear() as ear:
        ear.say(picture, b"old", retain=True)
        with running(broker.settings(), privacy=PrivacySettings(retain_images=False)) as publisher:
            ear.wait_for(picture, b"")
            let_answer(ear)
            publisher.publish_face("front_door", b"live")
            ear.wait_for(picture, b"live")
            match again:
                case "birth":
                    ear.say("homeassistant/status", "online")
                    ear.wait(lambda _: len(ear.on("facerec/status")) == 2)
                case "reconnect":
                    break_connection(publisher)
                    ear.wait(lambda _: [m.text for m in ear.on("facerec/status")].count("online") == 2)
                case "reload":
                    publisher.publish_discovery(announcement(broker.settings(), ANNA))
            publisher.remove_person("zoe")
            ear.wait_for("facerec/person/zoe/state", b"")  # whose topic is emptied after all others
        ear.settle()
        assert [message.payload for message in ear.on(picture)] == [b"old", b"", b"live"]


def test_a_topic_that_could_not_be_emptied_is_emptied_at_the_next_connection(broker: Broker) -> None:
    state = "facerec/person/anna/state"
    with (
        FaultyLine(broker.port) as line,
        broker.ear() as ear,
        running(broker.settings(port=line.port)) as publisher,
    ):
        publisher.publish_state(HERE)
        ear.wait_for(state)
        line.cut()
        wait_until(lambda: not publisher.online)
        publisher.remove_person("anna")
        line.restore()
        ear.wait_for(state, b"")


def test_faces_that_the_broker_keeps_can_be_removed(broker: Broker) -> None:
    face = "facerec/camera/front_door/face"
    with (
        broker.ear() as ear,
        running(broker.settings(), privacy=PrivacySettings(retain_images=True)) as publisher,
    ):
        publisher.publish_face("front_door", b"jpeg")
        ear.wait_for(face, b"jpeg")
        publisher.remove_faces()
        ear.wait_for(face, b"")
    with broker.ear() as late:
        late.settle()
        assert late.on(face) == []
