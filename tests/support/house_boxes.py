"""Boxes of one house, with the service's own parts on a real broker; what they see is told to them."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from facerec_mqtt.core.clock import WallClock
from facerec_mqtt.core.records import OpenVisit, Person, PersonState
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.house.presence import HousePresence
from facerec_mqtt.settings import CameraSettings, HouseSettings, RecognitionSettings, Settings
from tests.support.broker import PATIENCE_S, Broker
from tests.support.faulty_line import FaultyLine
from tests.support.publisher import ANNA

HOUSE = "villa"


class HouseBox:
    """One box, on a line of its own to the broker."""

    def __init__(self, node: str, line: FaultyLine, broker: Broker, lapse_s: float = 900.0) -> None:
        self.node, self.line = node, line
        self.camera = f"door_{node}"
        self.people: Sequence[Person] = (ANNA,)
        self.visit: OpenVisit | None = None
        self._clock = WallClock()
        self.settings = Settings(
            cameras=(CameraSettings(name=self.camera, url="0"),),
            mqtt=broker.settings(port=line.port, node_id=node, keepalive_s=5, trackers=True),
            house=HouseSettings(name=HOUSE),
            recognition=RecognitionSettings(camera_offline_s=lapse_s),
        )
        self.publisher = Publisher(
            self.settings.mqtt, self.settings.privacy, cameras=[self.camera], house=HOUSE
        )
        self.presence = HousePresence(self.settings, self.publisher, "1.2.3")

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

    def present(self) -> list[bool]:
        """Whether everybody is here, as this box has it."""
        return [member.present for member in self.presence.members]

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
