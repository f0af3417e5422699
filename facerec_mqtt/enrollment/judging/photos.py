"""One enrollment photo: its face found, cut out, embedded, and cached.

What a photo gives depends on its content and on the networks alone, so it is cached under the hash of
its content: a rebuild after ten new photos processes ten.
"""

import contextlib
import hashlib
import os
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.images import decode_picture, read_bytes, taken_at
from facerec_mqtt.core.records import Image
from facerec_mqtt.core.rejections import Rejection, RejectionCode, Remark, RemarkCode
from facerec_mqtt.enrollment.folder import Photo
from facerec_mqtt.enrollment.judging.photo_cache import Networks, PhotoAnalysis, PhotoCache, PhotoFace
from facerec_mqtt.faces import (
    STILL_SIDE_PX,
    Embedder,
    FaceDetector,
    FaceLimits,
    SelectedFace,
    detect_in_crop,
    find_faces,
    select_face,
    usable_faces,
)
from facerec_mqtt.recognition import ModelPaths, writing
from facerec_mqtt.training import augment

_SAVE_EVERY = 200
_MAX_WORKERS = 4
# Lower than for a camera: a photo is of somebody, and the largest face in it is meant.
_MIN_SCORE = 0.5
_LIMITS = FaceLimits(min_sharpness=6.0)
_MOST_FACES = 4


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
    detections = (
        find_faces(networks.detector, image)
        or networks.close_detector.detect(image)
        or detect_in_crop(networks.detector, image)
    )
    limits = FaceLimits(0.0, 0.0) if anyway else _LIMITS
    selected = select_face(detections, image, limits)
    if len(detections) > 1:
        usable = usable_faces(detections, image, limits, most=_MOST_FACES)
        several = PhotoAnalysis(
            None, None, shown=len(detections), faces=tuple(_embed(face, seed, networks) for face in usable)
        )
        if isinstance(selected, Rejection):
            # Of faces none of which stands out, its owner has seen that one is the person's.
            return several.taking(0) if anyway and several.faces else replace(several, rejection=selected)
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
        key = cache_key(data, photo)
        known = cache.get(key)
        if known is not None:
            return key, known
        mine = idle.get()
        try:
            return key, analyse(data, mine, anyway=photo.use_anyway)
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
