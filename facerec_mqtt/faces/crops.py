"""The picture that goes with an event: the face that decided it, with some surroundings."""

import cv2

from facerec_mqtt.core.records import Box, Image, Sighting

# Of the face's width, on each side of the box.
_MARGIN = 0.35
# The detector wants to see what is around a face: a picture that is kept is to be found a face in again.
_PORTRAIT_MARGIN = 1.0


def face_jpeg(sighting: Sighting, image: Image) -> bytes:
    """The face of a sighting with some surroundings, as JPEG.

    Args:
        sighting: whose face.
        image: (H, W, 3) uint8 BGR, the whole frame that it was found in; where the face lies outside, the
            aligned face serves.
    """
    part = _cut(image, sighting.detection.box, _MARGIN)
    face = sighting.face.image if part.size == 0 else part
    return cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def portrait(image: Image, box: Box) -> Image:
    """A face with so much around it that the detector finds it again: a view into the picture.

    Args:
        image: (H, W, 3) uint8 BGR.
        box: of the face, in pixels of `image`.
    """
    return _cut(image, box, _PORTRAIT_MARGIN)


def portrait_jpeg(image: Image) -> bytes:
    """A picture to keep, as JPEG."""
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def _cut(image: Image, box: Box, margin_widths: float) -> Image:
    x_min, y_min, x_max, y_max = box
    margin = margin_widths * (x_max - x_min)
    height, width = image.shape[:2]
    left, top = max(0, round(x_min - margin)), max(0, round(y_min - margin))
    right, bottom = min(width, round(x_max + margin)), min(height, round(y_max + margin))
    return image[top : max(top, bottom), left : max(left, right)]
