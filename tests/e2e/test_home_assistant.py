"""What a real Home Assistant makes of us: entities, states, automations, restarts, and no complaint."""

import json
import shutil
import time
from pathlib import Path

import pytest

from facerec_mqtt.mqtt.commands import Enable, Rebuild
from facerec_mqtt.mqtt.home_assistant.entities import EVENT_TYPES
from facerec_mqtt.settings.schema import PrivacySettings
from tests.support.broker import Ear
from tests.support.home_assistant import (
    ANNA,
    DOOR,
    GARDEN,
    JOSE,
    PATIENCE_S,
    TOM,
    HomeAssistant,
    StagedService,
    picture,
)
from tests.support.service import Home, RunningService

pytestmark = pytest.mark.home_assistant

VISIT = "event.face_recognition_front_door_visit"
DEVICE = "binary_sensor.face_recognition_"
SENSOR = "sensor.face_recognition_"
SWITCH = "switch.face_recognition_front_door_recognition"
REBUILD = "button.face_recognition_rebuild_model"
IMAGE = "image.face_recognition_front_door_last_face"
BEFORE_ANYBODY_IS_SEEN: dict[str, str | None] = {
    VISIT: "unknown",
    IMAGE: "unknown",
    SWITCH: "on",
    REBUILD: "unknown",
    f"{DEVICE}front_door_connection": "on",
    f"{DEVICE}front_door_stranger": "off",
    f"{DEVICE}anna": "off",
    f"{DEVICE}jose_nunez": "off",
    f"{SENSOR}front_door_faces": "0",
    f"{SENSOR}anna_last_camera": "unknown",
    f"{SENSOR}anna_last_seen": "unknown",
    f"{SENSOR}jose_nunez_last_camera": "unknown",
    f"{SENSOR}jose_nunez_last_seen": "unknown",
    "event.face_recognition_anna_visit": "unknown",
    "event.face_recognition_jose_nunez_visit": "unknown",
    "image.face_recognition_anna_last_face": "unknown",
    "image.face_recognition_jose_nunez_last_face": "unknown",
    f"{SENSOR}model_status": "ready",
    f"{SENSOR}rebuild_progress": "100",
    f"{SENSOR}enrolled_people": "2",
}


def fired(topic: str, payload: str) -> dict[str, object]:
    """An action that the test can observe."""
    return {"action": "mqtt.publish", "data": {"topic": f"test/{topic}", "payload": payload}}


def on_visit(topic: str) -> dict[str, object]:
    """An automation on the event entity, as the page of Home Assistant has it."""
    return {
        "mode": "queued",
        "triggers": [
            {"trigger": "state", "entity_id": VISIT, "not_from": "unavailable", "not_to": "unavailable"}
        ],
        "actions": [
            fired(
                topic, "{{ trigger.to_state.attributes.event_type }} {{ trigger.to_state.attributes.person }}"
            )
        ],
    }


def on_device(home: HomeAssistant, verb: str, subject: str, topic: str) -> dict[str, object]:
    """An automation on a device trigger, as the editor makes it."""
    device = home.template(f"{{{{ device_id('{REBUILD}') }}}}")
    trigger = {"trigger": "device", "domain": "mqtt", "device_id": device, "type": verb, "subtype": subject}
    return {"mode": "queued", "triggers": [trigger], "actions": [fired(topic, f"{subject} {verb}")]}


def received(ear: Ear, topic: str) -> list[str]:
    return [message.text for message in ear.on(f"test/{topic}")]


def test_every_entity_has_its_documented_id_and_a_state_before_anybody_is_seen(
    home_assistant: HomeAssistant,
) -> None:
    with StagedService(home_assistant.broker.settings()):
        states = home_assistant.expect(BEFORE_ANYBODY_IS_SEEN)
        assert set(states) == set(BEFORE_ANYBODY_IS_SEEN)
        full = home_assistant.states()
        names = {full[entity]["attributes"]["friendly_name"] for entity in states}
        assert {"Face recognition José Núñez", "Face recognition Front door visit"} <= names
        assert full[f"{DEVICE}anna"]["attributes"]["device_class"] == "occupancy"
        assert full[VISIT]["attributes"]["event_types"] == EVENT_TYPES
        assert "training" in full[f"{SENSOR}model_status"]["attributes"]["options"]
        assert home_assistant.device_triggers() == {
            ("arrived", "Anna"),
            ("departed", "Anna"),
            ("arrived", "José Núñez"),
            ("departed", "José Núñez"),
            ("seen", "stranger"),
        }


def test_an_arrival_fires_all_three_kinds_of_automation_and_so_does_the_next(
    home_assistant: HomeAssistant,
) -> None:
    with home_assistant.broker.ear() as ear, StagedService(home_assistant.broker.settings()) as service:
        home_assistant.expect(BEFORE_ANYBODY_IS_SEEN)
        by_topic = {
            "mode": "queued",
            "triggers": [
                {
                    "trigger": "mqtt",
                    "topic": "facerec/camera/front_door/event",
                    "value_template": "{{ value_json.event_type }} {{ value_json.person }}",
                    "payload": "arrived anna",
                }
            ],
            "actions": [fired("topic", "{{ trigger.payload_json.name }}")],
        }
        home_assistant.automate(
            by_entity=on_visit("entity"),
            by_topic=by_topic,
            by_device=on_device(home_assistant, "arrived", "Anna", "device"),
            by_departure=on_device(home_assistant, "departed", "Anna", "departure"),
            by_stranger=on_device(home_assistant, "seen", "stranger", "stranger"),
            probe={
                "triggers": [{"trigger": "mqtt", "topic": "facerec/camera/+/event"}],
                "conditions": "{{ trigger.payload_json.event_type == 'probe' }}",
                "actions": [fired("probe", "received")],
            },
        )
        # Home Assistant takes a moment to subscribe to the topic of all cameras.
        give_up_s = time.monotonic() + PATIENCE_S
        while not ear.on("test/probe"):
            assert time.monotonic() < give_up_s
            ear.say("facerec/camera/probe/event", '{"event_type": "probe", "person": null}')
            time.sleep(0.1)
        service.see("anna")
        ear.wait_for("test/device", b"Anna arrived")
        ear.wait_for("test/entity", b"arrived anna")
        ear.wait_for("test/topic", b"Anna")
        home_assistant.expect({f"{DEVICE}anna": "on", f"{SENSOR}anna_last_camera": "Front door"})
        service.leave()
        ear.wait_for("test/departure")
        home_assistant.expect({f"{DEVICE}anna": "off", f"{SENSOR}anna_last_camera": "Front door"})
        service.see(None)
        ear.wait_for("test/stranger")
        home_assistant.expect({f"{DEVICE}front_door_stranger": "on"})
        service.leave()
        home_assistant.expect({f"{DEVICE}front_door_stranger": "off"})
        service.see("jose_nunez")
        service.see("anna")
        ear.wait(lambda _: len(received(ear, "entity")) == 5)
        ear.wait(lambda _: len(received(ear, "device")) == 2)
        ear.wait(lambda _: len(received(ear, "topic")) == 2)
        assert received(ear, "entity") == [
            "arrived anna",
            "departed anna",
            "stranger None",
            "arrived jose_nunez",
            "arrived anna",
        ]
        assert received(ear, "topic") == ["Anna", "Anna"]
        assert received(ear, "stranger") == ["stranger seen"]


def test_entities_are_unavailable_only_while_the_service_or_their_camera_is_away(
    home_assistant: HomeAssistant,
) -> None:
    settings = home_assistant.broker.settings()
    with StagedService(settings) as service:
        service.see("anna")
        home_assistant.expect({f"{DEVICE}anna": "on"})
        service.publisher.publish_camera_status("front_door", False)
        states = home_assistant.expect({SWITCH: "unavailable", f"{DEVICE}front_door_connection": "off"})
        assert {entity for entity, state in states.items() if state == "unavailable"} == {
            VISIT,
            SWITCH,
            IMAGE,
            f"{DEVICE}front_door_stranger",
            f"{SENSOR}front_door_faces",
        }
        service.publisher.publish_camera_status("front_door", True)
        home_assistant.expect({SWITCH: "on", f"{DEVICE}front_door_connection": "on"})
    home_assistant.wait(lambda states: set(states.values()) == {"unavailable"})
    with StagedService(settings):
        home_assistant.wait(lambda states: "unavailable" not in states.values())


def test_the_switch_and_the_button_reach_us_and_their_effect_shows(home_assistant: HomeAssistant) -> None:
    with StagedService(home_assistant.broker.settings()) as service:
        home_assistant.expect(BEFORE_ANYBODY_IS_SEEN)
        home_assistant.act("switch.turn_off", SWITCH)
        assert service.take_command() == Enable("front_door", False)
        home_assistant.expect({SWITCH: "off"})
        home_assistant.act("button.press", REBUILD)
        assert service.take_command() == Rebuild(force=False)
        service.say_model("training", 40)
        home_assistant.expect({f"{SENSOR}model_status": "training", f"{SENSOR}rebuild_progress": "40"})
        service.say_model("failed", message="No photo can be used.")
        home_assistant.expect({f"{SENSOR}model_status": "failed", f"{SENSOR}rebuild_progress": "0"})
        attributes = home_assistant.states()[f"{SENSOR}model_status"]["attributes"]
        assert attributes["message"] == "No photo can be used."


def test_people_and_cameras_come_and_go_with_their_entities(home_assistant: HomeAssistant) -> None:
    settings = home_assistant.broker.settings()
    of_tom: dict[str, str | None] = {
        f"{DEVICE}tom": None,
        f"{SENSOR}tom_last_camera": None,
        f"{SENSOR}tom_last_seen": None,
    }
    with StagedService(settings, cameras=(DOOR, GARDEN)) as service:
        home_assistant.expect(BEFORE_ANYBODY_IS_SEEN | of_tom)
        home_assistant.expect({"switch.face_recognition_garden_recognition": "on"})
        service.learn([ANNA, JOSE, TOM])
        home_assistant.expect({f"{DEVICE}tom": "off", f"{SENSOR}enrolled_people": "3"})
        service.learn([ANNA, JOSE])
        home_assistant.expect(BEFORE_ANYBODY_IS_SEEN | of_tom)
    # While the service was away, José was removed and the garden's camera taken down.
    with StagedService(settings, people=[ANNA]):
        states = home_assistant.expect({f"{DEVICE}jose_nunez": None, f"{DEVICE}anna": "off"})
        home_assistant.wait(lambda states: not [entity for entity in states if "garden" in entity])
        assert not [entity for entity in states if "jose" in entity]
        home_assistant.wait(lambda states: "unavailable" not in states.values())


def test_the_last_face_is_an_image_unless_pictures_are_not_published(home_assistant: HomeAssistant) -> None:
    settings = home_assistant.broker.settings()
    with StagedService(settings) as service:
        home_assistant.expect({IMAGE: "unknown"})
        service.see("anna")
        home_assistant.wait(lambda states: states[IMAGE].startswith("20"))
        assert home_assistant.call(f"/api/image_proxy/{IMAGE}") == picture()
    private = PrivacySettings(publish_images=False)
    with StagedService(settings, privacy=private) as service:
        home_assistant.expect({IMAGE: None, f"{DEVICE}anna": "off"})
        service.see("anna")
        home_assistant.expect({IMAGE: None, f"{DEVICE}anna": "on"})


def test_two_nodes_on_one_broker_do_not_disturb_each_other(home_assistant: HomeAssistant) -> None:
    broker = home_assistant.broker
    barn = broker.settings(node_id="barn", base_topic="barn")
    with StagedService(broker.settings()) as house, StagedService(barn, people=[ANNA]) as other:
        home_assistant.expect(BEFORE_ANYBODY_IS_SEEN)
        home_assistant.expect({f"{DEVICE}barn_anna": "off", f"{DEVICE}barn_jose_nunez": None})
        other.see("anna")
        home_assistant.expect({f"{DEVICE}barn_anna": "on", f"{DEVICE}anna": "off"})
        house.learn([JOSE])
        home_assistant.expect({f"{DEVICE}barn_anna": "on", f"{DEVICE}anna": None})


def test_with_discovery_off_there_are_no_entities_and_everything_else_works(
    home_assistant: HomeAssistant,
) -> None:
    broker = home_assistant.broker
    silent = broker.settings(discovery=False, node_id="silent", base_topic="silent")
    with broker.ear() as ear, StagedService(silent) as service, StagedService(broker.settings()):
        home_assistant.expect(BEFORE_ANYBODY_IS_SEEN)
        service.see("anna")
        ear.wait_for("silent/camera/front_door/event")
        assert not [entity for entity in home_assistant.ours() if "silent" in entity]
        assert not [message for message in ear.messages if message.topic.startswith("homeassistant/device/s")]


def test_after_restarts_in_any_order_every_state_is_true_and_no_automation_fires_by_itself(
    home_assistant: HomeAssistant,
) -> None:
    broker = home_assistant.broker
    settings = broker.settings()
    here: dict[str, str | None] = BEFORE_ANYBODY_IS_SEEN | {
        f"{DEVICE}anna": "on",
        f"{SENSOR}anna_last_camera": "Front door",
        f"{SENSOR}front_door_faces": "1",
    }
    states = {
        entity: state for entity, state in here.items() if entity.split(".")[0] not in ("event", "image")
    }
    states.pop(f"{SENSOR}anna_last_seen")
    with broker.ear() as ear:
        with StagedService(settings) as service:
            home_assistant.expect(BEFORE_ANYBODY_IS_SEEN)
            home_assistant.automate(by_entity=on_visit("entity"))
            service.see("anna")
            home_assistant.expect(states)
            ear.wait_for("test/entity", b"arrived anna")

            broker.stop()
            home_assistant.wait(lambda now: set(now.values()) == {"unavailable"})
            broker.start()  # it has forgotten all
            home_assistant.expect(states)

            home_assistant.stop()
            broker.kill()
            broker.start()
            home_assistant.begin_start()
            home_assistant.expect(states)
        home_assistant.wait(lambda now: set(now.values()) == {"unavailable"})
        home_assistant.stop()
        home_assistant.start()
        home_assistant.wait(lambda now: set(now.values()) == {"unavailable"})
        # While all were away, José was removed, and the broker has forgotten once more.
        home_assistant.stop()
        broker.kill()
        broker.start()
        with StagedService(settings, people=[ANNA], announced=service.publisher.announced) as service:
            home_assistant.begin_start()
            home_assistant.expect({f"{DEVICE}anna": "off", SWITCH: "on", REBUILD: "unknown"})
            home_assistant.wait(lambda now: not [entity for entity in now if "jose" in entity])
            service.see("anna")
            home_assistant.expect({f"{DEVICE}anna": "on"})
            ear.wait(lambda _: len(received(ear, "entity")) == 2)
        assert received(ear, "entity") == ["arrived anna", "arrived anna"]


def test_the_prefix_and_the_birth_topic_can_be_set(home_assistant: HomeAssistant) -> None:
    broker = home_assistant.broker
    try:
        home_assistant.configure_mqtt(discovery_prefix="house", birth_topic="house/status")
        settings = broker.settings(discovery_prefix="house", birth_topic="house/status")
        with StagedService(settings):
            home_assistant.expect(BEFORE_ANYBODY_IS_SEEN)
            with broker.ear() as ear:
                ear.settle()
                ear.say("homeassistant/status", b"online")
                ear.say("house/status", b"online")
                ear.wait(lambda m: m.topic == "house/device/home/config" and not m.retained)
    finally:
        home_assistant.forget()
        home_assistant.configure_mqtt(discovery_prefix="homeassistant", birth_topic="homeassistant/status")


def test_the_program_itself_from_a_film_to_an_automation_and_over_a_restart(
    home_assistant: HomeAssistant, home: Home, film: Path, tmp_path: Path
) -> None:
    broker = home_assistant.broker
    shutil.copytree(home.models, tmp_path / "models")
    camera = {"name": "Front door", "url": str(film), "fps": 5}
    settings = home.environment(camera, **broker.environment())
    settings["FACEREC_MODEL_DIR"] = str(tmp_path / "models")
    patience_s = 120.0
    with broker.ear() as ear:
        with RunningService(settings, tmp_path / "log" / "first") as service:
            home_assistant.expect({f"{DEVICE}anna": "off", f"{DEVICE}tom": "off", SWITCH: "on"}, patience_s)
            home_assistant.automate(by_entity=on_visit("entity"))
            for arrival in (b"arrived anna", b"stranger None", b"arrived tom", b"departed anna"):
                ear.wait_for("test/entity", arrival, patience_s)
            home_assistant.wait(lambda states: states[IMAGE].startswith("20"))
            assert home_assistant.call(f"/api/image_proxy/{IMAGE}")[:2] == b"\xff\xd8"
            home_assistant.act("switch.turn_off", SWITCH)
            home_assistant.expect({SWITCH: "off", f"{DEVICE}anna": "off", f"{DEVICE}tom": "off"})
            assert service.terminate() == 0
        home_assistant.expect({SWITCH: "unavailable"})
        with RunningService(settings, tmp_path / "log" / "second") as service:
            home_assistant.expect(
                {SWITCH: "off", f"{SENSOR}tom_last_camera": "Front door", f"{SENSOR}model_status": "ready"},
                patience_s,
            )
            home_assistant.act("button.press", REBUILD)
            home_assistant.expect({f"{SENSOR}model_status": "training"})
            result = json.loads(ear.wait_for("facerec/command/result", timeout_s=patience_s).payload)
            assert result["ok"], result
            home_assistant.expect({f"{SENSOR}model_status": "ready", f"{SENSOR}rebuild_progress": "100"})
            assert service.terminate() == 0
