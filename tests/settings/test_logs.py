"""No secret reaches the log."""

import io
import logging

import pytest
from pydantic import SecretStr

from facerec_mqtt.settings.groups.house import HouseSettings
from facerec_mqtt.settings.logs import SecretFilter, secrets_of
from facerec_mqtt.settings.schema import CameraSettings, MqttSettings, Settings

CANARY = "c4n4ry/p@ss"


@pytest.fixture
def log() -> tuple[logging.Logger, io.StringIO]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(SecretFilter([CANARY, "abc"]))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    return logger, written


@pytest.mark.parametrize("form", [CANARY, "c4n4ry%2Fp%40ss", "c4n4ry/p%40ss"])
def test_a_secret_is_replaced_in_every_form(log: tuple[logging.Logger, io.StringIO], form: str) -> None:
    log[0].warning("cannot open %s", f"rtsp://cam:{form}@10.0.0.7/")
    assert log[1].getvalue() == "cannot open rtsp://cam:***@10.0.0.7/\n"


def test_a_secret_is_replaced_in_a_traceback(log: tuple[logging.Logger, io.StringIO]) -> None:
    try:
        raise OSError(f"refused {CANARY}")
    except OSError:
        log[0].exception("failed")
    assert "OSError: refused ***" in log[1].getvalue()
    assert CANARY not in log[1].getvalue()


def test_other_words_stay(log: tuple[logging.Logger, io.StringIO]) -> None:
    log[0].info("camera %s is back after %d s", "front_door", 12)
    assert log[1].getvalue() == "camera front_door is back after 12 s\n"


def test_every_password_of_the_settings_is_known() -> None:
    settings = Settings(
        mqtt=MqttSettings(username="u", password=SecretStr("one")),
        cameras=(
            CameraSettings(name="a", url="rtsp://h/", password=SecretStr("two")),
            CameraSettings(name="b", url="rtsp://h/"),
        ),
        house=HouseSettings(key=SecretStr(64 * "a"), camera_key=SecretStr(64 * "b")),
    )
    assert set(secrets_of(settings)) == {"one", "two", 64 * "a", 64 * "b"}
