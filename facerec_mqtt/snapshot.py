"""The picture that goes with an event: the face that decided it, with some surroundings."""

import cv2

from facerec_mqtt.records import Frame, Sighting

# Of the face's width, on each side of the box.
_MARGIN = 0.35


def face_jpeg(sighting: Sighting, frame: Frame | None) -> bytes:
    """The face of a sighting with some surroundings, as JPEG.

    Args:
        sighting: whose face.
        frame: the frame at hand; where it is not the one of the sighting, the aligned face serves.
    """
    image = sighting.face.image
    if frame is not None and frame.captured_at_s == sighting.captured_at_s:
        x_min, y_min, x_max, y_max = sighting.detection.box
        margin = _MARGIN * (x_max - x_min)
        height, width = frame.image.shape[:2]
        left, top = max(0, round(x_min - margin)), max(0, round(y_min - margin))
        right, bottom = min(width, round(x_max + margin)), min(height, round(y_max + margin))
        if right > left and bottom > top:
            image = frame.image[top:bottom, left:right]
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
