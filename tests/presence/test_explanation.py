"""Why a visit was announced as it was, and why a face was not announced at all."""

from dataclasses import replace

import pytest

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.records import PresenceChange, Refusal, Sighting
from facerec_mqtt.mqtt import payloads
from facerec_mqtt.presence.explanation import Explanation
from facerec_mqtt.presence.visits import Visits
from facerec_mqtt.settings.schema import RecognitionSettings
from tests.support.sightings import face

DOOR = "front_door"
NAMES = {"anna": "Anna", "tom": "Tom"}


class Door:
    """Shows one face, frame by frame, and keeps what is explained."""

    def __init__(self) -> None:
        self.explained: list[Explanation] = []
        self.visits = Visits(RecognitionSettings(), explain=self.explained.append)
        self.now_s = 100.0

    def show(self, *sightings: Sighting) -> "Door":
        for sighting in sightings:
            self.now_s += 0.2
            self.visits.observe(DOOR, self.now_s, [replace(sighting, captured_at_s=self.now_s)])
        return self

    def leave(self) -> "Door":
        self.now_s += 4.0
        self.visits.observe(DOOR, self.now_s, [])
        return self


ANNA = face("anna")
SMALL = face(score=0.0, refusal="face too small", candidate="anna")
NOBODY = face(score=0.1, candidate="tom")


def test_an_arrival_is_explained_by_its_frames() -> None:
    (why,) = Door().show(SMALL, SMALL, NOBODY, ANNA, ANNA, ANNA, ANNA).leave().explained
    assert (why.outcome, why.person, why.named) == ("arrived", "anna", {"anna": 3})
    assert why.refused == {"face too small": 2, "below threshold": 1}
    said = why.sentence(NAMES, name_all=True)
    assert said.startswith(f"Explained: Anna arrived at front_door ({why.visit_id}): 6 frames in 1.0 s, ")
    assert said.endswith("3 named Anna, 2 too small, 1 below the threshold; best score 0.90")


def test_a_stranger_is_explained_and_the_likeness_is_named_only_where_it_was_asked_for() -> None:
    (why,) = Door().show(*[NOBODY] * 20).leave().explained
    assert (why.outcome, why.person) == ("stranger", None)
    assert "best score 0.10, for Tom" in why.sentence(NAMES, name_all=True)
    assert "Tom" not in why.sentence(NAMES, name_all=False)


def test_a_face_that_leaves_unannounced_is_explained_once() -> None:
    watch = Door().show(ANNA, ANNA, NOBODY).leave().leave()
    (why,) = watch.explained
    assert (why.outcome, why.visit_id, why.named) == ("nobody", None, {"anna": 2})
    assert "nobody was announced at front_door: 3 frames" in why.sentence(NAMES, name_all=True)
    assert "2 named somebody" in why.sentence(NAMES, name_all=False)
    assert "Anna" not in why.sentence(NAMES, name_all=False)


def test_a_face_before_a_camera_that_then_stands_still_is_explained_too() -> None:
    watch = Door().show(NOBODY)
    watch.visits.observe(DOOR, watch.now_s + 0.2, [])
    for step in range(30):
        watch.visits.unchanged(DOOR, watch.now_s + 0.4 + step * 0.2)
    assert [why.outcome for why in watch.explained] == ["nobody"]


def test_somebody_who_stands_still_has_not_left() -> None:
    watch = Door().show(NOBODY)
    for step in range(30):
        watch.visits.unchanged(DOOR, watch.now_s + step * 0.2)
    assert watch.explained == []


def test_a_stranger_whose_visit_ends_with_the_track_is_explained_once() -> None:
    watch = Door()
    watch.visits = Visits(RecognitionSettings(departure_s=3), explain=watch.explained.append)
    watch.show(*[NOBODY] * 20)
    watch.visits.end_overdue(watch.now_s + 3.0)
    watch.leave()
    assert [why.outcome for why in watch.explained] == ["stranger"]


def test_whoever_comes_back_within_the_visit_is_not_explained_again() -> None:
    watch = Door().show(*[ANNA] * 5).leave().show(*[ANNA] * 5).leave()
    assert [why.outcome for why in watch.explained] == ["arrived"]


@pytest.mark.parametrize("refusal", ["below threshold", "ambiguous"])
def test_who_a_refused_face_resembled_is_not_in_the_event(refusal: Refusal) -> None:
    sighting = face(score=0.4, refusal=refusal, candidate="tom", at_s=5.0)
    change = PresenceChange(DOOR, None, "stranger", 5.0, "V1", 6, 6, sighting)
    said = payloads.encode(payloads.event(change, name=None, model="m", clock=Clock(0.0)))
    assert b"tom" not in said
    assert b'"person":null' in said
