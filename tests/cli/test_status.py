"""`status`: whether the service runs, by what it has published."""

import json

import pytest

from facerec_mqtt.cli.setup.status import show_status
from facerec_mqtt.settings import Settings
from tests.support.broker import Broker


def test_one_box_alone_is_offline_until_it_says_that_it_is_there(
    broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(mqtt=broker.settings())
    assert show_status(settings, as_json=True) == 1
    nothing = json.loads(capsys.readouterr().out)
    assert (nothing["online"], nothing["role"], nothing["model"], nothing["boxes"]) == (
        False,
        "all",
        None,
        [],
    )
    with broker.ear() as ear:
        ear.say("facerec/status", "online", retain=True)
        model: dict[str, object] = {
            "status": "ready",
            "version": "20260101T000000Z-abcd",
            "message": None,
            "report": {},
        }
        ear.say("facerec/model/state", json.dumps(model), retain=True)
    assert show_status(settings, as_json=False) == 0
    assert capsys.readouterr().out == (
        "Box home: online, role all\nModel: ready, version 20260101T000000Z-abcd\n"
    )
