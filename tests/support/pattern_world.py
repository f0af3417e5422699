"""A world in which faces are coloured patterns: small real networks for the tests of what is built on them.

A person is a pattern of 8×8 fields, a picture of a person is that pattern with noise in the middle of
a grey picture. Its detector and backbone need no weights, so a rebuild takes as long as its own work.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from facerec_mqtt.core.records import FACE_SIDE_PX, AlignedFace, Detection, Image, Vectors
from facerec_mqtt.enrollment.judging.photo_cache import Networks
from facerec_mqtt.faces.alignment import TEMPLATE
from facerec_mqtt.faces.embedding import Cohort
from facerec_mqtt.recognition.classifier import Classifier
from facerec_mqtt.training.classifier_trainer import Lesson

FIELDS = 8
DIMENSIONS = FIELDS * FIELDS
GREY = 128
LOOKS = 2
"""At each picture: its face fills so much of it that it is looked at with surroundings, too."""


def pattern(person: int) -> np.ndarray:
    """What a person looks like: (8, 8) float, mean 0."""
    fields = np.random.default_rng(1000 + person).normal(size=(FIELDS, FIELDS))
    return np.asarray(fields - fields.mean())


def face(person: int, picture: int = 0, noise: float = 0.5) -> Image:
    """A person's face in one of their pictures: (112, 112, 3) uint8."""
    rng = np.random.default_rng([person, picture])
    fields = pattern(person) + rng.normal(size=(FIELDS, FIELDS)) * noise
    grey = cv2.resize(fields, (FACE_SIDE_PX, FACE_SIDE_PX), interpolation=cv2.INTER_CUBIC)
    grey = np.clip(GREY + 40 * grey + rng.normal(0, 4, grey.shape), 1, 254)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def picture_of(*people: int, picture: int = 0, noise: float = 0.5, scale: float = 1.0) -> Image:
    """A picture with these people side by side on a black ground; none gives an empty one."""
    side_px = round(FACE_SIDE_PX * scale)
    canvas = np.zeros((side_px + 40, max(len(people), 1) * (side_px + 40), 3), np.uint8)
    for place, person in enumerate(people):
        left = 20 + place * (side_px + 40)
        shown = face(person, picture, noise)
        canvas[20 : 20 + side_px, left : left + side_px] = cv2.resize(shown, (side_px, side_px))
    return canvas


def write_photos(folder: Path, person: int, count: int, *, first: int = 0, noise: float = 0.5) -> None:
    """Write pictures of one person into a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        picture = picture_of(person, picture=number, noise=noise)
        cv2.imwrite(str(folder / f"{number:03}.png"), picture)


class PatternDetector:
    """Finds what is neither black nor the grey that is put around close crops."""

    def __init__(self) -> None:
        self.looked_at = 0

    def detect(self, image: Image) -> tuple[Detection, ...]:
        self.looked_at += 1
        luma = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        grey = np.asarray((luma > 12) & (luma != 110), np.uint8)
        closed = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
        count, _, boxes, _ = cv2.connectedComponentsWithStats(closed)
        found = []
        for x_min, y_min, width_px, height_px, _ in boxes[1:count]:
            if min(width_px, height_px) >= 10:
                scale = width_px / FACE_SIDE_PX
                found.append(
                    Detection(
                        box=(float(x_min), float(y_min), float(x_min + width_px), float(y_min + height_px)),
                        landmarks=np.asarray(TEMPLATE * scale + (x_min, y_min), np.float32),
                        score=0.9,
                    )
                )
        return tuple(found)


class PatternBackbone:
    """Embeds a face as its fields, (64,)."""

    digest = "backbone of patterns"

    def __init__(self) -> None:
        self.embedded = 0

    def embed(self, faces: Sequence[AlignedFace]) -> Vectors:
        self.embedded += len(faces)
        vectors = np.zeros((len(faces), DIMENSIONS), np.float32)
        for row, each in enumerate(faces):
            grey = cv2.cvtColor(each.image, cv2.COLOR_BGR2GRAY).astype(np.float32)
            fields = cv2.resize(grey, (FIELDS, FIELDS), interpolation=cv2.INTER_AREA).ravel()
            fields -= fields.mean()
            vectors[row] = fields / max(float(np.linalg.norm(fields)), 1e-6)
        return vectors


def pattern_networks() -> Networks:
    return Networks(
        PatternDetector(), PatternDetector(), PatternBackbone(), "detector", PatternBackbone.digest
    )


def closest_classifier(
    vectors: Vectors, nobody: Vectors, lessons: Sequence[Lesson], progress: Callable[[float], None]
) -> list[Classifier]:
    """One layer that prefers the person whose mean is the closest: learnt in no time, without TensorFlow."""
    progress(1.0)
    return [_closest(vectors[each.rows], nobody, each) for each in lessons]


def _closest(vectors: Vectors, nobody: Vectors, lesson: Lesson) -> Classifier:
    own = [(lesson.labels == row) & ~lesson.held_out for row in range(lesson.people)]
    means = np.stack([vectors[mine].mean(axis=0) for mine in own])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    kernel = np.concatenate([means, np.zeros_like(nobody[:1])]).T * 10
    return Classifier(
        kernels=(kernel.astype(np.float32),),
        biases=(np.r_[np.zeros(lesson.people), 4].astype(np.float32),),
    )


def pattern_cohort() -> Cohort:
    """People who are in no test, and how normalised scores of strangers are distributed."""
    others = np.stack([pattern(person).ravel() for person in range(10_000, 10_200)]).astype(np.float32)
    return Cohort(
        centres=others / np.linalg.norm(others, axis=1, keepdims=True),
        top=20,
        impostor_far=np.array([1.0, 0.1, 0.01, 0.001, 0.0001], np.float32),
        impostor_threshold=np.array([-8.0, -1.5, 1.0, 2.5, 4.0], np.float32),
    )
