"""Draw guises of the training pictures and run the frozen part of the backbone on them, once.

    python -m pretraining.backbone.views --corpus DIR --start CHECKPOINT.h5 --out DIR --count 150000

The layers up to `CUT` cost two thirds of a training step and hold a quarter of the weights. Where
there is no time to train them, their answers are kept: 4×4×160 numbers a view, and `train --views`
trains the rest on them, three times as fast. Resumable; training can begin on the first views.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pretraining.backbone.augment import augment
from pretraining.backbone.corpus import TEACHER_FILE, Corpus

CUT = "block_13_project_BN"
VIEWS_FILE = "views.npy"
ROWS_FILE = "rows.npy"
NOT_YET = -1
BATCH = 16


def front_of(start: Path) -> bytes:
    """The layers up to `CUT` as LiteRT, from (16, 112, 112, 3) float RGB / 127.5 - 1."""
    import keras
    import tensorflow as tf

    from facerec_mqtt.embedding import build_backbone

    model = build_backbone(start)
    front = keras.Model(model.input, model.get_layer(CUT).output)
    faces = keras.Input(batch_shape=(BATCH, *model.input_shape[1:]))
    fixed = keras.Model(faces, front(faces, training=False))
    return bytes(tf.lite.TFLiteConverter.from_keras_model(fixed).convert())


def draw(corpus: Corpus, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """A guise of each row: (N, 112, 112, 3) RGB / 127.5 - 1."""
    faces = np.stack([augment(chip, rng) for chip in corpus.chips[rows]])
    return faces[..., ::-1].astype(np.float32) / 127.5 - 1


def main() -> None:
    """Fill the array of views."""
    from ai_edge_litert.interpreter import Interpreter

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=150_000)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    corpus = Corpus.open(arguments.corpus)
    teacher = np.load(arguments.corpus / TEACHER_FILE, mmap_mode="r")
    front_file = arguments.out / "front.tflite"
    if not front_file.exists():
        front_file.write_bytes(front_of(arguments.start))
    front = Interpreter(str(front_file), num_threads=1)
    front.allocate_tensors()
    taken, given = front.get_input_details()[0]["index"], front.get_output_details()[0]
    if not (arguments.out / ROWS_FILE).exists():
        empty = np.full(arguments.count, NOT_YET, np.int32)
        np.save(arguments.out / ROWS_FILE, empty)
        shape = (arguments.count, *map(int, given["shape"][1:]))
        np.lib.format.open_memmap(arguments.out / VIEWS_FILE, "w+", np.float16, shape).flush()
    views = np.lib.format.open_memmap(arguments.out / VIEWS_FILE, "r+")
    which = np.lib.format.open_memmap(arguments.out / ROWS_FILE, "r+")
    at = int(np.sum(which != NOT_YET)) // BATCH * BATCH
    rng = np.random.default_rng(arguments.seed + at)
    order = np.empty(0, np.int64)
    while at + BATCH <= len(which):
        if len(order) < BATCH:
            rows = corpus.training()
            order = rng.permutation(rows[np.any(teacher[rows] != 0, axis=1)])
        rows, order = np.split(order, [BATCH])
        front.set_tensor(taken, draw(corpus, rows, rng))
        front.invoke()
        views[at : at + BATCH] = front.get_tensor(given["index"])
        which[at : at + BATCH] = rows
        at += BATCH
        if at // BATCH % 100 == 0:
            print(f"{at} views", flush=True)


if __name__ == "__main__":
    main()
