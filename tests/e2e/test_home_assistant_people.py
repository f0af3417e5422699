"""What a real Home Assistant has of each person, and our blueprints, imported and fired there."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from facerec_mqtt.core.records import Person
from facerec_mqtt.mqtt.commands import parse_assign
from tests.support.broker import Ear
from tests.support.home_assistant import ANNA, JOSE, TOM, HomeAssistant, StagedService, picture
from tests.support.paths import ROOT

pytestmark = pytest.mark.home_assistant

BLUEPRINTS = ROOT / "packaging" / "home_assistant" / "blueprints"
VISIT = "event.face_recognition_anna_visit"
FACE = "image.face_recognition_anna_last_face"
TRACKER = "device_tracker.face_recognition_anna"
STRANGER_VISIT = "event.face_recognition_front_door_visit"
DEVICE = "binary_sensor.face_recognition_"


def say(topic: str, payload: str) -> dict[str, object]:
    """An action that the test can observe."""
    return {"action": "mqtt.publish", "data": {"topic": f"test/{topic}", "payload": payload}}


def texts(ear: Ear, topic: str) -> list[str]:
    return [message.text for message in ear.on(f"test/{topic}")]


def wait_for_state(home: HomeAssistant, entity: str, state: str | None) -> dict[str, Any]:
    """Wait for the state of an entity that need not be ours."""
    give_up_s = time.monotonic() + 60.0
    while True:
        there = home.states().get(entity)
        if (there["state"] if there else None) == state:
            return there or {}
        assert time.monotonic() < give_up_s, (entity, there)
        time.sleep(0.2)


def test_each_person_has_a_visit_a_face_and_a_tracker_that_moves_a_person_home(
    home_assistant: HomeAssistant,
) -> None:
    settings = home_assistant.broker.settings(trackers=True)
    version = home_assistant.call("/api/config")["version"]
    received = version >= "2026.7"
    triggers: list[dict[str, object]] = [
        {"trigger": "state", "entity_id": VISIT, "not_from": "unavailable", "not_to": "unavailable"}
    ]
    if received:  # what the editor makes of "Event received"
        triggers = [
            {
                "trigger": "event.received",
                "target": {"entity_id": VISIT},
                "options": {"event_type": ["arrived"]},
            }
        ]
    person = home_assistant.ask("person/create", name="Anna", device_trackers=[TRACKER], user_id=None)
    entity = f"person.{person['id']}"
    try:
        with home_assistant.broker.ear() as ear, StagedService(settings) as service:
            home_assistant.expect({VISIT: "unknown", FACE: "unknown", TRACKER: "unknown"})
            home_assistant.automate(
                anna={
                    "triggers": triggers,
                    "mode": "queued",
                    "actions": [say("anna", "{{ trigger | string | length > 0 }}")],
                }
            )
            service.see("jose_nunez")
            service.see(None)
            service.see("anna")
            home_assistant.expect({TRACKER: "home"})
            ear.wait_for("test/anna")
            full = home_assistant.states()
            assert full[VISIT]["attributes"]["person"] == "anna"
            assert full[VISIT]["attributes"]["event_types"] == ["arrived", "departed"]
            assert full[TRACKER]["attributes"]["in_zones"] == ["zone.home"]
            assert home_assistant.call(f"/api/image_proxy/{FACE}") == picture()
            there = wait_for_state(home_assistant, entity, "home")
            if received:
                assert there["attributes"]["in_zones"] == ["zone.home"]
                assert full["zone.home"]["state"] == "1" or wait_for_state(home_assistant, "zone.home", "1")
            service.leave()
            home_assistant.expect({f"{DEVICE}anna": "off", TRACKER: "home"})
            service.ahead_s += settings.tracker_hours * 3600
            service.leave()
            home_assistant.expect({TRACKER: "unknown"})
            wait_for_state(home_assistant, entity, "unknown")
            assert len(texts(ear, "anna")) == (1 if received else 2)
            # Whoever is removed takes all of it along, and so does what is switched off.
            service.learn([JOSE])
            home_assistant.expect({VISIT: None, FACE: None, TRACKER: None})
        with StagedService(
            home_assistant.broker.settings(), announced=service.publisher.announced, people=[JOSE]
        ):
            home_assistant.expect(
                {"device_tracker.face_recognition_jose_nunez": None, f"{DEVICE}jose_nunez": "off"}
            )
            with home_assistant.broker.ear("facerec/person/#") as emptied:
                emptied.wait(lambda m: m.topic == "facerec/person/jose_nunez/tracker" and not m.payload)
    finally:
        home_assistant.ask("person/delete", person_id=person["id"])


@contextmanager
def served() -> Iterator[str]:
    """Our blueprints on a web server of this machine; its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(BLUEPRINTS)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def import_blueprints(home: HomeAssistant) -> None:
    """Import each as its user does, by address."""
    with served() as site:
        for path in sorted(BLUEPRINTS.glob("*.yaml")):
            found = home.ask("blueprint/import", url=f"{site}/{path.name}")
            assert found["validation_errors"] is None, found
            home.ask(
                "blueprint/save",
                domain="automation",
                path=f"facerec/{path.name}",
                yaml=found["raw_data"],
                source_url=f"{site}/{path.name}",
                allow_override=True,
            )
    assert {"facerec/arrival.yaml", "facerec/stranger.yaml", "facerec/who_is_home.yaml"} <= set(
        home.ask("blueprint/list", domain="automation")
    )


def of(blueprint: str, **inputs: object) -> Mapping[str, object]:
    return {"use_blueprint": {"path": f"facerec/{blueprint}.yaml", "input": inputs}}


TELEPHONE = """
script people:
  telephone:
    mode: queued
    sequence:
      - action: mqtt.publish
        data:
          topic: test/phone
          payload: "{{ {'title': title | default, 'message': message, 'data': data} | tojson }}"
"""


def more_than(ear: Ear, count: int, _message: object) -> bool:
    """Whether more answers than that came."""
    return len(ear.on("facerec/command/assign")) > count


def press(home: HomeAssistant, button: str) -> None:
    """A telephone says that a button was pressed."""
    home.call("/api/events/mobile_app_notification_action", {"action": button})


def test_the_blueprints_are_imported_and_fire(home_assistant: HomeAssistant) -> None:
    settings = home_assistant.broker.settings()
    known: list[Person] = [ANNA, JOSE, TOM]
    with home_assistant.broker.ear() as ear, StagedService(settings, people=known) as service:
        home_assistant.expect({f"{DEVICE}anna": "off", f"{DEVICE}tom": "off"})
        home_assistant.wait(lambda states: VISIT in states)
        import_blueprints(home_assistant)
        configuration = home_assistant.folder / "config" / "configuration.yaml"
        with configuration.open("a") as file:
            file.write(TELEPHONE)
        home_assistant.act("script.reload")
        wait_for_state(home_assistant, "script.telephone", "off")
        home_assistant.automate(
            arrival=of(
                "arrival",
                visits=[VISIT, "event.face_recognition_jose_nunez_visit"],
                cameras=["front_door"],
                actions=[
                    say("arrival", "{{ name }} {{ person }} {{ camera }} {{ picture.startswith('/api') }}")
                ],
            ),
            elsewhere=of(
                "arrival", visits=[VISIT], cameras=["garden"], actions=[say("elsewhere", "{{ name }}")]
            ),
            stranger=of(
                "stranger",
                visits=[STRANGER_VISIT],
                telephones=["script.telephone"],
                people=["José Núñez"],
                visitors=["Postman"],
            ),
            second=of("stranger", visits=[STRANGER_VISIT], telephones=[], base_topic="other"),
            who=of(
                "who_is_home",
                people=[f"{DEVICE}anna", f"{DEVICE}tom"],
                first=[say("first", "{{ text }}")],
                changed=[say("changed", "{{ text }}")],
                nobody=[say("nobody", "{{ count }}")],
            ),
        )
        service.see("anna")
        ear.wait_for("test/arrival", b"Anna anna front_door True")
        ear.wait_for("test/first", b"Anna")
        service.see("tom", "anna")
        ear.wait_for("test/changed", b"Anna and Tom")
        service.leave()
        ear.wait_for("test/nobody", b"0")
        service.see(None)
        sent = json.loads(ear.wait_for("test/phone").payload)
        assert sent["message"] == "Front door"
        assert sent["data"]["image"].startswith(
            "/api/image_proxy/image.face_recognition_front_door_last_face"
        )
        buttons = {button["title"]: button["action"] for button in sent["data"]["actions"]}
        assert list(buttons) == ["José Núñez", "Postman", "Nobody"]
        visit = json.loads(ear.on("facerec/camera/front_door/event")[-1].payload)["visit_id"]
        for title, who in (
            ("José Núñez", {"name": "José Núñez"}),
            ("Postman", {"visitor": "Postman"}),
            ("Nobody", {"nobody": True}),
        ):
            before = len(ear.on("facerec/command/assign"))
            press(home_assistant, buttons[title])
            ear.wait(partial(more_than, ear, before))
            answer = ear.on("facerec/command/assign")[-1].payload
            assert json.loads(answer) == {"visit_id": visit} | who
            assert parse_assign(answer).visit_id == visit  # as the service reads it
        press(home_assistant, "SOMETHING_ELSE")
        service.leave()
        service.see("jose_nunez")
        ear.wait(lambda _: "José Núñez jose_nunez front_door True" in texts(ear, "arrival"))
        assert texts(ear, "elsewhere") == []
        assert not ear.on("other/command/assign")
        assert len(ear.on("facerec/command/assign")) == 3
    for path in BLUEPRINTS.glob("*.yaml"):
        assert path.name in {"arrival.yaml", "stranger.yaml", "who_is_home.yaml"}
