"""The classifier: dense layers on the backbone's embeddings."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from facerec_mqtt.core.array_process import ArrayProcess
from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.records import Vectors
from facerec_mqtt.recognition.classifier import Classifier
from facerec_mqtt.training.classifier_trainer import ClassifierTrainer, Lesson, training_process

DIMENSIONS = 32


def unit(vectors: np.ndarray) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def people(count: int, seed: int = 0) -> Vectors:
    return unit(np.random.default_rng(seed).normal(size=(count, DIMENSIONS)))


def pictures(person: Vectors, count: int, seed: int = 0) -> Vectors:
    noise = np.random.default_rng(seed).normal(size=(count, DIMENSIONS)) * 0.5 / np.sqrt(DIMENSIONS)
    return unit(person[None] + noise)


@pytest.fixture(scope="module")
def process() -> Iterator[ArrayProcess]:
    with training_process() as process:
        yield process


def a_lesson(members: Vectors, counts: list[int]) -> tuple[Vectors, Lesson]:
    """Pictures of members, and what is learnt of them."""
    vectors = np.concatenate(
        [
            pictures(person, count, row)
            for row, (person, count) in enumerate(zip(members, counts, strict=True))
        ]
    )
    labels = np.repeat(np.arange(len(members)), counts)
    held_out = np.arange(len(labels)) % 5 == 4
    if len(labels) < 20:
        held_out[:] = False
    return vectors, Lesson(np.arange(len(vectors)), labels, held_out, len(members))


def train(process: ArrayProcess, members: Vectors, counts: list[int], seed: int = 0) -> Classifier:
    vectors, lesson = a_lesson(members, counts)
    (classifier,) = ClassifierTrainer(process, seed)(vectors, people(200, 77), [lesson])
    return classifier


@pytest.mark.parametrize("counts", [[5], [1, 30, 60]])
def test_members_are_distinguished_from_each_other_and_from_nobody(
    process: ArrayProcess, counts: list[int]
) -> None:
    members = people(len(counts), 1)
    classifier = train(process, members, counts)
    for row, member in enumerate(members):
        answers = classifier.probabilities(pictures(member, 20, 99)).argmax(axis=1)
        assert np.mean(answers == row) >= 0.9
    strangers = classifier.probabilities(people(200, 5))
    assert np.mean(strangers.argmax(axis=1) == len(members)) >= 0.9
    assert strangers.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_the_same_pictures_give_the_same_classifier_and_another_seed_does_not(process: ArrayProcess) -> None:
    members = people(2, 1)
    first, again, other = (train(process, members, [20, 20], seed) for seed in (0, 0, 1))
    for kernel, same, different in zip(first.kernels, again.kernels, other.kernels, strict=True):
        assert np.array_equal(kernel, same)
        assert not np.array_equal(kernel, different)


def test_families_that_learn_at_once_learn_as_each_would_alone(process: ArrayProcess) -> None:
    of_three, of_two = people(3, 4), people(2, 1)
    (some, first), (more, second) = a_lesson(of_three, [20, 10, 20]), a_lesson(of_two, [20, 20])
    moved = replace(second, rows=second.rows + len(some))
    shares: list[float] = []
    together = ClassifierTrainer(process)(
        np.concatenate([some, more]), people(200, 77), [first, moved, first], shares.append
    )
    alone = train(process, of_three, [20, 10, 20]), train(process, of_two, [20, 20])
    for one, other in zip(together, (*alone, alone[0]), strict=True):
        assert [kernel.shape for kernel in one.kernels] == [kernel.shape for kernel in other.kernels]
        faces = np.concatenate([some, more, people(50, 5)])
        # Where rows of a table lie makes no difference, and what else is calculated beside it hardly one.
        assert np.abs(one.probabilities(faces) - other.probabilities(faces)).max() < 1e-2
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] <= 1


def a_classifier(widths: tuple[int, ...]) -> Classifier:
    rng = np.random.default_rng(0)
    return Classifier(
        kernels=tuple(rng.normal(size=pair).astype(np.float32) for pair in pairwise(widths)),
        biases=tuple(rng.normal(size=width).astype(np.float32) for width in widths[1:]),
    )


def test_a_saved_classifier_answers_as_before() -> None:
    classifier = a_classifier((DIMENSIONS, 16, 8, 3))
    again = Classifier.from_arrays(
        {**classifier.arrays(), "other": np.zeros(3, np.float32)}, inputs=DIMENSIONS, people=2
    )
    faces = people(5)
    assert np.array_equal(classifier.probabilities(faces), again.probabilities(faces))
    assert again.probabilities(faces[:0]).shape == (0, 3)


def test_layers_that_do_not_fit_are_refused() -> None:
    arrays = a_classifier((DIMENSIONS, 16, 8, 3)).arrays()
    with pytest.raises(ModelError, match="to 5 people"):
        Classifier.from_arrays(arrays, inputs=DIMENSIONS, people=5)
    with pytest.raises(ModelError, match="from 8 inputs"):
        Classifier.from_arrays(arrays, inputs=8, people=2)
    with pytest.raises(ModelError, match="do not lead"):
        Classifier.from_arrays({}, inputs=DIMENSIONS, people=2)
    del arrays["head_bias_1"]
    with pytest.raises(ModelError, match="lacks its array 'head_bias_1'"):
        Classifier.from_arrays(arrays, inputs=DIMENSIONS, people=2)
