"""Boxes of one house around a broker that delays, loses connections and publishes wills.

The decisions are the program's own; only the broker and the time are not.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.records import OpenVisit, Person, PersonState
from facerec_mqtt.presence.house import (
    Announcements,
    Arrived,
    Boxes,
    Departed,
    OwnClaims,
    Published,
    State,
    merge,
)

CLOCK = Clock(1_000_000.0)
ANNA = Person("anna", "Anna")
LAPSE_S = 10.0
STEP_S = 0.25


@dataclass(eq=False)
class Wire:
    """The broker: what it retains, and what it has been told in which order."""

    retained: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, str | None]] = field(default_factory=list)
    listeners: list["Box"] = field(default_factory=list)
    now_s: float = 1000.0

    def publish(self, topic: str, payload: Any) -> None:
        if topic == "event":
            self.events.append(payload)
            return
        self.retained[topic] = payload
        for box in self.listeners:
            box.hear(topic, payload, live=True)


class Box:
    """One box. What it is sent waits in its inbox for as long as it lags behind, and keeps its order."""

    def __init__(self, node: str, wire: Wire) -> None:
        self.node, self.wire = node, wire
        self.inbox: deque[tuple[float, str, Any, bool]] = deque()
        self.lag_s = 0.0
        self.alive = self.connected = False
        self.visit: OpenVisit | None = None
        self.visits = count(1)
        self.boot()

    def boot(self) -> None:
        self.own = OwnClaims(self.node, {f"door_{self.node}": "Door"}, LAPSE_S)
        self.boxes, self.announcements = Boxes(self.node), Announcements(self.node)
        self.synchronised = False
        self.alive = True

    def connect(self) -> None:
        self.boxes.connecting()
        self.announcements.elect(None, self.wire.now_s)
        self.synchronised, self.connected = False, True
        self.inbox.clear()
        for topic, payload in self.wire.retained.items():
            self.hear(topic, payload, live=False)
        self.wire.listeners.append(self)
        self._publish(f"claims/{self.node}", self.own.claims)
        self._publish(f"status/{self.node}", True)

    def disconnect(self) -> None:
        """The broker notices that it is gone; the box itself only when it connects again."""
        if self.connected:
            self.wire.listeners.remove(self)
            self.connected = False
            self.wire.publish(f"status/{self.node}", False)

    def kill(self) -> None:
        self.disconnect()
        self.alive = False  # a visit goes on when it is back, as the service's state file has it

    def sees(self, present: bool, now_s: float) -> None:
        if not self.alive:
            return
        if present and self.visit is None:
            visit_id = f"{self.node}{next(self.visits)}"
            self.visit = OpenVisit(f"door_{self.node}", "anna", visit_id, now_s, now_s, 0.9)
        elif not present:
            self.visit = None

    def step(self, now_s: float) -> None:
        while self.inbox and self.inbox[0][0] <= now_s:
            _, topic, payload, live = self.inbox.popleft()
            self._take(topic, payload, live, now_s)
        camera = None if self.visit is None else self.visit.camera
        seen_s = None if self.visit is None else now_s
        state = PersonState(ANNA, self.visit is not None, camera, seen_s, 0.9 if seen_s else None)
        claims = self.own.update([state], [self.visit] if self.visit else [], CLOCK, now_s)
        if claims is not None:
            self._publish(f"claims/{self.node}", claims)
        self.boxes.own_claims(self.own.claims)
        others = self.boxes.others_living(now_s) if self.synchronised else None
        if self.announcements.elect(others, now_s):
            members = merge(self.boxes.views(now_s))
            for each in self.announcements.due(members, now_s, CLOCK.epoch(now_s)):
                match each:
                    case Arrived(member):
                        self._publish("event", ("arrived", member.visit_id))
                    case Departed(_, visit_id):
                        self._publish("event", ("departed", visit_id))
                    case Published(member):
                        present, visit_id = "ON" if member.present else "OFF", member.visit_id
                        state_of = State(
                            present=present,  # type: ignore[arg-type]
                            name="Anna",
                            camera=member.camera,
                            last_seen=None,
                            score=None,
                            visit_id=visit_id,
                        )
                        self._publish("person/anna", state_of)

    def hear(self, topic: str, payload: Any, *, live: bool) -> None:
        last_s = self.inbox[-1][0] if self.inbox else 0.0
        self.inbox.append((max(last_s, self.wire.now_s + self.lag_s), topic, payload, live))

    def _publish(self, topic: str, payload: Any) -> None:
        if self.connected:
            self.wire.publish(topic, payload)

    def _take(self, topic: str, payload: Any, live: bool, now_s: float) -> None:
        kind, _, name = topic.partition("/")
        if kind == "person":
            self.announcements.heard(name, payload)
        elif kind == "claims" and name == self.node:
            again = self.own.heard(payload.revision, now_s)
            if again is not None:
                self._publish(topic, again)
        elif kind == "claims":
            self.boxes.claims(name, payload, now_s, live=live)
        elif name != self.node:
            self.boxes.status(name, online=payload, now_s=now_s)
        elif payload and live and not self.synchronised:
            self.synchronised = True
            self.boxes.synchronised(now_s)
