"""What docs/MQTT.md says of an ordinary household: the events that a person would expect."""

import re
from dataclasses import dataclass, field, replace
from itertools import count

import pytest

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.records import Departure, Person, PresenceChange
from facerec_mqtt.presence.resume import of_people, to_resume
from facerec_mqtt.presence.state import Presence
from facerec_mqtt.presence.visits import Visits
from facerec_mqtt.settings.schema import RecognitionSettings
from tests.support.paths import ROOT
from tests.support.sightings import face

DOOR, GARDEN = "front_door", "garden"
STEP_S, QUIET_S, HOUR_S = 0.5, 60.0, 3600.0
CLOCK = Clock(1_795_453_300.0)
_numbers = count(1)


@dataclass
class House:
    """A service that sees who is shown to it, with what it publishes; time passes only where it is said."""

    now_s: float = 1000.0
    visits: Visits = field(default_factory=lambda: _visits())
    presence: Presence = field(default_factory=lambda: _presence())
    changes: list[PresenceChange] = field(default_factory=list)
    present: list[tuple[bool, str | None]] = field(default_factory=list)
    """Whether Anna is here, and the camera, each time that this changed."""

    def pass_by(self, seconds: float, **seen: str | None) -> "House":
        """Time passes while each of these cameras sees somebody: a slug, or `None` for a stranger."""
        for _ in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            for camera in (DOOR, GARDEN):
                faces = [face(seen[camera], x=300 + 7 * (self.now_s % 10))] if camera in seen else []
                shown = [replace(each, camera=camera, captured_at_s=self.now_s) for each in faces]
                self.changes += self.visits.observe(camera, self.now_s, shown)
            self.changes += self.visits.end_overdue(self.now_s)
            self.presence.visits(self.visits.open_visits())
            anna = self.presence.people[0]
            if not self.present or self.present[-1] != (anna.present, anna.camera):
                self.present.append((anna.present, anna.camera))
        return self

    def killed_and_back(self, after_s: float) -> "House":
        """The process is killed and started again; what it had saved is all that is left."""
        kept = of_people(self.visits.open_visits(), CLOCK)
        self.now_s += after_s
        self.visits, self.presence = _visits(), _presence()
        for visit in to_resume(kept, {"anna"}, {DOOR, GARDEN}, CLOCK, self.now_s):
            self.visits.resume(visit, self.now_s)
        return self

    @property
    def events(self) -> list[tuple[str, str]]:
        return [(change.kind, change.camera) for change in self.changes]

    @property
    def ids(self) -> list[str]:
        return [change.visit_id for change in self.changes]


def _visits() -> Visits:
    return Visits(RecognitionSettings(departure_s=QUIET_S), new_id=lambda: f"V{next(_numbers)}")


def _presence() -> Presence:
    presence = Presence([DOOR, GARDEN])
    presence.set_people([Person("anna", "Anna")])
    return presence


def test_two_cameras_that_see_one_person() -> None:
    house = House().pass_by(30, front_door="anna", garden="anna").pass_by(2 * QUIET_S)
    assert house.events == [("arrived", DOOR), ("arrived", GARDEN), ("departed", DOOR), ("departed", GARDEN)]
    assert house.ids[:2] == house.ids[2:]
    assert len(set(house.ids)) == 2
    assert [present for present, _ in house.present] == [False, True, False]


def test_a_walk_from_one_camera_to_the_other() -> None:
    house = House().pass_by(10, garden="anna").pass_by(20).pass_by(10, front_door="anna").pass_by(2 * QUIET_S)
    assert house.events == [("arrived", GARDEN), ("arrived", DOOR), ("departed", GARDEN), ("departed", DOOR)]
    assert house.present == [(False, None), (True, GARDEN), (True, DOOR), (False, DOOR)]


def test_a_walk_that_takes_longer_than_the_quiet_time() -> None:
    house = House().pass_by(10, garden="anna").pass_by(2 * QUIET_S).pass_by(10, front_door="anna")
    assert house.events == [("arrived", GARDEN), ("departed", GARDEN), ("arrived", DOOR)]
    assert house.present == [(False, None), (True, GARDEN), (False, GARDEN), (True, DOOR)]


@pytest.mark.parametrize("stays", [True, False])
def test_a_service_that_is_killed_and_back_within_seconds(stays: bool) -> None:
    house = House().pass_by(30, front_door="anna").killed_and_back(after_s=5)
    if stays:
        house.pass_by(30, front_door="anna")
        assert house.events == [("arrived", DOOR)]
    house.pass_by(QUIET_S - 1)
    assert house.events == [("arrived", DOOR)]
    house.pass_by(2)
    assert house.events == [("arrived", DOOR), ("departed", DOOR)]
    assert house.ids[0] == house.ids[1]
    assert house.changes[1].reason is Departure.UNSEEN


def test_a_service_that_is_back_after_an_hour() -> None:
    house = House().pass_by(30, front_door="anna").killed_and_back(after_s=HOUR_S).pass_by(2 * QUIET_S)
    assert house.events == [("arrived", DOOR)]
    house.pass_by(10, front_door="anna")
    assert house.events == [("arrived", DOOR)] * 2
    assert len(set(house.ids)) == 2


@pytest.mark.parametrize(("visitor", "each_time"), [(None, ["stranger"]), ("anna", ["arrived", "departed"])])
def test_a_visitor_who_comes_thrice_a_day(visitor: str | None, each_time: list[str]) -> None:
    house = House()
    for _ in range(3):
        # They turn away and back again meanwhile, which is no other visit.
        house.pass_by(10, front_door=visitor).pass_by(20).pass_by(10, front_door=visitor).pass_by(3 * QUIET_S)
        house.now_s += HOUR_S
    assert [kind for kind, _ in house.events] == each_time * 3
    assert len(set(house.ids)) == 3


def test_each_row_of_the_documented_table_has_its_test() -> None:
    text = (ROOT / "docs" / "MQTT.md").read_text(encoding="utf-8")
    table = text.split("#### An ordinary household\n")[1].split("\n#")[0]
    rows = re.findall(r"^\| ([^|]+?) \|", table, flags=re.MULTILINE)[2:]
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert rows
    assert {row.lower().replace(" ", "_") for row in rows} <= tests
