"""What of the people's states and visits is saved, and what of it goes on after a restart."""

import pytest

from facerec_mqtt.core.clock import Clock, Reading, WallClock
from facerec_mqtt.core.records import OpenVisit, Person, PersonState
from facerec_mqtt.presence.resume import RESUME_S, last_seen, of_people, to_resume
from facerec_mqtt.presence.state import Presence
from facerec_mqtt.presence.state_file import LastSeen

ANNA, TOM = Person("anna", "Anna"), Person("tom", "Tom")


def test_only_those_who_were_seen_are_saved() -> None:
    states = [PersonState(ANNA, True, "door", -3.5, 0.9), PersonState(TOM, False, None, None, None)]
    assert last_seen(states, Clock(1000.0)) == {"anna": LastSeen("door", 996.5, 0.9)}


def test_visits_of_people_are_saved_and_those_of_strangers_are_not() -> None:
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


def test_a_sleep_of_the_machine_does_not_move_what_is_saved() -> None:
    readings = [Reading(1000.0, 10.0, 10.0), Reading(1000.0 + 3600.0, 10.0, 10.0 + 3600.0)]
    wall_clock = WallClock(read=lambda: readings.pop(0))
    states = [PersonState(ANNA, True, "door", 9.0, 0.9)]
    visits = [OpenVisit("door", "anna", "V", 5.0, 9.0, 0.9)]
    before = wall_clock.now()
    after = wall_clock.now()
    assert last_seen(states, after) == last_seen(states, before) == {"anna": LastSeen("door", 999.0, 0.9)}
    assert of_people(visits, after) == of_people(visits, before)
