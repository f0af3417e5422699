"""Stills: photos as a family would put into the enrollment folder."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from facerec_mqtt.core.records import Image
from facerec_mqtt.rendering.drawing import draw_person
from facerec_mqtt.rendering.people import (
    FAMILY,
    HALF_SMILE,
    NEUTRAL,
    SMILE,
    STRANGERS,
    TALKING,
    Expression,
    Identity,
    Light,
    Pose,
)
from facerec_mqtt.rendering.scene import paint_room, sense

_EXPRESSIONS: tuple[Expression, ...] = (NEUTRAL, HALF_SMILE, SMILE, TALKING, NEUTRAL)
ENROLLED_STRANGERS = STRANGERS[:8]
"""Those whose photos go into `_strangers/`."""
UNSEEN_STRANGERS = STRANGERS[8:]
"""Those that the rebuild never sees."""


def varied_light(rng: np.random.Generator) -> Light:
    """Light from somewhere in front or above, of some strength and colour."""
    direction = (float(rng.uniform(-0.9, 0.9)), float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.6, 1.0)))
    return Light(
        direction,
        float(rng.uniform(0.6, 1.05)),
        float(rng.uniform(0.4, 0.65)),
        float(rng.uniform(-0.08, 0.08)),
    )


def varied_pose(
    rng: np.random.Generator, x_px: float, y_px: float, face_px: float, turn_deg: float = 25.0
) -> Pose:
    """A head held somehow, up to `turn_deg` to either side."""
    return Pose(
        x_px,
        y_px,
        face_px,
        yaw_deg=float(rng.uniform(-turn_deg, turn_deg)),
        pitch_deg=float(rng.uniform(-9, 9)),
        roll_deg=float(rng.uniform(-7, 7)),
        expression=_EXPRESSIONS[int(rng.integers(len(_EXPRESSIONS)))],
    )


def render_photo(identity: Identity, *, seed: int, side_px: int = 320) -> Image:
    """A photo of one person, from the waist or nearer, somewhere in a house.

    Args:
        identity: who.
        seed: of pose, expression, light, distance and room.
        side_px: of the square picture.
    """
    rng = np.random.default_rng([seed, identity.seed, 6])
    face_px = side_px * float(rng.uniform(0.28, 0.55))
    x_px = side_px * 0.5 + float(rng.uniform(-0.08, 0.08)) * side_px
    y_px = side_px * 0.42 + float(rng.uniform(-0.06, 0.04)) * side_px
    pose = varied_pose(rng, x_px, y_px, face_px)
    picture = paint_room(int(rng.integers(1, 9)), (side_px, side_px)).copy()
    light = varied_light(rng)
    draw_person(picture, identity, pose, light, focal_px=side_px * 1.7, samples=2)
    return sense(picture, rng, blur_px=0.4, noise=float(rng.uniform(1, 3)), jpeg_quality=90)


def write_photos(folder: Path, identity: Identity, seeds: Iterable[int], *, side_px: int = 320) -> None:
    """Write `NNN.jpg` into a folder, one photo for each seed, counted from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds, start=1):
        photo = render_photo(identity, seed=seed, side_px=side_px)
        cv2.imwrite(str(folder / f"{number:03d}.jpg"), photo, [cv2.IMWRITE_JPEG_QUALITY, 92])


def write_strangers(
    folder: Path, numbers: Iterable[int], seeds: Iterable[int], *, side_px: int = 320
) -> None:
    """Write `<NN>_NNN.jpg` into a folder, one photo of each stranger for each seed.

    Args:
        folder: made if it does not exist.
        numbers: indices into `ENROLLED_STRANGERS`.
        seeds: of the photos of each.
        side_px: of each square photo.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, (k, seed) in itertools.product(numbers, enumerate(seeds, start=1)):
        photo = render_photo(ENROLLED_STRANGERS[number], seed=seed, side_px=side_px)
        path = folder / f"{number + 1:02d}_{k:03d}.jpg"
        cv2.imwrite(str(path), photo, [cv2.IMWRITE_JPEG_QUALITY, 92])


def write_enrollment(
    folder: Path,
    *,
    names: Sequence[str] = tuple(FAMILY),
    photos: int = 12,
    stranger_photos: int = 4,
    side_px: int = 320,
    seed: int = 0,
) -> None:
    """Write an enrollment folder: `<Name>/NNN.jpg` for the family, `_strangers/<nn>_NNN.jpg`.

    Args:
        folder: made if it does not exist.
        names: which of the family.
        photos: of each.
        stranger_photos: of each of `ENROLLED_STRANGERS`; 0 writes no `_strangers`.
        side_px: of each square photo.
        seed: another one gives other photos of the same people.
    """
    for name in names:
        write_photos(folder / name, FAMILY[name], range(seed, seed + photos), side_px=side_px)
    if stranger_photos:
        numbers = range(len(ENROLLED_STRANGERS))
        write_strangers(folder / "_strangers", numbers, range(seed, seed + stranger_photos), side_px=side_px)
