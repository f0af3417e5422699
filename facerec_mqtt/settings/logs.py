"""What is written to standard error: one line a message, and never a secret."""

import logging
import sys
from collections.abc import Iterable
from urllib.parse import quote

from facerec_mqtt.settings.groups.web import WebSettings
from facerec_mqtt.settings.schema import CameraSettings, MqttSettings, Settings


class SecretFilter(logging.Filter):
    """Replaces known secrets in every message, also in those of libraries and in tracebacks.

    Our own code never hands a secret to a logger; this is for what others put into their errors.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        forms = {form for secret in secrets for form in (secret, quote(secret, safe=""), quote(secret))}
        # The longest first, so that a secret which holds another one is replaced whole. A secret of
        # one or two characters would blank out half of every line and is not worth hiding there.
        self._forms = sorted((form for form in forms if len(form) > 2), key=len, reverse=True)

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; every record passes."""
        text = record.getMessage()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.msg, record.args = self.redact(text), None
        if record.exc_text:
            record.exc_text = self.redact(record.exc_text)
        return True

    def redact(self, text: str) -> str:
        """Replace every known secret in a text by asterisks."""
        for form in self._forms:
            text = text.replace(form, "***")
        return text


def configure_logging(settings: Settings) -> None:
    """Send the program's log to standard error at the level of the settings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S"))
    handler.addFilter(SecretFilter(secrets_of(settings)))
    logging.basicConfig(level=settings.logging.level, handlers=[handler], force=True)


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """All passwords, tokens and keys in the settings."""
    holders: tuple[MqttSettings | CameraSettings | WebSettings, ...]
    holders = (settings.mqtt, settings.web, *settings.cameras)
    secrets = [*(holder.password for holder in holders), *(camera.token for camera in settings.cameras)]
    secrets += [settings.house.key, settings.house.camera_key]
    return tuple(secret.get_secret_value() for secret in secrets if secret is not None)
