"""`run`: the service as a process, with its limits, its signals, and what is loaded before it starts."""

import logging
import os
import resource
import signal
import threading

from facerec_mqtt import __version__
from facerec_mqtt.core.clock import WallClock, zone_or_machines
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.loop import Service
from facerec_mqtt.service.restart import Restart, require_work
from facerec_mqtt.service.roles.parts import part_of
from facerec_mqtt.settings import Role, Settings, SettingsOrigin

_log = logging.getLogger(__name__)


def run_service(settings: Settings, origin: SettingsOrigin, *, explain: bool = False) -> int:
    """Run the service in the foreground until SIGTERM or SIGINT.

    Args:
        settings: all of them.
        origin: where they have come from.
        explain: log for each face why it was announced as it was, or why it was not.

    Raises:
        FacerecError: no camera is set, nor can one be set on the page; or a shipped network cannot be loaded.
    """
    require_work(settings, origin)
    # What it writes holds faces and embeddings, and a core file would hold passwords; children inherit both.
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if settings.mqtt.tls_insecure:
        _log.warning(
            "FACEREC_MQTT__TLS_INSECURE is on: whoever sits between here and the broker can read the "
            "password and all messages, and send commands. Set FACEREC_MQTT__TLS_CA instead."
        )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    clock = WallClock(zone_or_machines(os.environ))
    slugs = [camera.slug for camera in settings.cameras]
    publisher = Publisher(
        settings.mqtt, settings.privacy, cameras=slugs, clock=clock, house=settings.house.name
    )
    names = ", ".join(camera.name for camera in settings.cameras)
    is_recogniser = settings.house.role is Role.RECOGNISER
    if is_recogniser:
        _log.info("facerec-mqtt %s recognises for the house %s", __version__, settings.house.name)
    else:
        _log.info("facerec-mqtt %s watches %s", __version__, names or "nothing")
    if not settings.cameras and not is_recogniser:
        _log.warning("No camera is set yet; find one on the page, or set FACEREC_CAMERAS")
    restart = Restart(origin, stop, settings.house.role)
    part = part_of(settings, publisher)
    Service(settings, part, publisher, clock, explain=explain, restart=restart).run(stop)
    if restart.is_wanted:
        _log.info("facerec-mqtt starts again, as was asked for on the page")
        restart.start_again()
    _log.info("facerec-mqtt has stopped")
    return 0
