"""All photos of the enrollment folder looked at, several at once, and each only once in its life."""

import contextlib
import os
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from facerec_mqtt.artifact import writing
from facerec_mqtt.detection import FaceDetector
from facerec_mqtt.embedding import Embedder
from facerec_mqtt.errors import PictureError
from facerec_mqtt.photos import ENOUGH_PX, Finding, FindingCache, Networks, content_key, examine
from facerec_mqtt.pictures import read_bytes
from facerec_mqtt.roster import Photo

_SAVE_EVERY = 200
_MOST_WORKERS = 4
# Lower than for a camera: a photo is of somebody, and the largest face in it is meant.
_MIN_SCORE = 0.5


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


def look_at_photos(
    photos: Sequence[Photo], model_dir: Path, networks: Sequence[Networks], progress: Callable[[float], None]
) -> dict[Photo, Finding]:
    """Look at photos, several at once; those that are known are only read.

    Args:
        photos: in the order in which they are wanted back.
        model_dir: where findings are remembered; it must be held by `artifact.rebuilding`.
        networks: as many as may work at once.
        progress: told the share that is done, [0, 1].

    Raises:
        ModelError: what was found cannot be remembered.
    """
    idle: queue.SimpleQueue[Networks] = queue.SimpleQueue()
    for each in networks:
        idle.put(each)
    cache = FindingCache.open(model_dir / "cache" / "photos.npz", networks[0])

    def look(photo: Photo) -> tuple[str | None, Finding]:
        try:
            data = read_bytes(photo.path)
        except PictureError as error:
            return None, Finding(None, str(error))
        key = content_key(data)
        known = cache.get(key)
        if known is not None:
            return key, known
        mine = idle.get()
        try:
            return key, examine(data, mine)
        finally:
            idle.put(mine)

    findings: dict[Photo, Finding] = {}
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
