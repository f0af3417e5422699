"""Keras beside the training's own steps: a program of its own, since Keras takes seconds to import.

It prints how far the weights of both are apart after some steps, and how sure both are in the end.
"""

import json
import os
import sys
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

from facerec_mqtt.recognition import Classifier
from facerec_mqtt.recognition.calibration import log_odds, unit
from facerec_mqtt.training import ClassifierTrainer, Lesson, training_process
from facerec_mqtt.training.layers import BATCH, HIDDEN, STEPS, _untrained, training_steps

INPUTS, OUTPUTS, PEOPLE, PHOTOS, SEEDS = 32, 8, 4, 20, 3
EQUAL_STEPS = 20
"""Later one unit may be on in one of the two alone, by the last bit of what comes in, and they part."""


class Masked(keras.layers.Layer):  # type: ignore[misc, unused-ignore]
    """Dropout with given masks, of which each layer has its columns."""

    def __init__(self, masks: tf.Variable, first: int, last: int) -> None:
        super().__init__()
        self.masks, self.columns = masks, slice(first, last)

    def call(self, values: Any) -> Any:
        return values * self.masks[: tf.shape(values)[0], self.columns]


class PlainTraining:
    """A network of Keras' own parts, trained as anybody would."""

    def __init__(self, dropouts: list[Any]) -> None:
        layers: list[Any] = [keras.Input((INPUTS,)), keras.layers.Rescaling(np.sqrt(INPUTS))]
        for width, dropout in zip(HIDDEN, dropouts, strict=True):
            layers += [keras.layers.Dense(width, activation="relu"), dropout]
        self.network = keras.Sequential([*layers, keras.layers.Dense(OUTPUTS)])
        self.optimizer = keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(2e-3, STEPS), weight_decay=1e-3
        )
        self.optimizer.build(self.network.trainable_variables)
        self.loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.05)
        self.learn = tf.function(self._learn, autograph=False)

    def begin(self, seed: int) -> None:
        """Begin with other weights."""
        for variable in self.optimizer.variables:
            if variable.shape or variable.dtype == "int64":
                variable.assign(np.zeros(variable.shape, variable.dtype))
        self.network.set_weights([each[0, 0] if each.shape[1] == 1 else each[0] for each in begun(seed)])

    def _learn(self, faces: Any, labels: Any) -> None:
        """One step on (B, D) faces and (B,) labels."""
        with tf.GradientTape() as tape:
            wrong = self.loss(tf.one_hot(labels, OUTPUTS), self.network(faces, training=True))
        self.optimizer.apply(tape.gradient(wrong, self.network.trainable_variables))

    def classifier(self) -> Classifier:
        weights = self.network.get_weights()
        scale = np.float32(np.sqrt(INPUTS))
        return Classifier(
            kernels=(weights[0] * scale, weights[2], weights[4][:, : PEOPLE + 1]),
            biases=(weights[1], weights[3], weights[5][: PEOPLE + 1]),
        )


def begun(seed: int) -> list[Any]:
    """Weights of one network in the own training's shapes."""
    return _untrained(INPUTS, OUTPUTS, 1, seed)


def around(people: Any, spread: float, rng: np.random.Generator) -> Any:
    """Pictures of (..., D) people."""
    noise = rng.normal(size=people.shape) * spread / np.sqrt(INPUTS)
    return unit((people + noise).astype(np.float32))


def difference() -> tuple[float, float]:
    """The most by which two weights differ after equal steps, and the least that some weight moved."""
    rng = np.random.default_rng(0)
    members = unit(rng.normal(size=(PEOPLE + 1, INPUTS)).astype(np.float32))
    labels = rng.integers(PEOPLE + 1, size=(EQUAL_STEPS, BATCH))
    faces = around(members[labels], 0.8, rng)
    first = begun(3)
    nothing = [np.zeros_like(each) for each in first]
    variables = [[tf.Variable(each) for each in some] for some in (first, nothing, nothing)]
    training_steps(tf)(
        [[each.handle for each in some] for some in variables],
        0,
        7,
        faces.reshape(-1, INPUTS),
        np.arange(labels.size, dtype=np.int32).reshape(EQUAL_STEPS, 1, BATCH),
        labels[:, None].astype(np.int32),
        np.zeros_like(faces),
    )
    masks = tf.Variable(np.ones((BATCH, sum(HIDDEN)), np.float32))
    plain = PlainTraining([Masked(masks, 0, HIDDEN[0]), Masked(masks, HIDDEN[0], sum(HIDDEN))])
    plain.begin(3)
    for step in range(EQUAL_STEPS):
        drawn = tf.random.stateless_uniform([BATCH, sum(HIDDEN)], [7, step])
        masks.assign(tf.where(drawn < 0.7, 1 / 0.7, 0.0))
        plain.learn(faces[step], labels[step])
    own = [each.numpy() for each in variables[0]]
    theirs = [each.reshape(of.shape) for each, of in zip(plain.network.get_weights(), own, strict=True)]
    apart = [np.abs(one - other).max() for one, other in zip(own, theirs, strict=True)]
    moved = [np.abs(one - other).max() for one, other in zip(own, first, strict=True)]
    return float(max(apart)), float(min(moved))


def how_sure() -> tuple[float, float]:
    """How much likelier members than strangers who resemble them: of the own training, and of the plain one.

    Log-odds, the mean of several trainings each.
    """
    rng = np.random.default_rng(1)
    members = unit(rng.normal(size=(PEOPLE, INPUTS)).astype(np.float32))
    centres = unit(rng.normal(size=(200, INPUTS)).astype(np.float32))
    labels = np.repeat(np.arange(PEOPLE), PHOTOS)
    photos, unseen = around(members[labels], 0.8, rng), around(members[labels], 1.2, rng)
    alike = unit(members[labels] * np.float32(0.6) + centres[rng.integers(len(centres), size=len(labels))])

    def gap(classifier: Classifier) -> float:
        rows = np.arange(len(labels))
        own, others = (
            log_odds(classifier.probabilities(faces)[rows, labels]).mean() for faces in (unseen, alike)
        )
        return float(own - others)

    lesson = Lesson(np.arange(len(labels)), labels, np.zeros(len(labels), np.bool_), PEOPLE)
    with training_process() as process:
        ours = [ClassifierTrainer(process, seed)(photos, centres, [lesson])[0] for seed in range(SEEDS)]
    training = PlainTraining([keras.layers.Dropout(0.3) for _ in HIDDEN])
    plain = []
    for seed in range(SEEDS):
        training.begin(seed)
        for _ in range(STEPS):
            some, others = (
                rng.integers(len(labels), size=BATCH - BATCH // 3),
                rng.integers(200, size=BATCH // 3),
            )
            spread = np.repeat([0.3, 1.0], [len(some), len(others)]) * rng.random(BATCH)
            faces = np.concatenate([photos[some], centres[others]])
            noise = rng.normal(size=faces.shape) * spread[:, None] / np.sqrt(INPUTS)
            training.learn(
                unit((faces + noise).astype(np.float32)),
                np.concatenate([labels[some], np.full(len(others), PEOPLE)]),
            )
        plain.append(training.classifier())
    return float(np.mean([gap(each) for each in ours])), float(np.mean([gap(each) for each in plain]))


if __name__ == "__main__":
    apart, moved = difference()
    ours, plain = how_sure()
    sys.stdout.write(json.dumps({"apart": apart, "moved": moved, "ours": ours, "plain": plain}) + "\n")
