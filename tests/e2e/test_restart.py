"""What a restart of the real program leaves as it was."""

import json
import re
import shutil
import signal
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.records import Person
from facerec_mqtt.presence.state_file import LastSeen, ServiceState, StateFile
from tests.support.broker import Broker, Ear, Message
from tests.support.service import Home, RunningService, write_film

EVENT = "facerec/camera/front_door/event"
ENABLED = "facerec/camera/front_door/enabled"


def person(ear: Ear, present: str) -> dict[str, Any]:
    """Anna's first state with this presence and a place where she was seen."""

    def fits(message: Message) -> bool:
        if message.topic != "facerec/person/anna/state" or message.retained or not message.payload:
            return False
        state = json.loads(message.payload)
        return bool(state["present"] == present and state["camera"])

    state: dict[str, Any] = json.loads(ear.wait(fits).payload)
    return state


def settings_without_a_model(broker: Broker, folder: Path) -> dict[str, str]:
    """One camera, at which there is nobody."""
    cv2.imwrite(str(folder / "hall.jpg"), np.zeros((240, 320, 3), np.uint8))
    return broker.environment() | {
        "FACEREC_CAMERAS": json.dumps([{"name": "front_door", "url": str(folder)}]),
        "FACEREC_MODEL_DIR": str(folder / "models"),
    }


def test_a_switch_stays_off_over_a_restart_without_the_brokers_help(broker: Broker, tmp_path: Path) -> None:
    settings = settings_without_a_model(broker, tmp_path)
    with broker.ear() as ear, RunningService(settings, tmp_path / "log" / "first") as service:
        ear.wait_for(f"{ENABLED}/state", b"ON")
        ear.say(f"{ENABLED}/set", "OFF")
        ear.wait_for(f"{ENABLED}/state", b"OFF")
        assert service.terminate() == 0
    broker.stop()  # and forgets all
    broker.start()
    with broker.ear() as ear, RunningService(settings, tmp_path / "log" / "second") as service:
        ear.wait_for("facerec/status", b"online")
        assert [message.payload for message in ear.on(f"{ENABLED}/state")] == [b"OFF"]
        ear.say(f"{ENABLED}/set", "ON")
        ear.wait_for(f"{ENABLED}/state", b"ON")
        assert service.terminate() == 0


def test_a_camera_that_is_no_more_leaves_no_topic_though_nothing_is_announced(
    broker: Broker, tmp_path: Path
) -> None:
    settings = settings_without_a_model(broker, tmp_path) | {"FACEREC_MQTT__DISCOVERY": "false"}
    with broker.ear() as ear, RunningService(settings, tmp_path / "log" / "first") as service:
        ear.wait_for(f"{ENABLED}/state", b"ON")
        ear.wait_for("facerec/camera/front_door/status", b"online")
        assert service.terminate() == 0
    settings["FACEREC_CAMERAS"] = json.dumps([{"name": "gate", "url": str(tmp_path)}])
    with broker.ear() as ear, RunningService(settings, tmp_path / "log" / "second") as service:
        ear.wait_for("facerec/status", b"online")
        for topic in ("status", "state", "enabled/state"):
            ear.wait_for(f"facerec/camera/front_door/{topic}", b"")
        assert service.terminate() == 0
    with broker.ear() as ear:
        ear.settle()
        kept = {message.topic for message in ear.messages}
    assert "facerec/camera/gate/status" in kept
    assert not [topic for topic in kept if "front_door" in topic]


def test_where_somebody_was_last_seen_outlasts_a_restart(home: Home, broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    write_film(tmp_path / "film", ["Anna"])
    shutil.copytree(home.models, tmp_path / "models")
    camera = {"name": "front_door", "url": str(tmp_path / "film"), "fps": 5}
    settings = home.environment(camera, **broker.environment())
    settings["FACEREC_MODEL_DIR"] = str(tmp_path / "models")
    with broker.ear() as ear, RunningService(settings, tmp_path / "log" / "first") as service:
        seen = person(ear, "ON")
        ear.say(f"{ENABLED}/set", "OFF")
        last = person(ear, "OFF")
        assert service.terminate() == 0
    broker.stop()
    broker.start()
    with broker.ear() as ear, RunningService(settings, tmp_path / "log" / "second") as service:
        again = person(ear, "OFF")
        ear.say(f"{ENABLED}/set", "ON")
        person(ear, "ON")
        assert service.terminate() == 0
    assert again == last
    assert again["camera"] == seen["camera"] == "front_door"
    assert again["last_seen"] >= seen["last_seen"]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_ends_no_visit_and_lets_nobody_arrive_twice(
    home: Home, broker: Broker, tmp_path: Path, ending: signal.Signals
) -> None:
    (tmp_path / "film").mkdir()
    (tmp_path / "hall").mkdir()
    write_film(tmp_path / "film", ["Anna"])
    cv2.imwrite(str(tmp_path / "hall" / "hall.jpg"), np.zeros((240, 320, 3), np.uint8))

    def settings(pictures: str, departure_s: float) -> dict[str, str]:
        camera = {"name": "front_door", "url": str(tmp_path / pictures), "fps": 5}
        departure = {"FACEREC_RECOGNITION__DEPARTURE_S": str(departure_s)}
        return home.environment(camera, **broker.environment()) | departure

    with broker.ear() as ear:
        with RunningService(settings("film", 600.0), tmp_path / "log" / "first") as service:
            arrived = json.loads(ear.wait_for(EVENT).payload)
            person(ear, "ON")
            assert service.terminate(ending) == (0 if ending is signal.SIGTERM else -ending)
            assert "TensorFlow" not in service.log  # LiteRT's own line
        broker.stop()
        broker.start()
    with broker.ear() as ear, RunningService(settings("hall", 3.0), tmp_path / "log" / "second") as service:
        ear.wait_for("facerec/status", b"online")
        before = takewhile(lambda message: message.topic != "facerec/status", ear.messages)
        states = [json.loads(m.payload) for m in before if m.topic == "facerec/person/anna/state"]
        assert [state["present"] for state in states] == ["ON"]
        departed = json.loads(ear.wait_for(EVENT).payload)
        person(ear, "OFF")
        assert service.terminate() == 0
    assert (arrived["event_type"], departed["event_type"]) == ("arrived", "departed")
    assert arrived["visit_id"] == departed["visit_id"]


@pytest.mark.parametrize("remembered", [True, False])
def test_a_model_that_is_gone_takes_nobodys_entities_away(
    broker: Broker, tmp_path: Path, remembered: bool
) -> None:
    settings = settings_without_a_model(broker, tmp_path)
    if remembered:
        seen = {"anna": LastSeen("front_door", 1795453331.0, 0.9)}
        StateFile(tmp_path / "models", "home").save(
            ServiceState(frozenset(), (Person("anna", "Anna"),), seen)
        )
    with broker.ear() as ear, RunningService(settings, tmp_path / "log" / "log"):
        ear.wait_for("facerec/status", b"online")
        announced = json.loads(ear.wait_for("homeassistant/device/home/config").payload)["components"]
        model = json.loads(ear.wait_for("facerec/model/state").payload)
        assert (model["status"], model["people"]) == ("missing", [])
        assert ("person_anna" in announced) == remembered
        if remembered:
            state = person(ear, "OFF")
            assert (state["name"], state["camera"]) == ("Anna", "front_door")
            topics = [message.topic for message in ear.messages]
            assert topics.index("facerec/person/anna/state") < topics.index("facerec/status")


def names_tom(text: bytes) -> bool:
    """Whether Tom is named; "automation" does not name him."""
    return re.search(rb"(?<![a-z])tom(?![a-z])", text.lower()) is not None


def damage(version: Path) -> None:
    (version / "model.npz").write_bytes(b"half")


def make_of_other_networks(version: Path) -> None:
    manifest = json.loads((version / "manifest.json").read_bytes())
    (version / "manifest.json").write_text(json.dumps(manifest | {"backbone": "0" * 64}))


@pytest.mark.parametrize(
    ("spoil", "discovery"), [(damage, False), (make_of_other_networks, True)], ids=["damaged", "foreign"]
)
def test_who_is_left_out_after_a_start_with_a_refused_model_is_taken_off_the_broker(
    home: Home, broker: Broker, tmp_path: Path, spoil: Callable[[Path], None], discovery: bool
) -> None:
    (tmp_path / "film").mkdir()
    write_film(tmp_path / "film", ["Tom"])
    enrollment = home.models.parent / "enrollment"
    shutil.copytree(home.enrollment, enrollment)
    camera = {"name": "front_door", "url": str(tmp_path / "film"), "fps": 5}
    settings = home.environment(camera, **broker.environment()) | {
        "FACEREC_ENROLLMENT_DIR": str(enrollment),
        "FACEREC_MQTT__DISCOVERY": str(discovery),
        "FACEREC_PRIVACY__RETAIN_IMAGES": "true",
    }
    with broker.ear() as ear, RunningService(settings, tmp_path / "log" / "first") as service:
        ear.wait(lambda m: m.topic == EVENT and b'"tom"' in m.payload)
        assert service.terminate() == 0
    kept = broker.retained()
    assert {"facerec/person/tom/state", "facerec/camera/front_door/face"} <= kept.keys()
    spoil(home.models / "versions" / home.report["version"])
    cv2.imwrite(str(tmp_path / "hall.jpg"), np.zeros((240, 320, 3), np.uint8))
    settings["FACEREC_CAMERAS"] = json.dumps([camera | {"url": str(tmp_path / "hall.jpg")}])
    with broker.ear() as ear, RunningService(settings, tmp_path / "log" / "second") as service:
        ear.wait(lambda m: m.topic == "facerec/model/state" and b'"failed"' in m.payload)
        ear.wait_for("facerec/status", b"online")
        assert "facerec/person/tom/state" in broker.retained()  # a refused model takes nobody away
        shutil.rmtree(enrollment / "Tom")
        ear.say("facerec/command/rebuild", '{"force": true}')
        ear.wait_for("facerec/person/tom/state", b"")
        ear.wait_for("facerec/camera/front_door/face", b"")
        if discovery:
            config = "homeassistant/device/home/config"
            ear.wait(lambda m: m.topic == config and not m.retained and not names_tom(m.payload))
        assert service.terminate() == 0
    kept = broker.retained()
    assert [topic for topic, payload in kept.items() if names_tom(topic.encode() + b" " + payload)] == []
    assert "facerec/person/anna/state" in kept
    # But ids, where Home Assistant may have been away.
    assert not StateFile(home.models, "home").state.names(Person("tom", "Tom"))
