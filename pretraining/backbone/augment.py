"""What cameras do to faces: each training picture comes in another guise every time."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.faces.alignment import FACE_SIDE_PX, TEMPLATE, similarity
from pretraining.backbone.corpus import CHIP_SIDE_PX

Chip = NDArray[np.uint8]

EYES_PX = float(np.linalg.norm(TEMPLATE[1] - TEMPLATE[0]))
COMMON_ERROR = 0.03
"""Deviation of a detector's common error, in eye distances."""
EYES_TOO_LOW = (-0.03, 0.09)
"""What our own detector's common error was on photos of families: eyes 0.02 to 0.07 too low."""


def augment(chip: Chip, rng: np.random.Generator) -> Chip:
    """Draw one guise of a chip.

    Args:
        chip: (128, 128, 3) uint8 BGR, aligned with a margin of 8 px.
        rng: where the draws come from.

    Returns:
        (112, 112, 3) uint8 BGR.
    """
    return disguise(cut(chip, place(rng)), rng)


def disguise(face: Chip, rng: np.random.Generator) -> Chip:
    """What light, camera and distance do to a face: (112, 112, 3) uint8 BGR to the same."""
    face = recolour(face, rng)
    if rng.random() < 0.25:
        return watch(face, rng)
    if rng.random() < 0.25:
        face = coarsen(face, rng)
    if rng.random() < 0.12:
        face = smear(face, rng)
    if rng.random() < 0.15:
        noise = rng.normal(0, rng.uniform(2, 14), face.shape).astype(np.float32)
        face = np.clip(face + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        quality = int(rng.integers(20, 80))
        face = cv2.imdecode(
            cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR
        )
    if rng.random() < 0.15:
        face = cover(face, rng)
    return face


def place(rng: np.random.Generator) -> NDArray[np.float64]:
    """Mirror, turn, scale and shift by what a detector's landmarks err: (2, 3), from chip to face in px."""
    angle = np.deg2rad(rng.normal(0, 4))
    scale = np.exp(rng.normal(0, 0.04))
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    if rng.random() < 0.5:
        linear[:, 0] *= -1
    middle = np.full(2, (CHIP_SIDE_PX - 1) / 2)
    target = np.full(2, (FACE_SIDE_PX - 1) / 2) + rng.normal(0, 1.5, 2)
    return np.column_stack([linear, target - linear @ middle])


def misplace(turn: NDArray[np.float64], wrong: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same guise, aligned by landmarks that lie beside where they should.

    Args:
        turn: (2, 3), from chip to face.
        wrong: (5, 2) px of the face, by how much.
    """
    found = TEMPLATE + wrong
    error = similarity(found.astype(np.float32), TEMPLATE)
    return np.column_stack([error[:, :2] @ turn[:, :2], error[:, :2] @ turn[:, 2] + error[:, 2]])


def common_error(rng: np.random.Generator) -> NDArray[np.float64]:
    """By how much a detector errs everywhere in one way: (5, 2) px of the face."""
    wrong = rng.normal(0, COMMON_ERROR, (5, 2))
    wrong[:2, 1] += rng.uniform(*EYES_TOO_LOW)
    return np.asarray(wrong * EYES_PX)


def cut(chip: Chip, turn: NDArray[np.float64]) -> Chip:
    """The face out of a chip, as `place` says: (112, 112, 3)."""
    return cv2.warpAffine(chip, turn, (FACE_SIDE_PX, FACE_SIDE_PX), borderMode=cv2.BORDER_REPLICATE)


def surround(face: Chip, rng: np.random.Generator) -> Chip:
    """Replace what lies outside a rectangle about the face: (112, 112, 3) uint8 BGR to the same.

    By black, as `align` leaves it outside the picture; by a blurred reflection of the face; by a smeared edge
    or one colour. What is there says nothing of who it is, and a household's pictures often share it.
    """
    left, right = rng.uniform(-4, 20), rng.uniform(92, 116)
    top, bottom = rng.uniform(0, 26), rng.uniform(104, 116)
    x_min, y_min, x_max, y_max = (int(np.clip(edge, 0, FACE_SIDE_PX)) for edge in (left, top, right, bottom))
    part = face[y_min:y_max, x_min:x_max]
    edges = (y_min, FACE_SIDE_PX - y_max, x_min, FACE_SIDE_PX - x_max)
    how = rng.choice(4, p=(0.4, 0.4, 0.1, 0.1))
    if how == 0:
        return cv2.copyMakeBorder(part, *edges, cv2.BORDER_CONSTANT)
    if how == 1:
        around = cv2.copyMakeBorder(part, *edges, cv2.BORDER_REFLECT)
        around = cv2.GaussianBlur(around, (0, 0), rng.uniform(2, 6))
        around[y_min:y_max, x_min:x_max] = part
        return around
    if how == 2:
        return cv2.copyMakeBorder(part, *edges, cv2.BORDER_REPLICATE)
    return cv2.copyMakeBorder(part, *edges, cv2.BORDER_CONSTANT, value=rng.integers(0, 256, 3).tolist())


def mirrored(turn: NDArray[np.float64]) -> bool:
    """Whether a guise is of the mirrored chip."""
    return bool(np.linalg.det(turn[:, :2]) < 0)


def follow(places: NDArray[np.float64], turn: NDArray[np.float64]) -> NDArray[np.float32]:
    """Where places in the chip, or in the mirrored chip where that is shown, come to lie in the guise.

    Args:
        places: (..., 2) px of the chip.
        turn: (2, 3), from chip to face, as `place` draws it.
    """
    if mirrored(turn):
        places = np.stack([CHIP_SIDE_PX - 1 - places[..., 0], places[..., 1]], axis=-1)
    return (places @ turn[:, :2].T + turn[:, 2]).astype(np.float32)


def recolour(face: Chip, rng: np.random.Generator) -> Chip:
    """Brightness, contrast, gamma, a colour cast, light from one side; grey as infrared is."""
    ramp = np.linspace(0, 1, 256, dtype=np.float32) ** np.exp(rng.normal(0, 0.25))
    cast = np.exp(rng.normal(0, 0.06, 3)).astype(np.float32)
    table = (ramp[:, None] - 0.5) * np.exp(rng.normal(0, 0.2)) + 0.5 + rng.normal(0, 0.08)
    table = np.clip(255 * table * cast, 0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        face = cv2.cvtColor(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        table = np.repeat(table[:, :1], 3, axis=1)
    face = cv2.LUT(face, table[None])
    if rng.random() < 0.1:
        slope = np.linspace(rng.uniform(0.4, 1), rng.uniform(1, 1.6), FACE_SIDE_PX, dtype=np.float32)
        slope = slope[:: rng.choice([-1, 1])]
        light = slope[:, None, None] if rng.random() < 0.3 else slope[None, :, None]
        face = np.clip(face * light, 0, 255).astype(np.uint8)
    return face


def coarsen(face: Chip, rng: np.random.Generator) -> Chip:
    """Far from the camera: down to 20-80 px and up again."""
    side = int(rng.uniform(20, 80))
    small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    way = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC
    return cv2.resize(small, (FACE_SIDE_PX, FACE_SIDE_PX), interpolation=way)


def watch(face: Chip, rng: np.random.Generator) -> Chip:
    """All at once, as a cheap camera in the hall has it: far, often infrared, compressed hard."""
    side = int(rng.uniform(28, 72))
    small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.6:
        small = cv2.cvtColor(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    quality = int(rng.integers(20, 70))
    coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.resize(cv2.imdecode(coded, cv2.IMREAD_COLOR), (FACE_SIDE_PX, FACE_SIDE_PX))


def smear(face: Chip, rng: np.random.Generator) -> Chip:
    """Out of focus, or moving."""
    if rng.random() < 0.5:
        return cv2.GaussianBlur(face, (0, 0), rng.uniform(0.7, 2.5))
    length = int(rng.integers(3, 9))
    kernel = np.zeros((length, length), np.float32)
    if rng.random() < 0.5:
        kernel[length // 2] = 1 / length
    else:
        np.fill_diagonal(kernel, 1 / length)
    return cv2.filter2D(face, -1, kernel)


def cover(face: Chip, rng: np.random.Generator) -> Chip:
    """A plain rectangle over part of the face: a hand, a mask, a cap."""
    height, width = rng.integers(15, 55, 2)
    top = rng.integers(0, FACE_SIDE_PX - height)
    left = rng.integers(0, FACE_SIDE_PX - width)
    covered = face.copy()
    covered[top : top + height, left : left + width] = rng.integers(0, 256, 3)
    return covered
