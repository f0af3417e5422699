"""All photos and videos of the enrollment folder, analysed several at once and cached by their content."""

import contextlib
import os
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.images import read_bytes
from facerec_mqtt.core.picture_formats import VideoFormat
from facerec_mqtt.enrollment.file_names import moment_name
from facerec_mqtt.enrollment.folder import Photo
from facerec_mqtt.enrollment.judging.photo_cache import Networks, PhotoAnalysis, PhotoCache
from facerec_mqtt.enrollment.judging.photos import analyse, cache_key
from facerec_mqtt.enrollment.judging.video_files import open_video, plain_video, video_key
from facerec_mqtt.enrollment.judging.videos import analyse_video
from facerec_mqtt.recognition import ModelPaths, writing

_SAVE_EVERY = 200
_MAX_WORKERS = 4


def open_networks(load_networks: Callable[[], Networks], photos: int) -> tuple[Networks, ...]:
    """As many sets of networks as can work at once on so many photos."""
    workers = max(1, min(_MAX_WORKERS, len(os.sched_getaffinity(0)), photos))
    return tuple(load_networks() for _ in range(workers))


def analyse_photos(
    photos: Sequence[Photo], model_dir: Path, networks: Sequence[Networks], progress: Callable[[float], None]
) -> dict[Photo, PhotoAnalysis]:
    """Analyse photos and videos, several at once; those in the cache are only read.

    Args:
        photos: in the order in which they are wanted back; of a video, one comes back for each picture used.
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

    def process(photo: Photo) -> tuple[str | None, tuple[PhotoAnalysis, ...]]:
        try:
            with plain_video(photo.path) as video:
                if video is not None:
                    return process_video(*video)
        except (OSError, ValueError):
            pass  # `read_bytes` says why
        try:
            data = read_bytes(photo.path)
        except PictureError as error:
            return None, (PhotoAnalysis(None, error.rejection),)
        key = cache_key(data, photo)
        known = cache.get(key)
        if known is not None:
            return key, known
        with borrowed() as mine:
            return key, (analyse(data, mine, anyway=photo.use_anyway),)

    def process_video(
        file: BinaryIO, size_bytes: int, kind: VideoFormat
    ) -> tuple[str | None, tuple[PhotoAnalysis, ...]]:
        key = video_key(file, size_bytes)
        known = cache.get(key)
        if known is not None:
            return key, known
        try:
            with borrowed() as mine, open_video(file, kind) as video:
                return key, analyse_video(video, mine, int(key[:8], 16))
        except PictureError as error:
            return key, (PhotoAnalysis(None, error.rejection),)

    @contextlib.contextmanager
    def borrowed() -> Iterator[Networks]:
        mine = idle.get()
        try:
            yield mine
        finally:
            idle.put(mine)

    analyses: dict[Photo, PhotoAnalysis] = {}
    keys: set[str] = set()
    unsaved = 0
    with ThreadPoolExecutor(len(networks), "photos") as pool:
        try:
            for done, (photo, (key, found)) in enumerate(
                zip(photos, pool.map(process, photos), strict=True), start=1
            ):
                analyses |= {_of_moment(photo, each.at_s): each for each in found}
                if key is not None:
                    keys.add(key)
                    unsaved += cache.get(key) is None
                    cache.put(key, *found)
                if unsaved >= _SAVE_EVERY:
                    with writing(model_dir):
                        cache.save()
                    unsaved = 0
                progress(done / len(photos))
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


def _of_moment(photo: Photo, at_s: float | None) -> Photo:
    """A picture of a video."""
    return photo if at_s is None else replace(photo, file=moment_name(photo.file, at_s), at_s=at_s)
