"""The discovery message: Home Assistant's rules, and identifiers that never change."""

import json
from pathlib import Path
from typing import Any

from facerec_mqtt.core.records import Person
from facerec_mqtt.mqtt.commands import CommandIntake
from facerec_mqtt.mqtt.home_assistant import discovery_payload, house_discovery_payload, person_keys
from facerec_mqtt.mqtt.topics import Topics
from facerec_mqtt.settings.schema import MqttSettings

GOLDEN = Path(__file__).parent / "golden" / "discovery.json"
CAMERAS = [("front_door", "Front door"), ("garden", 'Garden "south"')]
PEOPLE = [Person("anna", "Anna"), Person("jose_nunez", "José Núñez")]


def message(settings: MqttSettings | None = None, **more: Any) -> tuple[str, dict[str, Any]]:
    return discovery_payload(settings or MqttSettings(), CAMERAS, PEOPLE, "1.2.3", **more)


def components(**more: Any) -> dict[str, dict[str, Any]]:
    parts: dict[str, dict[str, Any]] = message(**more)[1]["components"]
    return parts


def strings(value: object, key: str) -> list[str]:
    """Every value of `key`, however deep."""
    if isinstance(value, dict):
        own = [value[key]] if isinstance(value.get(key), str) else []
        return own + [found for inner in value.values() for found in strings(inner, key)]
    if isinstance(value, list):
        return [found for inner in value for found in strings(inner, key)]
    return []


def test_the_message_is_as_it_always_was() -> None:
    topic, payload = message()
    assert topic == "homeassistant/device/home/config"
    assert payload == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_every_entity_of_the_contract_is_there() -> None:
    kinds = sorted(part["platform"] for part in components().values())
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "event": 2 + 2,
        "image": 2 + 2,
        "switch": 2,
        "button": 1,
        "binary_sensor": 2 * 2 + 2,
        "sensor": 2 + 2 * 2 + 3,
        "device_automation": 2 * 2 + 1,
    }


def test_every_entity_has_an_identifier_of_its_own_and_a_default_id_of_its_domain() -> None:
    entities = [part for part in components().values() if part["platform"] != "device_automation"]
    identifiers = [part["unique_id"] for part in entities]
    assert len(set(identifiers)) == len(entities)
    for part in entities:
        domain, _, name = part["default_entity_id"].partition(".")
        assert domain == part["platform"]
        assert name.replace("_", "").isalnum()
        assert "object_id" not in part


def test_names_do_not_repeat_the_devices_name() -> None:
    device = message()[1]["device"]["name"]
    assert not any(device in part.get("name", "") for part in components().values())


def test_no_sensor_is_a_setting_and_nothing_expires() -> None:
    for part in components().values():
        if part["platform"] in ("sensor", "binary_sensor"):
            assert part.get("entity_category") != "config"
        assert "expire_after" not in part


def test_entities_of_a_camera_need_the_camera_and_its_connection_does_not() -> None:
    parts = components()
    both = [{"topic": "facerec/status"}, {"topic": "facerec/camera/garden/status"}]
    needy = [key for key, part in parts.items() if part.get("availability") == both]
    assert len(needy) == 5
    assert all(parts[key]["availability_mode"] == "all" for key in needy)
    assert "availability" not in parts["camera_garden_connection"]
    assert message()[1]["availability"] == [{"topic": "facerec/status"}]


def test_every_topic_that_is_named_is_one_that_we_write_or_read() -> None:
    base = "house/facerec"
    topics = Topics(base)
    intake = CommandIntake(topics, ["front_door", "garden"])
    written = {topics.status, topics.model_state}
    for camera, _ in CAMERAS:
        leaves = ("status", "event", "state", "face", "enabled/state")
        written |= {topics.camera(camera, leaf) for leaf in leaves}
    written |= {
        topics.person(person.slug, leaf) for person in PEOPLE for leaf in ("state", "face", "tracker")
    }
    payload = message(MqttSettings(base_topic=base, trackers=True))[1]
    for key in ("topic", "state_topic", "image_topic", "json_attributes_topic"):
        for topic in strings(payload, key):
            assert topic in written or topic == f"{base}/camera/+/event"
    commands = strings(payload, "command_topic")
    assert len(commands) == 3
    for topic in commands:
        assert intake.take(topic, b"ON" if topic.endswith("/set") else b"PRESS", False, 0) is not None


def test_two_nodes_on_one_broker_do_not_collide() -> None:
    first = message()
    second = message(MqttSettings(node_id="Barn-2", base_topic="barn"))
    assert first[0] != second[0]
    for key in ("unique_id", "default_entity_id", "state_topic", "command_topic", "name"):
        device_names = {first[1]["device"]["name"]}, {second[1]["device"]["name"]}
        mine, theirs = (
            device_names if key == "name" else (set(strings(first[1], key)), set(strings(second[1], key)))
        )
        assert mine.isdisjoint(theirs)
    assert first[1]["device"]["identifiers"] != second[1]["device"]["identifiers"]


def test_the_prefix_can_be_set() -> None:
    assert message(MqttSettings(discovery_prefix="ha"))[0] == "ha/device/home/config"


def test_without_pictures_there_is_no_image_entity() -> None:
    assert not [part for part in components(images=False).values() if part["platform"] == "image"]


def test_trackers_are_there_where_they_are_wanted_and_change_nothing_else() -> None:
    wanted = message(MqttSettings(trackers=True))[1]["components"]
    trackers = {key: part for key, part in wanted.items() if part["platform"] == "device_tracker"}
    assert set(trackers) == {"person_anna_tracker", "person_jose_nunez_tracker"}
    assert {key: part for key, part in wanted.items() if key not in trackers} == components()
    for person in PEOPLE:
        assert {key for key in wanted if key.startswith(f"person_{person.slug}")} == set(
            person_keys(person.slug)
        )


def test_a_camera_named_as_an_identifier_is_shown_as_people_write_it() -> None:
    parts = discovery_payload(MqttSettings(), [("front_door", "front_door")], PEOPLE[:1], "1")[1][
        "components"
    ]
    assert isinstance(parts, dict)
    assert parts["camera_front_door_event"]["name"] == "Front door visit"
    assert '{"front_door": "Front door"}' in parts["person_anna_last_camera"]["value_template"]
    assert [part["name"] for part in components().values() if part["platform"] == "image"] == [
        "Front door last face",
        'Garden "south" last face',
        "Anna last face",
        "José Núñez last face",
    ]


def test_a_home_without_anybody_and_without_cameras_can_be_announced() -> None:
    parts = discovery_payload(MqttSettings(), [], [], "1.2.3")[1]["components"]
    assert isinstance(parts, dict)
    assert set(parts) == {"rebuild", "model_status", "rebuild_progress", "enrolled_people", "stranger_seen"}


def test_boxes_of_a_house_share_its_people_and_nothing_else() -> None:
    settings = [MqttSettings(node_id=node) for node in ("hall", "barn")]
    hall, barn = (
        discovery_payload(each, CAMERAS[number : number + 1], (), "1", house="villa")[1]
        for number, each in enumerate(settings)
    )
    topics = Topics.of(settings[0], "villa")
    house = house_discovery_payload(topics, CAMERAS, PEOPLE, ["barn", "hall"], "1", trackers=True)
    devices = [each["device"] for each in (house, hall, barn)]
    assert [device["identifiers"] for device in devices] == [  # type: ignore[index]
        ["facerec_villa"],
        ["facerec_hall"],
        ["facerec_barn"],
    ]
    assert [device.get("via_device") for device in devices] == [None, "facerec_villa", "facerec_villa"]  # type: ignore[attr-defined]
    identifiers = [set(strings(each, "unique_id")) for each in (house, hall, barn)]
    assert sum(map(len, identifiers)) == len(set.union(*identifiers))
    assert not any("person" in key for key in [*hall["components"], *barn["components"]])  # type: ignore[misc]
    parts = house["components"]
    assert isinstance(parts, dict)
    assert set(person_keys("anna")) <= set(parts)
    assert parts["person_anna_event"]["state_topic"] == parts["person_anna_arrived"]["topic"]
    assert parts["person_anna_event"]["state_topic"] == "facerec/person/+/event"
    assert hall["availability"] == [{"topic": "facerec/box/hall/status"}]
    assert "facerec/box/hall/model/state" in strings(hall, "state_topic")
