"""Rendered people: for the demo, the tests and the pictures in the documentation.

Everything here is drawn by NumPy and OpenCV from numbers; nobody shown exists. All pictures are
(H, W, 3) uint8 BGR, and the same arguments give the same picture.
"""

from facerec_mqtt.rendering.people import DAYLIGHT, FAMILY, STRANGERS, Expression, Identity, Light, Pose
from facerec_mqtt.rendering.photos import (
    ENROLLED_STRANGERS,
    UNSEEN_STRANGERS,
    render_photo,
    write_enrollment,
    write_photos,
    write_strangers,
)
from facerec_mqtt.rendering.scene import landmarks, render_frame, walk

__all__ = [
    "DAYLIGHT",
    "ENROLLED_STRANGERS",
    "FAMILY",
    "STRANGERS",
    "UNSEEN_STRANGERS",
    "Expression",
    "Identity",
    "Light",
    "Pose",
    "landmarks",
    "render_frame",
    "render_photo",
    "walk",
    "write_enrollment",
    "write_photos",
    "write_strangers",
]
