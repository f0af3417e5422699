"""The family's own dense layers on the frozen backbone: an output for each person and one for nobody.

They are trained with Keras at a rebuild, which takes seconds since the backbone is not touched, and
evaluated with numpy in the service: three small matrix products, for which no framework is needed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.errors import ModelError
from facerec_mqtt.records import Vectors

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


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Trained layers."""

    kernels: tuple[NDArray[np.float32], ...]
    """(inputs, outputs) of each layer, the first from the embedding."""
    biases: tuple[NDArray[np.float32], ...]
    """(outputs,) of each layer."""

    def probabilities(self, vectors: Vectors) -> NDArray[np.float32]:
        """How likely each face is each of the people, or nobody.

        Args:
            vectors: (N, D) float32 unit embeddings.

        Returns:
            (N, people + 1) float32, rows summing to 1; nobody is the last column.
        """
        values = vectors
        for kernel, bias in zip(self.kernels[:-1], self.biases[:-1], strict=True):
            values = np.maximum(values @ kernel + bias, np.float32(0))
        values = values @ self.kernels[-1] + self.biases[-1]
        values = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(values / values.sum(axis=1, keepdims=True), np.float32)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """What `from_arrays` takes."""
        named = {}
        for number, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            named[f"head_kernel_{number}"] = kernel
            named[f"head_bias_{number}"] = bias
        return named

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float32]], *, inputs: int, people: int) -> "Head":
        """Put a saved head together again.

        Args:
            arrays: may hold others besides the head's own.
            inputs: length of an embedding.
            people: how many the model knows.

        Raises:
            ModelError: layers are missing or do not fit together.
        """
        depth = sum(name.startswith("head_kernel_") for name in arrays)
        try:
            kernels = tuple(arrays[f"head_kernel_{number}"] for number in range(depth))
            biases = tuple(arrays[f"head_bias_{number}"] for number in range(depth))
        except KeyError as error:
            raise ModelError(f"The model lacks its array {error}; run facerec-mqtt rebuild.") from error
        widths = [inputs]
        for kernel, bias in zip(kernels, biases, strict=True):
            if kernel.shape != (widths[-1], *bias.shape):
                break
            widths.append(bias.shape[0])
        if depth == 0 or len(widths) != depth + 1 or widths[-1] != people + 1:
            raise ModelError(
                f"The model's layers have shapes {[kernel.shape for kernel in kernels]}, which do not lead"
                f" from {inputs} inputs to {people} people and nobody; run facerec-mqtt rebuild."
            )
        return cls(kernels, biases)


def train_head(
    vectors: Vectors,
    labels: NDArray[np.int64],
    held_out: NDArray[np.bool_],
    nobody: Vectors,
    *,
    people: int,
    seed: int = 0,
) -> Head:
    """Train the family's layers with Keras.

    Every person is drawn equally often, however many photos they have, and nobody as often as half of
    all people together. Besides the strangers among `vectors`, nobody is what lies around the cohort's
    centres. The same input gives the same layers.

    Args:
        vectors: (N, D) float32 unit embeddings of all photos and of their augmented versions.
        labels: (N,) row of the person, `people` for a stranger.
        held_out: (N,) true where a vector is not trained on but says which state of the layers is
            kept; may be all false, and then it is the last.
        nobody: (M, D) float32 unit centres of other people's embeddings.
        people: how many are enrolled.
        seed: of the layers' first values, the order and the dropout.
    """
    keras = _import_keras()
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    network = _build(keras, vectors.shape[1], people)
    draw = _Draw.of(vectors[~held_out], labels[~held_out], nobody, people, rng)
    batches = [draw.batch() for _ in range(_STEPS)]
    faces = np.concatenate([batch for batch, _ in batches])
    targets = np.concatenate([labels_drawn for _, labels_drawn in batches])
    states: list[Head] = []
    network.fit(
        faces,
        np.eye(people + 1, dtype=np.float32)[targets],
        batch_size=_BATCH,
        shuffle=False,
        verbose=0,
        # Called once for every `_CHECK_EVERY` steps, which Keras runs in one go.
        callbacks=[
            keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: states.append(_take(network)))
        ],
    )
    checked, truth = vectors[held_out], labels[held_out]
    if len(truth) < _MIN_HELD_OUT:
        return states[-1]
    losses = [_loss(state.probabilities(checked), truth) for state in states]
    return states[int(np.argmin(losses))]


def _build(keras: Any, inputs: int, people: int) -> Any:
    layers: list[Any] = [
        keras.Input((inputs,)),
        # Elements of a unit vector are small; layers like them of about unit size.
        keras.layers.Rescaling(np.sqrt(inputs)),
    ]
    for width in HIDDEN:
        layers += [keras.layers.Dense(width, activation="relu"), keras.layers.Dropout(_DROPOUT)]
    network = keras.Sequential([*layers, keras.layers.Dense(people + 1)])
    network.compile(
        optimizer=keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, _STEPS), weight_decay=_WEIGHT_DECAY
        ),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=_LABEL_SMOOTHING),
        steps_per_execution=_CHECK_EVERY,
    )
    return network


def _take(network: Any) -> Head:
    """Copy the layers out of Keras, the rescaling of the input included."""
    weights = [np.asarray(weight, np.float32) for weight in network.get_weights()]
    scale = np.float32(np.sqrt(weights[0].shape[0]))
    return Head(kernels=(weights[0] * scale, *weights[2::2]), biases=tuple(weights[1::2]))


def _loss(probabilities: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Cross-entropy with every class weighing the same."""
    own = -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-9))
    return float(np.mean([own[truth == label].mean() for label in np.unique(truth)]))


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """Draws batches in which every class has its share."""

    members: tuple[Vectors, ...]
    """Vectors of each person, and of the strangers, where there are any."""
    labels: tuple[int, ...]
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
        present = tuple(int(label) for label in np.unique(labels))
        return cls(tuple(vectors[labels == label] for label in present), present, centres, people, rng)

    def batch(self) -> tuple[Vectors, NDArray[np.int64]]:
        """(`_BATCH`, D) unit vectors and their labels."""
        around = _BATCH // 3
        classes = self.rng.integers(len(self.members), size=_BATCH - around)
        chosen = [self.members[row][self.rng.integers(len(self.members[row]))] for row in classes]
        centres = self.centres[self.rng.integers(len(self.centres), size=around)]
        faces = np.concatenate([np.stack(chosen), centres])
        # A centre is nobody's face: people lie around it, and family members around their photos.
        spread = np.where(np.arange(_BATCH) < len(chosen), _OWN_SPREAD, _NOBODY_SPREAD)
        noise = self.rng.normal(size=faces.shape) / np.sqrt(faces.shape[1])
        faces = faces + noise * (spread * self.rng.uniform(size=_BATCH))[:, None]
        faces /= np.linalg.norm(faces, axis=1, keepdims=True)
        targets = np.concatenate([np.array(self.labels)[classes], np.full(around, self.people)])
        return np.asarray(faces, np.float32), targets


def _import_keras() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # More threads only get in each other's way at layers of this size, and in the service's.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    import keras

    return keras
