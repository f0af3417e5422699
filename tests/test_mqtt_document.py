"""docs/MQTT.md against what a real broker hears."""

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facerec_mqtt import payloads
from facerec_mqtt.commands import Capture, Intake, parse_capture, parse_rebuild
from facerec_mqtt.config import PrivacySettings, setting_names
from facerec_mqtt.discovery import discovery_payload
from facerec_mqtt.payloads import Clock
from facerec_mqtt.publisher import Publisher
from facerec_mqtt.records import (
    AlignedFace,
    CameraState,
    CaptureState,
    Detection,
    Identification,
    ModelState,
    Person,
    PersonState,
    PresenceChange,
    Sighting,
)
from tests.fixtures_broker import Broker

DOCUMENT = (Path(__file__).parent.parent / "docs" / "MQTT.md").read_text(encoding="utf-8")
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
    sighting = Sighting(
        "Front door",
        now_s,
        Detection((1.0, 2.0, 3.0, 4.0), np.zeros((5, 2), np.float32), 0.9),
        Identification("anna", 0.9, 0.5, None),
        AlignedFace(np.zeros((112, 112, 3), np.uint8), 100.0, 50.0),
    )
    return PresenceChange("Front door", "anna", "arrived", now_s, "V", 3, 3, sighting)


def test_a_broker_hears_exactly_the_documented_topics_with_their_retention_and_quality(
    broker: Broker,
) -> None:
    publisher = Publisher(broker.settings(), PrivacySettings(), cameras=["front_door"])
    publisher.publish_discovery(
        *discovery_payload(broker.settings(), [("front_door", "Front door")], [ANNA], "1")
    )
    publisher.publish_camera_status("Front door", True)
    publisher.publish_camera_enabled("Front door", True)
    publisher.publish_state(CameraState("Front door", (), 0, 0, 0.0, None))
    publisher.publish_state(PersonState(ANNA, False, None, None, None))
    publisher.publish_state(ModelState("missing", None, None, (), None))
    publisher.publish_state(CaptureState())
    with broker.ear() as ear:
        publisher.start()
        ear.wait_for("facerec/status", b"online")
        publisher.publish_event(arrival(), name="Anna", model=None)
        publisher.publish_face("Front door", b"jpeg")
        publisher.publish_result("rebuild", True, "done")
        ear.wait_for("facerec/command/result")
        heard = {message.topic: message.qos for message in ear.messages}
    with broker.ear() as late:
        late.settle()
        retained = {message.topic for message in late.messages}
    publisher.stop()
    documented = rows("What the service publishes")
    assert heard == {filled(topic): int(quality) for topic, _, quality, _ in documented}
    assert retained == {filled(topic) for topic, kept, _, _ in documented if kept == "yes"}


@pytest.mark.parametrize(
    "kind", ["event", "camera_state", "person_state", "model_state", "capture_state", "result"]
)
def test_the_examples_have_the_keys_that_are_published(kind: str) -> None:
    clock = Clock(0.0)
    published: dict[str, dict[str, object]] = {
        "event": payloads.event(arrival(), name="Anna", model=None, clock=clock),
        "camera_state": payloads.camera_state(CameraState("c", (), 0, 0, 0.0, None), clock),
        "person_state": payloads.person_state(PersonState(ANNA, False, None, None, None), clock),
        "model_state": payloads.model_state(ModelState("missing", None, None, (), None)),
        "capture_state": payloads.capture_state(CaptureState()),
        "result": payloads.result("rebuild", True, "done"),
    }
    assert list(example(kind)) == list(published[kind])


def test_every_key_of_an_event_is_explained() -> None:
    section = DOCUMENT.split("### Event\n", 1)[1].split("###", 1)[0]
    explained = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    assert {key for cell in explained for key in re.findall(r"`(\w+)`", cell)} == set(example("event"))


def test_the_documented_commands_are_those_that_are_taken() -> None:
    listened = {topic.strip("`") for topic, _ in rows("What the service listens to")}
    intake = Intake("facerec", ["front_door"])
    assert {topic.replace("<camera>", "+") for topic in listened} == {*intake.topics, "homeassistant/status"}
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


def test_every_setting_that_is_named_exists() -> None:
    named = set(re.findall(r"FACEREC_[A-Z_]+", DOCUMENT))
    assert named
    assert named <= set(setting_names())
