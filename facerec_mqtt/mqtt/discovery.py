"""The discovery message for Home Assistant: one device with all of its entities. Pure.

The identifiers of entities are made of the node id and of slugs and never change from version to version,
since everything that users built on an entity would be lost.
"""

import json
import re
from collections.abc import Mapping, Sequence

from facerec_mqtt.core.records import Person
from facerec_mqtt.core.slugs import slug
from facerec_mqtt.mqtt.topics import Topics
from facerec_mqtt.settings import MqttSettings

EVENT_TYPES = ["arrived", "departed", "visitor", "stranger"]
MODEL_STATUSES = ["missing", "training", "ready", "failed"]
Component = Mapping[str, object]
"""One entity or device trigger in the discovery message, as JSON."""


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
    parts = _service(topics)
    names = {camera: _shown(name) for camera, name in cameras}
    for camera, name in names.items():
        parts |= _camera(topics, camera, name, images=images)
    for person in people:
        parts |= _person(topics, person, names)
    parts |= _trigger(topics, "stranger_seen", "stranger", "seen", "stranger None")
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


def _service(topics: Topics) -> dict[str, Component]:
    state = topics.model_state
    return {
        "rebuild": {
            "platform": "button",
            "name": "Rebuild model",
            "command_topic": topics.rebuild_command,
            "payload_press": "PRESS",
            "entity_category": "config",
            "icon": "mdi:account-sync",
        },
        "model_status": {
            "platform": "sensor",
            "name": "Model status",
            "state_topic": state,
            "value_template": "{{ value_json.status }}",
            "json_attributes_topic": state,
            "json_attributes_template": "{{ {'version': value_json.version,"
            " 'message': value_json.message} | tojson }}",
            "device_class": "enum",
            "options": MODEL_STATUSES,
            "entity_category": "diagnostic",
            "icon": "mdi:brain",
        },
        "rebuild_progress": {
            "platform": "sensor",
            "name": "Rebuild progress",
            "state_topic": state,
            "value_template": "{{ value_json.progress if value_json.progress is not none"
            " else 100 if value_json.status == 'ready' else 0 }}",
            "unit_of_measurement": "%",
            "entity_category": "diagnostic",
            "icon": "mdi:progress-clock",
        },
        "enrolled_people": {
            "platform": "sensor",
            "name": "Enrolled people",
            "state_topic": state,
            "value_template": "{{ value_json.people | count }}",
            "json_attributes_topic": state,
            "json_attributes_template": "{{ {'people': value_json.people} | tojson }}",
            "unit_of_measurement": "people",
            "entity_category": "diagnostic",
            "icon": "mdi:account-group",
        },
    }


def _camera(topics: Topics, camera: str, name: str, *, images: bool) -> dict[str, Component]:
    key = f"camera_{camera}"
    status, state = topics.camera(camera, "status"), topics.camera(camera, "state")
    reached: Component = {
        "availability": [{"topic": topics.status}, {"topic": status}],
        "availability_mode": "all",
    }
    parts: dict[str, Component] = {
        f"{key}_event": {
            "platform": "event",
            "name": f"{name} visit",
            "state_topic": topics.camera(camera, "event"),
            "event_types": EVENT_TYPES,
            "icon": "mdi:face-recognition",
            **reached,
        },
        f"{key}_connection": {
            "platform": "binary_sensor",
            "name": f"{name} connection",
            "state_topic": status,
            "payload_on": "online",
            "payload_off": "offline",
            "json_attributes_topic": state,
            "json_attributes_template": "{{ {'frozen': value_json.frozen} | tojson }}",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
        },
        f"{key}_stranger": {
            "platform": "binary_sensor",
            "name": f"{name} stranger",
            "state_topic": state,
            "value_template": "{{ 'ON' if value_json.strangers > 0 else 'OFF' }}",
            "device_class": "occupancy",
            "icon": "mdi:account-question",
            **reached,
        },
        f"{key}_faces": {
            "platform": "sensor",
            "name": f"{name} faces",
            "state_topic": state,
            "value_template": "{{ value_json.faces }}",
            "json_attributes_topic": state,
            "json_attributes_template": "{{ {'people': value_json.people} | tojson }}",
            "unit_of_measurement": "faces",
            "icon": "mdi:face-recognition",
            **reached,
        },
        f"{key}_recognition": {
            "platform": "switch",
            "name": f"{name} recognition",
            "state_topic": topics.camera(camera, "enabled/state"),
            "command_topic": topics.camera(camera, "enabled/set"),
            "entity_category": "config",
            "icon": "mdi:eye",
            **reached,
        },
    }
    if images:
        parts[f"{key}_face"] = {
            "platform": "image",
            "name": f"{name} last face",
            "image_topic": topics.camera(camera, "face"),
            "content_type": "image/jpeg",
            "icon": "mdi:account-box",
            **reached,
        }
    return parts


def person_keys(person: str) -> tuple[str, ...]:
    """Name the components that a person, given by slug, has in the message."""
    return tuple(_person(Topics(), Person(person, person), {}))


def _person(topics: Topics, person: Person, cameras: Mapping[str, str]) -> dict[str, Component]:
    state = topics.person(person.slug)
    key = f"person_{person.slug}"
    names = json.dumps(dict(sorted(cameras.items())), ensure_ascii=False)
    return {
        key: {
            "platform": "binary_sensor",
            "name": person.name,
            "state_topic": state,
            "value_template": "{{ value_json.present }}",
            "device_class": "occupancy",
        },
        f"{key}_last_camera": {
            "platform": "sensor",
            "name": f"{person.name} last camera",
            "state_topic": state,
            # A JSON object is also one of Jinja.
            "value_template": f"{{{{ {names}.get(value_json.camera, value_json.camera) }}}}",
            "icon": "mdi:cctv",
        },
        f"{key}_last_seen": {
            "platform": "sensor",
            "name": f"{person.name} last seen",
            "state_topic": state,
            "value_template": "{{ value_json.last_seen }}",
            "device_class": "timestamp",
        },
        **_trigger(topics, f"{key}_arrived", person.name, "arrived", f"arrived {person.slug}"),
        **_trigger(topics, f"{key}_departed", person.name, "departed", f"departed {person.slug}"),
    }


def _trigger(topics: Topics, key: str, subject: str, verb: str, payload: str) -> dict[str, Component]:
    """A device trigger, at whatever camera: Home Assistant shows it as `"Anna" arrived`."""
    return {
        key: {
            "platform": "device_automation",
            "automation_type": "trigger",
            "type": verb,
            "subtype": subject,
            "topic": topics.all_events,
            "value_template": "{{ value_json.event_type ~ ' ' ~ value_json.person }}",
            "payload": payload,
        }
    }
