"""What this machine is and can do."""

import os
from datetime import UTC, datetime

from facerec_mqtt.core.clock import local_zone
from facerec_mqtt.training import has_tensorflow, require_tensorflow


def check_processor() -> str:
    """How many cores there are, and whether it can rebuild.

    Raises:
        FacerecError: TensorFlow is there and cannot run.
    """
    if not has_tensorflow():
        return f"{os.cpu_count()} cores; cannot rebuild, since TensorFlow is not installed"
    require_tensorflow()
    return f"{os.cpu_count()} cores, can rebuild"


def check_time_zone() -> str:
    """Which zone times are in.

    Raises:
        SettingsError: `TZ` names an unknown one.
    """
    zone = local_zone(os.environ)
    moment = datetime.now(UTC).astimezone(zone)
    return f"{zone or moment.tzname()}, now {moment:%H:%M %z}"
