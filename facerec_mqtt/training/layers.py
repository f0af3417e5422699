"""Trains the family's layers with TensorFlow, which is imported here alone: a script for `ArrayProcess`.

All models of a rebuild learn in one step, the one that is kept and those that only judge it: a stack of equal
layers, each with its own examples. The script imports nothing of its package but what talks to its parent.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.array_process import Arrays, serve

HIDDEN = (128, 64)
BATCH = 128
STEPS = 300
CHECK_EVERY = 25
_DROPOUT = 0.3
_LABEL_SMOOTHING = 0.05
_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 1e-3
_MEAN_DECAY, _VARIANCE_DECAY, _EPSILON = 0.9, 0.999, 1e-7
_MIN_HELD_OUT = 10
_AT_ONCE = 2
"""Stacks that learn at the same time, each on a core."""

Weights = list[NDArray[np.float32]]
"""(M, inputs, outputs) and (M, 1, outputs) of each layer, of M models."""
Steps = Callable[..., None]


def prepare() -> Callable[[Arrays, Callable[[float], None]], Arrays]:
    """Import TensorFlow, and make the graph of the training."""
    tensorflow = _import_tensorflow()
    steps = training_steps(tensorflow)

    def answer(asked: Arrays, progress: Callable[[float], None]) -> Arrays:
        return train(tensorflow, steps, asked, progress)

    return answer


def _import_tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # More threads only get in each other's way at layers of this size, and in the service's.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", str(_AT_ONCE))
    # Else it imports Keras, which imports matplotlib: a third of the time, and neither is used here.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    import tensorflow

    return tensorflow


def train(tensorflow: Any, steps: Steps, asked: Arrays, progress: Callable[[float], None]) -> Arrays:
    """Train M models.

    Args:
        tensorflow: the module.
        steps: as `training_steps` makes it.
        asked: `vectors` (N, D) float32 unit rows; for each step `chosen` (`STEPS`, M, `BATCH`) rows of it,
            and `labels` of the same shape; `spread` (`BATCH`,) float32, how far around each the faces lie
            that are learnt; `outputs`, how many the layers have, and `classes` (M,), how many of these each
            model uses; `seed`. `held_out` (n,) rows say which state of a model is kept, with
            `held_out_labels` and `held_out_of` (n,), the model that each belongs to.
        progress: called with the share that is done.

    Returns:
        `weight_0`, `weight_1`, ... as `Weights`.
    """
    models = np.arange(asked["chosen"].shape[1])
    parts = [part for part in np.array_split(models, min(_AT_ONCE, os.cpu_count() or 1)) if len(part)]
    done = [0] * len(parts)

    def learn(number: int) -> Weights:
        def on_steps(count: int) -> None:
            done[number] = count
            if number == 0:
                progress(min(done) / STEPS)

        return _train(tensorflow, steps, asked, parts[number], on_steps)

    with ThreadPoolExecutor(len(parts)) as pool:
        trained = list(pool.map(learn, range(len(parts))))
    joined = [np.concatenate(each) for each in zip(*trained, strict=True)]
    return {f"weight_{number}": weight for number, weight in enumerate(joined)}


def _train(
    tensorflow: Any,
    steps: Steps,
    asked: Arrays,
    models: NDArray[np.int64],
    progress: Callable[[int], None],
) -> Weights:
    """Train some of the models; of each the state with the least loss is kept."""
    vectors, seed = asked["vectors"], int(asked["seed"])
    inputs, rng = vectors.shape[1], np.random.default_rng((seed, 1))
    weights = _untrained(inputs, int(asked["outputs"]), len(models), seed)
    nothing = [np.zeros_like(weight) for weight in weights]
    variables = [[tensorflow.Variable(each) for each in some] for some in (weights, nothing, nothing)]
    handles = [[each.handle for each in some] for some in variables]
    kept, least = weights, np.full(len(models), np.inf)
    for first in range(0, STEPS, CHECK_EVERY):
        now = slice(first, first + CHECK_EVERY)
        spread = asked["spread"] * rng.random((CHECK_EVERY, BATCH), np.float32)
        noise = rng.standard_normal((CHECK_EVERY, BATCH, inputs), np.float32) * spread[..., None]
        chosen, labels = asked["chosen"][now][:, models], asked["labels"][now][:, models]
        steps(handles, first, seed, vectors, chosen, labels, noise)
        weights = [each.numpy() for each in variables[0]]
        losses = _losses(weights, asked, models)
        better = losses <= least
        least = np.where(better, losses, least)
        kept = [np.where(better[:, None, None], new, old) for new, old in zip(weights, kept, strict=True)]
        progress(first + CHECK_EVERY)
    return kept


def _untrained(inputs: int, outputs: int, models: int, seed: int) -> Weights:
    """Glorot's uniform weights, the same for each of the models; of numbers that nothing else is drawn of."""
    rng, widths = np.random.default_rng((seed, 2)), (inputs, *HIDDEN, outputs)
    weights: Weights = []
    for before, after in pairwise(widths):
        most = np.sqrt(6 / (before + after))
        kernel = rng.uniform(-most, most, (1, before, after)).astype(np.float32)
        weights += [np.repeat(kernel, models, axis=0), np.zeros((models, 1, after), np.float32)]
    return weights


def _losses(weights: Weights, asked: Arrays, models: NDArray[np.int64]) -> NDArray[np.float64]:
    """(M,) cross-entropy of the held-out faces, each class weighing the same; 0 where there are too few."""
    losses = np.zeros(len(models))
    for place, model in enumerate(models):
        own = asked["held_out_of"] == model
        truth = asked["held_out_labels"][own]
        if len(truth) < _MIN_HELD_OUT:
            continue
        values = asked["vectors"][asked["held_out"][own]] * np.float32(np.sqrt(weights[0].shape[1]))
        for number in range(0, len(weights), 2):
            values = values @ weights[number][place] + weights[number + 1][place]
            if number < len(weights) - 2:
                values = np.maximum(values, 0)
        values = values[:, : int(asked["classes"][model])]
        values = values - values.max(axis=1, keepdims=True)
        wrong = np.log(np.exp(values).sum(axis=1)) - values[np.arange(len(truth)), truth]
        losses[place] = np.mean([wrong[truth == label].mean() for label in np.unique(truth)])
    return losses


def training_steps(tensorflow: Any) -> Steps:
    """Make the graph of some steps of AdamW (arXiv 1711.05101), for any number of models and outputs."""
    tf = tensorflow
    keep = 1 - _DROPOUT

    def whole(*shape: int | None) -> Any:
        return tf.TensorSpec(shape, tf.int32)

    def real(*shape: int | None) -> Any:
        return tf.TensorSpec(shape, tf.float32)

    shapes: list[Any] = []
    for before, after in ((None, HIDDEN[0]), HIDDEN, (HIDDEN[-1], None)):
        shapes += [(None, before, after), (None, 1, after)]

    def loss(weights: Any, faces: Any, labels: Any, seed: Any) -> Any:
        outputs = tf.shape(weights[-1])[2]
        rest = _LABEL_SMOOTHING / tf.cast(outputs, tf.float32)
        wanted = tf.one_hot(labels, outputs, on_value=1 - _LABEL_SMOOTHING + rest, off_value=rest)
        # To scale what comes out of the first layer is less work than to scale the faces. Elements of a unit
        # vector are small; layers like them of about unit size.
        size = tf.cast(tf.shape(faces)[2], tf.float32)
        scale = tf.sqrt(size / tf.reduce_sum(faces * faces, axis=2, keepdims=True))
        values = tf.matmul(faces, weights[0]) * scale + weights[1]
        dropped = tf.random.stateless_uniform([tf.shape(labels)[1], sum(HIDDEN)], seed)
        factor = tf.where(dropped < keep, 1 / keep, 0.0)
        values = tf.nn.relu(values) * factor[:, : HIDDEN[0]]
        values = tf.nn.relu(tf.matmul(values, weights[2]) + weights[3]) * factor[:, HIDDEN[0] :]
        values = tf.matmul(values, weights[4]) + weights[5]
        wrong = tf.nn.softmax_cross_entropy_with_logits(wanted, values)
        # Of one model the mean; the models have nothing to do with each other.
        return tf.reduce_sum(tf.reduce_mean(wrong, axis=1))

    def learn(number: Any, handles: Any, faces: Any, labels: Any, seed: Any) -> None:
        weights, mean, variance = handles
        values = [
            tf.ensure_shape(tf.raw_ops.ReadVariableOp(resource=weight, dtype=tf.float32), shape)
            for weight, shape in zip(weights, shapes, strict=True)
        ]
        with tf.GradientTape() as tape:
            tape.watch(values)
            wrong = loss(values, faces, labels, [seed, number])
        count = tf.cast(number, tf.float32)
        rate = _LEARNING_RATE * (1 + tf.cos(np.pi * count / STEPS)) / 2
        slopes = tape.gradient(wrong, values)
        for at, (value, slope) in enumerate(zip(values, slopes, strict=True)):
            tf.raw_ops.AssignSubVariableOp(resource=weights[at], value=value * (_WEIGHT_DECAY * rate))
            tf.raw_ops.ResourceApplyAdam(
                var=weights[at],
                m=mean[at],
                v=variance[at],
                beta1_power=_MEAN_DECAY ** (count + 1),
                beta2_power=_VARIANCE_DECAY ** (count + 1),
                lr=rate,
                beta1=_MEAN_DECAY,
                beta2=_VARIANCE_DECAY,
                epsilon=_EPSILON,
                grad=slope,
            )

    handles = [[tf.TensorSpec((), tf.resource)] * len(shapes)] * 3
    vectors, noise = real(None, None), real(None, None, None)
    chosen = labels = whole(None, None, None)

    # A loop of our own: that of Keras' `fit` takes several times as long to make as these layers to train.
    @tf.function(  # type: ignore[untyped-decorator]
        autograph=False, input_signature=[handles, whole(), whole(), vectors, chosen, labels, noise]
    )
    def steps(
        handles: Any, first: Any, seed: Any, vectors: Any, chosen: Any, labels: Any, noise: Any
    ) -> None:
        def body(number: Any) -> Any:
            faces = tf.gather(vectors, chosen[number]) + noise[number]
            learn(first + number, handles, faces, labels[number], seed)
            return number + 1

        tf.while_loop(lambda number: number < tf.shape(chosen)[0], body, (0,), parallel_iterations=1)

    steps.get_concrete_function()
    made: Steps = steps
    return made


if __name__ == "__main__":
    serve(prepare)
