"""The service starts itself again, by the command line that started it: what was saved comes into use so."""

import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from facerec_mqtt.core.errors import SettingsError
from facerec_mqtt.service.roles.requirements import require_role
from facerec_mqtt.settings import Role, Settings, SettingsOrigin, load_settings


def require_work(settings: Settings, origin: SettingsOrigin) -> None:
    """See that there is a camera, or a page on which the first one can be set, and what the role needs.

    Args:
        settings: all of them.
        origin: where they have come from. Without a file it is more likely that they were not found.

    Raises:
        SettingsError: there is nothing to do, or something is missing for it.
    """
    require_role(settings)
    if settings.house.role is Role.RECOGNISER:
        return
    if not settings.cameras and not (settings.web.enabled and (origin.file or settings.web.ingress)):
        raise SettingsError(
            "No camera is set; set FACEREC_CAMERAS, for example "
            '[{"name":"front_door","url":"rtsp://10.0.0.7:554/sub","username":"cam","password":"..."}].'
        )


@dataclass(slots=True, eq=False)
class Restart:
    """Ends the service so that it starts again. Asked by the loop, done when all has ended."""

    origin: SettingsOrigin
    stop: threading.Event
    """Set, it ends the service."""
    role: Role | None = None
    """That the command line gives, and settings from a file do not."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    """As it was at the start: systemd's variables are in it, which are taken out of `os.environ`."""
    is_wanted: bool = field(default=False, init=False)

    def ask(self) -> None:
        """End the service; it starts again with the settings as they are then.

        Raises:
            SettingsError: it would not start with them; it goes on as it is.
        """
        require_work(load_settings(self.origin.given).with_role(self.role), self.origin)
        self.is_wanted = True
        self.stop.set()

    def start_again(self) -> NoReturn:
        """Become the same command again: the process stays, for whoever watches over it."""
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], dict(self.environment))  # noqa: S606
