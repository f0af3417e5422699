"""Cameras of a real Home Assistant, read through its camera proxy with a token."""

import json

import pytest

from facerec_mqtt.cameras import CameraFailedError, FailureKind, probe
from tests.support.broker import wait_until
from tests.support.home_assistant import HomeAssistant
from tests.support.http_cameras import jpeg
from tests.support.rtsp import number_of
from tests.support.watched_camera import settings, watched

ENTITY = "camera.yard"
CONFIG = "homeassistant/camera/neighbours/config"
PICTURES = "yard/picture"


def test_a_camera_of_home_assistant_is_read_with_a_token(home_assistant: HomeAssistant) -> None:
    access = json.loads((home_assistant.folder / "ha.json").read_text())
    token, proxy = access["token"], f"{access['url']}/api/camera_proxy"
    with home_assistant.broker.ear("none") as ear:
        config = {"name": "Yard", "unique_id": "neighbours_yard", "topic": PICTURES}
        ear.say(CONFIG, json.dumps(config), retain=True)
        try:
            wait_until(lambda: ENTITY in home_assistant.states())
            ear.say(PICTURES, jpeg(5), retain=True)
            with watched(settings(f"{proxy}/{ENTITY}", token=token)) as yard:
                assert number_of(yard.frame().image) == 5
                ear.say(PICTURES, jpeg(6))
                wait_until(lambda: number_of(yard.frame().image) == 6)
                assert yard.reported == [(True, None)]
            with watched(settings(f"{proxy}_stream/{ENTITY}", token=token)) as yard:
                assert number_of(yard.frame().image) == 6
                ear.say(PICTURES, jpeg(7))
                wait_until(lambda: number_of(yard.frame().image) == 7)
            kinds = []
            for entity, used in ((ENTITY, "wrong"), (ENTITY, None), ("camera.nowhere", token)):
                with pytest.raises(CameraFailedError) as caught:
                    probe(settings(f"{proxy}/{entity}", token=used))
                kinds.append(caught.value.failure.kind)
            assert kinds == [FailureKind.TOKEN_REFUSED, FailureKind.LOGIN_MISSING, FailureKind.NOT_FOUND]
            # It notes whoever comes with a wrong token, which was our doing.
            assert all("invalid authentication" in each for each in home_assistant.complaints())
        finally:
            ear.say(CONFIG, b"", retain=True)
            ear.say(PICTURES, b"", retain=True)
            wait_until(lambda: ENTITY not in home_assistant.states())
