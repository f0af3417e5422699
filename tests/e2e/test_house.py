"""Two services of one house, as processes, on one broker."""

import json
import shutil
from pathlib import Path

from facerec_mqtt.recognition import load_current, versions
from tests.support.broker import Broker
from tests.support.house_boxes import HOUSE, house_events
from tests.support.service import Home, RunningService, run_program
from tests.support.service_runs import camera


def test_two_boxes_have_one_model_one_arrival_and_forget_together(
    broker: Broker, home: Home, annas_film: Path, tmp_path: Path
) -> None:
    # One has the photos and the model, the other nothing but a camera.
    models = {"hall": home.models, "garage": tmp_path / "garage"}
    photos = {"hall": tmp_path / "photos", "garage": tmp_path / "none"}
    shutil.copytree(home.enrollment, photos["hall"])

    def settings_of(node: str) -> dict[str, str]:
        return (
            home.environment(
                camera(annas_film, name=f"door_{node}"),
                FACEREC_HOUSE__NAME=HOUSE,
                FACEREC_HOUSE__KEY="ab" * 32,
                FACEREC_MODEL_DIR=str(models[node]),
                FACEREC_ENROLLMENT_DIR=str(photos[node]),
                FACEREC_MQTT__NODE_ID=node,
                FACEREC_RECOGNITION__DEPARTURE_S="30",  # the film shows her every ten seconds
            )
            | broker.environment()
        )

    def box(node: str) -> RunningService:
        return RunningService(settings_of(node), tmp_path / f"{node}.log")

    events = "facerec/person/anna/event"
    with broker.ear() as ear, box("garage"), box("hall"):
        for node in ("garage", "hall"):
            ear.wait(lambda m, node=node: m.topic == f"facerec/camera/door_{node}/event")  # type: ignore[misc]
        ear.wait_for(events)
        forgotten = run_program("forget", "Tom", "--yes", environment=settings_of("hall"), folder=tmp_path)
        assert forgotten.returncode == 0, forgotten.stdout + forgotten.stderr
        assert "All boxes of the house have forgotten Tom." in forgotten.stdout
        kept = broker.retained()
        assert [kind for kind, _ in house_events([each.payload for each in ear.on(events)])] == ["arrived"]
    assert json.loads(kept["facerec/person/anna/state"])["present"] == "ON"
    assert kept["facerec/box/hall/status"] == b"online"
    assert "facerec/status" not in kept
    for node in ("garage", "hall"):
        device = json.loads(kept[f"homeassistant/device/{node}/config"])["device"]
        assert device["via_device"] == f"facerec_{HOUSE}"
    assert "person_anna" in json.loads(kept[f"homeassistant/device/{HOUSE}/config"])["components"]
    for folder in models.values():
        model = load_current(folder)
        assert model is not None
        assert [person.slug for person in model.people] == ["anna"]
        assert versions(folder) == (model.version,)
    assert "facerec/person/tom/state" not in kept
    assert b"person_tom" not in kept[f"homeassistant/device/{HOUSE}/config"]
