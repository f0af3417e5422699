"""The classifier: dense layers on the backbone's embeddings."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.records import Vectors
from facerec_mqtt.recognition.classifier import Classifier
from facerec_mqtt.training.classifier_trainer import ClassifierTrainer

DIMENSIONS = 32


def unit(vectors: np.ndarray) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def people(count: int, seed: int = 0) -> Vectors:
    return unit(np.random.default_rng(seed).normal(size=(count, DIMENSIONS)))


def pictures(person: Vectors, count: int, seed: int = 0) -> Vectors:
    noise = np.random.default_rng(seed).normal(size=(count, DIMENSIONS)) * 0.5 / np.sqrt(DIMENSIONS)
    return unit(person[None] + noise)


def train(
    members: Vectors, counts: list[int], seed: int = 0, trainer: ClassifierTrainer | None = None
) -> Classifier:
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
    trainer = ClassifierTrainer(seed) if trainer is None else trainer
    return trainer(vectors, labels, held_out, people(200, 77), people=len(members))


@pytest.mark.parametrize("counts", [[5], [1, 30, 60]])
def test_members_are_distinguished_from_each_other_and_from_nobody(counts: list[int]) -> None:
    members = people(len(counts), 1)
    classifier = train(members, counts)
    for row, member in enumerate(members):
        answers = classifier.probabilities(pictures(member, 20, 99)).argmax(axis=1)
        assert np.mean(answers == row) >= 0.9
    strangers = classifier.probabilities(people(200, 5))
    assert np.mean(strangers.argmax(axis=1) == len(members)) >= 0.9
    assert strangers.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_the_same_pictures_give_the_same_classifier_and_another_seed_does_not() -> None:
    members = people(2, 1)
    first, again, other = (train(members, [20, 20], seed) for seed in (0, 0, 1))
    for kernel, same, different in zip(first.kernels, again.kernels, other.kernels, strict=True):
        assert np.array_equal(kernel, same)
        assert not np.array_equal(kernel, different)


def test_what_a_trainer_has_trained_before_makes_no_difference() -> None:
    trainer = ClassifierTrainer()
    train(people(3, 4), [20, 10, 20], trainer=trainer)
    members = people(2, 1)
    after, fresh = train(members, [20, 20], trainer=trainer), train(members, [20, 20])
    for kernel, same in zip(after.kernels, fresh.kernels, strict=True):
        assert np.array_equal(kernel, same)


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


def test_to_import_keras_leaves_no_list_of_fonts_which_a_kill_would_leave_locked(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from facerec_mqtt.training.classifier_trainer import ClassifierTrainer\n"
        "ClassifierTrainer().prepare()\n"
        "assert 'matplotlib.font_manager' in sys.modules\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MPL", "XDG"))}
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        env=kept | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
    )
    left = [path.name for path in tmp_path.rglob("*")]
    assert not [name for name in left if "font" in name or "matplotlib" in name or "facerec" in name], left
