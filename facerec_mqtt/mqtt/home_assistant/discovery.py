"""The discovery message for Home Assistant: one device with all of its entities. Pure.

The identifiers of entities are made of the node id and of slugs and never change from version to version,
since everything that users built on an entity would be lost.
"""

import re
from collections.abc import Sequence

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
) -> tuple[str, dict[str, object]]:
    """Make the discovery message of our device.

    Args:
        settings: base topic, node id and discovery prefix.
        cameras: slug and display name of each camera.
        people: everybody the model knows.
        version: of this program.
        images: whether pictures of faces are published.

    Returns:
        The topic, and the payload for JSON.
    """
    topics, node = Topics.of(settings), settings.node_id
    parts = of_service(topics)
    names = {camera: _shown(name) for camera, name in cameras}
    for camera, name in names.items():
        parts |= of_camera(topics, camera, name, images=images)
    for person in people:
        parts |= of_person(topics, person, names, images=images, tracker=settings.trackers)
    parts |= trigger(topics, "stranger_seen", "stranger", "seen", "stranger None")
    device = "Face recognition" if node == "home" else f"Face recognition {node}"
    payload: dict[str, object] = {
        "device": {
            "identifiers": [f"facerec_{node}"],
            "name": device,
            "manufacturer": "facerec-mqtt",
            "model": "Face recognition over MQTT",
            "sw_version": version,
        },
        "origin": {"name": "facerec-mqtt", "sw_version": version},
        "availability": [{"topic": topics.status}],
        "qos": 1,
        "components": {key: _identified(part, key, node, device) for key, part in parts.items()},
    }
    return topics.discovery, payload


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
