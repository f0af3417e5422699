"""Visits: who arrives, who departs and who is a stranger, with time as an argument."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from facerec_mqtt.core.records import Departure, OpenVisit, PresenceChange, Refusal, Sighting
from facerec_mqtt.presence.visits import Visits, new_visit_id
from facerec_mqtt.settings.schema import RecognitionSettings
from tests.support.sightings import face

DOOR, GARDEN = "front_door", "garden"
STEP_S = 0.2
LEFT, RIGHT = 300.0, 900.0


class Watch:
    """Shows frames to visits, one every `STEP_S`, and collects what they say."""

    def __init__(self, **settings: Any) -> None:
        numbers = count(1)
        self.visits = Visits(RecognitionSettings(**settings), new_id=lambda: f"V{next(numbers)}")
        self.now_s = 1000.0
        self.changes: list[PresenceChange] = []

    def show(self, frames: Iterable[Iterable[Sighting]], camera: str = DOOR) -> "Watch":
        for sightings in frames:
            self.now_s += STEP_S
            shown = [replace(each, camera=camera, captured_at_s=self.now_s) for each in sightings]
            self.changes += self.visits.observe(camera, self.now_s, shown)
        return self

    def wait(self, seconds: float) -> "Watch":
        self.now_s += seconds
        self.changes += self.visits.end_overdue(self.now_s)
        return self

    @property
    def said(self) -> list[str]:
        """ "arrived anna", in order."""
        return [f"{change.kind} {change.person or '-'}" for change in self.changes]


def frames(number: int, *sightings: Sighting) -> list[tuple[Sighting, ...]]:
    return [sightings] * number


def test_three_agreeing_frames_make_one_arrival() -> None:
    watch = Watch().show(frames(2, face("anna")))
    assert watch.said == []
    watch.show(frames(20, face("anna")))
    assert watch.said == ["arrived anna"]
    (arrival,) = watch.changes
    assert (arrival.votes, arrival.frames, arrival.visit_id) == (3, 3, "V1")
    assert arrival.at_s == pytest.approx(1000.6)
    assert arrival.sighting is not None
    assert arrival.sighting.identification.person == "anna"


def test_the_number_of_votes_can_be_set() -> None:
    assert Watch(votes=1).show(frames(1, face("anna"))).said == ["arrived anna"]
    assert Watch(votes=5).show(frames(4, face("anna"))).said == []


def test_votes_older_than_the_window_do_not_count() -> None:
    watch = Watch(window_s=1.0)
    for _ in range(8):
        watch.show(frames(1, face("anna"))).show(frames(3, face(score=0.4)))
    assert watch.said == []


def test_bad_frames_between_good_ones_do_no_harm() -> None:
    small = face(refusal="face too small", width=90)
    blurred = face(refusal="blurred")
    watch = Watch().show(
        [(face("anna"),), (small,), (face("anna"),), (blurred,), (face(score=0.4),), (face("anna"),)]
    )
    assert watch.said == ["arrived anna"]
    assert watch.changes[0].frames == 4


@pytest.mark.parametrize("refusal", ["face too small", "blurred", "ambiguous"])
def test_bad_frames_decide_nothing(refusal: Refusal) -> None:
    assert Watch().show(frames(100, face(refusal=refusal))).said == []


def test_a_face_that_flickers_between_names_is_nobody() -> None:
    watch = Watch()
    for _ in range(20):
        watch.show([(face("anna"),), (face("tom"),)])
    assert watch.said == []


def test_a_single_wrong_name_among_many_right_ones_does_not_disturb() -> None:
    watch = Watch().show([(face("tom"),), *frames(3, face("anna"))])
    assert watch.said == ["arrived anna"]


def test_a_stranger_who_is_mistaken_now_and_then_does_not_arrive() -> None:
    watch = Watch()
    for _ in range(20):
        watch.show([(face("anna"),), *frames(4, face())])
    assert watch.said == ["stranger -"]


def test_nobody_known_over_some_time_is_one_stranger() -> None:
    watch = Watch().show(frames(10, face()))
    assert watch.said == []  # six votes, but within less than two seconds
    watch.show(frames(50, face()))
    assert watch.said == ["stranger -"]
    (stranger,) = watch.changes
    assert stranger.person is None
    assert stranger.votes >= 6


def test_faces_close_to_the_threshold_are_no_stranger_at_first() -> None:
    watch = Watch().show(frames(20, face(score=0.4)))
    assert watch.said == []
    watch.show(frames(60, face(score=0.4)))
    assert watch.said == ["stranger -"]


def test_somebody_first_seen_badly_is_no_stranger() -> None:
    watch = Watch().show([*frames(5, face()), *frames(8, face(score=0.42)), *frames(8, face("anna"))])
    assert watch.said == ["arrived anna"]


def test_a_stranger_who_turns_out_to_be_somebody_is_none_any_more() -> None:
    watch = Watch().show([*frames(15, face()), *frames(15, face("anna"))])
    assert watch.said == ["stranger -", "arrived anna"]
    assert [visit.person for visit in watch.visits.open_visits()] == ["anna"]


def test_without_a_model_everybody_is_a_stranger() -> None:
    watch = Watch().show(frames(20, face(refusal="no model", score=0.99)))
    assert watch.said == ["stranger -"]


def test_a_stranger_at_the_door_is_one_event_however_often_they_turn_away() -> None:
    watch = Watch()
    for _ in range(4):
        watch.show(frames(20, face())).show(frames(30))
    assert watch.said == ["stranger -"]
    watch.wait(61).show(frames(20, face()))
    assert watch.said == ["stranger -", "stranger -"]


def test_two_strangers_at_once_are_two() -> None:
    watch = Watch().show(frames(20, face(x=LEFT), face(x=RIGHT)))
    assert watch.said == ["stranger -", "stranger -"]
    assert len(watch.visits.open_visits()) == 2


def test_somebody_of_the_family_who_turned_away_for_a_moment_is_no_stranger() -> None:
    watch = Watch().show([*frames(5, face("anna")), *frames(20), *frames(11, face(x=RIGHT))])
    assert watch.said == ["arrived anna"]


def test_several_people_are_followed_at_once() -> None:
    watch = Watch().show(frames(5, face("anna", x=LEFT), face("tom", x=RIGHT)))
    assert sorted(watch.said) == ["arrived anna", "arrived tom"]


def test_people_who_cross_keep_their_names() -> None:
    watch = Watch()
    for step in range(21):
        watch.show([(face("anna", x=300 + 20 * step), face("tom", x=700 - 20 * step))])
    assert sorted(watch.said) == ["arrived anna", "arrived tom"]


def test_a_face_that_walks_past_is_one_track() -> None:
    watch = Watch().show([(face("anna", x=100 + 150 * step),) for step in range(6)])
    assert watch.said == ["arrived anna"]


def test_votes_of_faces_far_apart_are_not_added_up() -> None:
    watch = Watch().show([(face("anna", x=100),), (face("anna", x=1200),)] * 2)
    assert watch.said == []


def test_a_face_twice_the_size_is_another() -> None:
    watch = Watch().show([(face("anna", width=60),), (face("anna", width=200),)] * 2)
    assert watch.said == []


def test_unseen_for_the_quiet_time_is_departed_once() -> None:
    watch = Watch(departure_s=60).show(frames(5, face("anna"))).wait(59.9)
    assert watch.said == ["arrived anna"]
    watch.wait(0.2).wait(100)
    assert watch.said == ["arrived anna", "departed anna"]
    arrival, departure = watch.changes
    assert departure.visit_id == arrival.visit_id
    assert (departure.votes, departure.frames, departure.sighting) == (0, 0, None)
    assert watch.visits.open_visits() == ()


def test_seen_again_before_the_quiet_time_is_the_same_visit() -> None:
    watch = Watch(departure_s=60).show(frames(5, face("anna")))
    for _ in range(5):
        watch.wait(50).show(frames(1, face("anna")))
    assert watch.said == ["arrived anna"]


def test_seen_again_after_the_quiet_time_is_another_visit_even_when_nobody_asked_in_between() -> None:
    watch = Watch(departure_s=60).show(frames(5, face("anna")))
    watch.now_s += 100
    watch.show(frames(5, face("anna")))
    assert watch.said == ["arrived anna", "departed anna", "arrived anna"]
    assert watch.changes[0].visit_id != watch.changes[2].visit_id


def test_a_face_that_turns_away_stays_while_it_is_followed() -> None:
    watch = Watch(departure_s=5).show([*frames(5, face("anna")), *frames(60, face(refusal="blurred"))])
    watch.wait(1)
    assert watch.said == ["arrived anna"]


def test_a_stranger_who_takes_somebodys_place_does_not_keep_their_name() -> None:
    watch = Watch(departure_s=20).show([*frames(5, face("anna")), *frames(200, face())])
    assert watch.said == ["arrived anna", "stranger -", "departed anna"]


def resumed() -> Watch:
    """Anna was here before the restart; the camera is not there yet."""
    watch = Watch(departure_s=60)
    watch.visits.resume(OpenVisit(DOOR, "anna", "V0", 700.0, 800.0, 0.9), watch.now_s)
    return watch


def test_a_visit_of_an_earlier_run_goes_on_without_another_arrival() -> None:
    watch = resumed()
    watch.show(frames(10, face("anna")))
    assert watch.changes == []
    (visit,) = watch.visits.open_visits()
    assert (visit.visit_id, visit.began_s, visit.last_seen_s) == ("V0", 700.0, watch.now_s)


def test_a_visit_of_an_earlier_run_ends_when_the_camera_is_there_and_nobody_comes_for_the_quiet_time() -> (
    None
):
    watch = resumed()
    assert watch.visits.end_overdue(watch.now_s + 800) == ()
    watch.visits.camera_back(DOOR, watch.now_s + 800)
    assert watch.visits.end_overdue(watch.now_s + 859) == ()
    (departed,) = watch.visits.end_overdue(watch.now_s + 861)
    assert (departed.kind, departed.person, departed.visit_id) == ("departed", "anna", "V0")


def test_a_visit_belongs_to_one_camera() -> None:
    watch = Watch().show(frames(5, face("anna")), GARDEN).show(frames(5, face("anna")), DOOR)
    assert watch.said == ["arrived anna", "arrived anna"]
    assert [change.camera for change in watch.changes] == [GARDEN, DOOR]


def test_while_nothing_moves_whoever_was_there_stays() -> None:
    watch = Watch(departure_s=10).show(frames(5, face("anna")))
    for _ in range(100):
        watch.now_s += 1
        watch.visits.unchanged(DOOR, watch.now_s)
        watch.wait(0)
    assert watch.said == ["arrived anna"]
    watch.show(frames(3, face("anna")))
    assert watch.said == ["arrived anna"]


def test_while_nothing_moves_whoever_had_gone_stays_away() -> None:
    watch = Watch(departure_s=10).show([*frames(5, face("anna")), *frames(5)])
    for _ in range(12):
        watch.now_s += 1
        watch.visits.unchanged(DOOR, watch.now_s)
        watch.wait(0)
    assert watch.said == ["arrived anna", "departed anna"]


def test_an_outage_of_the_camera_departs_nobody() -> None:
    watch = Watch(departure_s=60).show(frames(5, face("anna"))).wait(30)
    watch.visits.camera_lost(DOOR, watch.now_s)
    watch.visits.camera_lost(DOOR, watch.now_s + 1)
    watch.wait(800)
    assert watch.said == ["arrived anna"]
    watch.visits.camera_back(DOOR, watch.now_s)
    watch.wait(29)
    assert watch.said == ["arrived anna"]
    watch.wait(2)
    assert watch.said == ["arrived anna", "departed anna"]
    assert watch.changes[-1].reason is Departure.UNSEEN


def test_the_last_sighting_is_not_moved_by_an_outage() -> None:
    watch = Watch().show(frames(5, face("anna")))
    seen_s = watch.now_s
    watch.visits.camera_lost(DOOR, watch.now_s)
    watch.visits.camera_back(DOOR, watch.now_s + 500)
    assert watch.visits.open_visits()[0].last_seen_s == seen_s


def test_a_camera_that_stays_away_ends_its_visits_after_a_bound() -> None:
    watch = Watch(camera_offline_s=900).show(frames(20, face("anna", x=LEFT), face(x=RIGHT)))
    watch.visits.camera_lost(DOOR, watch.now_s)
    watch.wait(899)
    assert watch.said == ["arrived anna", "stranger -"]
    assert len(watch.visits.open_visits()) == 2
    watch.wait(2).wait(1000)
    assert watch.said == ["arrived anna", "stranger -", "departed anna"]
    assert watch.changes[-1].reason is Departure.CAMERA_OFFLINE
    assert watch.visits.open_visits() == ()
    watch.visits.camera_back(DOOR, watch.now_s)
    assert watch.show(frames(5, face("anna", x=LEFT))).said[-1] == "arrived anna"


def test_a_camera_that_comes_back_for_moments_only_keeps_nobody_present() -> None:
    watch = Watch(camera_offline_s=900, departure_s=60).show(frames(5, face("anna")))
    for _ in range(4):
        watch.visits.camera_lost(DOOR, watch.now_s)
        watch.wait(300)
        watch.visits.camera_back(DOOR, watch.now_s)
        watch.wait(1)
    assert watch.said == ["arrived anna", "departed anna"]
    assert watch.changes[-1].reason is Departure.CAMERA_OFFLINE


def test_who_is_seen_between_two_outages_stays() -> None:
    watch = Watch(camera_offline_s=900).show(frames(5, face("anna")))
    for _ in range(4):
        watch.visits.camera_lost(DOOR, watch.now_s)
        watch.wait(600)
        watch.visits.camera_back(DOOR, watch.now_s)
        watch.show(frames(2, face("anna")))
    assert watch.said == ["arrived anna"]


def test_a_camera_that_never_comes_back_after_a_restart_ends_the_visits_of_the_earlier_run() -> None:
    watch = resumed()
    assert watch.wait(899).said == []
    watch.wait(2)
    assert [(change.kind, change.person, change.reason) for change in watch.changes] == [
        ("departed", "anna", Departure.CAMERA_OFFLINE)
    ]


def test_an_outage_of_one_camera_does_not_keep_people_at_another() -> None:
    watch = Watch().show(frames(5, face("anna")), DOOR)
    watch.visits.camera_lost(GARDEN, watch.now_s)
    assert watch.wait(61).said == ["arrived anna", "departed anna"]


def test_a_camera_that_is_switched_off_departs_everybody_at_once() -> None:
    watch = Watch().show(frames(20, face("anna", x=LEFT), face(x=RIGHT)))
    ended = watch.visits.end_camera(DOOR, watch.now_s)
    assert [(change.kind, change.person, change.reason) for change in ended] == [
        ("departed", "anna", Departure.CAMERA_SWITCHED_OFF)
    ]
    assert watch.visits.open_visits() == ()
    assert watch.visits.end_camera(DOOR, watch.now_s) == ()


def test_a_new_model_keeps_visits_and_votes() -> None:
    watch = (
        Watch()
        .show(frames(5, face("anna", x=LEFT)))
        .show(frames(2, face("anna", x=LEFT), face("tom", x=RIGHT)))
    )
    assert watch.visits.set_people(["anna", "tom", "eva"], watch.now_s) == ()
    watch.show(frames(1, face("anna", x=LEFT), face("tom", x=RIGHT)))
    assert watch.said == ["arrived anna", "arrived tom"]


def test_people_that_a_new_model_does_not_know_depart() -> None:
    watch = Watch().show(frames(5, face("anna", x=LEFT), face("tom", x=RIGHT)))
    gone = watch.visits.set_people(["tom"], watch.now_s)
    assert [(change.kind, change.person, change.reason) for change in gone] == [
        ("departed", "anna", Departure.PERSON_REMOVED)
    ]
    watch.show(frames(3, face("tom", x=RIGHT)))
    assert [visit.person for visit in watch.visits.open_visits()] == ["tom"]


def test_a_known_visitor_is_announced_and_their_end_is_no_event() -> None:
    watch = Watch(departure_s=5)
    watch.visits.set_people(["anna", "postman"], watch.now_s, visitors=["postman"])
    watch.show(frames(5, face("postman", x=LEFT), face("anna", x=RIGHT)))
    assert watch.said == ["visitor postman", "arrived anna"]
    assert [visit.is_visitor for visit in watch.visits.open_visits()] == [True, False]
    watch.wait(10).show(frames(5, face("postman", x=LEFT)))
    assert watch.said[2:] == ["departed anna", "visitor postman"]
    assert watch.visits.end_camera(DOOR, watch.now_s) == ()


def test_a_member_who_becomes_a_known_visitor_departs() -> None:
    watch = Watch().show(frames(5, face("anna")))
    assert [change.kind for change in watch.visits.set_people(["anna"], watch.now_s, visitors=["anna"])] == [
        "departed"
    ]
    watch.show(frames(5, face("anna")))
    assert watch.said == ["arrived anna", "visitor anna"]
    assert watch.visits.set_people(["anna"], watch.now_s) == ()
    assert watch.visits.open_visits() == ()


def test_votes_for_people_that_a_new_model_does_not_know_are_forgotten() -> None:
    watch = Watch().show(frames(2, face("anna")))
    watch.visits.set_people(["tom"], watch.now_s)
    watch.visits.set_people(["tom", "anna"], watch.now_s)
    watch.show(frames(2, face("anna")))
    assert watch.said == []


def test_open_visits_hold_who_was_seen_when_and_how_surely() -> None:
    watch = Watch().show([*frames(5, face("anna", score=0.8)), *frames(1, face("anna", score=0.95))])
    (visit,) = watch.visits.open_visits()
    assert (visit.camera, visit.person, visit.visit_id) == (DOOR, "anna", "V1")
    assert (visit.last_seen_s, visit.score) == (watch.now_s, 0.95)
    assert visit.began_s == pytest.approx(1000.6)


def test_identifiers_of_visits_sort_by_time_and_differ() -> None:
    ids = [new_visit_id() for _ in range(100)]
    assert len(set(ids)) == 100
    assert all(len(one) == 26 and set(one) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for one in ids)
    assert [one[:10] for one in ids] == sorted(one[:10] for one in ids)


def test_at_a_camera_of_its_own_votes_one_frame_is_enough_and_at_others_it_is_not() -> None:
    watch = Watch()
    watch.visits = Visits(RecognitionSettings(), votes={GARDEN: 1})
    watch.show(frames(1, face("anna")), DOOR)
    assert watch.said == []
    watch.show(frames(1, face("anna")), GARDEN)
    watch.show(frames(1, face(None)), GARDEN)
    assert [(change.kind, change.person, change.camera) for change in watch.changes] == [
        ("arrived", "anna", GARDEN)
    ]
