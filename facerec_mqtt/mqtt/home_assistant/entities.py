"""The entities and device triggers that are announced to Home Assistant, each as JSON. Pure."""

import json
from collections.abc import Mapping

from facerec_mqtt.core.records import Person
from facerec_mqtt.mqtt.topics import Topics

EVENT_TYPES = ["arrived", "departed", "visitor", "stranger"]
MODEL_STATUSES = ["missing", "training", "ready", "failed"]
Component = Mapping[str, object]
"""One entity or device trigger in the discovery message, as JSON."""


def of_service(topics: Topics) -> dict[str, Component]:
    """Make the entities of the service itself."""
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


def of_camera(topics: Topics, camera: str, name: str, *, images: bool) -> dict[str, Component]:
    """Make the entities of a camera.

    Args:
        topics: ours.
        camera: its slug.
        name: its display name.
        images: whether pictures of faces are published.
    """
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
    return tuple(of_person(Topics(), Person(person, person), {}, images=True, tracker=True))


def of_person(
    topics: Topics, person: Person, cameras: Mapping[str, str], *, images: bool, tracker: bool
) -> dict[str, Component]:
    """Make the entities and device triggers of a person.

    Args:
        topics: ours.
        person: who.
        cameras: display names by slug.
        images: whether pictures of faces are published.
        tracker: whether there is a device tracker.
    """
    state = topics.person(person.slug)
    # In a house of several boxes an arrival is one, however many boxes see it.
    events = topics.all_events if topics.house is None else topics.all_events_of_people
    key = f"person_{person.slug}"
    names = json.dumps(dict(sorted(cameras.items())), ensure_ascii=False)
    parts: dict[str, Component] = {
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
        f"{key}_event": {
            "platform": "event",
            "name": f"{person.name} visit",
            "state_topic": events,
            # Home Assistant ignores what renders as nothing: the visits of all others.
            "value_template": f"{{{{ value if value_json.person == '{person.slug}' }}}}",
            "event_types": ["arrived", "departed"],
            "icon": "mdi:face-recognition",
        },
        **trigger(events, f"{key}_arrived", person.name, "arrived", f"arrived {person.slug}"),
        **trigger(events, f"{key}_departed", person.name, "departed", f"departed {person.slug}"),
    }
    if images:
        parts[f"{key}_face"] = {
            "platform": "image",
            "name": f"{person.name} last face",
            "image_topic": topics.person(person.slug, "face"),
            "content_type": "image/jpeg",
            "icon": "mdi:account-box",
        }
    if tracker:
        zones = topics.person(person.slug, "tracker")
        parts[f"{key}_tracker"] = {
            "platform": "device_tracker",
            "name": person.name,
            "state_topic": zones,
            # `None` is no place that is known: absence alone is no proof of being away.
            "value_template": "{{ 'home' if value_json.in_zones else 'None' }}",
            "json_attributes_topic": zones,
            # Of several sources of one person the latest counts, where that is no router.
            "source_type": "gps",
            "icon": "mdi:face-recognition",
        }
    return parts


def trigger(events: str, key: str, subject: str, verb: str, payload: str) -> dict[str, Component]:
    """A device trigger, for the events on a topic: Home Assistant shows it as `"Anna" arrived`."""
    return {
        key: {
            "platform": "device_automation",
            "automation_type": "trigger",
            "type": verb,
            "subtype": subject,
            "topic": events,
            "value_template": "{{ value_json.event_type ~ ' ' ~ value_json.person }}",
            "payload": payload,
        }
    }
