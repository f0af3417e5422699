"""A real Home Assistant, and our side of it staged with real parts and made-up sightings.

The scripts that set one up lie beside the repository, in `../shared/ha`; where they do not, these tests are
skipped. `FACEREC_TEST_HA_HOME` names the folder in which they install it (about 600 MB, used again), and
`FACEREC_TEST_HA_FLAVOR=sid` takes the newest version, in a Debian tree of its own, which needs root.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.records import ModelState, Person, PresenceChange
from facerec_mqtt.mqtt.commands import Command, Enable
from facerec_mqtt.mqtt.home_assistant import Component, discovery_payload
from facerec_mqtt.presence.state import Presence
from facerec_mqtt.presence.visits import Visits
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.settings.schema import MqttSettings, PrivacySettings, RecognitionSettings
from tests.support.broker import Broker, free_port, run_broker
from tests.support.paths import SHARED
from tests.support.publisher import next_command
from tests.support.sightings import face

SCRIPTS = SHARED / "ha"
PATIENCE_S = 120.0
ANNA, JOSE, TOM = Person("anna", "Anna"), Person("jose_nunez", "José Núñez"), Person("tom", "Tom")
DOOR, GARDEN = ("front_door", "Front door"), ("garden", "Garden")

# What it complains of that is not our doing: parts of its own, the tests' broker, which comes and goes, and
# device triggers of which its MQTT integration loses track when it is loaded again.
_OTHERS_COMPLAINTS = re.compile(
    r"zlib_ng|libturbojpeg|haffmpeg|Unable to remove unknown dispatcher|No ACK from MQTT server"
    r"|The connection was lost|Failed to connect to MQTT server|Connection refused"
    r"|failed to receive on socket"
)


@dataclass(slots=True, eq=False)
class HomeAssistant:
    """A headless Home Assistant whose MQTT integration is connected to a broker of ours."""

    folder: Path
    broker: Broker
    port: int = field(default_factory=free_port)
    heard_of: int = field(default=0, init=False)
    """Length of that part of the log that was looked through already."""

    def start(self, *, keep: bool = True) -> None:
        """Start it, and wait until it says so on MQTT, some seconds after it is there.

        Until then it has not subscribed to everything, and misses events.

        Args:
            keep: whether it is to know what it knew when it was stopped.
        """
        with self.broker.ear("homeassistant/status") as ear:
            self.begin_start(keep=keep)
            ear.wait_for("homeassistant/status", b"online", 2 * PATIENCE_S)

    def begin_start(self, *, keep: bool = True) -> None:
        """Start it, and wait until it is connected to the broker."""
        arguments = ["--port", str(self.port), "--broker-port", str(self.broker.port), "--timeout", "300"]
        self._run("start_ha.sh", *arguments, "--mqtt-log", "warning", *(["--keep"] if keep else []))

    def stop(self) -> None:
        """Stop it, as its user does."""
        self._run("stop_ha.sh")

    def _run(self, script: str, *arguments: str) -> None:
        done = run_script(script, flavor(), *arguments, "--dir", str(self.folder))
        assert done.returncode == 0, done.stdout[-2000:]

    def call(self, path: str, data: object = None, method: str | None = None) -> Any:
        """Ask its REST interface; the answer as JSON where it is JSON, else the bytes."""
        access = json.loads((self.folder / "ha.json").read_text())
        request = urllib.request.Request(
            access["url"] + path,
            None if data is None else json.dumps(data).encode(),
            {"Authorization": f"Bearer {access['token']}", "Content-Type": "application/json"},
            method=method,
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=60) as answer:
                content = answer.read()
                is_json = answer.headers.get_content_type() == "application/json"
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{path}: {error.code} {error.read()[:500]!r}") from None
        return json.loads(content) if is_json else content

    def act(self, action: str, entity: str | None = None, **data: object) -> None:
        """Carry out an action."""
        target = {} if entity is None else {"entity_id": entity}
        self.call(f"/api/services/{action.replace('.', '/')}", target | data)

    def states(self) -> dict[str, dict[str, Any]]:
        """The state objects of all entities, by entity id."""
        return {state["entity_id"]: state for state in self.call("/api/states")}

    def ours(self) -> dict[str, str]:
        """The states of our entities, by entity id."""
        return {
            entity: state["state"]
            for entity, state in self.states().items()
            if entity.partition(".")[2].startswith("face_recognition")
        }

    def wait(self, fits: Callable[[dict[str, str]], bool], timeout_s: float = PATIENCE_S) -> dict[str, str]:
        """Wait until the states of our entities fit; returns them."""
        give_up_s = time.monotonic() + timeout_s
        while not fits(states := self.ours()):
            assert time.monotonic() < give_up_s, f"Home Assistant has {json.dumps(states, indent=1)}"
            time.sleep(0.2)
        return states

    def expect(self, wanted: Mapping[str, str | None], timeout_s: float = PATIENCE_S) -> dict[str, str]:
        """Wait until entities are in these states; `None` is no such entity."""
        give_up_s = time.monotonic() + timeout_s
        while True:
            states = self.ours()
            wrong = {entity: states.get(entity) for entity in wanted if states.get(entity) != wanted[entity]}
            if not wrong:
                return states
            assert time.monotonic() < give_up_s, f"wanted {wanted}, wrong are {wrong}"
            time.sleep(0.2)

    def configure_mqtt(self, **options: object) -> None:
        """Change options of its MQTT integration by the form that its user fills in."""
        (entry,) = self.call("/api/config/config_entries/entry?domain=mqtt")
        # The form leaves what is not filled in empty, and then nobody learns that it has started.
        messages = {"birth_payload": "online", "will_payload": "offline"}
        wanted = {"broker": "127.0.0.1", "port": self.broker.port} | messages | options
        path = "/api/config/config_entries/options/flow"
        step = self.call(path, {"handler": entry["entry_id"], "show_advanced_options": True})
        while step["type"] == "form":
            assert not step["errors"], step
            step = self.call(f"{path}/{step['flow_id']}", _filled_in(step["data_schema"], wanted))
        assert step["type"] == "create_entry", step

    def ask(self, kind: str, **data: object) -> Any:
        """Ask its WebSocket interface, as its own pages do; the result."""
        script = (
            "import asyncio, json, sys; from check_ha import HA\n"
            "async def ask(kind, folder, data):\n"
            "    home = await HA.from_dir(folder).connect()\n"
            "    return await home.call(kind, **data)\n"
            "print(json.dumps(asyncio.run(ask(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))))"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, kind, self.folder, json.dumps(data)],
            env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def template(self, text: str) -> str:
        """Render a template."""
        answer = self.call("/api/template", {"template": text})
        return answer.decode() if isinstance(answer, bytes) else json.dumps(answer)

    def device_triggers(self) -> set[tuple[str, str]]:
        """What its editor offers of our device: types and subtypes of triggers."""
        done = subprocess.run(
            [
                sys.executable,
                SCRIPTS / "check_ha.py",
                "--json",
                "--device",
                "facerec_home",
                "--dir",
                self.folder,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return {(trigger["type"], trigger["subtype"]) for trigger in json.loads(done.stdout)["triggers"]}

    def automate(self, **automations: Mapping[str, object]) -> None:
        """Set up automations as its editor does."""
        for name, automation in automations.items():
            self.call(f"/api/config/automation/config/{name}", {"alias": name, **automation})
        give_up_s = time.monotonic() + PATIENCE_S
        # An earlier automation of the name, removed, stays among the states as "unavailable".
        wanted = {f"automation.{name}" for name in automations}
        while not wanted <= {entity for entity, full in self.states().items() if full["state"] == "on"}:
            assert time.monotonic() < give_up_s, "the automations were not taken"
            time.sleep(0.1)

    def complaints(self) -> list[str]:
        """Warnings and errors in its log since the last time, other parts' left out."""
        path = self.folder / "hass.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        new, self.heard_of = text[self.heard_of :], len(text)
        lines = [line for line in new.splitlines() if re.search(r" (WARNING|ERROR|CRITICAL) ", line)]
        return [line for line in lines if not _OTHERS_COMPLAINTS.search(line)]

    def forget(self) -> None:
        """Remove all automations, and all that the broker keeps: our devices are gone then."""
        path = self.folder / "config" / "automations.yaml"
        path.write_text("[]\n")
        self.act("automation.reload")
        with self.broker.ear() as ear:
            ear.settle()
            kept = {message.topic for message in ear.messages if message.retained}
            for topic in sorted(kept, key=lambda topic: not topic.endswith("/config")):
                if not topic.endswith("/config"):
                    self.wait(lambda states: not states)
                ear.say(topic, b"", retain=True)
        self.wait(lambda states: not states)


@dataclass(slots=True, eq=False)
class StagedService:
    """What the service says, made by its own parts, of people that nobody needs to film."""

    settings: MqttSettings
    cameras: Sequence[tuple[str, str]] = (DOOR,)
    people: Sequence[Person] = (ANNA, JOSE)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    announced: Mapping[str, Component] = field(default_factory=dict)
    """What it remembers of an earlier run."""
    publisher: Publisher = field(init=False)
    visits: Visits = field(init=False)
    presence: Presence = field(init=False)
    ahead_s: float = field(default=-600.0, init=False)
    """By how much this service's clock is put forward."""

    def __enter__(self) -> Self:
        slugs = [slug for slug, _ in self.cameras]
        self.publisher = Publisher(self.settings, self.privacy, cameras=slugs)
        self.publisher.recall(self.announced)
        self.visits = Visits(RecognitionSettings())
        self.presence = Presence(slugs)
        self.learn(self.people)
        for slug in slugs:
            self.publisher.publish_camera_status(slug, True)
            self.publisher.publish_camera_enabled(slug, True)
        self.publisher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.publisher.stop()

    @property
    def now_s(self) -> float:
        return time.monotonic() + self.ahead_s

    def learn(self, people: Sequence[Person]) -> None:
        """A model of these people is in use."""
        self.people = people
        self.visits.set_people([person.slug for person in people], self.now_s)
        self.presence.set_people(people)
        self.say_model("ready")
        self.publisher.publish_discovery(
            discovery_payload(self.settings, self.cameras, people, "1.0", images=self.privacy.publish_images)[
                1
            ]
        )
        self._say_states()

    def say_model(self, status: Any, progress: int | None = None, message: str | None = None) -> None:
        slugs = tuple(person.slug for person in self.people)
        version = "20261123T100411Z-3f2a"
        self.publisher.publish_state(ModelState(status, progress, version, slugs, None, message))

    def see(self, *people: str | None, camera: str = "front_door") -> None:
        """These people stand before a camera for three seconds together; `None` is a stranger."""
        self.ahead_s += 3.0
        for age_s in np.arange(3.0, 0.0, -0.2):
            at_s = self.now_s - float(age_s)
            self.presence.count_frame(camera, at_s, len(people))
            seen = [face(person, camera=camera, at_s=at_s) for person in people]
            self._tell(self.visits.observe(camera, at_s, seen))
        self._say_states()

    def leave(self) -> None:
        """Nobody is seen for longer than the quiet time."""
        self.ahead_s += 61.0
        for camera, _ in self.cameras:
            self.presence.count_frame(camera, self.now_s, 0)
        self._tell(self.visits.end_overdue(self.now_s))
        self._say_states()

    def take_command(self) -> Command:
        """Wait for a command, and do what the service does with a switch."""
        command = next_command(self.publisher)
        if isinstance(command, Enable):
            self.publisher.publish_camera_enabled(command.camera, command.enabled)
        return command

    def _tell(self, changes: Sequence[PresenceChange]) -> None:
        names = {person.slug: person.name for person in self.people}
        for change in changes:
            self.publisher.publish_face(change.camera, picture(), change.person)
            self.publisher.publish_event(change, name=names.get(change.person or ""), model="m")
            # Home Assistant tells an event from the one before by the millisecond in which it gets round
            # to it; a camera's events are further apart than that.
            time.sleep(0.3)
        self.presence.visits(self.visits.open_visits())

    def _say_states(self) -> None:
        self.ahead_s += 1.1  # states are published at most once a second
        self.publisher.publish_trackers(self.presence.people, self.now_s)
        for state in self.presence.take_unpublished(self.now_s):
            self.publisher.publish_state(state)


def _filled_in(form: Sequence[Mapping[str, Any]], wanted: Mapping[str, object]) -> dict[str, object]:
    """Fill in a form of Home Assistant: what we want, and the defaults of what else it requires."""
    values: dict[str, object] = {}
    for entry in form:
        name = entry["name"]
        if entry.get("type") == "expandable":
            values[name] = _filled_in(entry["schema"], wanted)
        elif name in wanted:
            values[name] = wanted[name]
        elif entry.get("required") and entry.get("default") is not None:
            values[name] = entry["default"]
    return values


def picture() -> bytes:
    """A small JPEG file."""
    done, jpeg = cv2.imencode(".jpg", np.full((64, 64, 3), 99, np.uint8))
    assert done
    return jpeg.tobytes()


def home_folder() -> Path:
    """Where Home Assistant is installed."""
    chosen = os.environ.get("FACEREC_TEST_HA_HOME")
    return Path(chosen) if chosen else Path(tempfile.gettempdir()) / "facerec-mqtt-home-assistant"


def flavor() -> str:
    """Which Home Assistant."""
    return os.environ.get("FACEREC_TEST_HA_FLAVOR", "venv")


def run_script(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the scripts that set up, start and stop Home Assistant."""
    return subprocess.run(
        ["bash", SCRIPTS / script, *arguments],
        env=os.environ | {"HA_HOME": str(home_folder()), "HA_FLAVOR": flavor()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.fixture(scope="session")
def installed_home_assistant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HomeAssistant]:
    """A Home Assistant with its broker, running; to be used by one test at a time."""
    if not SCRIPTS.is_dir():
        pytest.skip("../shared/ha, which sets up a Home Assistant, is not there")
    home_folder().mkdir(parents=True, exist_ok=True)
    done = run_script("setup_ha.sh")
    if done.returncode != 0:
        pytest.skip(f"Home Assistant cannot be installed here: {done.stdout.strip()[-300:]}")
    folder = tmp_path_factory.mktemp("home_assistant")
    for broker in run_broker(folder / "broker"):
        in_tree = home_folder() / "rootfs-sid" / f"run-{os.getpid()}"
        home = HomeAssistant(in_tree if flavor() == "sid" else folder / "run", broker)
        try:
            home.start(keep=False)
            yield home
        finally:
            with suppress(AssertionError):
                home.stop()


@pytest.fixture
def home_assistant(installed_home_assistant: HomeAssistant) -> Iterator[HomeAssistant]:
    """A Home Assistant that knows nothing of us, and that has nothing to complain of in the end."""
    home = installed_home_assistant
    home.complaints()
    yield home
    complaints = home.complaints()
    home.forget()
    complaints += home.complaints()
    assert complaints == []
