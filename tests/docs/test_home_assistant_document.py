"""The automations of our pages, copied as a user would and fired in a real Home Assistant."""

import json
import re
import textwrap
import time
import urllib.request

import pytest

from tests.support.home_assistant import ANNA, PATIENCE_S, TOM, HomeAssistant, StagedService, picture
from tests.support.paths import ROOT

pytestmark = pytest.mark.home_assistant


PAGES = ("README.md", "docs/HOME_ASSISTANT.md")
# What stands for telephones and loudspeakers, and for two minutes.
STAND_INS = {
    "notify.mobile_app_phone": "script.phone",
    "notify.notify": "script.phones",
    "tts.speak": "script.speak",
    "00:02:00": "00:00:02",
}
SCRIPTS = """
script:
  phone:
    mode: queued
    sequence:
      - action: mqtt.publish
        data:
          topic: test/phone
          payload: "{{ {'title': title, 'message': message, 'image': data.image} | tojson }}"
  phones:
    mode: queued
    sequence:
      - action: mqtt.publish
        data: {topic: test/phones, payload: "{{ message }}"}
  speak:
    mode: queued
    sequence:
      - action: mqtt.publish
        data:
          topic: test/speak
          payload: "{{ message | trim }}"
"""
LIGHT = {"name": "Hall", "unique_id": "test_hall", "command_topic": "test/hall"}


def copy_automations(home: HomeAssistant) -> None:
    """Put all automations of our pages where the editor does."""
    page = "".join((ROOT / path).read_text(encoding="utf-8") for path in PAGES)
    automations = re.findall(r"^```yaml\n(alias: .*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(automations) == 5
    names = [re.sub("[^a-z]+", "_", text.splitlines()[0][7:].lower()) for text in automations]
    copied = ""
    for name, automation in zip(names, automations, strict=True):
        copied += f"- id: {name}\n" + textwrap.indent(automation, "  ")
    for original, stand_in in STAND_INS.items():
        copied = copied.replace(original, stand_in)
    (home.folder / "config" / "automations.yaml").write_text(copied, encoding="utf-8")
    configuration = home.folder / "config" / "configuration.yaml"
    if SCRIPTS not in configuration.read_text():
        with configuration.open("a") as file:
            file.write(SCRIPTS)
    home.act("script.reload")
    home.act("automation.reload")
    expected = {"script.phone", *(f"automation.{name}" for name in names)}
    give_up_s = time.monotonic() + PATIENCE_S
    while not expected <= set(states := home.states()):
        assert time.monotonic() < give_up_s, sorted(states)
        time.sleep(0.2)


def test_light_telephone_and_announcement_do_what_our_pages_say(home_assistant: HomeAssistant) -> None:
    settings = home_assistant.broker.settings()
    with home_assistant.broker.ear() as ear, StagedService(settings, people=[ANNA, TOM]) as service:
        ear.say("homeassistant/light/test_hall/config", json.dumps(LIGHT), retain=True)
        home_assistant.expect(
            {"binary_sensor.face_recognition_anna": "off", "binary_sensor.face_recognition_tom": "off"}
        )
        copy_automations(home_assistant)

        service.see("tom")
        ear.wait_for("test/speak", b"Tom is at home.")
        assert not ear.on("test/hall")
        service.leave()
        service.see("anna")
        ear.wait_for("test/hall", b"ON")
        ear.wait_for("test/speak", b"Anna is at home.")
        service.leave()
        service.see("tom", "anna")
        service.leave()

        assert not ear.on("test/phone")
        service.see(None)
        sent = json.loads(ear.wait_for("test/phone").payload)
        assert sent["title"] == "Front door"
        # The address carries its own permission, so that the telephone need not log in.
        site = json.loads((home_assistant.folder / "ha.json").read_text())["url"]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(site + sent["image"], timeout=30) as answer:
            assert answer.read() == picture()
        service.leave()
        service.see(None)
        service.leave()
        home_assistant.expect({"binary_sensor.face_recognition_front_door_stranger": "off"})
    assert len(ear.on("test/phone")) == 1
    assert len(ear.on("test/hall")) == 2, "also when Anna comes together with Tom"


def test_the_automations_on_events_do_what_our_pages_say(
    home_assistant: HomeAssistant,
) -> None:
    settings = home_assistant.broker.settings()
    with home_assistant.broker.ear() as ear, StagedService(settings) as service:
        ear.say("homeassistant/light/test_hall/config", json.dumps(LIGHT), retain=True)
        home_assistant.expect({"binary_sensor.face_recognition_anna": "off"})
        copy_automations(home_assistant)
        service.see("jose_nunez")
        service.leave()
        service.see("anna")
        ear.wait_for("test/phones", b"Anna is at the front door")
        service.leave()
        service.see(None)
        ear.wait_for("test/phones", b"Somebody who is not enrolled is at the front door")
    assert len(ear.on("test/phones")) == 2
