"""Whether more photos would help."""

import numpy as np

from facerec_mqtt.recognition.error_rates import Curve
from facerec_mqtt.training.fit import TrainingSet
from facerec_mqtt.training.learning_curve import learning_curves
from tests.support.patterns_training import a_training_set, fit_patterns


def curves(training_set: TrainingSet) -> tuple[Curve, ...]:
    return learning_curves(training_set, fit_patterns(training_set))


def noisier(training_set: TrainingSet, noise: float) -> TrainingSet:
    """The same people in photos that resemble them less."""
    rng = np.random.default_rng(1)
    vectors = training_set.vectors + rng.normal(0, noise / 8, training_set.vectors.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=2, keepdims=True)).astype(np.float32)
    return TrainingSet(
        training_set.people, training_set.files, vectors, training_set.labels, training_set.moments
    )


def test_more_photos_of_poor_quality_help_and_of_good_quality_hardly_do() -> None:
    poor = curves(noisier(a_training_set((40, 40)), 1.5))[0]
    good = curves(a_training_set((40, 40)))[0]
    assert [count for count, _ in poor] == [1, 2, 4, 8, 16]
    assert poor[-1][1] > poor[0][1] + 0.1
    assert good[0][1] > 0.9


def test_with_too_few_moments_there_is_no_curve() -> None:
    few, enough = curves(a_training_set((3, 8)))
    assert few == ()
    assert len(enough) > 1
    alike = curves(a_training_set((8, 8), photos_a_moment=4))
    assert alike == ((), ())


def test_the_same_photos_give_the_same_curves() -> None:
    training_set = a_training_set((10, 8))
    assert curves(training_set) == curves(training_set)
