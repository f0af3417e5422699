"""Home Assistant: what is announced to it, and kept true.

entities        each entity and device trigger
discovery       the message that announces them all
announcements   what is announced, and what has gone
announcer       publishes that, and removes what is no more
trackers        who counts as at home
"""

from facerec_mqtt.mqtt.home_assistant.announcements import (
    Announcements,
    awaits_removal,
    components_of,
    well_formed,
)
from facerec_mqtt.mqtt.home_assistant.announcer import Announcer
from facerec_mqtt.mqtt.home_assistant.discovery import discovery_payload, house_discovery_payload
from facerec_mqtt.mqtt.home_assistant.entities import Component, person_keys
from facerec_mqtt.mqtt.home_assistant.trackers import Trackers

__all__ = [
    "Announcements",
    "Announcer",
    "Component",
    "Trackers",
    "awaits_removal",
    "components_of",
    "discovery_payload",
    "house_discovery_payload",
    "person_keys",
    "well_formed",
]
