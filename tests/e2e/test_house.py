"""Two services of one house, as processes, on one broker."""

import json
from pathlib import Path

from tests.support.broker import Broker
from tests.support.house_boxes import HOUSE, house_events
from tests.support.service import Home, RunningService
from tests.support.service_runs import camera


def test_two_boxes_that_see_one_person_announce_one_arrival_and_one_device_each(
    broker: Broker, home: Home, annas_film: Path, tmp_path: Path
) -> None:
    def box(node: str) -> RunningService:
        settings = home.environment(
            camera(annas_film, name=f"door_{node}"),
            FACEREC_HOUSE__NAME=HOUSE,
            FACEREC_MQTT__NODE_ID=node,
            FACEREC_RECOGNITION__DEPARTURE_S="30",  # the film shows her every ten seconds
        )
        return RunningService(settings | broker.environment(), tmp_path / f"{node}.log")

    events = "facerec/person/anna/event"
    with broker.ear() as ear, box("garage"), box("hall"):
        for node in ("garage", "hall"):
            ear.wait(lambda m, node=node: m.topic == f"facerec/camera/door_{node}/event")  # type: ignore[misc]
        ear.wait_for(events)
        kept = broker.retained()
        assert [kind for kind, _ in house_events([each.payload for each in ear.on(events)])] == ["arrived"]
    assert json.loads(kept["facerec/person/anna/state"])["present"] == "ON"
    assert kept["facerec/box/hall/status"] == b"online"
    assert "facerec/status" not in kept
    for node in ("garage", "hall"):
        device = json.loads(kept[f"homeassistant/device/{node}/config"])["device"]
        assert device["via_device"] == f"facerec_{HOUSE}"
    assert "person_anna" in json.loads(kept[f"homeassistant/device/{HOUSE}/config"])["components"]
