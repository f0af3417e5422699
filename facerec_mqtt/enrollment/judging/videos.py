"""One enrollment video: a few good pictures of each person in it, far apart and unlike each other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.records import Image
from facerec_mqtt.core.rejections import Rejection, RejectionCode, Remark, RemarkCode
from facerec_mqtt.enrollment.judging.near_duplicates import repeats
from facerec_mqtt.enrollment.judging.photo_cache import Networks, PhotoAnalysis
from facerec_mqtt.enrollment.judging.photo_comparison import SAME_PERSON, linked
from facerec_mqtt.enrollment.judging.photos import LIMITS, embed_face
from facerec_mqtt.enrollment.judging.video_files import VideoFile
from facerec_mqtt.faces import STILL_SIDE_PX, SelectedFace, find_faces, select_face, usable_faces

SAMPLES = 48
"""So many pictures of a video are searched for faces."""
MOST_PICTURES = 8
"""So many of a person are used: a video of a minute is one moment, and must not outweigh the photos."""
_MOST_PEOPLE = 4
_MOST_FACES = 4
_STRICTEST = 0.8
# So many times as often as anybody else is the one seen who is meant.
_CLEARLY_MORE = 3


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A usable face in one of the pictures."""

    at_s: float
    selected: SelectedFace
    vector: NDArray[np.float32]
    """(D,) of unit length."""


def analyse_video(video: VideoFile, networks: Networks, seed: int) -> tuple[PhotoAnalysis, ...]:
    """Choose the pictures of a video that are worth learning from.

    Args:
        video: open.
        networks: used by no other thread meanwhile.
        seed: of the worsened versions.

    Returns:
        One for each chosen picture, in their order; one alone, without `at_s`, where the video is rejected.
    """
    seen: list[_Seen] = []
    why = Rejection(code=RejectionCode.NO_FACE)
    try:
        for picture in video.pictures(SAMPLES, STILL_SIDE_PX):
            found = _look(picture.image, networks)
            if isinstance(found, Rejection):
                why = found if found.code is not RejectionCode.NO_FACE else why
                continue
            vectors = networks.backbone.embed([each.face for each in found])
            seen += [_Seen(picture.at_s, *each) for each in zip(found, vectors, strict=True)]
    except PictureError as error:
        return (PhotoAnalysis(None, error.rejection),)
    except cv2.error as error:
        return (PhotoAnalysis(None, Rejection(code=RejectionCode.NOT_PROCESSED, detail=error.err)),)
    if not seen:
        return (PhotoAnalysis(None, why),)
    people = _people(seen)
    analyses: list[PhotoAnalysis] = []
    for rank, person in enumerate(people[:_MOST_PEOPLE]):
        is_meant = rank == 0 and (len(people) == 1 or len(person) >= _CLEARLY_MORE * len(people[1]))
        analyses += _best(person, networks, seed, people=len(people), is_meant=is_meant)
    taken_s = video.taken_s
    dated = [
        replace(each, taken_s=None if taken_s is None or each.at_s is None else taken_s + each.at_s)
        for each in analyses
    ]
    return tuple(sorted(dated, key=lambda each: each.at_s or 0.0))


def _look(image: Image, networks: Networks) -> tuple[SelectedFace, ...] | Rejection:
    """The usable faces of a picture, or why there is none."""
    detections = find_faces(networks.detector, image) or networks.close_detector.detect(image)
    faces = usable_faces(detections, image, LIMITS, most=_MOST_FACES)
    if faces:
        return faces
    selected = select_face(detections, image, LIMITS)
    return selected if isinstance(selected, Rejection) else Rejection(code=RejectionCode.NO_FACE)


def _people(seen: Sequence[_Seen]) -> list[list[_Seen]]:
    """The faces of each person, of the one who is seen most first."""
    vectors = np.stack([each.vector for each in seen])
    same = SAME_PERSON
    while True:
        groups = linked(vectors, same)
        people = [
            [seen[at] for at in np.flatnonzero(groups == group).tolist()] for group in np.unique(groups)
        ]
        # Two faces in one picture are of two people.
        if same >= _STRICTEST or all(len({each.at_s for each in one}) == len(one) for one in people):
            return sorted(people, key=len, reverse=True)
        same += 0.05


def _best(
    person: Sequence[_Seen], networks: Networks, seed: int, *, people: int, is_meant: bool
) -> list[PhotoAnalysis]:
    """The best pictures of a person, each of another part of the video, without near-duplicates."""
    parts = np.array_split(np.arange(len(person)), min(MOST_PICTURES, len(person)))
    chosen: dict[int, _Seen] = {}
    for part in parts:
        best = max((person[at] for at in part.tolist()), key=lambda each: each.selected.face.quality)
        # By the second, since that is what they are called by.
        chosen.setdefault(int(best.at_s), best)
    faces = [
        embed_face(each.selected, seed + number, networks) for number, each in enumerate(chosen.values())
    ]
    vectors = np.stack([face.vectors for face in faces]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    sharpness = np.array([face.sharpness for face in faces])
    repeated = repeats(vectors, np.zeros(len(faces), np.int64), sharpness)
    analyses = []
    for each, face, other in zip(chosen.values(), faces, repeated, strict=True):
        if other >= 0:
            continue
        if people == 1:
            analyses.append(PhotoAnalysis(face.vectors, None, sharpness=face.sharpness, at_s=each.at_s))
            continue
        unclear = Rejection(code=RejectionCode.VIDEO_OF_SEVERAL, count=people)
        one = PhotoAnalysis(None, unclear, shown=people, faces=(face,), at_s=each.at_s)
        if is_meant:
            meant = Remark(code=RemarkCode.MOST_SEEN_TAKEN, count=people)
            one = replace(one.taking(0), remark=meant)
        analyses.append(one)
    return analyses
