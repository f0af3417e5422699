"""The link to the service: its latest status, what it sends to whoever listens, and commands to it."""

from facerec_mqtt import __version__
from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.monitoring.page_messages import PageCommand
from facerec_mqtt.web.schemas import BrokerStatus, ModelStatus, Status


class NoServiceError(FacerecError):
    """The service cannot be asked at present."""


class Live:
    """What the service sends, and what is sent to it; every method may be called from any thread."""

    def __init__(self) -> None:
        self._status = Status(
            version=__version__,
            broker=BrokerStatus(online=False),
            model=ModelStatus(status="missing", version=None, progress=None),
            cameras=[],
            people=[],
        )

    @property
    def status(self) -> Status:
        """The latest that the service has sent."""
        return self._status

    def send(self, command: PageCommand) -> None:
        """Ask the service for something.

        Raises:
            NoServiceError: there is no service.
        """
        raise NoServiceError(f"The service cannot be asked to {command.type} at present; try again later.")
