"""The discovery message for Home Assistant: one device with all of its entities. Pure.

The identifiers of entities are made of the node id and of slugs and never change from version to version,
since everything that users built on an entity would be lost.
"""

import re
from collections.abc import Mapping, Sequence

from facerec_mqtt.core.records import Person
from facerec_mqtt.core.slugs import slug
from facerec_mqtt.mqtt.home_assistant.entities import (
    Component,
    of_camera,
    of_person,
    of_service,
    trigger,
)
from facerec_mqtt.mqtt.topics import Topics
from facerec_mqtt.settings import MqttSettings


def discovery_payload(
    settings: MqttSettings,
    cameras: Sequence[tuple[str, str]],
    people: Sequence[Person],
    version: str,
    *,
    images: bool = True,
    house: str | None = None,
) -> tuple[str, dict[str, object]]:
    """Make the discovery message of our device.

    Args:
        settings: base topic, node id and discovery prefix.
        cameras: slug and display name of each camera.
        people: everybody the model knows.
        version: of this program.
        images: whether pictures of faces are published.
        house: its name, where this is one of several boxes, and the people are announced for all of them.

    Returns:
        The topic, and the payload for JSON.
    """
    topics = Topics.of(settings, house)
    parts = of_service(topics)
    names = {camera: _shown(name) for camera, name in cameras}
    for camera, name in names.items():
        parts |= of_camera(topics, camera, name, images=images)
    for person in people:
        parts |= of_person(topics, person, names, images=images, tracker=settings.trackers)
    parts |= trigger(topics.all_events, "stranger_seen", "stranger", "seen", "stranger None")
    via = None if house is None else _identifier(house)
    return topics.discovery, _message(topics, version, parts, [topics.status], via=via)


def house_discovery_payload(
    topics: Topics,
    cameras: Sequence[tuple[str, str]],
    people: Sequence[Person],
    boxes: Sequence[str],
    version: str,
    *,
    images: bool = True,
    trackers: bool = False,
) -> dict[str, object]:
    """Make the discovery message of a house of several boxes: a device with all of its people.

    Args:
        topics: of one of the boxes.
        cameras: slug and display name of each camera of all boxes.
        people: everybody the boxes know.
        boxes: node ids of all boxes; the entities are available while one of them is there.
        version: of this program.
        images: whether pictures of faces are published.
        trackers: whether each person has a device tracker.
    """
    names = {camera: _shown(name) for camera, name in cameras}
    parts: dict[str, Component] = {}
    for person in people:
        parts |= of_person(topics, person, names, images=images, tracker=trackers)
    statuses = [topics.box(node, "status") for node in boxes]
    return _message(topics.of_house(), version, parts, statuses) | {"availability_mode": "any"}


def _message(
    topics: Topics,
    version: str,
    parts: Mapping[str, Component],
    statuses: Sequence[str],
    via: str | None = None,
) -> dict[str, object]:
    """Make the message of one device."""
    node = topics.node_id
    name = "Face recognition" if node == "home" else f"Face recognition {node}"
    device: dict[str, object] = {
        "identifiers": [_identifier(node)],
        "name": name,
        "manufacturer": "facerec-mqtt",
        "model": "Face recognition over MQTT",
        "sw_version": version,
    }
    return {
        "device": device if via is None else device | {"via_device": via},
        "origin": {"name": "facerec-mqtt", "sw_version": version},
        "availability": [{"topic": status} for status in statuses],
        "qos": 1,
        "components": {key: _identified(part, key, node, name) for key, part in parts.items()},
    }


def _identifier(node: str) -> str:
    return f"facerec_{node}"


def _identified(part: Component, key: str, node: str, device: str) -> Component:
    """Add the identifiers of an entity; a device trigger has none."""
    if part["platform"] == "device_automation":
        return part
    return {
        **part,
        "unique_id": f"facerec_{node}_{key}",
        # What versions that do not know this option (before 2025.10) make of the two names.
        "default_entity_id": f"{part['platform']}.{slug(device)}_{slug(str(part['name']))}",
    }


def _shown(name: str) -> str:
    """A camera's name as people write it, where it was written as identifiers are: `front_door`."""
    return name.replace("_", " ").capitalize() if re.fullmatch("[a-z0-9_]+", name) else name
