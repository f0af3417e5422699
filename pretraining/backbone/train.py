"""Train the backbone to say what the teacher says.

    python -m pretraining.backbone.train --corpus DIR --run DIR --start WEIGHTS.h5 --steps 9000

`--start` is ImageNet's `MobileNetV2(include_top=False)` for the first stage, or an earlier checkpoint
of ours for another one. `--train-from` freezes the layers before the one named; `--views` takes the
frozen layers' answers from what `views.py` left instead of running them. The learning rate warms up and
then falls by a cosine, over `--steps`, or over `--minutes` of wall clock where others use the
machine too. Interrupted, the same command goes on from the last checkpoint in the run's folder. Runs
on any Keras backend (`KERAS_BACKEND=torch` on a GPU machine without TensorFlow).

The loss is 1 - cosine to the teacher's embedding of the untouched picture, plus how far the
similarities within the batch are from the teacher's: it is similarities that are compared in use.
Where the teacher takes different people for similar (in UTK and All-Age-Faces nearly every pair is
two people, and it lumps small children together), the wanted similarity is capped.
"""

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from facerec_mqtt.embedding import DIMENSIONS, build_backbone, untrained_backbone
from pretraining.backbone.corpus import TEACHER_FILE, Corpus
from pretraining.backbone.views import CUT, NOT_YET, ROWS_FILE, VIEWS_FILE, draw

SIMILARITY_WEIGHT = 20.0
STRANGER_SIMILARITY = 0.2
"""The teacher's answer for two adults who look alike; more is not wanted of two people."""
WEIGHT_DECAY = 0.02
GRADIENT_NORM = 5.0
EMA_MOMENTUM = 0.995
WARM_UP = 0.03
"""Share of the schedule."""
SAVE_EVERY_S = 180.0


@dataclass
class Progress:
    """What a run remembers from one start to the next."""

    step: int = 0
    spent_s: float = 0.0


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Random training pictures, each in a guise drawn for it, with what the teacher says."""

    def __init__(
        self, corpus: Corpus, teacher: NDArray[np.float16], views: Path | None, size: int, seed: int
    ) -> None:
        super().__init__(workers=1)
        self._corpus = corpus
        self._teacher = teacher
        self._views = views
        self._size = size
        self._rng = np.random.default_rng(seed)
        self._strangers = np.isin(corpus.source, ("utk", "aaf"))
        self._order = np.empty(0, np.int64)

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A batch.

        Returns:
            (N, 112, 112, 3) RGB / 127.5 - 1, or views; and (N, 257): the teacher's vectors, and 1 where the
            picture is from a set in which every picture is another person.
        """
        if len(self._order) < self._size:
            self._order = self._rng.permutation(self._ready())
        drawn, self._order = np.split(self._order, [self._size])
        if self._views is None:
            rows, given = drawn, draw(self._corpus, drawn, self._rng)
        else:
            rows = np.load(self._views / ROWS_FILE, mmap_mode="r")[drawn]
            given = np.load(self._views / VIEWS_FILE, mmap_mode="r")[drawn].astype(np.float32)
        wanted = self._teacher[rows].astype(np.float32)
        return given, np.column_stack([wanted, self._strangers[rows].astype(np.float32)])

    def _ready(self) -> NDArray[np.int64]:
        """The pictures that the teacher has answered for, or the views that have been drawn."""
        if self._views is not None:
            return np.flatnonzero(np.load(self._views / ROWS_FILE, mmap_mode="r") != NOT_YET)
        rows = self._corpus.training()
        return rows[np.any(self._teacher[rows] != 0, axis=1)]


def distillation_loss(wanted: Any, given: Any) -> Any:
    """What the module's docstring says; (N, 257) and (N, 256) to a scalar."""
    teacher, stranger = wanted[:, :DIMENSIONS], wanted[:, DIMENSIONS]
    given = ops.normalize(given, axis=-1)
    cosine = ops.mean(1 - ops.sum(teacher * given, axis=-1))
    similarity = ops.matmul(teacher, ops.transpose(teacher))
    # The diagonal is one picture against itself and stays.
    two_people = stranger[:, None] * stranger[None] * (1 - ops.eye(ops.shape(given)[0]))
    capped = ops.minimum(similarity, STRANGER_SIMILARITY)
    similarity = two_people * capped + (1 - two_people) * similarity
    apart = ops.mean(ops.square(similarity - ops.matmul(given, ops.transpose(given))))
    return cosine + SIMILARITY_WEIGHT * apart


class Schedule(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the learning rate before each batch, saves now and then, stops at the end."""

    def __init__(
        self, whole: Any, run: Path, progress: Progress, peak: float, steps: int, minutes: float
    ) -> None:
        super().__init__()
        self._whole = whole
        self._run = run
        self._progress = progress
        self._peak = peak
        self._steps = steps
        self._minutes = minutes
        self._last_s = self._saved_s = time.monotonic()
        self._losses: list[float] = []

    def _share(self) -> float:
        if self._minutes:
            return self._progress.spent_s / (60 * self._minutes)
        return self._progress.step / self._steps

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Set the learning rate."""
        share = min(self._share(), 1.0)
        rate = self._peak * min(share / WARM_UP, 1.0) * 0.5 * (1 + math.cos(math.pi * share))
        self.model.optimizer.learning_rate = max(rate, self._peak * 1e-3)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Count, note the loss, save, stop."""
        now_s = time.monotonic()
        self._progress.step += 1
        self._progress.spent_s += now_s - self._last_s
        self._last_s = now_s
        self._losses.append(float((logs or {})["loss"]))
        if self._progress.step % 50 == 0:
            note = asdict(self._progress) | {"loss": float(np.mean(self._losses))}
            self._losses.clear()
            self.model.reset_metrics()
            with (self._run / "curve.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(note) + "\n")
            print(note, flush=True)
        done = self._share() >= 1
        if done or now_s - self._saved_s > SAVE_EVERY_S:
            self.save()
            self._saved_s = now_s
        if done:
            self.model.stop_training = True

    def save(self) -> None:
        """Write the weights, their moving average and the optimizer's memory."""
        optimizer = self.model.optimizer
        self._whole.save_weights(self._run / "latest.weights.h5")
        state: dict[str, Any] = {}
        optimizer.save_own_variables(state)
        np.savez(self._run / "optimizer.npz", **{key: np.asarray(value) for key, value in state.items()})
        own = self._whole.get_weights()
        averages = optimizer._model_variables_moving_average  # Keras offers no public way to read it
        for variable, average in zip(optimizer._trainable_variables, averages, strict=True):
            variable.assign(average)
        self._whole.save_weights(self._run / "average.weights.h5")
        self._whole.set_weights(own)
        (self._run / "progress.json").write_text(json.dumps(asdict(self._progress)), encoding="utf-8")


def build(start: Path, train_from: str | None) -> Any:
    """Our network with ImageNet's weights in its trunk, or those of a checkpoint of ours."""
    try:
        model = build_backbone(start)
    except ValueError:
        model = untrained_backbone()
        side = model.input_shape[1:]
        trunk = keras.applications.MobileNetV2(input_shape=side, include_top=False, weights=None)
        trunk.load_weights(start)
        for layer in trunk.layers:
            if layer.weights:
                model.get_layer(layer.name).set_weights(layer.get_weights())
        pooling = next(layer for layer in model.layers if layer.name.startswith("depthwise_conv2d"))
        pooling.set_weights([np.full_like(pooling.get_weights()[0], 1 / 16)])
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.99  # Keras' 0.999 lags for thousands of steps
    if train_from:
        for layer in model.layers:
            if layer.name == train_from:
                break
            layer.trainable = False
    return model


def main() -> None:
    """Start a run or go on with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--train-from", help="freeze the layers before this one, such as block_4_expand")
    parser.add_argument("--views", type=Path, help="what views.py left; start from the same checkpoint")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--minutes", type=float, default=0.0, help="a schedule by wall clock instead")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.run.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(arguments.seed)
    cv2.setNumThreads(1)
    corpus = Corpus.open(arguments.corpus)
    teacher = np.load(arguments.corpus / TEACHER_FILE, mmap_mode="r")
    memory = arguments.run / "progress.json"
    resumed = memory.exists()
    progress = Progress(**json.loads(memory.read_text(encoding="utf-8"))) if resumed else Progress()
    whole = build(arguments.run / "latest.weights.h5" if resumed else arguments.start, arguments.train_from)
    model = whole if arguments.views is None else keras.Model(whole.get_layer(CUT).output, whole.output)
    optimizer = keras.optimizers.AdamW(
        arguments.rate,
        weight_decay=WEIGHT_DECAY,
        global_clipnorm=GRADIENT_NORM,
        use_ema=True,
        ema_momentum=EMA_MOMENTUM,
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta"])
    optimizer.build(model.trainable_variables)
    if resumed:
        with np.load(arguments.run / "optimizer.npz") as state:
            optimizer.load_own_variables(dict(state))
    model.compile(optimizer, loss=distillation_loss, jit_compile=False)
    schedule = Schedule(whole, arguments.run, progress, arguments.rate, arguments.steps, arguments.minutes)
    batches = Batches(corpus, teacher, arguments.views, arguments.batch, arguments.seed + progress.step)
    model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=[schedule])


if __name__ == "__main__":
    main()
