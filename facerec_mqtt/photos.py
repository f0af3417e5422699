"""An enrollment photo looked at once: its face found, cut out, embedded, and remembered.

What a photo gives depends on its content and on the networks alone, so it is kept under the hash of
its content: a rebuild after ten new photos looks at ten.
"""

import hashlib
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.alignment import align
from facerec_mqtt.arrays import read_arrays
from facerec_mqtt.artifact import replace_file
from facerec_mqtt.augmentation import VERSIONS, augment
from facerec_mqtt.errors import PictureError
from facerec_mqtt.files import read_plain
from facerec_mqtt.pictures import decode_picture, taken_at
from facerec_mqtt.records import AlignedFace, Detection, Image, Vectors

ENOUGH_PX = 1280
"""Longer side that a photo keeps at least, where the file has it."""
MIN_FACE_PX = 24.0
MIN_SHARPNESS = 6.0

_RECIPE = 3
"""To be raised whenever the same photo and networks would give something else."""
_MOST_CACHE_BYTES = 2**30
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


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """What looks at the photos; one set for each thread."""

    detector: Detector
    close_detector: Detector
    """The same at a higher resolution, for photos in which the first finds nobody."""
    backbone: Backbone
    detector_digest: str
    """SHA-256 of the detector's file."""
    backbone_digest: str
    """SHA-256 of the backbone's file."""


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """What a photo gave."""

    vectors: NDArray[np.float16] | None
    """(1 + versions, D): the face as it is, then its augmented versions; `None` when it is not used."""
    reason: str | None
    """Why it is not used; `None` when it is."""
    note: str | None = None
    """What its owner may want to know of one that is used."""
    sharpness: float = 0.0
    """Of the face; see `AlignedFace.sharpness`."""
    taken_s: float | None = None
    """When it was taken by the camera's clock, in seconds; `None` where the file does not say it."""


class FindingCache:
    """Findings by the SHA-256 of the photo's content."""

    def __init__(self, path: Path, recipe: str, findings: dict[str, Finding]) -> None:
        self._path = path
        self._recipe = recipe
        self._findings = findings

    @classmethod
    def open(cls, path: Path, networks: Networks) -> "FindingCache":
        """Read what former rebuilds kept; nothing, where other networks made it or it is damaged."""
        recipe = f"{_RECIPE} {VERSIONS} {networks.detector_digest} {networks.backbone_digest}"
        findings: dict[str, Finding] = {}
        try:
            kept = read_arrays(read_plain(path, _MOST_CACHE_BYTES))
            if str(kept["recipe"]) == recipe:
                vectors, rows = kept["vectors"], kept["rows"]
                columns = [kept[name] for name in ("keys", "words", "sharpness", "taken_s")]
                for row, key, words, sharpness, taken_s in zip(rows, *columns, strict=True):
                    used = row >= 0
                    findings[str(key)] = Finding(
                        vectors=vectors[row] if used else None,
                        reason=None if used else str(words),
                        note=str(words) or None if used else None,
                        sharpness=float(sharpness),
                        taken_s=None if np.isnan(taken_s) else float(taken_s),
                    )
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            findings = {}  # a cache: the photos are looked at again
        return cls(path, recipe, findings)

    def get(self, key: str) -> Finding | None:
        """What is known of a photo, or `None`."""
        return self._findings.get(key)

    def put(self, key: str, finding: Finding) -> None:
        """Remember what a photo gave, until `save` for good."""
        self._findings[key] = finding

    def keep(self, wanted: Collection[str]) -> None:
        """Forget all photos but these."""
        self._findings = {key: self._findings[key] for key in wanted if key in self._findings}

    def save(self) -> None:
        """Write all findings.

        Raises:
            OSError: the disk takes no more.
        """
        used = [finding.vectors for finding in self._findings.values() if finding.vectors is not None]
        rows, row = [], 0
        for finding in self._findings.values():
            rows.append(row if finding.vectors is not None else -1)
            row += finding.vectors is not None
        buffer = io.BytesIO()
        np.savez(
            buffer,
            allow_pickle=False,
            recipe=np.array(self._recipe),
            keys=np.array(list(self._findings), np.str_),
            rows=np.array(rows, np.int64),
            words=np.array([each.reason or each.note or "" for each in self._findings.values()], np.str_),
            sharpness=np.array([each.sharpness for each in self._findings.values()], np.float64),
            taken_s=np.array(
                [np.nan if each.taken_s is None else each.taken_s for each in self._findings.values()],
                np.float64,
            ),
            vectors=np.stack(used) if used else np.zeros((0, 1 + VERSIONS, 1), np.float16),
        )
        replace_file(self._path, buffer.getvalue())


def content_key(data: bytes) -> str:
    """Under what a photo is remembered."""
    return hashlib.sha256(data).hexdigest()


def examine(data: bytes, networks: Networks) -> Finding:
    """Find the one face that a photo is about, and embed it with its augmented versions.

    Args:
        data: the whole file.
        networks: used by no other thread meanwhile.
    """
    try:
        image = decode_picture(data, enough_px=ENOUGH_PX)
    except PictureError as error:
        return Finding(None, str(error))
    try:
        return replace(_examine(image, int(content_key(data)[:8], 16), networks), taken_s=taken_at(data))
    except cv2.error as error:
        # One photo, whatever is odd about it, does not keep the family from its model.
        return Finding(None, f"OpenCV cannot work with it ({error.err}).")


def _examine(image: Image, seed: int, networks: Networks) -> Finding:
    detections = (
        find_faces(networks.detector, image)
        or networks.close_detector.detect(image)
        or detect_in_crop(networks.detector, image)
    )
    if not detections:
        return Finding(None, "No face was found in it.")
    chosen = choose(detections, image)
    if chosen is None:
        return Finding(
            None,
            f"It shows {len(detections)} faces, none of them clearly the largest; cut out the right one.",
        )
    face = align(image, chosen)
    if face.width_px < MIN_FACE_PX:
        return Finding(
            None, f"The face is only {face.width_px:.0f} pixels wide, and {MIN_FACE_PX:.0f} are the least."
        )
    if face.sharpness < MIN_SHARPNESS:
        return Finding(None, "The face is too blurred.")
    faces = [face, *augment(face, seed)]
    return Finding(
        vectors=networks.backbone.embed(faces).astype(np.float16),
        reason=None,
        note=None if len(detections) == 1 else _which(chosen, len(detections), image),
        sharpness=face.sharpness,
    )


def _which(chosen: Detection, faces: int, image: Image) -> str:
    """Say which of several faces was taken."""
    x_min, _, x_max, _ = chosen.box
    third = int(np.clip(3 * (x_min + x_max) / 2 / image.shape[1], 0, 2))
    place = ("on the left", "in the middle", "on the right")[third]
    return f"It shows {faces} faces; the largest, {place}, was taken."


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
    height_px, width_px = image.shape[:2]

    def weight(detection: Detection) -> float:
        x_min, y_min, x_max, y_max = detection.box
        aside = abs(x_min + x_max - width_px) / width_px + abs(y_min + y_max - height_px) / height_px
        return float((x_max - x_min) * (1 - 0.4 * min(aside, 1.0)))

    ordered = sorted(detections, key=weight, reverse=True)
    if len(ordered) > 1 and weight(ordered[0]) < _CLEARLY_LARGER * weight(ordered[1]):
        return None
    return ordered[0]
