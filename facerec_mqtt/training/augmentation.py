"""A good photo as a camera above a door would have taken it: small, blurred, dark, noisy, compressed.

The classifier is trained on these versions too, so that it knows each person at the quality at which it
will see them. The mirror image is not among them: the backbone sees it anyway.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import AlignedFace, Image

VERSIONS = 6


def augment(face: AlignedFace, seed: int) -> tuple[AlignedFace, ...]:
    """Make the versions of one face that are learnt from besides the face itself.

    Args:
        face: (S, S, 3) uint8 BGR.
        seed: of what happens to it; the same seed gives the same versions.

    Returns:
        `VERSIONS` faces of the same shape.
    """
    rng = np.random.default_rng(seed)
    return tuple(
        AlignedFace(image=_worsen(face.image, rng), width_px=face.width_px, sharpness=face.sharpness)
        for _ in range(VERSIONS)
    )


def _worsen(image: Image, rng: np.random.Generator) -> Image:
    """Misplace it as a detector would, then lower its resolution, light and quality."""
    side_px = image.shape[0]
    turn = cv2.getRotationMatrix2D((side_px / 2, side_px / 2), rng.normal(0, 4), 1 + rng.normal(0, 0.04))
    shift = np.array([[0, 0, rng.normal(0, 2)], [0, 0, rng.normal(0, 2)]])
    worse = cv2.warpAffine(image, turn + shift, (side_px, side_px), borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.6:
        small_px = int(rng.integers(36, 70))
        worse = cv2.resize(worse, (small_px, small_px), interpolation=cv2.INTER_AREA)
        worse = cv2.resize(worse, (side_px, side_px), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.3:
        worse = cv2.GaussianBlur(worse, (0, 0), rng.uniform(0.5, 1.6))
    light: NDArray[np.float64] = worse.astype(np.float64)
    mean = light.mean()
    light = (light - mean) * rng.uniform(0.6, 1.2) + mean * rng.uniform(0.5, 1.25)
    light = light + rng.normal(0, rng.uniform(0, 6), light.shape)
    if rng.random() < 0.2:  # infrared light, as at night
        light = np.repeat(light.mean(axis=2, keepdims=True), 3, axis=2)
    worse = np.clip(light, 0, 255).astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 90))]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", worse, quality)[1], cv2.IMREAD_COLOR), np.uint8)
