"""Embeddings of faces: MobileNetV2 with its preprocessing, and the cohort of its scores.

The network is `keras.applications.MobileNetV2` (alpha 1.0, 112×112) with a global depthwise
convolution instead of average pooling, as MobileFaceNet has it (arXiv 1804.07573), and a 256-d
projection. It was initialised from ImageNet and trained on faces; `pretraining/backbone` says how.
The service runs it through LiteRT.
"""

import hashlib
import threading
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.records import FACE_SIDE_PX, AlignedFace, Vectors
from facerec_mqtt.faces.litert import prepare_interpreter

DIMENSIONS = 256
BACKBONE_FILE = "backbone.tflite"
COHORT_FILE = "cohort.npz"


class Embedder:
    """Runs the backbone on aligned faces.

    Each face is seen twice, as it is and in the mirror, and the sum of both answers is scaled to
    unit length: measured, that is worth half a point on LFW's pairs. It happens inside the
    network's file, as do the change from BGR to RGB and the scaling to [-1, 1].
    """

    def __init__(self, interpreter: Any, digest: str) -> None:
        self._interpreter = interpreter
        self._input = interpreter.get_input_details()[0]["index"]
        self._output = interpreter.get_output_details()[0]["index"]
        self._digest = digest
        # While the service takes photos of a person, two of its threads ask for embeddings.
        self._lock = threading.Lock()

    @classmethod
    def load(cls, path: Path | None = None, *, threads: int = 1) -> "Embedder":
        """Open a backbone.

        Args:
            path: a LiteRT file made by `pretraining/backbone`; `None` is the shipped one.
            threads: how many the network may use.

        Raises:
            ModelError: the file is missing or is not such a network.
        """
        source = shipped(BACKBONE_FILE) if path is None else path
        try:
            content = source.read_bytes()
        except OSError as error:
            raise ModelError(
                f"The backbone {source} cannot be read ({error.strerror}); reinstall the package."
            ) from error
        try:
            interpreter = prepare_interpreter(content, threads)
            taken = interpreter.get_input_details()[0]
            given = interpreter.get_output_details()[0]
        except (ValueError, RuntimeError, IndexError) as error:
            raise ModelError(
                f"The backbone {source} is not a LiteRT network or is damaged; reinstall the package."
            ) from error
        form = tuple(taken["shape"]), taken["dtype"], tuple(given["shape"])
        wanted = (1, FACE_SIDE_PX, FACE_SIDE_PX, 3), np.uint8, (1, DIMENSIONS)
        if form != wanted:
            raise ModelError(
                f"The backbone {source} takes and gives {form}, not {wanted}; "
                "use one made by pretraining/backbone, or reinstall the package."
            )
        return cls(interpreter, hashlib.sha256(content).hexdigest())

    @property
    def dimensions(self) -> int:
        """Length of an embedding."""
        return DIMENSIONS

    @property
    def digest(self) -> str:
        """SHA-256 of the backbone's file, in hex: embeddings compare only within one digest."""
        return self._digest

    def embed(self, faces: Sequence[AlignedFace]) -> Vectors:
        """Embed faces, one after the other; in any thread.

        Args:
            faces: aligned faces, (112, 112, 3) uint8 BGR each; may be empty.

        Returns:
            (N, 256) float32, each row of unit L2 length.
        """
        vectors = np.empty((len(faces), DIMENSIONS), np.float32)
        with self._lock:
            for row, face in enumerate(faces):
                self._interpreter.set_tensor(self._input, face.image[None])
                self._interpreter.invoke()
                vectors[row] = self._interpreter.get_tensor(self._output)[0]
        return vectors


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """What the scores of one backbone are normalised against; belongs to its weights."""

    centres: Vectors
    """(M, 256) unit rows: k-means centres of many people's embeddings, nobody's own."""
    top: int
    """How many of the nearest centres give the mean and the deviation."""
    impostor_far: NDArray[np.float32]
    """(K,) false accept rates, falling."""
    impostor_threshold: NDArray[np.float32]
    """(K,) the AS-norm score that lets that share of impostor comparisons through, each one picture
    against the mean of several pictures of another person."""


def load_cohort(path: Path | None = None) -> Cohort:
    """Open a normalisation cohort.

    Args:
        path: a file made by `pretraining/backbone`; `None` is the shipped one.

    Raises:
        ModelError: the file is missing or damaged, or is not for this form of embedding.
    """
    source = shipped(COHORT_FILE) if path is None else path
    try:
        with np.load(source, allow_pickle=False) as content:
            centres = content["centres"].astype(np.float32)
            cohort = Cohort(
                centres=centres / np.linalg.norm(centres, axis=1, keepdims=True),
                top=int(content["top"]),
                impostor_far=content["impostor_far"].astype(np.float32),
                impostor_threshold=content["impostor_threshold"].astype(np.float32),
            )
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"The cohort {source} is missing or damaged ({error}); reinstall the package."
        ) from error
    if cohort.centres.ndim != 2 or cohort.centres.shape[1] != DIMENSIONS:
        raise ModelError(
            f"The cohort {source} holds {cohort.centres.shape} centres, not (M, {DIMENSIONS}); "
            "reinstall the package."
        )
    return cohort


def shipped(name: str) -> Path:
    """Where a file of `facerec_mqtt/faces/weights` lies."""
    return Path(str(files("facerec_mqtt.faces") / "weights" / name))
