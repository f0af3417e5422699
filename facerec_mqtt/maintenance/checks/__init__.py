"""Checks of this machine and of a household's folders, for `check` and for the page."""

from facerec_mqtt.maintenance.checks.folders import (
    check_enrollment_folder,
    check_heartbeat,
    check_history,
    check_writable,
)
from facerec_mqtt.maintenance.checks.machine import check_processor, check_time_zone
from facerec_mqtt.maintenance.checks.outcome import Check, CheckOutcome, attempt_check

__all__ = [
    "Check",
    "CheckOutcome",
    "attempt_check",
    "check_enrollment_folder",
    "check_heartbeat",
    "check_history",
    "check_processor",
    "check_time_zone",
    "check_writable",
]
