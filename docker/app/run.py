"""Start the service as a Home Assistant add-on: the add-on's options become FACEREC_* variables.

Where the options name no broker, the one that the supervisor offers (the Mosquitto add-on) is used. Needs
nothing but Python.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

SUPERVISOR = "http://supervisor"
TIMEOUT_S = 10.0

# Of the supervisor's variables; the service and the cameras' processes must not have its token.
PASSED_ON = frozenset(
    (
        *("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TZDIR", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    )
)
PASSED_ON_PREFIXES = ("LC_", "PYTHON", "FACEREC_")

# Options that go by another name in the environment.
NAMES = {
    "enrollment_dir": "FACEREC_ENROLLMENT_DIR",
    "publish_images": "FACEREC_PRIVACY__PUBLISH_IMAGES",
    "retain_images": "FACEREC_PRIVACY__RETAIN_IMAGES",
    "departure_s": "FACEREC_RECOGNITION__DEPARTURE_S",
    "log_level": "FACEREC_LOGGING__LEVEL",
    "mqtt_host": "FACEREC_MQTT__HOST",
    "mqtt_port": "FACEREC_MQTT__PORT",
    "mqtt_username": "FACEREC_MQTT__USERNAME",
    "mqtt_password": "FACEREC_MQTT__PASSWORD",
    "mqtt_tls": "FACEREC_MQTT__TLS",
    "mqtt_tls_ca": "FACEREC_MQTT__TLS_CA",
    "mqtt_base_topic": "FACEREC_MQTT__BASE_TOPIC",
    "mqtt_node_id": "FACEREC_MQTT__NODE_ID",
}


def offered_broker(supervisor: str, token: str) -> Mapping[str, Any] | None:
    """Ask the supervisor for the broker that it offers.

    Args:
        supervisor: its address.
        token: ours, from the environment.

    Returns:
        Its `host`, `port`, `ssl`, `username`, `password`; `None` when it offers none.
    """
    request = urllib.request.Request(  # noqa: S310 - the supervisor's address, not a user's
        f"{supervisor}/services/mqtt", headers={"Authorization": f"Bearer {token}"}
    )
    # Straight to the supervisor, whatever proxy is set for the rest.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            content = json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
        return None
    except (OSError, ValueError):
        return None
    broker = content.get("data") if isinstance(content, dict) else None
    return broker if isinstance(broker, dict) and broker.get("host") else None


def environment(options: Mapping[str, Any], broker: Mapping[str, Any] | None) -> dict[str, str]:
    """Make our environment variables.

    Args:
        options: the add-on's, as the supervisor has checked them.
        broker: what the supervisor offers; ignored where the options name a broker.
    """
    values = {
        "FACEREC_MODEL_DIR": "/data/models",
        "FACEREC_CAMERAS": json.dumps(_cameras(options)),
        # The supervisor reaches the container's own address, and is the only one that is answered there.
        "FACEREC_WEB__INGRESS": "true",
        "FACEREC_WEB__HOST": "0.0.0.0",  # noqa: S104 - the page itself refuses all others
        "FACEREC_WEB__PORT": "8094",
    }
    if broker is not None and not options.get("mqtt_host"):
        offered = {
            "HOST": broker["host"],
            "PORT": broker.get("port"),
            "USERNAME": broker.get("username"),
            "PASSWORD": broker.get("password"),
            "TLS": broker.get("ssl"),
        }
        values |= {f"FACEREC_MQTT__{name}": _text(value) for name, value in offered.items()}
    for option, name in NAMES.items():
        if options.get(option) not in (None, ""):
            values[name] = _text(options[option])
    for setting in options.get("other_settings") or ():
        values[setting["name"]] = setting["value"]
    return {name: value for name, value in values.items() if value != ""}


def _cameras(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    cameras = []
    for camera in options.get("cameras") or ():
        given = {name: value for name, value in camera.items() if value not in (None, "")}
        if "region" in given:
            given["region"] = [float(side) for side in given["region"].split(",")]
        if "rotate" in given:
            given["rotate"] = int(given["rotate"])
        cameras.append(given)
    return cameras


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def main() -> NoReturn:
    """Read the options, find the broker, and become the service."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--options", type=Path, default=Path("/data/options.json"))
    parser.add_argument("--supervisor", default=SUPERVISOR)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    try:
        options = json.loads(given.options.read_bytes())
    except (OSError, ValueError) as error:
        sys.exit(f"The options in {given.options} cannot be read ({error}).")
    broker = None
    if not options.get("mqtt_host"):
        broker = offered_broker(given.supervisor, os.environ.get("SUPERVISOR_TOKEN", ""))
        if broker is None:
            sys.exit("There is no MQTT broker: install the Mosquitto add-on, or set mqtt_host.")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)
    }
    # Secrets go by the environment of the one process that needs them.
    os.execvpe(given.command[0], given.command, kept | environment(options, broker))  # noqa: S606


if __name__ == "__main__":
    main()
