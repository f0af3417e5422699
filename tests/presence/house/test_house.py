"""Who is in a house of several boxes: the same, whatever comes in which order, twice or not at all."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_mqtt.core.records import Departure, OpenVisit, PersonState
from facerec_mqtt.presence.house import (
    BoxClaims,
    Boxes,
    BoxView,
    Claim,
    ClaimsError,
    OwnClaims,
    merge,
    parse_claims,
    parse_state,
)
from facerec_mqtt.presence.house.boxes import SILENT_S
from tests.support.simulated_house import ANNA, CLOCK, LAPSE_S, STEP_S, Box, Wire

NODES = ("attic", "barn", "cellar")
# The same examples on every run, and no clock.
examples = settings(max_examples=80, deadline=None, derandomize=True)


def claims_of(node: str, revision: int, *people: Claim) -> BoxClaims:
    return BoxClaims(node=node, revision=revision, lapse_s=LAPSE_S, people=people)


def here(began: float, visit_id: str = "V1", camera: str = "door", last_seen: float = 100.0) -> Claim:
    return Claim(
        person="anna",
        name="Anna",
        present=True,
        visit_id=visit_id,
        began=began,
        camera=camera,
        last_seen=last_seen,
        score=0.9,
    )


def away(ended: float | None = None, last_seen: float | None = None) -> Claim:
    reason = None if ended is None else Departure.UNSEEN
    return Claim(person="anna", name="Anna", ended=ended, reason=reason, last_seen=last_seen)


a_claim = st.one_of(
    st.builds(here, st.integers(0, 90).map(float), st.sampled_from("ABCD"), last_seen=st.floats(0, 200)),
    st.builds(away, st.none() | st.integers(0, 90).map(float), st.none() | st.floats(0, 200)),
)
views = st.fixed_dictionaries(
    {node: st.tuples(a_claim, st.none() | st.floats(0, 2 * LAPSE_S)) for node in NODES}
).map(lambda each: [BoxView(claims_of(node, 1, claim), gone_s) for node, (claim, gone_s) in each.items()])


@examples
@given(boxes=views, order=st.permutations(range(len(NODES))))
def test_whoever_any_box_that_counts_sees_is_here_in_whatever_order(
    boxes: list[BoxView], order: list[int]
) -> None:
    members = merge(boxes)
    assert merge([boxes[number] for number in order]) == members
    if any(box.gone_s is None for box in boxes):
        sees = [box for box in boxes if box.counts and box.claims.people[0].present]
        assert [member.present for member in members] == [bool(sees)]
        first = min((box.claims.people[0].began for box in sees), default=None)  # type: ignore[type-var]
        assert members[0].began == first
    else:
        assert members == ()


@examples
@given(
    history=st.lists(st.tuples(st.sampled_from(NODES), a_claim), min_size=1, max_size=12),
    data=st.data(),
)
def test_the_newest_claims_of_each_box_count_whatever_comes_when_and_how_often(
    history: list[tuple[str, Claim]], data: st.DataObject
) -> None:
    sent = [claims_of(node, number, claim) for number, (node, claim) in enumerate(history, 1)]
    newest = {claims.node: claims for claims in sent}
    # Any of them may be lost or come twice, but what is retained comes at the next connection.
    came = data.draw(st.lists(st.sampled_from(sent), max_size=30))
    came += list(newest.values())
    boxes = Boxes("dormer")
    order: list[BoxClaims | str] = data.draw(st.permutations([*came, *sorted(newest)]))
    for each in order:
        if isinstance(each, str):
            boxes.status(each, online=True, now_s=0.0)
        else:
            boxes.claims(each.node, each, 0.0, live=False)
    assert {view.claims.node: view.claims for view in boxes.views(0.0)} == newest
    assert merge(boxes.views(0.0)) == merge(BoxView(claims, None) for claims in newest.values())


an_action = st.tuples(
    st.sampled_from(NODES),
    st.sampled_from(["sees", "sees not", "killed", "started", "cut off", "back", "lags", "prompt"]),
    st.integers(0, 12),
)


@examples
@given(st.lists(an_action, max_size=25))
def test_each_arrival_of_the_house_is_announced_once_whatever_happens_to_boxes(
    actions: list[tuple[str, str, int]],
) -> None:
    wire = Wire()
    boxes = {node: Box(node, wire) for node in NODES}
    for box in boxes.values():
        box.connect()

    def pass_time(steps: int) -> None:
        for _ in range(steps):
            wire.now_s += STEP_S
            for each in boxes.values():
                if each.alive:
                    each.step(wire.now_s)

    pass_time(8)
    for node, action, steps in actions:
        box = boxes[node]
        match action:
            case "sees" | "sees not":
                box.sees(action == "sees", wire.now_s)
            case "killed":
                box.kill()
            case "started" if not box.alive:
                box.boot()
                box.connect()
            case "cut off":
                box.disconnect()
            case "back" if box.alive and not box.connected:
                box.connect()
            case "lags" | "prompt":
                box.lag_s = 2 * STEP_S if action == "lags" else 0.0
        pass_time(steps)
    for box in boxes.values():
        if not box.alive and box.node == "cellar":  # one is there at the end
            box.boot()
        if box.alive and not box.connected:
            box.connect()
    pass_time(round(LAPSE_S / STEP_S) + 12)

    kinds = [kind for kind, _ in wire.events]
    assert kinds == [("arrived", "departed")[number % 2] for number in range(len(kinds))]
    visits = [visit_id for _, visit_id in wire.events]
    assert visits[::2][: len(visits[1::2])] == visits[1::2]  # a departure names its arrival
    truth = any(box.alive and box.visit is not None for box in boxes.values())
    assert wire.retained["person/anna"].present == ("ON" if truth else "OFF")
    assert len([box for box in boxes.values() if box.announcements.leading and box.alive]) == 1
    for box in boxes.values():
        if box.alive:
            assert [member.present for member in merge(box.boxes.views(wire.now_s))] == [truth]


def test_of_two_boxes_the_later_arrival_has_the_person_until_it_sees_them_no_more() -> None:
    first = BoxView(claims_of("attic", 1, here(10.0, "A", "garden", last_seen=100.0)), None)
    second = BoxView(claims_of("barn", 1, here(50.0, "B", "hall", last_seen=95.0)), None)
    assert merge([first, second])[0].camera == "hall"
    assert merge([first, second])[0].visit_id == "A"
    stale = replace(second, claims=claims_of("barn", 1, here(50.0, "B", "hall", last_seen=70.0)))
    assert merge([first, stale])[0].camera == "garden"


def test_a_box_that_says_nothing_is_gone_although_its_will_never_came() -> None:
    boxes = Boxes("barn")
    boxes.status("attic", online=True, now_s=0.0)
    boxes.claims("attic", claims_of("attic", 1, here(10.0)), 0.0, live=False)
    assert boxes.others_living(SILENT_S - 1) == {"attic"}
    assert boxes.others_living(SILENT_S) == frozenset()
    boxes.claims("attic", claims_of("attic", 2, here(10.0)), SILENT_S + 1, live=False)
    assert boxes.others_living(SILENT_S + 1) == frozenset()
    boxes.claims("attic", claims_of("attic", 3, here(10.0)), SILENT_S + 2, live=True)
    assert boxes.others_living(SILENT_S + 2) == {"attic"}


def test_a_box_that_is_taken_away_by_emptying_its_status_is_no_more() -> None:
    boxes = Boxes("barn")
    boxes.status("attic", online=True, now_s=0.0)
    boxes.claims("attic", claims_of("attic", 1, here(10.0)), 0.0, live=True)
    boxes.status("attic", online=None, now_s=1.0)
    assert (boxes.nodes, boxes.views(1.0)) == (frozenset(), ())


def test_claims_of_this_run_count_more_than_those_of_an_earlier_one_with_a_later_clock() -> None:
    own = OwnClaims("barn", {}, LAPSE_S)
    state = PersonState(ANNA, True, "door", 5.0, 0.9)
    visit = OpenVisit("door", "anna", "V1", 4.0, 5.0, 0.9)
    made = own.update([state], [visit], CLOCK, 5.0)
    assert made is not None
    assert own.heard(made.revision, 6.0) is None
    later = own.heard(made.revision + 10**9, 6.0)
    assert later is not None
    assert (later.revision, later.people) == (made.revision + 10**9 + 1, made.people)
    assert parse_claims("barn", later.encode()) == later


@pytest.mark.parametrize(
    "change",
    [
        {"node": "attic"},
        {"format": 2},
        {"revision": -1},
        {"lapse_s": float("inf")},
        {"more": 1},
        {"people": [{"person": "Anna!", "name": "Anna"}]},
        {"people": [{"person": "anna", "name": "Anna", "present": True}]},
        {"people": [{"person": "anna", "name": "Anna"}] * 2},
        {"cameras": {"Front Door": "x"}},
        {"people": [{"person": "anna", "name": "A" * 200_000}]},
    ],
)
def test_claims_that_no_box_makes_are_refused_in_one_sentence(change: dict[str, object]) -> None:
    payload = json.loads(claims_of("barn", 1, here(1.0)).encode())
    assert parse_claims("barn", json.dumps(payload).encode()).people
    with pytest.raises(ClaimsError) as caught:
        parse_claims("barn", json.dumps(payload | change).encode())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"present":"ON"}', b"\xff", b"{" * 5000])
def test_a_state_that_is_none_is_as_if_there_were_none(payload: bytes) -> None:
    assert parse_state(payload) is None
