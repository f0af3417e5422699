"""An enrollment photo looked at once: its face found, cut out, embedded, and remembered.

What a photo gives depends on its content and on the networks alone, so it is kept under the hash of
its content: a rebuild after ten new photos looks at ten.
"""

import contextlib
import hashlib
import io
import os
import queue
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.files import read_plain, replace_file
from facerec_mqtt.core.images import decode_picture, read_bytes, taken_at
from facerec_mqtt.core.records import Detection, Image
from facerec_mqtt.enrollment.folder import Photo
from facerec_mqtt.faces.alignment import align
from facerec_mqtt.faces.detection import FaceDetector
from facerec_mqtt.faces.embedding import Embedder
from facerec_mqtt.faces.selection import ENOUGH_PX, Backbone, Detector, choose, detect_in_crop, find_faces
from facerec_mqtt.recognition.arrays import read_arrays
from facerec_mqtt.recognition.model_paths import ModelPaths
from facerec_mqtt.recognition.model_store import writing
from facerec_mqtt.training.augmentation import VERSIONS, augment

_SAVE_EVERY = 200
_MOST_WORKERS = 4
# Lower than for a camera: a photo is of somebody, and the largest face in it is meant.
_MIN_SCORE = 0.5
MIN_FACE_PX = 24.0
MIN_SHARPNESS = 6.0
_RECIPE = 3
"""To be raised whenever the same photo and networks would give something else."""
_MOST_CACHE_BYTES = 2**30


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
class PhotoAnalysis:
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


class PhotoCache:
    """Findings by the SHA-256 of the photo's content."""

    def __init__(self, path: Path, recipe: str, findings: dict[str, PhotoAnalysis]) -> None:
        self._path = path
        self._recipe = recipe
        self._findings = findings

    @classmethod
    def open(cls, path: Path, networks: Networks) -> "PhotoCache":
        """Read what former rebuilds kept; nothing, where other networks made it or it is damaged."""
        recipe = f"{_RECIPE} {VERSIONS} {networks.detector_digest} {networks.backbone_digest}"
        findings: dict[str, PhotoAnalysis] = {}
        try:
            kept = read_arrays(read_plain(path, _MOST_CACHE_BYTES))
            if str(kept["recipe"]) == recipe:
                vectors, rows = kept["vectors"], kept["rows"]
                columns = [kept[name] for name in ("keys", "words", "sharpness", "taken_s")]
                for row, key, words, sharpness, taken_s in zip(rows, *columns, strict=True):
                    used = row >= 0
                    findings[str(key)] = PhotoAnalysis(
                        vectors=vectors[row] if used else None,
                        reason=None if used else str(words),
                        note=str(words) or None if used else None,
                        sharpness=float(sharpness),
                        taken_s=None if np.isnan(taken_s) else float(taken_s),
                    )
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            findings = {}  # a cache: the photos are looked at again
        return cls(path, recipe, findings)

    def get(self, key: str) -> PhotoAnalysis | None:
        """What is known of a photo, or `None`."""
        return self._findings.get(key)

    def put(self, key: str, finding: PhotoAnalysis) -> None:
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


def examine(data: bytes, networks: Networks) -> PhotoAnalysis:
    """Find the one face that a photo is about, and embed it with its augmented versions.

    Args:
        data: the whole file.
        networks: used by no other thread meanwhile.
    """
    try:
        image = decode_picture(data, enough_px=ENOUGH_PX)
    except PictureError as error:
        return PhotoAnalysis(None, str(error))
    try:
        return replace(_examine(image, int(content_key(data)[:8], 16), networks), taken_s=taken_at(data))
    except cv2.error as error:
        # One photo, whatever is odd about it, does not keep the family from its model.
        return PhotoAnalysis(None, f"OpenCV cannot work with it ({error.err}).")


def _examine(image: Image, seed: int, networks: Networks) -> PhotoAnalysis:
    detections = (
        find_faces(networks.detector, image)
        or networks.close_detector.detect(image)
        or detect_in_crop(networks.detector, image)
    )
    if not detections:
        return PhotoAnalysis(None, "No face was found in it.")
    chosen = choose(detections, image)
    if chosen is None:
        return PhotoAnalysis(
            None,
            f"It shows {len(detections)} faces, none of them clearly the largest; cut out the right one.",
        )
    face = align(image, chosen)
    if face.width_px < MIN_FACE_PX:
        return PhotoAnalysis(
            None, f"The face is only {face.width_px:.0f} pixels wide, and {MIN_FACE_PX:.0f} are the least."
        )
    if face.sharpness < MIN_SHARPNESS:
        return PhotoAnalysis(None, "The face is too blurred.")
    faces = [face, *augment(face, seed)]
    return PhotoAnalysis(
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


def shipped_networks() -> Networks:
    """Open the networks that the package ships, for one thread.

    Raises:
        ModelError: one of them is missing or damaged.
    """
    detector, embedder = FaceDetector.load(min_score=_MIN_SCORE), Embedder.load()
    return Networks(
        detector=detector,
        close_detector=FaceDetector.load(min_score=_MIN_SCORE, max_side_px=ENOUGH_PX),
        backbone=embedder,
        detector_digest=detector.digest,
        backbone_digest=embedder.digest,
    )


def open_networks(load_networks: Callable[[], Networks], photos: int) -> tuple[Networks, ...]:
    """As many sets of networks as can work at once on so many photos."""
    workers = max(1, min(_MOST_WORKERS, len(os.sched_getaffinity(0)), photos))
    return tuple(load_networks() for _ in range(workers))


def analyse_photos(
    photos: Sequence[Photo], model_dir: Path, networks: Sequence[Networks], progress: Callable[[float], None]
) -> dict[Photo, PhotoAnalysis]:
    """Look at photos, several at once; those that are known are only read.

    Args:
        photos: in the order in which they are wanted back.
        model_dir: where findings are remembered; it must be held by `model_store.rebuilding`.
        networks: as many as may work at once.
        progress: told the share that is done, [0, 1].

    Raises:
        ModelError: what was found cannot be remembered.
    """
    idle: queue.SimpleQueue[Networks] = queue.SimpleQueue()
    for each in networks:
        idle.put(each)
    cache = PhotoCache.open(ModelPaths(model_dir).photo_cache, networks[0])

    def look(photo: Photo) -> tuple[str | None, PhotoAnalysis]:
        try:
            data = read_bytes(photo.path)
        except PictureError as error:
            return None, PhotoAnalysis(None, str(error))
        key = content_key(data)
        known = cache.get(key)
        if known is not None:
            return key, known
        mine = idle.get()
        try:
            return key, examine(data, mine)
        finally:
            idle.put(mine)

    findings: dict[Photo, PhotoAnalysis] = {}
    keys: set[str] = set()
    unsaved = 0
    with ThreadPoolExecutor(len(networks), "photos") as pool:
        try:
            for photo, (key, finding) in zip(photos, pool.map(look, photos), strict=True):
                findings[photo] = finding
                if key is not None:
                    keys.add(key)
                    unsaved += cache.get(key) is None
                    cache.put(key, finding)
                if unsaved >= _SAVE_EVERY:
                    with writing(model_dir):
                        cache.save()
                    unsaved = 0
                progress(len(findings) / len(photos))
        except BaseException:
            # What was looked at until the interruption is not to be looked at again.
            pool.shutdown(cancel_futures=True)
            with contextlib.suppress(OSError):
                cache.save()
            raise
    cache.keep(keys)
    with writing(model_dir):
        cache.save()
    return findings
