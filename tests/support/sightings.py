"""A face that was seen, without the picture it was seen in."""

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import AlignedFace, Detection, Identification, Refusal, Sighting

# Right eye, left eye, nose, right and left mouth corner, in widths of the face from its left top corner.
_LANDMARKS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.65], [0.35, 0.9], [0.65, 0.9]], np.float32)


def face(
    person: str | None = None,
    *,
    score: float | None = None,
    refusal: Refusal | None = None,
    candidate: str | None = None,
    x: float = 300.0,
    width: float = 100.0,
    sharpness: float = 60.0,
    camera: str = "front_door",
    at_s: float = 0.0,
    embedding: NDArray[np.float32] | None = None,
) -> Sighting:
    """A face at `x` that is somebody, or nobody for a reason."""
    if person is None and refusal is None:
        refusal = "below threshold"
    if score is None:
        score = 0.9 if person is not None else 0.05
    box = (x, 200.0, x + width, 200.0 + width * 1.2)
    landmarks = np.array([x, 200.0], np.float32) + width * _LANDMARKS
    return Sighting(
        camera,
        at_s,
        Detection(box, landmarks, 0.9),
        Identification(person, score, 0.5, refusal, candidate),
        AlignedFace(np.zeros((112, 112, 3), np.uint8), width, sharpness),
        embedding,
    )
