"""The networks that `accuracy.py` compares, each from aligned faces to unit vectors."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from facerec_mqtt.core.records import AlignedFace, Image, Vectors
from facerec_mqtt.faces import Embedder
from facerec_mqtt.faces.alignment import TEMPLATE, similarity

TEACHER_SIDE_PX = 128
# face-reidentification-retail-0095 of the Open Model Zoo, landmarks in pixels of its input.
TEACHER_TEMPLATE = TEACHER_SIDE_PX * np.array(
    [[0.31557, 0.46157], [0.68262, 0.46157], [0.50026, 0.64051], [0.34947, 0.82469], [0.65344, 0.82469]]
)
DLIB_SIDE_PX = 150
BATCH = 64


class UnavailableError(Exception):
    """A competitor is not installed or its weights are not there."""


@dataclass(frozen=True, slots=True)
class Competitor:
    """A face network."""

    embed: Callable[[list[Image]], Vectors]
    """(112, 112, 3) uint8 BGR faces on the ArcFace template to (N, D) unit rows."""


def competitors(backbone: Path | None, imagenet: Path, teacher: Path) -> dict[str, Callable[[], Competitor]]:
    """All of them by name, to be opened in turn; opening may raise `UnavailableError`."""
    return {
        "ours": partial(_ours, backbone),
        "imagenet": partial(_imagenet, imagenet),
        "teacher": partial(_teacher, teacher),
        "dlib": _dlib,
    }


def _unit(vectors: Vectors) -> Vectors:
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)).astype(np.float32)


def _ours(path: Path | None) -> Competitor:
    embedder = Embedder.load(path)
    return Competitor(lambda faces: embedder.embed([AlignedFace(face, 112.0, 100.0) for face in faces]))


def _imagenet(weights: Path) -> Competitor:
    """The frozen network with average pooling, as in the recipe for a beginner's classifier."""
    if importlib.util.find_spec("keras") is None or not weights.exists():
        raise UnavailableError(f"Keras is not installed or {weights} is not there")
    import keras

    network = keras.applications.MobileNetV2(
        input_shape=(112, 112, 3), include_top=False, weights=None, pooling="avg"
    )
    try:
        network.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        raise UnavailableError(f"{weights} holds no weights of this network ({error})") from None

    def embed(faces: list[Image]) -> Vectors:
        scaled = np.stack(faces)[..., ::-1].astype(np.float32) / 127.5 - 1
        return _unit(network.predict(scaled, batch_size=BATCH, verbose=0))

    return Competitor(embed)


def _teacher(path: Path) -> Competitor:
    if importlib.util.find_spec("onnxruntime") is None or not path.exists():
        raise UnavailableError(f"onnxruntime is not installed or {path} is not there")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # it raises classes of its own that have nothing in common
        raise UnavailableError(f"{path} is no network that onnxruntime can open ({error})") from None
    name = session.get_inputs()[0].name
    turn = similarity(TEMPLATE, TEACHER_TEMPLATE)

    def embed(faces: list[Image]) -> Vectors:
        vectors = []
        for face in faces:
            cut = cv2.warpAffine(face, turn, (TEACHER_SIDE_PX, TEACHER_SIDE_PX))
            batch = np.ascontiguousarray(cut.transpose(2, 0, 1)[None].astype(np.float32))
            vectors.append(session.run(None, {name: batch})[0].ravel())
        return _unit(np.stack(vectors))

    return Competitor(embed)


def _dlib() -> Competitor:
    if importlib.util.find_spec("face_recognition") is None:
        raise UnavailableError("face_recognition is not installed in this environment")
    import face_recognition

    def embed(faces: list[Image]) -> Vectors:
        vectors = []
        for face in faces:
            image = cv2.resize(face, (DLIB_SIDE_PX, DLIB_SIDE_PX))[..., ::-1]
            box = (0, DLIB_SIDE_PX, DLIB_SIDE_PX, 0)  # top, right, bottom, left: the face is all there is
            vectors.append(face_recognition.face_encodings(np.ascontiguousarray(image), [box])[0])
        return _unit(np.stack(vectors).astype(np.float32))

    return Competitor(embed)
