"""The settings: what they are, where they come from, and what is wrong with one."""

from facerec_mqtt.settings.choices import Choices, PicturesChoice, read_choices, write_choices
from facerec_mqtt.settings.env_file import can_be_replaced, setting_in, settings_bytes
from facerec_mqtt.settings.groups.cameras import CameraSettings, FrigateSettings
from facerec_mqtt.settings.groups.house import HouseSettings, Role
from facerec_mqtt.settings.groups.web import WebSettings, is_loopback
from facerec_mqtt.settings.loading import (
    CAMERAS,
    SettingsOrigin,
    given_names,
    load_settings,
    save_cameras,
    settings_digest,
    settings_origin,
)
from facerec_mqtt.settings.logs import configure_logging
from facerec_mqtt.settings.messages import NodeId, Slug, first_problem, reason
from facerec_mqtt.settings.schema import (
    PREFIX,
    HistorySettings,
    MqttSettings,
    PrivacySettings,
    RecognitionSettings,
    ReviewSettings,
    Settings,
)

__all__ = [
    "CAMERAS",
    "PREFIX",
    "CameraSettings",
    "Choices",
    "FrigateSettings",
    "HistorySettings",
    "HouseSettings",
    "MqttSettings",
    "NodeId",
    "PicturesChoice",
    "PrivacySettings",
    "RecognitionSettings",
    "ReviewSettings",
    "Role",
    "Settings",
    "SettingsOrigin",
    "Slug",
    "WebSettings",
    "can_be_replaced",
    "configure_logging",
    "first_problem",
    "given_names",
    "is_loopback",
    "load_settings",
    "read_choices",
    "reason",
    "save_cameras",
    "setting_in",
    "settings_bytes",
    "settings_digest",
    "settings_origin",
    "write_choices",
]
