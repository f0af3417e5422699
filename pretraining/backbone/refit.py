"""Fit the last layer once more, in closed form, to pictures that cameras have spoilt.

    python -m pretraining.backbone.refit CHECKPOINT.h5 --corpus DIR --weights DIR --out NEW.weights.h5

Ridge regression from our embeddings to the teacher's, towards the identity: a 256x256 matrix that
is multiplied into the projection. Each picture counts three times: untouched, in a guise, and at 48
px, grey, JPEG 40. A minute of computing; worth most on poor pictures. Where `fuse` has made targets,
these stand for the teacher's answers.
"""

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import AlignedFace, Image, Vectors
from facerec_mqtt.faces import Embedder
from facerec_mqtt.faces.embedding import BACKBONE_FILE, DIMENSIONS
from pretraining.backbone.augment import augment
from pretraining.backbone.corpus import MARGIN_PX, MORPHS, TARGET_FILE, TEACHER_FILE, Corpus
from pretraining.backbone.keras_network import build_backbone

SHRINKAGE = 1.0
"""Weight of the identity, in shares of the embeddings' mean power in one direction; chosen on fold 7."""


def spoil(face: Image) -> Image:
    """48 px, grey, JPEG 40, and back to 112 px."""
    small = cv2.cvtColor(cv2.resize(face, (48, 48), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    return np.asarray(cv2.resize(cv2.imdecode(coded, cv2.IMREAD_COLOR), face.shape[:2]), np.uint8)


def solve(ours: Vectors, teacher: Vectors, shrinkage: float) -> NDArray[np.float64]:
    """The (256, 256) matrix that takes ours nearest to the teacher's: (N, 256) unit rows each."""
    left, right = ours.astype(np.float64), teacher.astype(np.float64)
    prior = shrinkage * len(left) / DIMENSIONS * np.eye(DIMENSIONS)
    return np.linalg.solve(left.T @ left + prior, left.T @ right + prior)


def fold_in(backbone: Any, matrix: NDArray[np.float64]) -> None:
    """Multiply a matrix into the projection and its normalisation, which then does nothing but shift."""
    projection, normalisation = backbone.layers[-2], backbone.layers[-1]
    kernel = projection.get_weights()[0]
    shift, mean, variance = normalisation.get_weights()
    gain = 1 / np.sqrt(variance + normalisation.epsilon)
    projection.set_weights([(kernel * gain) @ matrix])
    unit = np.full_like(variance, 1 - normalisation.epsilon)
    normalisation.set_weights([(shift - mean * gain) @ matrix, np.zeros_like(mean), unit])


def main() -> None:
    """Refit one checkpoint whose LiteRT export lies in `--weights`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="folder with its export")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=6000)
    arguments = parser.parse_args()
    fused = arguments.corpus / TARGET_FILE
    answers = fused if fused.is_file() else arguments.corpus / TEACHER_FILE
    for needed in (arguments.checkpoint, answers, arguments.weights / BACKBONE_FILE):
        if not needed.is_file():
            parser.error(
                f"{needed} is not there; network writes the checkpoint, export --weights, prepare --corpus"
            )
    if not arguments.out.name.endswith(".weights.h5"):
        parser.error(f"{arguments.out} must end in .weights.h5, as Keras wants it")
    rng = np.random.default_rng(0)
    corpus = Corpus.open(arguments.corpus)
    teacher = np.load(answers, mmap_mode="r")
    embedder = Embedder.load(arguments.weights / BACKBONE_FILE)
    rows = corpus.training()
    real = (corpus.source[rows] != MORPHS) & np.any(teacher[rows] != 0, axis=1)
    rows = rng.permutation(rows[real])[: arguments.pictures]
    inner = slice(MARGIN_PX, -MARGIN_PX)
    faces = []
    for row in rows:
        face = np.ascontiguousarray(corpus.chips[row][inner, inner])
        faces += [face, augment(corpus.chips[row], rng), spoil(face)]
    ours = embedder.embed([AlignedFace(image=face, width_px=112.0, sharpness=100.0) for face in faces])
    backbone = build_backbone(arguments.checkpoint)
    seen = np.stack([faces[0], faces[0][:, ::-1]])[..., ::-1] / np.float32(127.5) - 1
    answer = np.asarray(backbone(seen, training=False)).sum(axis=0)
    if answer @ ours[0] < 0.99 * np.linalg.norm(answer):
        raise SystemExit(
            f"{arguments.weights} is no export of {arguments.checkpoint}; export that one first."
        )
    fold_in(backbone, solve(ours, np.repeat(teacher[rows].astype(np.float32), 3, axis=0), SHRINKAGE))
    backbone.save_weights(arguments.out)


if __name__ == "__main__":
    main()
