"""What the service still knows after a restart."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.records import OpenVisit, Person, PersonState
from facerec_mqtt.mqtt.discovery import discovery_payload
from facerec_mqtt.presence.state import Presence
from facerec_mqtt.presence.state_file import (
    RESUME_S,
    LastSeen,
    ServiceState,
    StateFile,
    last_seen,
    of_people,
    state_files,
    to_resume,
)
from facerec_mqtt.settings.schema import MqttSettings

ANNA, TOM = Person("anna", "Anna"), Person("tom", "Tom")
KEPT = ServiceState(
    frozenset({"garden"}),
    (ANNA, Person("jose", "José")),
    {"anna": LastSeen("door", 1795453331.412, 0.97)},
    (OpenVisit("door", "anna", "V", 1795453300.5, 1795453331.412, 0.97),),
    {"rebuild": {"platform": "button", "options": ["a"], "name": "José"}},
    frozenset({"door", "garden"}),
)


def test_what_was_kept_is_recalled_by_the_next_run(tmp_path: Path) -> None:
    StateFile(tmp_path / "models", "home").keep(KEPT)
    assert StateFile(tmp_path / "models", "home").recall() == KEPT


def test_the_first_run_has_nothing_to_recall_and_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert StateFile(tmp_path, "home").recall() == ServiceState()
    assert not caplog.records


def test_two_services_that_share_a_folder_do_not_share_a_memory(tmp_path: Path) -> None:
    StateFile(tmp_path, "home").keep(KEPT)
    assert StateFile(tmp_path, "barn").recall() == ServiceState()


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    StateFile(tmp_path, "home").keep(KEPT)
    assert (tmp_path / "memory-home.json").stat().st_mode & 0o077 == 0


def test_it_is_written_only_when_it_has_changed(tmp_path: Path) -> None:
    memory = StateFile(tmp_path, "home")
    memory.keep(KEPT)
    (tmp_path / "memory-home.json").unlink()
    memory.keep(replace(KEPT, last_seen=dict(KEPT.last_seen)))
    assert not (tmp_path / "memory-home.json").exists()
    memory.keep(ServiceState())
    assert StateFile(tmp_path, "home").recall() == ServiceState()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"switched_off":[],"people":{"anna":1},"last_seen":{},"visits":[],"announced":{}}',
        b'{"switched_off":[1],"people":{},"last_seen":{},"visits":[],"announced":{}}',
        b'{"switched_off":[],"people":{},"last_seen":[],"visits":[],"announced":{}}',
        b'{"switched_off":[],"people":{},"last_seen":{"anna":{"camera":"door","epoch_s":"now","score":0.9}},"visits":[],"announced":{}}',
        b'{"switched_off":[],"people":{},"last_seen":{"anna":{"camera":"door","epoch_s":NaN,"score":0.9}},"visits":[],"announced":{}}',
        b'{"switched_off":[],"people":{},"last_seen":{},"announced":{}}',
        b'{"switched_off":[],"people":{},"last_seen":{},"visits":[{"camera":"door"}],"announced":{}}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_memory_is_told_of_and_is_as_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    (tmp_path / "memory-home.json").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert StateFile(tmp_path, "home").recall() == ServiceState()
    assert "memory-home.json" in caplog.text


def test_a_folder_that_cannot_be_written_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "models").write_text("a file")
    with caplog.at_level(logging.WARNING):
        StateFile(tmp_path / "models", "home").keep(KEPT)
    assert "memory-home.json" in caplog.text


def test_a_memory_of_before_there_were_cameras_in_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "memory-home.json").write_bytes(
        b'{"switched_off":["garden"],"people":{},"last_seen":{},"visits":[],"announced":{}}'
    )
    assert StateFile(tmp_path, "home").recall() == ServiceState(frozenset({"garden"}))


def test_only_those_who_were_seen_are_remembered() -> None:
    states = [PersonState(ANNA, True, "door", -3.5, 0.9), PersonState(TOM, False, None, None, None)]
    assert last_seen(states, Clock(1000.0)) == {"anna": LastSeen("door", 996.5, 0.9)}


def test_of_somebody_who_is_forgotten_nothing_is_left_and_of_others_everything() -> None:
    def of(*people: Person) -> ServiceState:
        _, message = discovery_payload(MqttSettings(), [], people, "1")
        announced: Any = message["components"]
        seen = {person.slug: LastSeen("door", 1.0, 0.9) for person in people}
        visits = tuple(OpenVisit("door", person.slug, "V", 1.0, 2.0, 0.9) for person in people)
        return ServiceState(frozenset({"garden"}), people, seen, visits, announced)

    maria = Person("anna_maria", "Anna Maria")
    assert of(ANNA, maria, TOM).without("anna") == of(maria, TOM)
    assert of(TOM).without("anna") == of(TOM)


def test_the_memories_of_all_services_that_share_a_folder_are_found(tmp_path: Path) -> None:
    for node in ("home", "Barn-2"):
        StateFile(tmp_path, node).keep(KEPT)
    (tmp_path / "current").touch()
    assert [memory.recall() for memory in state_files(tmp_path)] == [KEPT, KEPT]
    assert state_files(tmp_path / "nowhere") == ()


def test_visits_of_people_are_remembered_and_those_of_strangers_are_not() -> None:
    visits = [OpenVisit("door", "anna", "V", 5.0, 10.0, 0.9), OpenVisit("door", None, "W", 5.0, 10.0, 0.1)]
    assert of_people(visits, Clock(1000.0)) == (OpenVisit("door", "anna", "V", 1005.0, 1010.0, 0.9),)


@pytest.mark.parametrize(
    ("person", "camera", "seen_ago_s", "goes_on"),
    [
        ("anna", "door", 0.0, True),
        ("anna", "door", RESUME_S, True),
        ("anna", "door", RESUME_S + 1, False),
        ("anna", "door", -1.0, True),
        ("anna", "door", -3600.0, False),
        ("anna", "garden", 1.0, False),
        ("jose", "door", 1.0, False),
    ],
)
def test_a_visit_goes_on_after_a_restart_that_was_not_too_long_where_person_and_camera_are_still_there(
    person: str, camera: str, seen_ago_s: float, goes_on: bool
) -> None:
    at_zero_s, now_s = 1795453300.0, 20.0
    kept = OpenVisit(camera, person, "V", at_zero_s - 900.0, at_zero_s + now_s - seen_ago_s, 0.9)
    expected = OpenVisit(camera, person, "V", -900.0, now_s - seen_ago_s, 0.9)
    resumed = to_resume([kept], {"anna"}, {"door"}, Clock(at_zero_s), now_s)
    assert resumed == ((expected,) if goes_on else ())


def test_somebody_seen_in_an_earlier_run_has_a_last_place_and_time_but_is_not_present() -> None:
    presence = Presence(["door"])
    presence.set_people([ANNA, TOM])
    presence.recall("anna", "door", -100.0, 0.9)
    presence.recall("nobody", "door", -100.0, 0.9)
    assert presence.people == (
        PersonState(ANNA, False, "door", -100.0, 0.9),
        PersonState(TOM, False, None, None, None),
    )


def test_where_the_clock_is_set_after_the_start_only_what_was_recalled_by_it_moves() -> None:
    presence = Presence(["door"])
    presence.set_people([ANNA, TOM])
    presence.recall("anna", "door", 500.0, 0.9)
    presence.recall("tom", "door", 400.0, 0.7)
    presence.visits([OpenVisit("door", "tom", "V", 5.0, 10.0, 0.8)])
    presence.visits([])
    presence.clock_was_set(3600.0)
    assert presence.people == (
        PersonState(ANNA, False, "door", -3100.0, 0.9),
        PersonState(TOM, False, "door", 10.0, 0.8),
    )


def test_what_was_seen_in_this_run_is_not_replaced_by_an_earlier_one() -> None:
    presence = Presence(["door"])
    presence.set_people([ANNA])
    presence.visits([OpenVisit("garden", "anna", "V", 5.0, 10.0, 0.8)])
    presence.recall("anna", "door", -100.0, 0.9)
    assert presence.people == (PersonState(ANNA, True, "garden", 10.0, 0.8),)
