"""Several boxes of one house on a real broker: one Anna, one arrival, whoever sees her and whoever fails."""

import json
import logging

import pytest

from facerec_mqtt.core.records import Person
from tests.support.broker import Broker, Ear, wait_until
from tests.support.house_boxes import HOUSE, HouseBox, house_events, running_boxes, step_until
from tests.support.publisher import ANNA

STATE, EVENT = "facerec/person/anna/state", "facerec/person/anna/event"
DISCOVERY = f"homeassistant/device/{HOUSE}/config"


def said(ear: Ear) -> list[tuple[str, str]]:
    return house_events([message.payload for message in ear.on(EVENT)])


def is_on(ear: Ear) -> bool:
    states = [message for message in ear.on(STATE) if message.payload]
    return bool(states) and json.loads(states[-1].payload)["present"] == "ON"


def leaders(boxes: list[HouseBox]) -> list[str]:
    return [box.node for box in boxes if box.presence._announcements.leading]


def test_four_boxes_have_one_anna_though_one_is_killed_and_one_cut_off_and_back(broker: Broker) -> None:
    with broker.ear() as ear, running_boxes(broker, "attic", "barn", "cellar", "den") as boxes:
        attic, barn, cellar, den = boxes
        step_until(boxes, lambda: leaders(boxes) == ["attic"] and ear.on(STATE))
        # Two see her at the same moment: she has arrived once.
        barn.sees("B1")
        cellar.sees("C1")
        step_until(boxes, lambda: is_on(ear) and all(box.present() == [True] for box in boxes))
        assert said(ear) == [("arrived", "B1")] or said(ear) == [("arrived", "C1")]
        arrival = said(ear)[0][1]
        # The one that speaks for the house is killed: another goes on where it was.
        attic.kill()
        rest = [barn, cellar, den]
        step_until(rest, lambda: leaders(rest) == ["barn"])
        # The next is cut off, and does not see her any more; she is still before the others.
        barn.line.cut()
        barn.sees(None)
        step_until(rest, lambda: leaders([cellar, den]) == ["cellar"])
        assert [box.present() for box in (cellar, den)] == [[True], [True]]
        barn.line.restore()
        step_until(rest, lambda: leaders(rest) == ["barn"])
        assert is_on(ear)
        cellar.sees(None)
        step_until(rest, lambda: not is_on(ear) and all(box.present() == [False] for box in rest))
        assert said(ear) == [("arrived", arrival), ("departed", arrival)]
        states = [json.loads(message.payload)["present"] for message in ear.on(STATE)]
        changes = [state for state, before in zip(states, [None, *states], strict=False) if state != before]
        assert changes == ["OFF", "ON", "OFF"]
        # One Anna in Home Assistant, of the house.
        announced = json.loads(broker.retained()[DISCOVERY])
        anna = announced["components"]["person_anna"]
        assert anna["unique_id"] == f"facerec_{HOUSE}_person_anna"
        assert announced["availability_mode"] == "any"
        assert {each["topic"] for each in announced["availability"]} == {
            f"facerec/box/{box.node}/status" for box in boxes
        }
        assert broker.retained()["facerec/box/attic/status"] == b"offline"


def test_what_a_dead_box_claims_lapses_after_the_time_that_it_has_said(broker: Broker) -> None:
    with broker.ear() as ear, running_boxes(broker, "attic", "barn", lapse_s=1.0) as (attic, barn):
        attic.sees("A1")
        step_until([attic, barn], lambda: is_on(ear) or said(ear))
        attic.kill()
        step_until([barn], lambda: not is_on(ear) and leaders([barn]))
        assert barn.present() == [False]
        event = json.loads(ear.on(EVENT)[-1].payload)
        assert (event["event_type"], event["reason"]) == ("departed", "camera_offline")


def test_whoever_no_box_knows_any_more_leaves_home_assistant_and_the_broker(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facerec_mqtt.presence.house.announcing.GONE_S", 0.5)
    monkeypatch.setattr("facerec_mqtt.service.broker.broker_link.REMOVAL_DELAY_S", 0.2)
    tom = Person("tom", "Tom")
    with broker.ear() as ear, running_boxes(broker, "attic", "barn") as boxes:
        for box in boxes:
            box.people = (ANNA, tom)
        step_until(boxes, lambda: "facerec/person/tom/state" in broker.retained())
        boxes[0].people = (ANNA,)
        step_until(boxes, lambda: not boxes[0].presence._arrivals._waiting.qsize())
        assert broker.retained()["facerec/person/tom/state"]  # one box still knows him
        boxes[1].people = (ANNA,)
        step_until(boxes, lambda: "facerec/person/tom/state" not in broker.retained())
        wait_until(lambda: b"person_tom" not in broker.retained()[DISCOVERY])
        removed = [json.loads(message.payload)["components"] for message in ear.on(DISCOVERY)]
        assert {"platform": "binary_sensor"} in [each.get("person_tom") for each in removed]
        assert "facerec/person/anna/state" in broker.retained()


def test_what_is_not_a_boxs_is_ignored_and_logged_once(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with broker.ear() as ear, running_boxes(broker, "barn") as boxes:
        for _ in range(2):
            ear.say("facerec/box/evil/claims", b'{"people": 7}', retain=True)
            ear.say("facerec/box/evil/status", b"perhaps", retain=True)
        ear.say("facerec/box/../claims", b"{}")
        ear.say(STATE, b'{"present": 1}', retain=True)
        with caplog.at_level(logging.WARNING):
            step_until(boxes, lambda: leaders(boxes) and is_on(ear) is False and ear.on(STATE))
        assert len([record for record in caplog.records if "evil" in record.message]) == 2
        assert boxes[0].present() == [False]


def test_two_boxes_with_a_camera_of_one_name_are_warned(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with running_boxes(broker, "barn") as boxes, broker.ear() as ear:
        claims = boxes[0].presence._own.claims.model_copy(update={"node": "attic"})
        ear.say("facerec/box/attic/claims", claims.encode(), retain=True)
        step_until(boxes, lambda: "door_barn" in caplog.text)


def test_a_switch_of_another_boxs_camera_is_not_answered(broker: Broker) -> None:
    with running_boxes(broker, "barn") as boxes, broker.ear() as ear:
        intake = boxes[0].publisher._link._intake
        assert intake.take("facerec/camera/door_attic/enabled/set", b"OFF", False, 0.0) is None
        step_until(boxes, lambda: leaders(boxes))
        ear.say("facerec/camera/door_barn/enabled/set", b"perhaps")
        ear.wait_for("facerec/box/barn/command/result")
