"""Boxes of one house, with the service's own parts on a real broker; what they see is told to them."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from pydantic import SecretStr

from facerec_mqtt.core.clock import WallClock
from facerec_mqtt.core.records import OpenVisit, Person, PersonState
from facerec_mqtt.recognition import Recognizer, current_version
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.house.models import HouseModels
from facerec_mqtt.service.house.presence import HousePresence
from facerec_mqtt.settings import CameraSettings, HouseSettings, RecognitionSettings, Settings
from tests.support.broker import PATIENCE_S, Broker
from tests.support.faulty_line import FaultyLine
from tests.support.pattern_world import PatternBackbone, PatternDetector, pattern_cohort
from tests.support.publisher import ANNA

HOUSE = "villa"


@cache
def pattern_recognizer() -> Recognizer:
    """What loads models of patterns."""
    return Recognizer(
        PatternDetector(), PatternBackbone(), PatternBackbone.digest, pattern_cohort(), None, None
    )


class HouseBox:
    """One box, on a line of its own to the broker."""

    def __init__(
        self,
        node: str,
        line: FaultyLine,
        broker: Broker,
        lapse_s: float = 900.0,
        models: Path | None = None,
        key: str | None = None,
    ) -> None:
        self.node, self.line = node, line
        self.camera = f"door_{node}"
        self.people: Sequence[Person] = (ANNA,)
        self.visit: OpenVisit | None = None
        self._clock = WallClock()
        self.settings = Settings(
            cameras=(CameraSettings(name=self.camera, url="0"),),
            mqtt=broker.settings(port=line.port, node_id=node, keepalive_s=5, trackers=True),
            house=HouseSettings(name=HOUSE, key=None if key is None else SecretStr(key)),
            model_dir=models or Path("none"),
            enrollment_dir=Path("none") if models is None else models.parent / f"photos_{node}",
            recognition=RecognitionSettings(camera_offline_s=lapse_s),
        )
        self.publisher = Publisher(
            self.settings.mqtt, self.settings.privacy, cameras=[self.camera], house=HOUSE
        )
        self.presence = HousePresence(self.settings, self.publisher, "1.2.3")
        self.models = None if models is None else HouseModels(self.settings, self.publisher)

    def sees(self, visit_id: str | None) -> None:
        now_s = time.monotonic()
        self.visit = visit_id and OpenVisit(self.camera, "anna", visit_id, now_s, now_s, 0.9)  # type: ignore[assignment]

    def step(self) -> None:
        clock, now_s = self._clock.now(), time.monotonic()
        states = [
            PersonState(person, True, self.camera, self.visit.last_seen_s, 0.9)
            if self.visit is not None and person.slug == self.visit.person
            else PersonState(person, False, None, None, None)
            for person in self.people
        ]
        self.presence.observe(states, [self.visit] if self.visit else [], [], clock)
        self.presence.step(clock, now_s)
        if self.models is not None:
            self.models.step(
                pattern_recognizer(),
                now_s,
                synchronised=self.presence.synchronised,
                leading=self.presence.leading,
            )

    @property
    def version(self) -> str | None:
        """The model in use at this box."""
        return current_version(self.settings.model_dir)

    def present(self) -> list[bool]:
        """Whether everybody is here, as this box has it."""
        return [state.present for state in self.presence.people(self._clock.now())]

    def kill(self) -> None:
        """End it as a crash does."""
        self.publisher._link._stopping.set()
        self.line.cut()


@contextmanager
def running_boxes(broker: Broker, *nodes: str, lapse_s: float = 900.0) -> Iterator[list[HouseBox]]:
    """Boxes that are connected."""
    with ExitStack() as stack:
        boxes = []
        for node in nodes:
            box = HouseBox(node, stack.enter_context(FaultyLine(broker.port)), broker, lapse_s)
            box.step()
            box.publisher.start()
            stack.callback(box.publisher.stop, 0.5)
            boxes.append(box)
        yield boxes


def step_until(boxes: Sequence[HouseBox], condition: object, what: str = "it did not happen") -> None:
    """Let boxes run as their services do until something is so."""
    assert callable(condition)
    give_up_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_s, what
        for box in boxes:
            box.step()
        time.sleep(0.01)


def house_events(payloads: Sequence[bytes]) -> list[tuple[str, str]]:
    """What happened, and the visit, of events of a person."""
    events = [json.loads(payload) for payload in payloads]
    return [(event["event_type"], event["visit_id"]) for event in events]
