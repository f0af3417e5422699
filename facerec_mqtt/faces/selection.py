"""The faces of a picture, also of one that was cut out closely, and which of them a photo is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from facerec_mqtt.core.records import AlignedFace, Detection, Image, Refusal, Vectors
from facerec_mqtt.core.rejections import Place, Rejection, RejectionCode
from facerec_mqtt.faces.alignment import align

STILL_SIDE_PX = 1280
"""Longer side at which a photo is searched for faces, larger than a camera's frame: photos are rarer and
better, and their faces may be small."""
MIN_STILL_FACE_PX = 24.0
"""Least width of a face in a photo, for the same reason less than in a camera's frame."""
_CLEARLY_LARGER = 1.5
# So small a picture is no camera's, but probably a face that somebody cut out.
_CROP_PX = 256
# Share of such a picture's width from which on its face wants surroundings.
_FILLED = 0.6
_SURROUNDINGS = (110, 110, 110)


class Detector(Protocol):
    """Finds faces; `detection.FaceDetector` is one."""

    def detect(self, image: Image) -> tuple[Detection, ...]:
        """All faces of a picture."""


class Backbone(Protocol):
    """Embeds faces; `embedding.Embedder` is one."""

    def embed(self, faces: Sequence[AlignedFace]) -> Vectors:
        """(N, D) float32 unit rows."""


@dataclass(frozen=True, slots=True)
class FaceLimits:
    """What the face of a photo must have."""

    min_sharpness: float = 0.0
    """See `AlignedFace.sharpness`."""
    min_width_px: float = MIN_STILL_FACE_PX


USUAL_LIMITS = FaceLimits()


@dataclass(frozen=True, slots=True, eq=False)
class SelectedFace:
    """The face that a photo is about."""

    face: AlignedFace
    faces: int
    """How many the photo shows."""
    place: Place
    """Where in the photo it is."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundFace:
    """A face of a camera's picture, cut out."""

    detection: Detection
    face: AlignedFace
    refusal: Refusal | None
    """Why it is too poor to be embedded; `None` where it is good enough."""


def find_and_align(
    detector: Detector, image: Image, min_face_px: float, min_sharpness: float
) -> tuple[FoundFace, ...]:
    """Find the faces of a picture, cut them out, and see which can be named at all.

    Args:
        detector: whose faces are wanted.
        image: (H, W, 3) uint8 BGR.
        min_face_px: narrower faces are refused, in pixels of `image`.
        min_sharpness: blurrier faces are refused; see `AlignedFace.sharpness`.

    Returns:
        All of them, the detector's surest first.
    """
    return tuple(
        FoundFace(detection, face, _refuse(face, min_face_px, min_sharpness))
        for detection in find_faces(detector, image)
        for face in [align(image, detection)]
    )


def _refuse(face: AlignedFace, min_face_px: float, min_sharpness: float) -> Refusal | None:
    if face.width_px < min_face_px:
        return "face too small"
    return "blurred" if face.sharpness < min_sharpness else None


def find_faces(detector: Detector, image: Image) -> tuple[Detection, ...]:
    """Find the faces of a picture, which may be one that was cut out closely.

    Args:
        detector: whose faces are wanted.
        image: (H, W, 3) uint8 BGR. Beyond 256 pixels a side it is taken for a whole picture.

    Returns:
        As `Detector.detect`.
    """
    found = detector.detect(image)
    if max(image.shape[:2]) > _CROP_PX:
        return found
    if any(face.box[2] - face.box[0] < _FILLED * image.shape[1] for face in found):
        return found
    return detect_in_crop(detector, image) or found


def detect_in_crop(detector: Detector, image: Image) -> tuple[Detection, ...]:
    """Find the face in a picture that was cut out so closely that the face alone fills it.

    Detectors want to see what is around a face; here that is grey. Where they find it without, too, its
    landmarks are better so.

    Args:
        detector: whose faces are wanted.
        image: (H, W, 3) uint8 BGR.

    Returns:
        As `Detector.detect`, in pixels of `image`.
    """
    height_px, width_px = (side // 2 for side in image.shape[:2])
    grey = cv2.copyMakeBorder(
        image, height_px, height_px, width_px, width_px, cv2.BORDER_CONSTANT, value=_SURROUNDINGS
    )
    shift = np.array([width_px, height_px], np.float32)
    return tuple(
        Detection(
            box=(
                found.box[0] - width_px,
                found.box[1] - height_px,
                found.box[2] - width_px,
                found.box[3] - height_px,
            ),
            landmarks=found.landmarks - shift,
            score=found.score,
        )
        for found in detector.detect(np.asarray(grey, np.uint8))
    )


def choose(detections: Sequence[Detection], image: Image) -> Detection | None:
    """The face that a photo is about: clearly the largest, where one in the middle counts for more.

    Returns:
        `None` when no face stands out.
    """
    ordered = _largest_first(detections, image)
    if len(ordered) > 1 and _weight(ordered[0], image) < _CLEARLY_LARGER * _weight(ordered[1], image):
        return None
    return ordered[0]


def _largest_first(detections: Sequence[Detection], image: Image) -> list[Detection]:
    return sorted(detections, key=lambda detection: _weight(detection, image), reverse=True)


def _weight(detection: Detection, image: Image) -> float:
    """Width in pixels, less for a face away from the middle."""
    height_px, width_px = image.shape[:2]
    x_min, y_min, x_max, y_max = detection.box
    aside = abs(x_min + x_max - width_px) / width_px + abs(y_min + y_max - height_px) / height_px
    return float((x_max - x_min) * (1 - 0.4 * min(aside, 1.0)))


def select_face(
    detections: Sequence[Detection], image: Image, limits: FaceLimits = USUAL_LIMITS
) -> SelectedFace | Rejection:
    """Cut out the face that a photo is about.

    Args:
        detections: the faces that were found in it.
        image: (H, W, 3) uint8 BGR.
        limits: what the face must have.

    Returns:
        The face, or why there is none that can be used.
    """
    if not detections:
        return Rejection(code=RejectionCode.NO_FACE)
    chosen = choose(detections, image)
    if chosen is None:
        return Rejection(code=RejectionCode.SEVERAL_FACES, count=len(detections))
    return _cut_out(chosen, image, len(detections), limits)


def usable_faces(
    detections: Sequence[Detection], image: Image, limits: FaceLimits, *, most: int
) -> tuple[SelectedFace, ...]:
    """Cut out those faces that a photo of several people may be about.

    Args:
        detections: the faces that were found in it.
        image: (H, W, 3) uint8 BGR.
        limits: what the face must have.
        most: how many of the largest are considered.

    Returns:
        The usable ones of the largest. The first is what `select_face` selects, if it selects one.
    """
    largest = _largest_first(detections, image)[:most]
    faces = [_cut_out(each, image, len(detections), limits) for each in largest]
    return tuple(face for face in faces if isinstance(face, SelectedFace))


def _cut_out(detection: Detection, image: Image, faces: int, limits: FaceLimits) -> SelectedFace | Rejection:
    """Cut out one of a photo's faces, or say why it cannot be used."""
    face = align(image, detection)
    if face.width_px < limits.min_width_px:
        return Rejection(
            code=RejectionCode.FACE_TOO_SMALL, width_px=face.width_px, needed_px=limits.min_width_px
        )
    if face.sharpness < limits.min_sharpness:
        return Rejection(code=RejectionCode.BLURRED)
    x_min, _, x_max, _ = detection.box
    third = int(np.clip(3 * (x_min + x_max) / 2 / image.shape[1], 0, 2))
    return SelectedFace(face, faces, (Place.LEFT, Place.MIDDLE, Place.RIGHT)[third])
