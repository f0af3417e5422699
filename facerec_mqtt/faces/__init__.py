"""Pictures to embeddings: what to look at, detection, alignment, the backbone."""

from facerec_mqtt.faces.alignment import align
from facerec_mqtt.faces.crops import face_jpeg, portrait, portrait_jpeg
from facerec_mqtt.faces.detection import FaceDetector
from facerec_mqtt.faces.embedding import Cohort, Embedder, load_cohort
from facerec_mqtt.faces.litert import is_chatter, without_chatter
from facerec_mqtt.faces.motion import MotionGate
from facerec_mqtt.faces.region import Region
from facerec_mqtt.faces.selection import (
    MIN_STILL_FACE_PX,
    STILL_SIDE_PX,
    Backbone,
    Detector,
    FaceLimits,
    FoundFace,
    SelectedFace,
    detect_in_crop,
    find_and_align,
    find_faces,
    select_face,
    usable_faces,
)

__all__ = [
    "MIN_STILL_FACE_PX",
    "STILL_SIDE_PX",
    "Backbone",
    "Cohort",
    "Detector",
    "Embedder",
    "FaceDetector",
    "FaceLimits",
    "FoundFace",
    "MotionGate",
    "Region",
    "SelectedFace",
    "align",
    "detect_in_crop",
    "face_jpeg",
    "find_and_align",
    "find_faces",
    "is_chatter",
    "load_cohort",
    "portrait",
    "portrait_jpeg",
    "select_face",
    "usable_faces",
    "without_chatter",
]
