"""Payloads: exactly what the contract says, whatever happens."""

import json
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.records import (
    AlignedFace,
    CameraState,
    Detection,
    Identification,
    ModelState,
    Person,
    PersonState,
    PresenceChange,
    Sighting,
    StrangerSeen,
)
from facerec_mqtt.mqtt import payloads
from tests.support.paths import ROOT

# At 100 s of the monotonic clock it is 18:02:11.412 in Berlin.
EPOCH = datetime(2026, 11, 23, 17, 2, 11, 412_000, tzinfo=UTC).timestamp()
BERLIN = Clock(EPOCH - 100.0, timezone(timedelta(hours=1)))


def sighting(person: str | None) -> Sighting:
    return Sighting(
        "front_door",
        100.0,
        Detection((411.6, 118.2, 575.9, 295.4), np.zeros((5, 2), np.float32), 0.9),
        Identification(person, 0.97123, 0.6249, None if person else "below threshold"),
        AlignedFace(np.zeros((112, 112, 3), np.uint8), 164.0, 50.0),
    )


def test_an_arrival_is_what_the_contract_says() -> None:
    change = PresenceChange("front_door", "anna", "arrived", 100.0, "01JABC", 4, 5, sighting("anna"))
    assert payloads.event(change, name="Anna", model="20261123T100411Z-3f2a", clock=BERLIN) == {
        "event_type": "arrived",
        "reason": None,
        "person": "anna",
        "name": "Anna",
        "camera": "front_door",
        "score": 0.971,
        "margin": 0.625,
        "votes": 4,
        "frames": 5,
        "box": [412, 118, 576, 295],
        "visit_id": "01JABC",
        "stranger_id": None,
        "times_seen": None,
        "model": "20261123T100411Z-3f2a",
        "latency_ms": None,
        "time": "2026-11-23T18:02:11.412+01:00",
        "epoch": EPOCH,
    }


def test_a_departure_has_the_same_keys_without_a_face() -> None:
    change = PresenceChange("front_door", "anna", "departed", 100.0, "01JABC", 0, 0, None)
    event = payloads.event(change, name="Anna", model=None, clock=BERLIN)
    arrival = PresenceChange("front_door", "anna", "arrived", 100.0, "01JABC", 4, 5, sighting("anna"))
    assert list(event) == list(payloads.event(arrival, name="Anna", model="m", clock=BERLIN))
    assert (event["event_type"], event["person"], event["name"]) == ("departed", "anna", "Anna")
    assert event["score"] is event["margin"] is event["box"] is None


def test_a_stranger_event_says_which_stranger() -> None:
    change = PresenceChange("front_door", None, "stranger", 100.0, "01JABC", 6, 9, sighting(None))
    event = payloads.event(change, name=None, model="m", clock=BERLIN, stranger=StrangerSeen("01S", 3))
    assert (event["stranger_id"], event["times_seen"]) == ("01S", 3)


def test_a_known_visitor_event_has_the_name() -> None:
    change = PresenceChange("front_door", "postman", "visitor", 100.0, "01JABC", 4, 5, sighting("postman"))
    event = payloads.event(change, name="Postman", model="m", clock=BERLIN)
    assert (event["event_type"], event["person"], event["name"]) == ("visitor", "postman", "Postman")


def test_a_stranger_has_no_name_under_any_key() -> None:
    change = PresenceChange("front_door", None, "stranger", 100.0, "01JABC", 6, 9, sighting(None))
    event = payloads.event(change, name="Anna", model="m", clock=BERLIN)
    assert event["person"] is None
    assert event["name"] is None
    assert "anna" not in payloads.encode(event).decode().lower()


def test_a_camera_state_is_what_the_contract_says() -> None:
    state = CameraState("front_door", ("anna",), 0, 1, 4.94, 100.0, frozen=True)
    assert payloads.encode(payloads.camera_state(state, BERLIN)) == (
        b'{"people":["anna"],"strangers":0,"faces":1,"fps":4.9,"last_frame":"2026-11-23T18:02:11+01:00",'
        b'"frozen":true}'
    )


def test_a_person_state_is_what_the_contract_says_and_keeps_accents() -> None:
    state = PersonState(Person("jose_nunez", "José Núñez"), True, "front_door", 100.0, 0.9666)
    assert payloads.encode(payloads.person_state(state, BERLIN)).decode() == (
        '{"present":"ON","name":"José Núñez","camera":"front_door",'
        '"last_seen":"2026-11-23T18:02:11+01:00","score":0.967}'
    )


def test_somebody_never_seen_has_nulls() -> None:
    state = PersonState(Person("tom", "Tom"), False, None, None, None)
    assert payloads.person_state(state, BERLIN) == {
        "present": "OFF",
        "name": "Tom",
        "camera": None,
        "last_seen": None,
        "score": None,
    }


def test_a_model_state_is_what_the_contract_says() -> None:
    state = ModelState("training", 40, "v1", ("anna", "tom"), {"photos": []}, "Done.")
    assert payloads.encode(payloads.model_state(state)) == (
        b'{"status":"training","progress":40,"version":"v1","people":["anna","tom"],"message":"Done.",'
        b'"report":{"photos":[]}}'
    )


def test_the_local_zone_is_used_where_none_is_given() -> None:
    moment = datetime.fromisoformat(Clock(EPOCH - 100.0).iso(100.0, "milliseconds"))
    assert moment.utcoffset() is not None
    assert moment.timestamp() == EPOCH


def test_numbers_that_json_cannot_say_are_an_error() -> None:
    with pytest.raises(ValueError, match="JSON"):
        payloads.encode({"score": float("nan")})


def test_numpy_numbers_do_not_get_in_the_way() -> None:
    near = Identification("anna", np.float32(0.5), np.float32(0.25), None)  # type: ignore[arg-type]
    seen = sighting("anna")
    shown = Sighting(seen.camera, seen.captured_at_s, seen.detection, near, seen.face)
    change = PresenceChange("door", "anna", "arrived", 100.0, "V", 3, 3, shown)
    assert json.loads(payloads.encode(payloads.event(change, name="Anna", model=None, clock=BERLIN)))


def test_an_event_of_a_house_has_the_keys_that_the_document_has() -> None:
    text = (ROOT / "docs" / "MQTT.md").read_text(encoding="utf-8").split("```json house_event\n")[1]
    state = PersonState(Person("anna", "Anna"), True, "front_door", 10.0, 0.97)
    payload = payloads.house_event(
        "arrived", state, visit_id="V1", at_s=5.0, reason=None, clock=Clock(1_000.0)
    )
    assert set(payload) == set(json.loads(text.split("```")[0]))
    assert payload["epoch"] == 1005.0
    kept = payloads.house_person_state(state, "V1", Clock(1_000.0))
    assert kept == payloads.person_state(state, Clock(1_000.0)) | {"visit_id": "V1"}
