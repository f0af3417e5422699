"""A picture of somebody is nobody: portraits, posters, frozen cameras. Time is an argument."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count, product

import numpy as np
import pytest
from numpy.typing import NDArray

from facerec_mqtt.core.records import Departure, Detection, PresenceChange, Sighting
from facerec_mqtt.presence.still_faces import LOOK_EVERY_S, STILL_S, StillFaces
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
    """Shows frames to visits, one every `step_s`."""

    def __init__(self, step_s: float = STEP_S) -> None:
        numbers = count(1)
        self.step_s = step_s
        self.visits = Visits(RecognitionSettings(), new_id=lambda: f"V{next(numbers)}")
        self.now_s = 1000.0
        self.changes: list[PresenceChange] = []

    def show(self, seconds: float, faces: Callable[[float], list[Sighting]]) -> "Hall":
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += self.step_s
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


RATES = [0.1, 0.5, 1.0, 5.0]
"""Looks a second: a search now and then, an overloaded machine, a camera of 1 fps, ordinary ones."""
SIZES = [(100.0, 0.02), (40.0, 0.02), (100.0, 0.05), (200.0, 0.04)]
"""Widths of faces in pixels, and how far they sway to each side, in widths."""


def watched(rate: float, width: float, offset: Callable[[float], float], seconds: float) -> StillFaces:
    """Watch a face `offset` widths from its place through a detector that flickers, now and then badly."""
    rng = np.random.default_rng(17)
    faces, sighting = StillFaces(), face("tom", x=300.0, width=width)
    points, (left, top, right, bottom) = sighting.detection.landmarks, sighting.detection.box
    for number in range(int(seconds * rate)):
        at_s = 1000.0 + (number + float(rng.uniform(-0.1, 0.1))) / rate
        shift = np.array([offset(at_s), 0.0]) * width
        noise = rng.normal(0.0, 0.2, 2) + rng.normal(0.0, 0.15, (5, 2))
        noise *= 4.0 if rng.uniform() < 0.05 else 1.0
        box = (left + float(shift[0]), top, right + float(shift[0]), bottom)
        seen = Detection(box, (points + shift + noise).astype(np.float32), 0.9)
        alive = faces.alive([replace(sighting, detection=seen, captured_at_s=at_s)], at_s)
        if not alive:
            break
    return faces


def has_pictures(faces: StillFaces) -> bool:
    return any(place.is_picture for place in faces._places)


@pytest.mark.parametrize("rate", RATES)
def test_who_sways_stays_however_seldom_one_looks(rate: float) -> None:
    for (width, sway), period_s in product(SIZES, (4.1, 9.5, 23.0)) if rate < 2 else [(SIZES[0], 9.5)]:

        def offset(at_s: float, sway: float = sway, period_s: float = period_s) -> float:
            return sway * float(np.sin(2 * np.pi * at_s / period_s))

        assert not has_pictures(watched(rate, width, offset, 1000.0)), (width, sway)


@pytest.mark.parametrize("rate", RATES)
def test_who_changes_posture_stays_however_seldom_one_looks(rate: float) -> None:
    for (width, sway), every_s in product(SIZES, (5.0, 60.0)) if rate < 2 else [(SIZES[0], 60.0)]:
        postures = np.random.default_rng(5).uniform(-1.5 * sway, 1.5 * sway, 1000)

        def offset(at_s: float, postures: NDArray[np.float64] = postures, every_s: float = every_s) -> float:
            return float(postures[int(at_s / every_s)])

        assert not has_pictures(watched(rate, width, offset, 1000.0)), (width, sway)


def test_who_comes_by_the_edge_of_their_place_again_and_again_stays() -> None:
    faces = watched(3.0, 40.0, lambda at_s: 0.08 * float(np.sin(2 * np.pi * at_s / 4.1)), 900.0)
    assert not has_pictures(faces)


@pytest.mark.parametrize("rate", RATES)
def test_a_portrait_is_a_picture_however_seldom_one_looks(rate: float) -> None:
    for width in (40.0, 100.0, 200.0) if rate < 2 else (40.0,):
        assert has_pictures(watched(rate, width, lambda _: 0.0, 2 * STILL_S)), width


def test_before_a_camera_of_one_frame_a_second_a_reader_stays_and_a_portrait_goes() -> None:
    def room(now_s: float) -> list[Sighting]:
        reader = flicker(face("tom", x=300.0), 4.0 * float(np.sin(2 * np.pi * now_s / 9.5)))
        return [portrait(), reader]

    hall = Hall(step_s=1.0).show(3 * STILL_S, room)
    assert sorted(hall.events) == [("arrived", "anna"), ("arrived", "tom"), ("departed", "anna")]


@pytest.mark.parametrize(("walker", "size"), [("anna", 1.0), (None, 1.0), ("anna", 1.6)])
def test_who_walks_past_a_portrait_does_not_take_it_along(walker: str | None, size: float) -> None:
    """They hide it while they are beside its place, for a few looks each time."""
    faces, at_s = StillFaces(), 1000.0
    while not has_pictures(faces):
        at_s += 1.0
        faces.alive([portrait()], at_s)
    for _ in range(20):
        for step in range(-5, 6):
            at_s += 0.2
            passing = face(walker, x=900.0 + 8 * step + 4, width=WIDTH_PX * size)
            faces.alive([flicker(passing)], at_s)
        at_s += 60.0
        assert not faces.alive([portrait()], at_s)


def test_who_has_a_visit_and_pictures_are_settled_and_nobody_else_is() -> None:
    hall = Hall()
    assert not hall.visits.settled(DOOR).has(portrait())
    hall.show(1.2 * STILL_S, lambda _: [portrait("tom")]).show(
        10.0, lambda _: [portrait("tom"), face("anna")]
    )
    settled = hall.visits.settled(DOOR)
    at_s = hall.now_s
    assert settled.has(replace(portrait(None), captured_at_s=at_s))
    assert settled.has(face(refusal="face too small", at_s=at_s))
    assert not settled.has(face(refusal="face too small", x=600.0, at_s=at_s))
    # It is what it was, whatever has happened since.
    hall.visits.end_camera(DOOR, at_s)
    assert settled.has(face(at_s=at_s))
    assert not hall.visits.settled(DOOR).has(face(at_s=at_s))
