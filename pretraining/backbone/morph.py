"""Faces of nobody: two training pictures bent and blended, for the teacher to be asked about.

The teacher needs no names, so whatever it has an opinion on can be learnt from, and there are more
pairs of pictures than pictures.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from pretraining.backbone.corpus import CHIP_SIDE_PX

Chip = NDArray[np.uint8]

BEND_PX = 2.2
"""Standard deviation of how far a place on a five by five grid is moved."""
EVEN_SHARE = 0.5
"""How often one weight holds for the whole face; else each has parts of its own, with soft borders."""


def morph(first: Chip, second: Chip, rng: np.random.Generator) -> Chip:
    """Blend two chips, both bent, in the light and contrast of the first: (128, 128, 3) uint8 BGR."""
    left, right = (bend(chip, rng).astype(np.float32) for chip in (first, second))
    if rng.random() < EVEN_SHARE:
        weight = np.full((CHIP_SIDE_PX, CHIP_SIDE_PX), rng.uniform(0.3, 0.7), np.float32)
    else:
        weight = 1 / (1 + np.exp(-smooth(4, 4, rng)))
    right = (right - right.mean((0, 1))) * (left.std() / (right.std() + 1e-3)) + left.mean((0, 1))
    blend = right + (left - right) * weight[..., None]
    return np.clip(blend, 0, 255).astype(np.uint8)


def bend(chip: Chip, rng: np.random.Generator) -> Chip:
    """Stretch and squeeze parts of a face a little, as nature does from one person to another."""
    down, right = np.mgrid[:CHIP_SIDE_PX, :CHIP_SIDE_PX].astype(np.float32)
    right, down = right + smooth(BEND_PX, 5, rng), down + smooth(BEND_PX, 5, rng)
    return cv2.remap(chip, right, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def smooth(deviation: float, places: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A random surface through so many places a side: (128, 128)."""
    grid = rng.normal(0, deviation, (places, places)).astype(np.float32)
    return cv2.resize(grid, (CHIP_SIDE_PX, CHIP_SIDE_PX), interpolation=cv2.INTER_CUBIC)
