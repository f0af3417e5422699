"""When a new model is clearly worse than the one in use."""

import numpy as np
import pytest

from facerec_mqtt.training.comparison import (
    LEVEL,
    Answer,
    Comparison,
    WorseCode,
    chance_of,
    compare,
)

BEFORE = "20261123T120000Z-3f2a"
BOTH = {"anna": "Anna", "tom": "Tom"}


def answers(**right: tuple[int, int]) -> dict[str, Answer]:
    """Of each person so many pictures, of which the first so many were answered rightly; `_` is nobody."""
    made = {}
    for who, (pictures, good) in right.items():
        true = None if who == "_" else who
        wrong = "tom" if true is None else None
        for number in range(pictures):
            made[f"{who}/{number}.jpg"] = Answer(true, true if number < good else wrong)
    return made


def comparison(
    before: dict[str, Answer],
    after: dict[str, Answer],
    *,
    lost_people: tuple[str, ...] = (),
    fpir_before: float = 0.01,
    fpir_after: float = 0.01,
    relatives: tuple[dict[str, str | None], dict[str, str | None]] = ({}, {}),
) -> Comparison:
    return compare(
        BEFORE,
        before,
        after,
        both_know=BOTH,
        lost_people=lost_people,
        relatives_before=relatives[0],
        relatives_after=relatives[1],
        fpir_before=fpir_before,
        fpir_after=fpir_after,
    )


def test_the_same_answers_are_not_worse() -> None:
    same = answers(anna=(20, 15), tom=(20, 20), _=(10, 9))
    result = comparison(same, same)
    assert result.worse is None
    assert (result.members.pictures, result.members.right, result.members.right_before) == (40, 35, 35)
    assert result.strangers.pictures == 10


def test_a_family_that_is_recognised_in_many_fewer_pictures_is_worse_and_they_are_counted() -> None:
    result = comparison(answers(anna=(20, 19), tom=(20, 18)), answers(anna=(20, 12), tom=(20, 14)))
    assert result.worse is not None
    assert result.worse.code is WorseCode.MEMBERS_MISSED
    tally = result.worse.tally
    assert (tally.pictures, tally.right, tally.right_before) == (40, 26, 37)


def test_four_pictures_lost_are_chance_and_five_are_not() -> None:
    assert comparison(answers(anna=(20, 20)), answers(anna=(20, 16))).worse is None
    assert comparison(answers(anna=(20, 20)), answers(anna=(20, 15))).worse is not None


def test_a_loss_that_is_sure_but_small_does_not_matter() -> None:
    assert comparison(answers(anna=(800, 790)), answers(anna=(800, 760))).worse is None
    assert comparison(answers(anna=(800, 790)), answers(anna=(800, 740))).worse is not None


def test_one_who_is_lost_is_not_made_good_by_another_who_is_won() -> None:
    before, after = answers(anna=(20, 20), tom=(20, 8)), answers(anna=(20, 8), tom=(20, 20))
    result = comparison(before, after)
    assert result.members.lost == result.members.won == 12
    assert result.worse is not None
    assert (result.worse.code, result.worse.people) == (WorseCode.MEMBER_MISSED, ("Anna",))


def test_strangers_who_are_named_are_worse_even_when_members_are_won() -> None:
    result = comparison(answers(anna=(20, 10), _=(20, 20)), answers(anna=(20, 20), _=(20, 12)))
    assert result.worse is not None
    assert result.worse.code is WorseCode.STRANGERS_NAMED
    tally = result.worse.tally
    assert (tally.pictures, tally.right, tally.right_before) == (20, 12, 20)


@pytest.mark.parametrize(
    ("before", "after", "worse"),
    [
        ({}, {"anna": 4, "tom": 4}, True),
        ({}, {"anna": 8}, False),  # they have come nearer to each other, which is not of strangers
        ({"anna": 4, "tom": 4}, {"anna": 4, "tom": 4}, False),
        ({"anna": 4, "tom": 4}, {}, False),
        ({}, {"anna": 2, "tom": 2}, False),  # chance
    ],
)
def test_relatives_of_most_members_who_are_named_are_worse(
    before: dict[str, int], after: dict[str, int], worse: bool
) -> None:
    def named(of_each: dict[str, int], other: str | None = None) -> dict[str, str | None]:
        return {
            f"{who}/{number}.jpg": (other or {"anna": "tom", "tom": "anna"}[who])
            if number < of_each.get(who, 0)
            else None
            for who in ("anna", "tom")
            for number in range(20)
        }

    same = answers(anna=(20, 20), tom=(20, 20))
    result = comparison(same, same, relatives=(named(before), named(after)))
    assert (result.worse is not None and result.worse.code is WorseCode.RELATIVES_NAMED) == worse
    assert result.relatives.pictures == 40
    # Who has just been enrolled is known to one of the two alone.
    assert comparison(same, same, relatives=(named(before), named(after, "ben"))).worse is None


def test_fewer_members_named_for_fewer_strangers_is_no_fault() -> None:
    before, after = answers(anna=(40, 40), _=(20, 8)), answers(anna=(40, 30), _=(20, 20))
    assert comparison(before, after).worse is None
    assert comparison(answers(anna=(40, 40), _=(20, 8)), answers(anna=(40, 30), _=(20, 9))).worse is not None


@pytest.mark.parametrize(("fpir_after", "worse"), [(0.01, True), (0.05, False), (0.001, True)])
def test_more_strangers_are_no_fault_only_where_the_owner_allowed_more(
    fpir_after: float, worse: bool
) -> None:
    result = comparison(answers(_=(40, 40)), answers(_=(40, 30)), fpir_after=fpir_after)
    assert (result.worse is not None) == worse


@pytest.mark.parametrize(("fpir_after", "worse"), [(0.01, True), (0.05, True), (0.001, False)])
def test_fewer_members_are_no_fault_only_where_the_owner_asked_for_it(fpir_after: float, worse: bool) -> None:
    result = comparison(answers(anna=(40, 40)), answers(anna=(40, 30)), fpir_after=fpir_after)
    assert (result.worse is not None) == worse


def test_pictures_that_came_or_went_count_for_neither() -> None:
    before = answers(anna=(20, 20))
    after = {f"new/{file}": Answer("anna", None) for file in before} | answers(anna=(3, 3))
    result = comparison(before, after)
    assert result.members.pictures == 3
    assert result.worse is None


def test_a_photo_that_was_moved_to_the_right_person_counts_for_neither() -> None:
    before = {f"{number}.jpg": Answer("tom", "tom") for number in range(20)}
    after = {f"{number}.jpg": Answer("anna", None) for number in range(20)}
    assert comparison(before, after).members.pictures == 0


def test_people_that_only_one_model_knows_count_for_neither() -> None:
    before, after = answers(mia=(20, 20)), answers(mia=(20, 0), anna=(5, 5))
    result = comparison(before, after)
    assert result.worse is None
    assert result.members.pictures == 0


def test_somebody_who_still_has_a_folder_is_not_to_be_forgotten() -> None:
    same = answers(anna=(20, 15))
    result = comparison(same, same, lost_people=("Tom",))
    assert result.worse is not None
    assert (result.worse.code, result.worse.people) == (WorseCode.PEOPLE_LOST, ("Tom",))


def test_nothing_to_compare_is_not_worse() -> None:
    assert comparison({}, answers(anna=(20, 0), _=(20, 0))).worse is None


def test_the_chance_is_that_of_the_sign_test() -> None:
    assert chance_of(5, 0) == pytest.approx(1 / 32)
    assert chance_of(4, 0) == pytest.approx(1 / 16)
    assert chance_of(8, 2) == pytest.approx(56 / 1024)
    assert chance_of(0, 0) == 1.0


def test_models_that_are_as_good_are_called_worse_no_more_often_than_stated() -> None:
    rng = np.random.default_rng(3)

    def drawn() -> dict[str, Answer]:
        right = rng.random(60) < 0.8
        return {f"{n}.jpg": Answer("anna", "anna" if good else None) for n, good in enumerate(right)}

    # Two people, one of them without a picture, so that the single test adds nothing to the common one.
    worse = sum(comparison(drawn(), drawn()).worse is not None for _ in range(2000))
    assert 0 < worse / 2000 <= LEVEL + 0.01
