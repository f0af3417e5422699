"""Commands that come by MQTT: parsed strictly, since whoever reaches the broker can send them.

Nothing is guessed: a payload that is not exactly as in docs/MQTT.md is refused with one sentence. Limits hold
for each kind of command and each camera, so that none of them uses up what another needs.
"""

from facerec_mqtt.mqtt.commands.intake import CommandIntake
from facerec_mqtt.mqtt.commands.limits import BURST, MAX_WAITING, PER_SECOND, CommandQueue, RateLimit
from facerec_mqtt.mqtt.commands.parsing import (
    MAX_CAPTURE_S,
    MAX_PAYLOAD_BYTES,
    known_camera,
    parse_assign,
    parse_capture,
    parse_enabled,
    parse_rebuild,
    shown,
)
from facerec_mqtt.mqtt.commands.requests import (
    Assign,
    Capture,
    Command,
    Enable,
    Rebuild,
    Refused,
    StopCapture,
)

__all__ = [
    "BURST",
    "MAX_CAPTURE_S",
    "MAX_PAYLOAD_BYTES",
    "MAX_WAITING",
    "PER_SECOND",
    "Assign",
    "Capture",
    "Command",
    "CommandIntake",
    "CommandQueue",
    "Enable",
    "RateLimit",
    "Rebuild",
    "Refused",
    "StopCapture",
    "known_camera",
    "parse_assign",
    "parse_capture",
    "parse_enabled",
    "parse_rebuild",
    "shown",
]
