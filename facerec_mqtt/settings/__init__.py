"""The settings: what they are, where they come from, and what is wrong with one."""

from facerec_mqtt.settings.choices import Choices, PicturesChoice, read_choices, write_choices
from facerec_mqtt.settings.loading import load_settings
from facerec_mqtt.settings.logs import configure_logging
from facerec_mqtt.settings.messages import reason
from facerec_mqtt.settings.schema import (
    PREFIX,
    CameraSettings,
    HistorySettings,
    MqttSettings,
    PrivacySettings,
    RecognitionSettings,
    ReviewSettings,
    Settings,
)
from facerec_mqtt.settings.validation import Slug, first_problem
from facerec_mqtt.settings.web import WebSettings, is_loopback

__all__ = [
    "PREFIX",
    "CameraSettings",
    "Choices",
    "HistorySettings",
    "MqttSettings",
    "PicturesChoice",
    "PrivacySettings",
    "RecognitionSettings",
    "ReviewSettings",
    "Settings",
    "Slug",
    "WebSettings",
    "configure_logging",
    "first_problem",
    "is_loopback",
    "load_settings",
    "read_choices",
    "reason",
    "write_choices",
]
