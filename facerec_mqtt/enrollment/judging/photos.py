"""One enrollment photo: its face found, cut out, embedded, and cached.

What a photo gives depends on its content and on the networks alone, so it is cached under the hash of
its content: a rebuild after ten new photos processes ten.
"""

import contextlib
import hashlib
import io
import os
import queue
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.files import read_plain, replace_file
from facerec_mqtt.core.images import decode_picture, read_bytes, taken_at
from facerec_mqtt.core.records import Image
from facerec_mqtt.core.rejections import Place, Rejection, RejectionCode, Remark, RemarkCode
from facerec_mqtt.enrollment.folder import Photo
from facerec_mqtt.faces import (
    STILL_SIDE_PX,
    Backbone,
    Detector,
    Embedder,
    FaceDetector,
    SelectedFace,
    detect_in_crop,
    find_faces,
    select_face,
    usable_faces,
)
from facerec_mqtt.recognition import ModelPaths, read_arrays, writing
from facerec_mqtt.training import VERSIONS, augment

_SAVE_EVERY = 200
_MAX_WORKERS = 4
# Lower than for a camera: a photo is of somebody, and the largest face in it is meant.
_MIN_SCORE = 0.5
MIN_SHARPNESS = 6.0
_RECIPE = 5
"""To be raised whenever the same photo and networks would give something else."""
_MOST_FACES = 4
_MAX_CACHE_BYTES = 2**30
_REJECTION = TypeAdapter(Rejection)
_REMARK = TypeAdapter(Remark)


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """What processes the photos; one set for each thread."""

    detector: Detector
    close_detector: Detector
    """The same at a higher resolution, for photos in which the first finds nobody."""
    backbone: Backbone
    detector_digest: str
    """SHA-256 of the detector's file."""
    backbone_digest: str
    """SHA-256 of the backbone's file."""


@dataclass(frozen=True, slots=True, eq=False)
class PhotoFace:
    """One of the faces of a photo that shows several."""

    vectors: NDArray[np.float16]
    """(1 + versions, D): the face as it is, then its augmented versions."""
    sharpness: float
    """See `AlignedFace.sharpness`."""
    place: Place
    """Where in the photo it is."""


@dataclass(frozen=True, slots=True, eq=False)
class PhotoAnalysis:
    """What a photo gave."""

    vectors: NDArray[np.float16] | None
    """(1 + versions, D): the face as it is, then its augmented versions; `None` when it is rejected."""
    rejection: Rejection | None
    """Why it is not used; `None` when it is."""
    remark: Remark | None = None
    """What its owner may want to know of one that is used."""
    sharpness: float = 0.0
    """Of the face; see `AlignedFace.sharpness`."""
    taken_s: float | None = None
    """When it was taken by the camera's clock, in seconds; `None` where the file does not have it."""
    shown: int = 1
    """How many faces it shows; of more than one, `faces` are those that it may be about."""
    faces: tuple[PhotoFace, ...] = ()
    """The usable ones of the largest; the first is the one taken, unless the photo is rejected."""

    def taking(self, face: int) -> "PhotoAnalysis":
        """The same where one of `faces` is taken, by its place among them: it fits the other photos."""
        taken = self.faces[face]
        return replace(
            self,
            vectors=taken.vectors,
            rejection=None,
            remark=Remark(code=RemarkCode.FITTING_TAKEN, count=self.shown, place=taken.place),
            sharpness=taken.sharpness,
        )


class PhotoCache:
    """Analyses by the SHA-256 of the photo's content."""

    def __init__(self, path: Path, recipe: str, analyses: dict[str, PhotoAnalysis]) -> None:
        self._path = path
        self._recipe = recipe
        self._analyses = analyses

    @classmethod
    def open(cls, path: Path, networks: Networks) -> "PhotoCache":
        """Read what former rebuilds kept; nothing, where other networks made it or it is damaged."""
        recipe = f"{_RECIPE} {VERSIONS} {networks.detector_digest} {networks.backbone_digest}"
        analyses: dict[str, PhotoAnalysis] = {}
        try:
            kept = read_arrays(read_plain(path, _MAX_CACHE_BYTES))
            if str(kept["recipe"]) == recipe:
                vectors, rows = kept["vectors"], kept["rows"]
                faces = _faces_of(kept)
                columns = [kept[name] for name in ("keys", "facts", "sharpness", "taken_s", "shown")]
                for at, (row, key, facts, sharpness, taken_s, shown) in enumerate(
                    zip(rows, *columns, strict=True)
                ):
                    used = row >= 0
                    analyses[str(key)] = PhotoAnalysis(
                        vectors=vectors[row] if used else None,
                        rejection=None if used else _REJECTION.validate_json(str(facts), strict=True),
                        remark=_REMARK.validate_json(str(facts), strict=True) if used and facts else None,
                        sharpness=float(sharpness),
                        taken_s=None if np.isnan(taken_s) else float(taken_s),
                        shown=int(shown),
                        faces=faces.get(at, ()),
                    )
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            analyses = {}  # a cache: the photos are processed again
        return cls(path, recipe, analyses)

    def get(self, key: str) -> PhotoAnalysis | None:
        """What is known of a photo, or `None`."""
        return self._analyses.get(key)

    def put(self, key: str, analysis: PhotoAnalysis) -> None:
        """Keep what a photo gave in memory, and on disk from the next `save` on."""
        self._analyses[key] = analysis

    def keep(self, wanted: Collection[str]) -> None:
        """Drop all photos but these."""
        self._analyses = {key: self._analyses[key] for key in wanted if key in self._analyses}

    def save(self) -> None:
        """Write all analyses.

        Raises:
            OSError: the disk is full or not writable.
        """
        analyses = list(self._analyses.values())
        used = [each.vectors for each in analyses if each.vectors is not None]
        faces = [(at, face) for at, each in enumerate(analyses) for face in each.faces]
        is_used = np.array([each.vectors is not None for each in analyses], np.bool_)
        buffer = io.BytesIO()
        np.savez(
            buffer,
            allow_pickle=False,
            recipe=np.array(self._recipe),
            keys=np.array(list(self._analyses), np.str_),
            rows=np.where(is_used, np.cumsum(is_used) - 1, -1),
            facts=np.array([_facts(each) for each in analyses], np.str_),
            sharpness=np.array([each.sharpness for each in analyses], np.float64),
            taken_s=np.array(
                [np.nan if each.taken_s is None else each.taken_s for each in analyses], np.float64
            ),
            shown=np.array([each.shown for each in analyses], np.int64),
            vectors=_stacked(used),
            face_of=np.array([at for at, _ in faces], np.int64),
            face_sharpness=np.array([face.sharpness for _, face in faces], np.float64),
            face_place=np.array([face.place for _, face in faces], np.str_),
            face_vectors=_stacked([face.vectors for _, face in faces]),
        )
        replace_file(self._path, buffer.getvalue())


def _faces_of(kept: Mapping[str, NDArray[Any]]) -> dict[int, tuple[PhotoFace, ...]]:
    """The faces of photos that show several, by the photo's place in the cache."""
    faces: dict[int, tuple[PhotoFace, ...]] = {}
    columns = [kept[f"face_{name}"] for name in ("of", "vectors", "sharpness", "place")]
    for of, vectors, sharpness, place in zip(*columns, strict=True):
        face = PhotoFace(vectors, float(sharpness), Place(str(place)))
        faces[int(of)] = (*faces.get(int(of), ()), face)
    return faces


def _stacked(vectors: Sequence[NDArray[np.float16]]) -> NDArray[np.float16]:
    return np.stack(vectors) if vectors else np.zeros((0, 1 + VERSIONS, 1), np.float16)


def _facts(analysis: PhotoAnalysis) -> str:
    """Code and data of the rejection or the remark as JSON; empty where there is neither."""
    if analysis.rejection is not None:
        return _REJECTION.dump_json(analysis.rejection, exclude_none=True).decode()
    if analysis.remark is not None:
        return _REMARK.dump_json(analysis.remark, exclude_none=True).decode()
    return ""


def content_key(data: bytes) -> str:
    """Under what a photo is cached."""
    return hashlib.sha256(data).hexdigest()


def analyse(data: bytes, networks: Networks) -> PhotoAnalysis:
    """Find the one face that a photo is about, and embed it with its augmented versions.

    Args:
        data: the whole file.
        networks: used by no other thread meanwhile.
    """
    try:
        image = decode_picture(data, enough_px=STILL_SIDE_PX)
    except PictureError as error:
        return PhotoAnalysis(None, error.rejection)
    try:
        return replace(_analyse(image, int(content_key(data)[:8], 16), networks), taken_s=taken_at(data))
    except cv2.error as error:
        # One photo, whatever is odd about it, does not keep the family from its model.
        return PhotoAnalysis(None, Rejection(code=RejectionCode.NOT_PROCESSED, detail=error.err))


def _analyse(image: Image, seed: int, networks: Networks) -> PhotoAnalysis:
    detections = (
        find_faces(networks.detector, image)
        or networks.close_detector.detect(image)
        or detect_in_crop(networks.detector, image)
    )
    selected = select_face(detections, image, min_sharpness=MIN_SHARPNESS)
    if len(detections) > 1:
        usable = usable_faces(detections, image, min_sharpness=MIN_SHARPNESS, most=_MOST_FACES)
        several = PhotoAnalysis(
            None, None, shown=len(detections), faces=tuple(_embed(face, seed, networks) for face in usable)
        )
        if isinstance(selected, Rejection):
            return replace(several, rejection=selected)
        remark = Remark(code=RemarkCode.LARGEST_TAKEN, count=len(detections), place=selected.place)
        return replace(several.taking(0), remark=remark)
    if isinstance(selected, Rejection):
        return PhotoAnalysis(None, selected)
    face = _embed(selected, seed, networks)
    return PhotoAnalysis(face.vectors, None, sharpness=face.sharpness)


def _embed(selected: SelectedFace, seed: int, networks: Networks) -> PhotoFace:
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


def open_networks(load_networks: Callable[[], Networks], photos: int) -> tuple[Networks, ...]:
    """As many sets of networks as can work at once on so many photos."""
    workers = max(1, min(_MAX_WORKERS, len(os.sched_getaffinity(0)), photos))
    return tuple(load_networks() for _ in range(workers))


def analyse_photos(
    photos: Sequence[Photo], model_dir: Path, networks: Sequence[Networks], progress: Callable[[float], None]
) -> dict[Photo, PhotoAnalysis]:
    """Analyse photos, several at once; those in the cache are only read.

    Args:
        photos: in the order in which they are wanted back.
        model_dir: where the cache is; its lock must be held by `model_store.rebuilding`.
        networks: as many as may work at once.
        progress: called with the share that is done, [0, 1].

    Raises:
        ModelError: the cache cannot be written.
    """
    idle: queue.SimpleQueue[Networks] = queue.SimpleQueue()
    for each in networks:
        idle.put(each)
    cache = PhotoCache.open(ModelPaths(model_dir).photo_cache, networks[0])

    def process(photo: Photo) -> tuple[str | None, PhotoAnalysis]:
        try:
            data = read_bytes(photo.path)
        except PictureError as error:
            return None, PhotoAnalysis(None, error.rejection)
        key = content_key(data)
        known = cache.get(key)
        if known is not None:
            return key, known
        mine = idle.get()
        try:
            return key, analyse(data, mine)
        finally:
            idle.put(mine)

    analyses: dict[Photo, PhotoAnalysis] = {}
    keys: set[str] = set()
    unsaved = 0
    with ThreadPoolExecutor(len(networks), "photos") as pool:
        try:
            for photo, (key, analysis) in zip(photos, pool.map(process, photos), strict=True):
                analyses[photo] = analysis
                if key is not None:
                    keys.add(key)
                    unsaved += cache.get(key) is None
                    cache.put(key, analysis)
                if unsaved >= _SAVE_EVERY:
                    with writing(model_dir):
                        cache.save()
                    unsaved = 0
                progress(len(analyses) / len(photos))
        except BaseException:
            # What was processed until the interruption is not to be processed again.
            pool.shutdown(cancel_futures=True)
            with contextlib.suppress(OSError):
                cache.save()
            raise
    cache.keep(keys)
    with writing(model_dir):
        cache.save()
    return analyses
