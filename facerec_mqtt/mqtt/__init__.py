"""MQTT: what is sent and received, and how.

topics      every topic of one service
payloads    JSON of events and states
commands    what others may ask for
connection  connecting and logging in
failures    why that fails, or a message is rejected
subscriptions  what others than the service itself listen to
outbox      what is sent when the broker is there, and how large it may be
home_assistant  the announcement of our entities to Home Assistant, kept true
removal     removes a person from the broker, for `facerec-mqtt forget`
"""

from facerec_mqtt.mqtt.commands import (
    Assign,
    Capture,
    Command,
    CommandIntake,
    CommandQueue,
    Enable,
    Rebuild,
    Refused,
    StopCapture,
    known_camera,
)
from facerec_mqtt.mqtt.connection import (
    Acknowledged,
    Connection,
    Lost,
    Received,
    ReplyTo,
    Signal,
    Signals,
    Stop,
    Subscribed,
    Unsubscribed,
    Wake,
    check_login,
    connection,
)
from facerec_mqtt.mqtt.failures import (
    CONNECT_TIMEOUT_S,
    ConnectionFailedError,
    Fault,
    Outage,
    Rejection,
    address,
)
from facerec_mqtt.mqtt.home_assistant import (
    Announcer,
    Component,
    Trackers,
    awaits_removal,
    discovery_payload,
    house_discovery_payload,
    person_keys,
    well_formed,
)
from facerec_mqtt.mqtt.outbox import Outbox, question_properties
from facerec_mqtt.mqtt.removal import remove_person_from_broker
from facerec_mqtt.mqtt.subscriptions import (
    Access,
    Arrivals,
    Subscription,
    Subscriptions,
    listen_once,
    read_retained,
)
from facerec_mqtt.mqtt.topics import Topics

__all__ = [
    "CONNECT_TIMEOUT_S",
    "Access",
    "Acknowledged",
    "Announcer",
    "Arrivals",
    "Assign",
    "Capture",
    "Command",
    "CommandIntake",
    "CommandQueue",
    "Component",
    "Connection",
    "ConnectionFailedError",
    "Enable",
    "Fault",
    "Lost",
    "Outage",
    "Outbox",
    "Rebuild",
    "Received",
    "Refused",
    "Rejection",
    "ReplyTo",
    "Signal",
    "Signals",
    "Stop",
    "StopCapture",
    "Subscribed",
    "Subscription",
    "Subscriptions",
    "Topics",
    "Trackers",
    "Unsubscribed",
    "Wake",
    "address",
    "awaits_removal",
    "check_login",
    "connection",
    "discovery_payload",
    "house_discovery_payload",
    "known_camera",
    "listen_once",
    "person_keys",
    "question_properties",
    "read_retained",
    "remove_person_from_broker",
    "well_formed",
]
