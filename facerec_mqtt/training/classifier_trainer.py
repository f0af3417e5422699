"""Trains the classifier with Keras, at a rebuild; TensorFlow is imported here alone."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import Vectors
from facerec_mqtt.recognition import Classifier
from facerec_mqtt.training.requirements import unlisted_fonts

HIDDEN = (128, 64)
_DROPOUT = 0.3
_LABEL_SMOOTHING = 0.05
_BATCH = 128
_STEPS = 300
_CHECK_EVERY = 25
_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 1e-3
_OWN_SPREAD = 0.3
_NOBODY_SPREAD = 1.0
_MIN_HELD_OUT = 10
_SPARE_OUTPUTS = 8


class ClassifierTrainer:
    """Trains classifiers with Keras, one at a time; only the first has to make its graph."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._networks: dict[tuple[int, int], _Network] = {}
        self._training = threading.Lock()

    def prepare(self) -> None:
        """Import what training needs, which takes seconds: for a thread beside other work."""
        _import_keras()

    def __call__(
        self,
        vectors: Vectors,
        labels: NDArray[np.int64],
        held_out: NDArray[np.bool_],
        nobody: Vectors,
        *,
        people: int,
    ) -> Classifier:
        """Train a classifier.

        Every person is drawn equally often, however many photos they have, and nobody as often as half of
        all people together. Besides the strangers among `vectors`, nobody is what lies around the cohort's
        centres. The same input gives the same classifier.

        Args:
            vectors: (N, D) float32 unit embeddings of all photos and of their augmented versions.
            labels: (N,) row of the person, `people` for a stranger.
            held_out: (N,) true where a vector is not trained on but says which state of the classifier
                is kept; may be all false, and then it is the last.
            nobody: (M, D) float32 unit centres of other people's embeddings.
            people: how many are enrolled.
        """
        rng = np.random.default_rng(self._seed)
        draw = _Draw.of(vectors[~held_out], labels[~held_out], nobody, people, rng)
        # Drawn before, and judged after it, so that meanwhile another thread's classifier is trained.
        batches = [draw.batches(_CHECK_EVERY) for _ in range(_STEPS // _CHECK_EVERY)]
        with self._training:
            states = self._train(batches, people + 1)
        checked, truth = vectors[held_out], labels[held_out]
        if len(truth) < _MIN_HELD_OUT:
            return states[-1]
        losses = [_loss(state.probabilities(checked), truth) for state in states]
        return states[int(np.argmin(losses))]

    def _train(self, batches: Sequence[tuple[Vectors, NDArray[np.int64]]], outputs: int) -> list[Classifier]:
        """Train on some batches of (S, B, D) faces and (S, B) labels: the classifier after each."""
        # Families of about one size, as those with one member left out, share a network.
        size = batches[0][0].shape[2], -(-outputs // _SPARE_OUTPUTS) * _SPARE_OUTPUTS
        if size not in self._networks:
            self._networks[size] = _Network.of(*size, self._seed)
        network = self._networks[size]
        network.reset()
        states = []
        for faces, targets in batches:
            network.train(faces, targets)
            states.append(network.classifier(outputs))
        return states


@dataclass(frozen=True, slots=True, eq=False)
class _Network:
    """Layers in Keras with their optimizer, which can begin again from where they began."""

    layers_in_keras: Any
    steps: Any
    """Takes (S, B, D) faces and (S, B) labels, and trains on them in S steps."""
    variables: tuple[Any, ...]
    """All that changes, the optimizer's and the dropout's too."""
    beginning: tuple[NDArray[Any], ...]

    @classmethod
    def of(cls, inputs: int, outputs: int, seed: int) -> "_Network":
        keras, tensorflow = _import_keras()
        keras.utils.set_random_seed(seed)
        layers: list[Any] = [
            keras.Input((inputs,)),
            # Elements of a unit vector are small; layers like them of about unit size.
            keras.layers.Rescaling(np.sqrt(inputs)),
        ]
        for width in HIDDEN:
            layers += [keras.layers.Dense(width, activation="relu"), keras.layers.Dropout(_DROPOUT)]
        network = keras.Sequential([*layers, keras.layers.Dense(outputs)])
        optimizer = keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, _STEPS), weight_decay=_WEIGHT_DECAY
        )
        optimizer.build(network.trainable_variables)
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=_LABEL_SMOOTHING)

        # A loop of our own: that of `fit` takes several times as long to make as these layers to train.
        @tensorflow.function(autograph=False)  # type: ignore[untyped-decorator]
        def steps(faces: Any, targets: Any) -> None:
            wanted = tensorflow.one_hot(targets, outputs)

            def step(number: Any) -> Any:
                with tensorflow.GradientTape() as tape:
                    wrong = loss(wanted[number], network(faces[number], training=True))
                optimizer.apply(tape.gradient(wrong, network.trainable_variables))
                return number + 1

            tensorflow.while_loop(lambda number: number < tensorflow.shape(faces)[0], step, (0,))

        variables = (*network.variables, *optimizer.variables)
        beginning = tuple(np.array(variable.numpy()) for variable in variables)
        return cls(network, steps, variables, beginning)

    def reset(self) -> None:
        """Go back to the untrained weights."""
        for variable, value in zip(self.variables, self.beginning, strict=True):
            variable.assign(value)

    def train(self, faces: Vectors, targets: NDArray[np.int64]) -> None:
        """Train on (S, B, D) faces and (S, B) labels in S steps."""
        self.steps(faces, targets)

    def classifier(self, outputs: int) -> Classifier:
        """Copy the layers with their first outputs out of Keras, the rescaling of the input included."""
        weights = [np.array(weight, np.float32) for weight in self.layers_in_keras.get_weights()]
        scale = np.float32(np.sqrt(weights[0].shape[0]))
        return Classifier(
            kernels=(weights[0] * scale, *weights[2:-2:2], weights[-2][:, :outputs]),
            biases=(*weights[1:-2:2], weights[-1][:outputs]),
        )


def _loss(probabilities: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Cross-entropy with every class weighing the same."""
    own = -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-9))
    return float(np.mean([own[truth == label].mean() for label in np.unique(truth)]))


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """Draws batches in which every class has its share."""

    members: Vectors
    """Vectors of everybody, one class after the other."""
    labels: NDArray[np.int64]
    """Of the classes: people, and the strangers where there are any."""
    first: NDArray[np.int64]
    """Row of each class's first vector."""
    counts: NDArray[np.int64]
    centres: Vectors
    people: int
    rng: np.random.Generator

    @classmethod
    def of(
        cls,
        vectors: Vectors,
        labels: NDArray[np.int64],
        centres: Vectors,
        people: int,
        rng: np.random.Generator,
    ) -> "_Draw":
        present, counts = np.unique(labels, return_counts=True)
        ordered = vectors[np.argsort(labels, kind="stable")]
        return cls(ordered, present, np.cumsum(counts) - counts, counts, centres, people, rng)

    def batches(self, count: int) -> tuple[Vectors, NDArray[np.int64]]:
        """(count, `_BATCH`, D) unit vectors and (count, `_BATCH`) labels."""
        around = _BATCH // 3
        classes = self.rng.integers(len(self.labels), size=(count, _BATCH - around))
        within = (self.rng.random(classes.shape) * self.counts[classes]).astype(np.int64)
        chosen = self.members[self.first[classes] + within]
        centres = self.centres[self.rng.integers(len(self.centres), size=(count, around))]
        faces = np.concatenate([chosen, centres], axis=1)
        # A centre is nobody's face: people lie around it, and family members around their photos.
        spread = np.where(np.arange(_BATCH) < _BATCH - around, _OWN_SPREAD, _NOBODY_SPREAD)
        spread = spread * self.rng.random((count, _BATCH)) / np.sqrt(faces.shape[2])
        noise = self.rng.standard_normal(faces.shape, np.float32)
        faces = faces + noise * spread[..., None].astype(np.float32)
        faces /= np.linalg.norm(faces, axis=2, keepdims=True)
        nobody = np.full((count, around), self.people)
        return faces, np.concatenate([self.labels[classes], nobody], axis=1)


def _import_keras() -> tuple[Any, Any]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # More threads only get in each other's way at layers of this size, and in the service's.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    with unlisted_fonts():
        import keras
        import tensorflow

    return keras, tensorflow
