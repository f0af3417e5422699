"""Error rates."""

import math

import numpy as np
import pytest

from facerec_mqtt.recognition.error_rates import (
    NOBODY,
    Outcomes,
    chance_of_named,
    confusion,
    far_for_fpir,
    fpir_of,
    most_confusable,
    threshold_at,
    tpir_of,
    trade_off,
)


def test_more_people_need_a_stricter_comparison() -> None:
    assert far_for_fpir(0.01, 1) == pytest.approx(0.01)
    assert far_for_fpir(0.01, 5) == pytest.approx(1 - 0.99**0.2)
    assert far_for_fpir(0.01, 30) < far_for_fpir(0.01, 5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        far_for_fpir(1.5, 2)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 0.25, 1.0])
def test_a_threshold_keeps_its_rate(rate: float) -> None:
    scores = np.random.default_rng(1).normal(size=1000).astype(np.float32)
    assert np.mean(scores >= threshold_at(scores, rate)) == pytest.approx(rate)


def some_outcomes() -> Outcomes:
    """Two people, three strangers' pictures; Mia is taken for Anna once, and one stranger is named."""
    said = [
        ("Anna/1", 0, (0.9, 0.1), 0),
        ("Anna/2", 0, (0.4, 0.1), NOBODY),
        ("Mia/1", 1, (0.1, 0.8), 1),
        ("Mia/2", 1, (0.7, 0.3), 0),
        ("_strangers/1", NOBODY, (0.6, 0.1), 0),
        ("_strangers/2", NOBODY, (0.1, 0.2), NOBODY),
        ("_strangers/3", NOBODY, (0.1, 0.1), NOBODY),
    ]
    return Outcomes(
        tuple(file for file, *_ in said),
        np.array([true for _, true, _, _ in said]),
        np.array([scores for _, _, scores, _ in said], np.float32),
        np.array([named for *_, named in said]),
    )


def no_outcomes(people: int) -> Outcomes:
    nothing = np.zeros(0, np.int64)
    return Outcomes((), nothing, np.zeros((0, people), np.float32), nothing)


def test_rates_of_outcomes_count_only_the_right_names_and_only_those_who_are_not_enrolled() -> None:
    outcomes = some_outcomes()
    assert tpir_of(outcomes) == 0.5
    assert tpir_of(outcomes, 1) == 0.5
    assert fpir_of(outcomes) == pytest.approx(1 / 3)
    assert math.isnan(tpir_of(no_outcomes(2)))
    assert math.isnan(fpir_of(no_outcomes(2)))


def test_the_confusion_matrix_has_nobody_last() -> None:
    assert confusion(some_outcomes()).tolist() == [[1, 0, 1], [1, 1, 0], [1, 0, 2]]


def test_the_most_confusable_are_those_who_are_taken_for_each_other() -> None:
    pair = most_confusable(some_outcomes())
    assert pair is not None
    assert {pair.first, pair.second} == {0, 1}
    assert (pair.confused, pair.pictures) == (1, 4)
    assert most_confusable(no_outcomes(2)) is None
    assert most_confusable(no_outcomes(1)) is None


def test_the_trade_off_goes_from_all_strangers_named_to_none_and_passes_through_the_threshold() -> None:
    named, missed = trade_off(some_outcomes())
    assert named[0] == 1.0
    assert (np.diff(named) <= 0).all()
    assert (np.diff(missed) >= 0).all()
    # At 0.5 one of three strangers is named, and one is missed for each of: too low a score, another's name.
    assert any(n == pytest.approx(1 / 3) and m == 0.5 for n, m in zip(named, missed, strict=True))
    assert len(trade_off(no_outcomes(2))[0]) == 0


def test_how_often_chance_names_so_many_strangers() -> None:
    assert chance_of_named(0, 20, 0.01) == 1
    assert chance_of_named(3, 20, 0.01) == pytest.approx(0.001, abs=0.0003)
    assert chance_of_named(300, 5000, 0.01) == pytest.approx(0, abs=1e-9)
    assert chance_of_named(3, 90, 0.01) > 0.05
