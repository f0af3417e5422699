"""A picture of somebody is nobody: portraits, posters, frozen cameras. Time is an argument."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from facerec_mqtt.core.records import Departure, Detection, PresenceChange, Sighting
from facerec_mqtt.presence.still_faces import LOOK_EVERY_S, STILL_S
from facerec_mqtt.presence.visits import Visits
from facerec_mqtt.settings.schema import RecognitionSettings
from tests.support.sightings import face

DOOR = "front_door"
STEP_S = 2.0
WIDTH_PX = 100.0
RNG = np.random.default_rng(3)


def flicker(sighting: Sighting, shift_px: float = 0.0, noise_px: float = 0.5) -> Sighting:
    """The detector's landmarks of a face, with the noise that they have, `shift_px` to the right."""
    detection = sighting.detection
    noise = RNG.normal((shift_px, 0.0), noise_px, (5, 2))
    left, top, right, bottom = detection.box
    moved = Detection(
        (left + shift_px, top, right + shift_px, bottom),
        (detection.landmarks + noise).astype(np.float32),
        detection.score,
    )
    return replace(sighting, detection=moved)


class Hall:
    """Shows frames to visits, one every `STEP_S`."""

    def __init__(self) -> None:
        numbers = count(1)
        self.visits = Visits(RecognitionSettings(), new_id=lambda: f"V{next(numbers)}")
        self.now_s = 1000.0
        self.changes: list[PresenceChange] = []

    def show(self, seconds: float, faces: Callable[[float], list[Sighting]]) -> "Hall":
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += STEP_S
            shown = [replace(each, captured_at_s=self.now_s) for each in faces(self.now_s)]
            self.changes += self.visits.observe(DOOR, self.now_s, shown)
        return self

    @property
    def events(self) -> list[tuple[str, str | None]]:
        return [(change.kind, change.person) for change in self.changes]


def portrait(person: str | None = "anna") -> Sighting:
    return flicker(face(person, x=900.0))


def test_a_portrait_is_present_for_some_minutes_and_then_never_again() -> None:
    hall = Hall().show(STILL_S + 20, lambda _: [portrait()])
    assert hall.events == [("arrived", "anna"), ("departed", "anna")]
    assert hall.changes[-1].reason is Departure.STILL_PICTURE
    assert hall.changes[-1].at_s - 1000.0 == pytest.approx(STILL_S, abs=10)
    assert len(hall.show(3600.0, lambda _: [portrait()]).events) == 2
    assert hall.visits.in_view(DOOR) == ()


def test_a_poster_of_nobody_known_is_one_stranger_and_then_none() -> None:
    hall = Hall().show(STILL_S + 20, lambda _: [portrait(None)])
    assert hall.events == [("stranger", None)]
    assert hall.visits.open_visits() == ()
    assert hall.show(3600.0, lambda _: [portrait(None)]).events == [("stranger", None)]


def test_people_who_walk_past_a_portrait_arrive_and_do_not_bring_it_back() -> None:
    def passing(now_s: float) -> list[Sighting]:
        at_s = now_s % 600.0
        if at_s > 40:
            return [portrait()]
        walker = flicker(face("tom", x=500 + 20 * at_s))  # hides the portrait in the middle of the way
        return [walker] if abs(walker.detection.box[0] - 900.0) < WIDTH_PX else [walker, portrait()]

    hall = Hall().show(4 * 600.0, passing)
    assert [event for event in hall.events if event[1] == "anna"] == [
        ("arrived", "anna"),
        ("departed", "anna"),
    ]
    assert hall.events.count(("arrived", "tom")) == 4


@pytest.mark.parametrize(("sway_px", "hours"), [(8.0, 6), (15.0, 2), (40.0, 2)])
def test_who_reads_in_an_armchair_stays(sway_px: float, hours: int) -> None:
    rng = np.random.default_rng(11)
    place = [0.0]

    def reader(now_s: float) -> list[Sighting]:
        if now_s % 60 < STEP_S:  # they shift a little, once a minute
            place[0] = float(rng.uniform(-sway_px, sway_px))
        return [flicker(face("anna"), place[0])]

    assert Hall().show(hours * 3600.0, reader).events == [("arrived", "anna")]


@pytest.mark.parametrize("sway_px", [8.0, 30.0])
def test_who_moves_to_and_fro_and_comes_by_the_same_places_stays(sway_px: float) -> None:
    def swaying(now_s: float) -> list[Sighting]:
        return [flicker(face("tom"), sway_px * float(np.sin(2 * np.pi * now_s / 9.5)))]

    assert Hall().show(1800.0, swaying).events == [("arrived", "tom")]


def test_who_kept_very_still_for_minutes_and_then_moves_arrives_again() -> None:
    hall = Hall().show(STILL_S + 60, lambda _: [portrait()])
    hall.show(30.0, lambda now_s: [flicker(face("anna", x=900.0), 12 * (now_s % 7))])
    hall.show(60.0, lambda _: [portrait()])  # back in the same place: alive, until still again
    assert hall.events == [("arrived", "anna"), ("departed", "anna"), ("arrived", "anna")]
    assert len(hall.visits.in_view(DOOR)) == 1


def test_somebody_and_their_own_portrait_are_distinguished() -> None:
    def both(now_s: float) -> list[Sighting]:
        return [portrait(), flicker(face("anna", x=200.0), 20 * (now_s % 5))]

    hall = Hall().show(2 * STILL_S, both)
    assert hall.events == [("arrived", "anna")]
    hall.show(100.0, lambda _: [portrait()])
    assert hall.events == [("arrived", "anna"), ("departed", "anna")]
    assert hall.changes[-1].reason is Departure.UNSEEN


def test_during_a_visit_a_still_picture_is_searched_now_and_then() -> None:
    hall = Hall()
    assert not hall.visits.must_search(DOOR, hall.now_s)
    hall.show(20.0, lambda _: [portrait()])
    searches = 0
    for _ in range(100):
        hall.now_s += 1.0
        if hall.visits.must_search(DOOR, hall.now_s):
            searches += 1
            hall.visits.observe(DOOR, hall.now_s, [replace(portrait(), captured_at_s=hall.now_s)])
        else:
            hall.visits.unchanged(DOOR, hall.now_s)
    assert searches == pytest.approx(100 / LOOK_EVERY_S, abs=1)


def test_a_face_that_a_search_has_missed_is_searched_at_once() -> None:
    hall = Hall().show(20.0, lambda _: [portrait()])
    hall.visits.observe(DOOR, hall.now_s + 0.2, [])
    assert hall.visits.must_search(DOOR, hall.now_s + 0.4)
