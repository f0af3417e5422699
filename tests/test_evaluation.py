"""Error rates."""

import math

import numpy as np
import pytest

from facerec_mqtt.evaluation import far, far_for_fpir, fpir, frr, threshold_at, tpir


def test_a_score_at_the_threshold_is_accepted() -> None:
    scores = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    assert far(scores, 3.0) == 0.5
    assert frr(scores, 3.0) == 0.5


def test_rates_of_nothing_are_not_a_number() -> None:
    nothing = np.zeros(0, np.float32)
    assert math.isnan(far(nothing, 0.0))
    assert math.isnan(frr(nothing, 0.0))
    assert math.isnan(fpir([]))
    assert math.isnan(tpir([], []))


def test_a_stranger_who_is_named_counts_as_false_positive_and_one_who_is_not_does_not() -> None:
    assert fpir([None, "anna", None, None]) == 0.25
    assert fpir([None, None]) == 0.0


def test_only_the_right_name_is_a_true_positive() -> None:
    assert tpir(["anna", "tom", None, "anna"], ["anna", "anna", "anna", "anna"]) == 0.5
    with pytest.raises(ValueError, match="2 answers to 1 pictures"):
        tpir(["anna", "tom"], ["anna"])


def test_more_people_need_a_stricter_comparison() -> None:
    assert far_for_fpir(0.01, 1) == pytest.approx(0.01)
    assert far_for_fpir(0.01, 5) == pytest.approx(1 - 0.99**0.2)
    assert far_for_fpir(0.01, 30) < far_for_fpir(0.01, 5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        far_for_fpir(1.5, 2)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 0.25, 1.0])
def test_a_threshold_keeps_its_rate(rate: float) -> None:
    scores = np.random.default_rng(1).normal(size=1000).astype(np.float32)
    assert far(scores, threshold_at(scores, rate)) == pytest.approx(rate)
