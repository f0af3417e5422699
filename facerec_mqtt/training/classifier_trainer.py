"""Trains classifiers: draws the faces that each learns; `layers` learns them in a process of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.array_process import ArrayProcess
from facerec_mqtt.core.records import Vectors
from facerec_mqtt.recognition import Classifier
from facerec_mqtt.training.layers import BATCH, STEPS

SCRIPT = "training/layers.py"
_OWN_SPREAD = 0.3
_NOBODY_SPREAD = 1.0
_AROUND_CENTRES = BATCH // 3
"""Of a batch, so many are nobody's."""
_SPARE_OUTPUTS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What one classifier learns, of a table of embeddings."""

    rows: NDArray[np.int64]
    """(n,) of the table: the photos and their augmented versions."""
    labels: NDArray[np.int64]
    """(n,) row of the person, `people` for a stranger."""
    held_out: NDArray[np.bool_]
    """(n,) true where a row is not learnt but says which state of the classifier is kept; may be all false,
    and then it is the last."""
    people: int
    """How many are enrolled."""


def training_process() -> ArrayProcess:
    """What `ClassifierTrainer` needs; to be entered early, since it takes seconds to import TensorFlow."""
    return ArrayProcess(SCRIPT)


class ClassifierTrainer:
    """Trains classifiers, all of a rebuild at once. The same input gives the same classifiers."""

    def __init__(self, process: ArrayProcess, seed: int = 0) -> None:
        self._process = process
        self._seed = seed

    def __call__(
        self,
        vectors: Vectors,
        nobody: Vectors,
        lessons: Sequence[Lesson],
        progress: Callable[[float], None] = lambda _share: None,
    ) -> list[Classifier]:
        """Train a classifier for each lesson.

        Every person is drawn equally often, however many photos they have, and nobody as often as half of
        all people together. Besides the strangers among `vectors`, nobody is what lies around the cohort's
        centres. No lesson makes a difference to another.

        Args:
            vectors: (N, D) float32 unit embeddings.
            nobody: (C, D) float32 unit centres of other people's embeddings.
            lessons: one or more.
            progress: called with the share that is done, [0, 1].

        Raises:
            FacerecError: the process that trains could not be started, or has ended.
            MemoryError: there is not enough memory.
        """
        drawn = [self._draw(lesson, len(vectors), len(nobody)) for lesson in lessons]
        held_out = [lesson.rows[lesson.held_out] for lesson in lessons]
        classes = np.array([lesson.people + 1 for lesson in lessons])
        # A centre is nobody's face: people lie around it, and family members around their photos.
        spread = np.full(BATCH, _OWN_SPREAD, np.float32)
        spread[-_AROUND_CENTRES:] = _NOBODY_SPREAD
        learnt = self._process.ask(
            {
                "vectors": np.concatenate([vectors, nobody]),
                "chosen": np.stack([rows for rows, _ in drawn], axis=1).astype(np.int32),
                "labels": np.stack([labels for _, labels in drawn], axis=1).astype(np.int32),
                "spread": spread / np.float32(np.sqrt(vectors.shape[1])),
                # Families of about one size learn the same, as do those with one member left out.
                "outputs": np.array(-(-classes.max() // _SPARE_OUTPUTS) * _SPARE_OUTPUTS),
                "classes": classes,
                "seed": np.array(self._seed),
                "held_out": np.concatenate(held_out),
                "held_out_labels": np.concatenate([each.labels[each.held_out] for each in lessons]),
                "held_out_of": np.repeat(np.arange(len(lessons)), [len(rows) for rows in held_out]),
            },
            progress,
        )
        weights = [learnt[f"weight_{number}"] for number in range(len(learnt))]
        return [
            _classifier([weight[place] for weight in weights], outputs)
            for place, outputs in enumerate(classes.tolist())
        ]

    def _draw(
        self, lesson: Lesson, vectors: int, centres: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(`STEPS`, `BATCH`) rows of the vectors and the centres below them, and the labels of these."""
        rng = np.random.default_rng(self._seed)
        labels, rows = lesson.labels[~lesson.held_out], lesson.rows[~lesson.held_out]
        present, counts = np.unique(labels, return_counts=True)
        ordered, first = rows[np.argsort(labels, kind="stable")], np.cumsum(counts) - counts
        classes = rng.integers(len(present), size=(STEPS, BATCH - _AROUND_CENTRES))
        within = (rng.random(classes.shape) * counts[classes]).astype(np.int64)
        around = vectors + rng.integers(centres, size=(STEPS, _AROUND_CENTRES))
        nobody = np.full_like(around, lesson.people)
        return (
            np.concatenate([ordered[first[classes] + within], around], axis=1),
            np.concatenate([present[classes], nobody], axis=1),
        )


def _classifier(weights: Sequence[NDArray[np.float32]], outputs: int) -> Classifier:
    """Layers for unit vectors, which are scaled to the layers' size in training; without spare outputs."""
    kernels, biases = weights[::2], [bias[0] for bias in weights[1::2]]
    scale = np.float32(np.sqrt(len(kernels[0])))
    return Classifier(
        kernels=(kernels[0] * scale, *kernels[1:-1], kernels[-1][:, :outputs]),
        biases=(*biases[:-1], biases[-1][:outputs]),
    )
