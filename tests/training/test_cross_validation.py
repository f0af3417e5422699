"""Models that judge photos which they have not learnt from."""

from dataclasses import astuple

import numpy as np
import pytest

from facerec_mqtt.recognition.error_rates import NOBODY, Outcomes
from facerec_mqtt.training.cross_validation import PARTS, judge_rounds, rounds_of
from facerec_mqtt.training.fit import TrainingSet, fit
from tests.support.pattern_world import DIMENSIONS, closest_classifier, pattern, pattern_cohort
from tests.support.patterns_training import NAMES, a_training_set, fit_patterns, unit


def judge(training_set: TrainingSet, taught: list[TrainingSet] | None = None) -> Outcomes:
    rounds = rounds_of(training_set)
    some = [training_set.only(~each.judged) for each in rounds]
    if taught is not None:
        taught.extend(some)
    return judge_rounds(training_set, rounds, [fit_patterns(each) for each in some], min_margin=0.1)


def test_models_that_are_made_together_are_those_that_are_made_alone() -> None:
    training_set = a_training_set((8, 8, 8), strangers=6)
    kept = [~each.judged for each in rounds_of(training_set)]
    together = fit(training_set, pattern_cohort(), 0.01, closest_classifier, kept=kept)
    for family, photos in zip(together, kept, strict=True):
        alone = fit_patterns(training_set.only(photos))
        assert family.people == alone.people
        assert np.array_equal(family.gallery.templates, alone.gallery.templates)
        assert np.array_equal(family.head.kernels[0], alone.head.kernels[0])
        assert astuple(family.calibration) == pytest.approx(astuple(alone.calibration))


def test_each_photo_is_judged_once_as_itself_and_once_as_a_stranger() -> None:
    training_set = a_training_set((8, 8, 8), strangers=6)
    outcomes = judge(training_set)
    genuine = [file for file, true in zip(outcomes.files, outcomes.true, strict=True) if true != NOBODY]
    strangers = [file for file, true in zip(outcomes.files, outcomes.true, strict=True) if true == NOBODY]
    assert sorted(genuine) == sorted(file for file in training_set.files if not file.startswith("_"))
    assert sorted(strangers) == sorted(training_set.files)
    for file, true in zip(outcomes.files, outcomes.true, strict=True):
        assert true in (NOBODY, {name: row for row, name in enumerate(NAMES)}.get(file.split("/")[0]))
    assert outcomes.scores.shape == (len(outcomes.files), 3)


def test_members_are_named_and_those_left_out_are_not() -> None:
    outcomes = judge(a_training_set((12, 12, 12)))
    own = outcomes.true != NOBODY
    assert np.mean(outcomes.named[own] == outcomes.true[own]) > 0.9
    assert np.mean(outcomes.named[~own] == NOBODY) > 0.9
    assert np.all(outcomes.scores[own].argmax(axis=1) == outcomes.true[own])


def test_no_model_has_learnt_from_a_moment_that_it_judges() -> None:
    training_set = a_training_set((12, 12), strangers=8, photos_a_moment=3)
    taught: list[TrainingSet] = []
    judge(training_set, taught)
    assert len(taught) == PARTS + 2
    for some in taught:
        left_out = set(training_set.files) - set(some.files)
        moments = {
            moment
            for file, moment in zip(training_set.files, training_set.moments, strict=True)
            if file in left_out
        }
        assert left_out
        assert moments.isdisjoint(some.moments)
    assert {tuple(person.name for person in some.people) for some in taught} == {
        ("Anna", "Mia"),
        ("Mia",),
        ("Anna",),
    }


def test_a_photo_is_no_longer_named_for_being_a_copy_of_one_that_was_learnt() -> None:
    # The same photo forty times, and one photo of somebody else under the same name.
    training_set = a_training_set((8, 8))
    vectors = training_set.vectors.copy()
    vectors[7] = unit(pattern(77).ravel())
    odd = TrainingSet(
        training_set.people, training_set.files, vectors, training_set.labels, training_set.moments
    )
    outcomes = judge(odd)
    at = [number for number, file in enumerate(outcomes.files) if file == "Anna/007.jpg"]
    assert [outcomes.named[number] for number in at] == [NOBODY, NOBODY]
    assert fit_patterns(odd).gallery.templates.shape == (2, DIMENSIONS)


@pytest.mark.parametrize(("counts", "genuine", "strangers"), [((1,), 0, 0), ((2,), 2, 0), ((1, 4), 4, 5)])
def test_small_families_are_judged_as_far_as_they_can_be(
    counts: tuple[int, ...], genuine: int, strangers: int
) -> None:
    outcomes = judge(a_training_set(counts))
    assert np.count_nonzero(outcomes.true != NOBODY) == genuine
    assert np.count_nonzero(outcomes.true == NOBODY) == strangers


def test_a_person_unknown_to_the_model_has_no_score() -> None:
    outcomes = judge(a_training_set((6, 6)))
    left_out = (outcomes.true == NOBODY) & np.array([file.startswith("Anna") for file in outcomes.files])
    assert np.all(outcomes.scores[left_out, 0] == 0)
    assert np.all(outcomes.scores[left_out, 1] > 0)
