"""One enrollment photo: its face found, cut out and embedded."""

import hashlib
from dataclasses import dataclass, replace

import cv2
import numpy as np

from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.images import decode_picture, taken_at
from facerec_mqtt.core.records import Detection, Image
from facerec_mqtt.core.rejections import Rejection, RejectionCode, Remark, RemarkCode
from facerec_mqtt.enrollment.folder import Photo
from facerec_mqtt.enrollment.judging.photo_cache import Networks, PhotoAnalysis, PhotoFace
from facerec_mqtt.faces import (
    STILL_SIDE_PX,
    Detector,
    Embedder,
    FaceDetector,
    FaceLimits,
    SelectedFace,
    detect_in_crop,
    find_faces,
    select_face,
    usable_faces,
)
from facerec_mqtt.training import augment

# Lower than for a camera: a photo is of somebody, and the largest face in it is meant.
_MIN_SCORE = 0.5
LIMITS = FaceLimits(min_sharpness=6.0)
"""What the face of an enrollment photo must have."""
_MOST_FACES = 4


@dataclass(frozen=True, slots=True, eq=False)
class PhotoDetectors:
    """What finds the faces of enrollment photos, one set for each thread."""

    detector: Detector
    close_detector: Detector
    """The same at a higher resolution, for photos in which the first finds nobody."""

    @classmethod
    def load(cls) -> "PhotoDetectors":
        """Open the detectors that the package ships.

        Raises:
            ModelError: the detector is missing or damaged.
        """
        close = FaceDetector.load(min_score=_MIN_SCORE, max_side_px=STILL_SIDE_PX)
        return cls(FaceDetector.load(min_score=_MIN_SCORE), close)

    def detect(self, image: Image) -> tuple[Detection, ...]:
        """All faces of a photo, also of one that was cut out closely."""
        return (
            find_faces(self.detector, image)
            or self.close_detector.detect(image)
            or detect_in_crop(self.detector, image)
        )


def content_key(data: bytes) -> str:
    """Under what a photo is cached."""
    return hashlib.sha256(data).hexdigest()


def cache_key(data: bytes, photo: Photo) -> str:
    """Under what a photo of the enrollment folder is cached."""
    return f"{content_key(data)}{' anyway' * photo.use_anyway}"


def analyse(data: bytes, networks: Networks, *, anyway: bool = False) -> PhotoAnalysis:
    """Find the one face that a photo is about, and embed it with its augmented versions.

    Args:
        data: the whole file.
        networks: used by no other thread meanwhile.
        anyway: whether its owner wants it to be used however small or blurred the face is.
    """
    try:
        image = decode_picture(data, enough_px=STILL_SIDE_PX)
    except PictureError as error:
        return PhotoAnalysis(None, error.rejection)
    try:
        seed = int(content_key(data)[:8], 16)
        return replace(_analyse(image, seed, networks, anyway=anyway), taken_s=taken_at(data))
    except cv2.error as error:
        # One photo, whatever is odd about it, does not keep the family from its model.
        return PhotoAnalysis(None, Rejection(code=RejectionCode.NOT_PROCESSED, detail=error.err))


def _analyse(image: Image, seed: int, networks: Networks, *, anyway: bool) -> PhotoAnalysis:
    detections = PhotoDetectors(networks.detector, networks.close_detector).detect(image)
    limits = FaceLimits(0.0, 0.0) if anyway else LIMITS
    selected = select_face(detections, image, limits)
    if len(detections) > 1:
        usable = usable_faces(detections, image, limits, most=_MOST_FACES)
        several = PhotoAnalysis(
            None,
            None,
            shown=len(detections),
            faces=tuple(embed_face(face, seed, networks) for face in usable),
        )
        if isinstance(selected, Rejection):
            # Of faces none of which stands out, its owner has seen that one is the person's.
            return several.taking(0) if anyway and several.faces else replace(several, rejection=selected)
        remark = Remark(code=RemarkCode.LARGEST_TAKEN, count=len(detections), place=selected.place)
        return replace(several.taking(0), remark=remark)
    if isinstance(selected, Rejection):
        return PhotoAnalysis(None, selected)
    face = embed_face(selected, seed, networks)
    return PhotoAnalysis(face.vectors, None, sharpness=face.sharpness)


def embed_face(selected: SelectedFace, seed: int, networks: Networks) -> PhotoFace:
    """Embed a face with its augmented versions."""
    vectors = networks.backbone.embed([selected.face, *augment(selected.face, seed)])
    return PhotoFace(vectors.astype(np.float16), selected.face.sharpness, selected.place)


def shipped_networks() -> Networks:
    """Open the networks that the package ships, for one thread.

    Raises:
        ModelError: one of them is missing or damaged.
    """
    detector, embedder = FaceDetector.load(min_score=_MIN_SCORE), Embedder.load()
    return Networks(
        detector=detector,
        close_detector=FaceDetector.load(min_score=_MIN_SCORE, max_side_px=STILL_SIDE_PX),
        backbone=embedder,
        detector_digest=detector.digest,
        backbone_digest=embedder.digest,
    )
