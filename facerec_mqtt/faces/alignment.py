"""Cut a detected face out of its picture: five landmarks, similarity transform, 112×112."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import FACE_SIDE_PX, AlignedFace, Detection, Image

Transform = NDArray[np.float64]
"""(2, 3) float64: takes x, y, 1 of the picture to x, y of the aligned face."""
# Where the landmarks come to lie, x and y in pixels of the aligned face: the template of
# InsightFace's ArcFace (arXiv 1801.07698), which face networks are commonly trained on.
TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float32,
)

# Of the aligned face: its highlights. Those of a dark skin have 190 in good light.
_HIGHLIGHTS_PERCENT = 95.0
_GOOD_LIGHT = 170.0
# Less light than a third of it leaves too few grey levels to judge by.
_MAX_GAIN = 3.0
# Of normally distributed values, in medians of their size.
_DEVIATION_OF_MEDIAN = 1.4826


def align(image: Image, detection: Detection) -> AlignedFace:
    """Cut one face out of a picture, upright and scaled to the template; outside the picture it is black.

    Were its edges smeared to the sides instead, all closely cut pictures would look alike to the backbone: of
    pairs of strangers in families' pictures 0.9 % passed where 0.06 % do with black (176,000 pairs).

    Args:
        image: (H, W, 3) uint8 BGR, the picture the detection was made on.
        detection: its box and landmarks in pixels of `image`.
    """
    turn = similarity(detection.landmarks, TEMPLATE)
    image, turn = _shrunk(image, turn)
    face = _warped(image, turn, cv2.BORDER_CONSTANT)
    face.flags.writeable = False
    # Where it ends at the picture's edge, the step to black would count as sharpness.
    judged = face if _lies_inside(image, turn) else _warped(image, turn, cv2.BORDER_REPLICATE)
    x_min, _, x_max, _ = detection.box
    return AlignedFace(
        image=face,
        width_px=x_max - x_min,
        sharpness=sharpness(judged),
    )


def sharpness(face: Image) -> float:
    """How sharp an aligned face is, whatever the light.

    The variance of the Laplacian falls with the square of the brightness. A dark face's is therefore scaled
    to good light, but for the part that is the sensor's noise, which is estimated from the median.

    Args:
        face: (H, W, 3) uint8 BGR.

    Returns:
        The variance of the Laplacian of the grey picture in good light, 0 or more.
    """
    grey = cv2.cvtColor(face, cv2.COLOR_BGR2GRAY)
    edges = cv2.Laplacian(grey, cv2.CV_32F)
    variance = float(edges.var())
    light = float(np.percentile(grey, _HIGHLIGHTS_PERCENT))
    gain = min(_MAX_GAIN, max(1.0, _GOOD_LIGHT / max(light, 1.0)))
    if gain == 1.0:
        return variance
    noise = (_DEVIATION_OF_MEDIAN * float(np.median(np.abs(edges)))) ** 2
    return variance + (gain**2 - 1.0) * max(0.0, variance - noise)


def _warped(image: Image, turn: Transform, beyond: int) -> Image:
    """The aligned face; `beyond` says what lies outside of the picture."""
    size = (FACE_SIDE_PX, FACE_SIDE_PX)
    return np.asarray(cv2.warpAffine(image, turn, size, flags=cv2.INTER_LINEAR, borderMode=beyond), np.uint8)


def _corners(turn: Transform) -> NDArray[np.float64]:
    """(4, 2) x and y in the picture, in pixels: where the corners of the aligned face come from."""
    corners = np.array([[0, 0], [FACE_SIDE_PX, 0], [0, FACE_SIDE_PX], [FACE_SIDE_PX, FACE_SIDE_PX]])
    return np.asarray((corners - turn[:, 2]) @ np.linalg.inv(turn[:, :2]).T)


def _lies_inside(image: Image, turn: Transform) -> bool:
    """Whether the aligned face shows nothing from outside the picture, so that its border does not matter."""
    height, width = image.shape[:2]
    corners = _corners(turn)
    # A warp reads the pixel beside, too, and rounds.
    return bool(np.all(corners >= 1) and np.all(corners <= [width - 3, height - 3]))


def _shrunk(image: Image, turn: Transform) -> tuple[Image, Transform]:
    """Scale a picture down by area when the face in it is far larger than the template.

    A warp reads four pixels for each one it writes, so a face several times too large would turn
    into noise. Only the part around the face is scaled.
    """
    scale = float(np.hypot(turn[0, 0], turn[1, 0]))
    if scale >= 0.5:
        return image, turn
    corners = _corners(turn)
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, [width - 1, height - 1])
    right, bottom = np.clip(
        np.ceil(corners.max(axis=0)).astype(int) + 2, [left + 1, top + 1], [width, height]
    )
    part = image[top:bottom, left:right]
    side_x, side_y = (max(1, round(side * scale)) for side in (right - left, bottom - top))
    smaller = np.asarray(cv2.resize(part, (side_x, side_y), interpolation=cv2.INTER_AREA), np.uint8)
    # Pixel centres lie half a pixel inside, hence the halves.
    factor = np.array([(right - left) / side_x, (bottom - top) / side_y])
    linear = turn[:, :2] * factor
    shift = turn[:, :2] @ (factor / 2 - 0.5 + [left, top]) + turn[:, 2]
    return smaller, np.column_stack([linear, shift])


def similarity(source: NDArray[np.float32], target: NDArray[np.float32]) -> Transform:
    """Least-squares rotation, scale and shift that takes one set of points to another.

    Umeyama's closed form (IEEE PAMI 13(4), 1991) in two dimensions, without reflection.

    Args:
        source: (N, 2) points, x and y.
        target: (N, 2) where they should go.

    Returns:
        (2, 3) float64, for `cv2.warpAffine`.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    source_complex = (source - source_mean) @ np.array([1, 1j])
    target_complex = (target - target_mean) @ np.array([1, 1j])
    spread = np.vdot(source_complex, source_complex).real
    factor = np.vdot(source_complex, target_complex) / max(spread, 1e-12)
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([linear, target_mean - linear @ source_mean])
