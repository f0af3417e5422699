"""Whether more photos would help."""

import numpy as np

from facerec_mqtt.recognition.error_rates import Curve
from facerec_mqtt.training.fit import Lesson
from facerec_mqtt.training.learning_curve import learning_curves
from tests.training.test_cross_validation import a_lesson, learn_patterns


def curves(lesson: Lesson) -> tuple[Curve, ...]:
    return learning_curves(lesson, learn_patterns(lesson))


def noisier(lesson: Lesson, noise: float) -> Lesson:
    """The same people in photos that resemble them less."""
    rng = np.random.default_rng(1)
    vectors = lesson.vectors + rng.normal(0, noise / 8, lesson.vectors.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=2, keepdims=True)).astype(np.float32)
    return Lesson(lesson.people, lesson.files, vectors, lesson.labels, lesson.moments)


def test_more_photos_of_poor_quality_help_and_of_good_quality_hardly_do() -> None:
    poor = curves(noisier(a_lesson((40, 40)), 1.5))[0]
    good = curves(a_lesson((40, 40)))[0]
    assert [count for count, _ in poor] == [1, 2, 4, 8, 16]
    assert poor[-1][1] > poor[0][1] + 0.1
    assert good[0][1] > 0.9


def test_with_too_few_moments_there_is_no_curve() -> None:
    few, enough = curves(a_lesson((3, 8)))
    assert few == ()
    assert len(enough) > 1
    alike = curves(a_lesson((8, 8), photos_a_moment=4))
    assert alike == ((), ())


def test_the_same_photos_give_the_same_curves() -> None:
    lesson = a_lesson((10, 8))
    assert curves(lesson) == curves(lesson)
