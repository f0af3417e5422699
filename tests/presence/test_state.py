"""States of cameras and people: what is published, and how often."""

from facerec_mqtt.core.records import CameraState, OpenVisit, Person, PersonState
from facerec_mqtt.presence.state import Presence

ANNA, TOM = Person("anna", "Anna"), Person("tom", "Tom")


def visit(
    person: str | None, camera: str = "door", last_seen_s: float = 10.0, score: float = 0.9
) -> OpenVisit:
    return OpenVisit(camera, person, "V", 5.0, last_seen_s, score)


def people(presence: Presence, now_s: float) -> dict[str, PersonState]:
    return {
        state.person.slug: state
        for state in presence.take_unpublished(now_s)
        if isinstance(state, PersonState)
    }


def camera(presence: Presence, now_s: float) -> CameraState | None:
    return next((state for state in presence.take_unpublished(now_s) if isinstance(state, CameraState)), None)


def test_everybody_the_model_knows_has_a_state_before_they_are_seen() -> None:
    presence = Presence([])
    presence.set_people([ANNA, TOM])
    assert people(presence, 0) == {
        "anna": PersonState(ANNA, False, None, None, None),
        "tom": PersonState(TOM, False, None, None, None),
    }


def test_a_state_is_published_once() -> None:
    presence = Presence(["door"])
    presence.set_people([ANNA])
    assert len(presence.take_unpublished(0)) == 2
    assert presence.take_unpublished(100) == ()


def test_somebody_with_an_open_visit_is_present_where_they_were_last_seen() -> None:
    presence = Presence([])
    presence.set_people([ANNA])
    presence.visits([visit("anna", "door", 20.0, 0.8), visit("anna", "garden", 15.0, 0.9)])
    assert people(presence, 20)["anna"] == PersonState(ANNA, True, "door", 20.0, 0.8)


def test_somebody_seen_by_two_cameras_does_not_go_back_and_forth() -> None:
    presence = Presence([])
    presence.set_people([ANNA])
    said: list[str | None] = []
    for door_s, garden_s in [(10.0, 9.0), (12.5, 13.0), (12.5, 15.6), (16.0, 15.7)]:
        presence.visits([visit("anna", "door", door_s), visit("anna", "garden", garden_s)])
        said.append(people(presence, garden_s + 400 * len(said))["anna"].camera)
    assert said == ["door", "door", "garden", "garden"]


def test_somebody_who_left_keeps_where_and_when_they_were_last_seen() -> None:
    presence = Presence([])
    presence.set_people([ANNA])
    presence.visits([visit("anna")])
    presence.take_unpublished(11)
    presence.visits([])
    assert people(presence, 80)["anna"] == PersonState(ANNA, False, "door", 10.0, 0.9)


def test_leaving_one_camera_is_not_leaving() -> None:
    presence = Presence([])
    presence.set_people([ANNA])
    presence.visits([visit("anna", "door", 20.0), visit("anna", "garden", 15.0)])
    presence.visits([visit("anna", "garden", 15.0)])
    state = people(presence, 30)["anna"]
    assert state.present
    assert state.camera == "garden"


def test_an_arrival_is_published_within_a_second_and_mere_sightings_every_five_minutes() -> None:
    presence = Presence([])
    presence.set_people([ANNA])
    presence.take_unpublished(0)
    presence.visits([visit("anna", last_seen_s=0.5)])
    assert people(presence, 0.5) == {}
    assert "anna" in people(presence, 1.0)
    published = []
    for second in range(2, 902):
        presence.visits([visit("anna", last_seen_s=float(second), score=second / 1000)])
        published += [second] if people(presence, float(second)) else []
    assert published == [301, 601, 901]


def test_a_departure_and_a_change_of_camera_carry_the_true_time_at_once() -> None:
    presence = Presence([])
    presence.set_people([ANNA])
    presence.visits([visit("anna", last_seen_s=0.5)])
    people(presence, 1.0)
    presence.visits([visit("anna", last_seen_s=40.0)])
    assert people(presence, 40.0) == {}
    presence.visits([visit("anna", last_seen_s=40.0), visit("anna", "garden", last_seen_s=50.0)])
    assert (people(presence, 50.0)["anna"].camera, people(presence, 52.0)) == ("garden", {})
    presence.visits([visit("anna", "garden", last_seen_s=70.0)])
    presence.visits([])
    departed = people(presence, 130.0)["anna"]
    assert (departed.present, departed.last_seen_s) == (False, 70.0)


def test_an_unknown_person_of_a_visit_has_no_state() -> None:
    presence = Presence([])
    presence.set_people([ANNA])
    presence.visits([visit("eva"), visit(None)])
    assert set(people(presence, 0)) == {"anna"}
    assert not people(presence, 100)


def test_a_new_model_keeps_states_and_forgets_those_it_does_not_know() -> None:
    presence = Presence([])
    presence.set_people([ANNA, TOM])
    presence.visits([visit("anna")])
    presence.take_unpublished(10)
    presence.set_people([Person("anna", "Anna Maria")])
    assert people(presence, 20) == {
        "anna": PersonState(Person("anna", "Anna Maria"), True, "door", 10.0, 0.9)
    }


def test_a_person_who_is_enrolled_while_there_is_present() -> None:
    presence = Presence([])
    presence.visits([visit("tom")])
    presence.set_people([TOM])
    assert people(presence, 0)["tom"].present


def test_a_camera_publishes_people_strangers_faces_and_frame_rate() -> None:
    presence = Presence(["door"])
    for frame in range(50):
        presence.count_frame("door", frame * 0.2, 3 if frame % 2 == 0 else None)
    presence.visits([visit("tom"), visit("anna"), visit(None), visit(None), visit("eva", "garden")])
    assert camera(presence, 9.8) == CameraState("door", ("anna", "tom"), 2, 3, 5.0, 9.8)


def test_a_camera_without_frames_has_a_state() -> None:
    assert camera(Presence(["door"]), 0) == CameraState("door", (), 0, 0, 0.0, None)


def test_a_camera_publishes_changes_within_a_second_and_mere_frames_every_ten() -> None:
    presence = Presence(["door"])
    presence.take_unpublished(0)
    presence.count_frame("door", 0.2, 1)
    assert camera(presence, 0.9) is None
    assert camera(presence, 1.0) is not None
    presence.count_frame("door", 1.2, 1)
    assert camera(presence, 10.9) is None
    assert camera(presence, 11.0) is not None


def test_a_camera_that_is_lost_sees_no_faces_and_its_frame_rate_falls_to_nothing() -> None:
    presence = Presence(["door"])
    presence.count_frame("door", 0.0, 2)
    presence.camera_lost("door")
    state = camera(presence, 20.0)
    assert state is not None
    assert (state.faces, state.fps, state.last_frame_s) == (0, 0.0, 0.0)
