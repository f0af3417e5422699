"""docs/MQTT.md against what a real broker receives."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import topic_matches_sub

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.records import (
    CameraState,
    CaptureState,
    Departure,
    ModelState,
    Person,
    PersonState,
    PresenceChange,
)
from facerec_mqtt.monitoring.metrics import BrokerCounts, Metrics, Snapshot
from facerec_mqtt.mqtt import payloads
from facerec_mqtt.mqtt.commands import Capture, CommandIntake, parse_capture, parse_rebuild
from facerec_mqtt.mqtt.home_assistant import discovery_payload
from facerec_mqtt.mqtt.topics import Topics
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.settings.loading import setting_names
from facerec_mqtt.settings.schema import PrivacySettings
from tests.support.broker import Broker
from tests.support.paths import ROOT
from tests.support.sightings import face

DOCUMENT = (ROOT / "docs" / "MQTT.md").read_text(encoding="utf-8")
ANNA = Person("anna", "Anna")


def rows(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head."""
    section = DOCUMENT.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table is not None
    lines = table[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def filled(topic: str) -> str:
    """A topic of the page with its placeholders filled."""
    topic = topic.strip("`").replace("<camera>", "front_door")
    return topic.replace("<person>", "anna").replace("<node>", "home")


def example(kind: str) -> dict[str, Any]:
    found = re.search(rf"```json {kind}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found is not None
    value: dict[str, Any] = json.loads(found[1])
    return value


def arrival() -> PresenceChange:
    now_s = time.monotonic()
    return PresenceChange("front_door", "anna", "arrived", now_s, "V", 3, 3, face("anna", at_s=now_s))


def counted() -> Snapshot:
    metrics = Metrics(["front_door"], "0.1.0", 0.0)
    return metrics.snapshot(1.0, {"front_door": (0, 0)}, BrokerCounts(0, 0, 0))


def test_a_broker_receives_exactly_the_documented_topics_with_their_retention_and_quality(
    broker: Broker,
) -> None:
    publisher = Publisher(broker.settings(), PrivacySettings(), cameras=["front_door"])
    publisher.publish_discovery(
        discovery_payload(broker.settings(), [("front_door", "Front door")], [ANNA], "1")[1]
    )
    publisher.publish_camera_status("front_door", True)
    publisher.publish_camera_enabled("front_door", True)
    publisher.publish_state(CameraState("front_door", (), 0, 0, 0.0, None))
    publisher.publish_state(PersonState(ANNA, False, None, None, None))
    publisher.publish_state(ModelState("missing", None, None, (), None, None))
    publisher.publish_state(CaptureState())
    publisher.publish_metrics(counted())
    with broker.ear() as ear:
        publisher.start()
        ear.wait_for("facerec/status", b"online")
        publisher.publish_event(arrival(), name="Anna", model=None)
        publisher.publish_face("front_door", b"jpeg", "anna")
        publisher.publish_result("rebuild", True, "done")
        ear.wait_for("facerec/command/result")
        received = {message.topic: message.qos for message in ear.messages}
    with broker.ear() as late:
        late.settle()
        retained = {message.topic for message in late.messages}
    publisher.stop()
    documented = rows("What the service publishes")
    assert received == {filled(topic): int(quality) for topic, _, quality, _ in documented}
    assert retained == {filled(topic) for topic, kept, _, _ in documented if kept == "yes"}


@pytest.mark.parametrize(
    "kind", ["event", "camera_state", "person_state", "model_state", "capture_state", "metrics", "result"]
)
def test_the_examples_have_the_keys_that_are_published(kind: str) -> None:
    clock = Clock(0.0)
    published: dict[str, dict[str, object]] = {
        "event": payloads.event(arrival(), name="Anna", model=None, clock=clock),
        "camera_state": payloads.camera_state(CameraState("c", (), 0, 0, 0.0, None), clock),
        "person_state": payloads.person_state(PersonState(ANNA, False, None, None, None), clock),
        "model_state": payloads.model_state(ModelState("training", 40, None, (), None, None, "Looking", 31)),
        "capture_state": payloads.capture_state(CaptureState()),
        "metrics": counted().as_json(),
        "result": payloads.result("rebuild", True, "done"),
    }
    assert list(example(kind)) == list(published[kind])


def test_the_example_of_the_metrics_has_all_keys_of_a_camera() -> None:
    (camera,) = example("metrics")["cameras"].values()
    published: Any = counted().as_json()["cameras"]
    assert {*camera} == {*published["front_door"]}
    assert {*camera["refused"]} == {*published["front_door"]["refused"]}


def test_every_reason_for_a_departure_is_explained() -> None:
    section = DOCUMENT.split("#### Why a visit has ended\n", 1)[1].split("\n#", 1)[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == ["reason", *Departure]


def test_every_key_of_an_event_is_explained() -> None:
    section = DOCUMENT.split("### Event\n", 1)[1].split("###", 1)[0]
    explained = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    assert {key for cell in explained for key in re.findall(r"`(\w+)`", cell)} == set(example("event"))


def test_the_documented_commands_are_those_that_are_taken() -> None:
    listened = {topic.strip("`") for topic, _ in rows("What the service listens to")}
    intake = CommandIntake(Topics(), ["front_door"])
    assert {topic.replace("<camera>", "+") for topic in listened} == {*intake.filters, "homeassistant/status"}
    texts = {topic.strip("`"): text for topic, text in rows("What the service listens to")}
    (force,) = re.findall(r"`(\{.*?\})`", texts["facerec/command/rebuild"])
    assert parse_rebuild(force.encode()).force
    (capture,) = re.findall(r"`(\{.*?\})`", texts["facerec/command/capture"])
    assert parse_capture(capture.encode(), ["front_door"]).person == "Anna"
    taken = intake.take("facerec/command/capture", capture.encode(), False, 0)
    assert taken == Capture("Anna", "front_door", 20.0)


def test_the_entities_are_those_that_are_announced() -> None:
    _, payload = discovery_payload(
        Broker(Path(), 1883, "").settings(), [("front_door", "Front door")], [ANNA], "1"
    )
    parts = payload["components"]
    assert isinstance(parts, dict)
    announced = {part["default_entity_id"] for part in parts.values() if "default_entity_id" in part}
    assert {cells[2].strip("`") for cells in rows("Home Assistant")} == announced


def written(topic: str) -> bool:
    """Whether a topic, which may have wildcards, is one of those that the page says are published."""
    published = {filled(row[0]) for row in rows("What the service publishes")}
    return any(topic_matches_sub(topic, one) for one in published)


def listened(topic: str) -> bool:
    return topic in {filled(row[0]) for row in rows("What the service listens to")}


def test_node_red_uses_topics_and_keys_that_there_are() -> None:
    flow: Any = example("node_red")
    nodes = {node["id"]: node for node in flow}
    (visits,) = [node for node in flow if node["type"] == "mqtt in"]
    assert visits["topic"].endswith("/event")
    assert written(visits["topic"])
    assert not written("facerec/camera/+/visit")
    assert nodes[visits["broker"]]["type"] == "mqtt-broker"
    assert all(target in nodes for node in flow for outlet in node.get("wires", []) for target in outlet)
    (function,) = [node["func"] for node in flow if node["type"] == "function"]
    (keys,) = re.findall(r"const \{(.*?)\} = msg\.payload", function)
    assert set(keys.split(", ")) <= set(example("event"))


def test_openhab_uses_topics_and_keys_that_there_are() -> None:
    things = re.search(r"```openhab\n(.*?)```", DOCUMENT, re.DOTALL)
    assert things is not None
    states = re.findall(r'(?:state|availability)Topic="(.*?)"', things[1])
    assert len(states) == 7
    assert [topic for topic in states if not written(topic)] == []
    commands = re.findall(r'commandTopic="(.*?)"', things[1])
    assert len(commands) == 2
    assert [topic for topic in commands if not listened(topic)] == []
    for topic, key in re.findall(
        r'stateTopic="(.*?)", transformationPattern="JSONPATH:\$\.(\w+)"', things[1]
    ):
        assert key in example("person_state" if "/person/" in topic else "camera_state")


def test_every_setting_that_is_named_exists() -> None:
    named = set(re.findall(r"FACEREC_[A-Z_]+", DOCUMENT))
    assert named
    assert named <= set(setting_names())
