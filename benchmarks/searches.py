"""Measure how many frames are searched a second, by one thread and by several, with frames from memory.

    python benchmarks/searches.py --cameras 8 14 24 --workers 1 2 --seconds 20

All of a frame's way is real but the cameras and the broker: motion, detection, embedding, visits. Drawn
people come and go before each camera. For each number of cameras the numbers of threads are tried in turn,
`--rounds` times, and the medians are printed as a line of JSON.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from processes import pss
from service import percentile

from facerec_mqtt.cameras import Camera
from facerec_mqtt.cameras.shared_frame import SharedFrame
from facerec_mqtt.core.clock import WallClock
from facerec_mqtt.core.records import Frame, Image
from facerec_mqtt.enrollment import CaptureController
from facerec_mqtt.faces import MotionGate, Region
from facerec_mqtt.monitoring import Metrics
from facerec_mqtt.presence import Presence, Review, Visits
from facerec_mqtt.recognition import Recognizer, load_current
from facerec_mqtt.rendering import FAMILY, UNSEEN_STRANGERS, walk
from facerec_mqtt.service.frames.pipeline import FramePipeline
from facerec_mqtt.service.frames.search import FrameSearch
from facerec_mqtt.service.frames.watched_camera import WatchedCamera
from facerec_mqtt.service.frames.workers import SearchWorkers
from facerec_mqtt.settings import CameraSettings, RecognitionSettings, Settings

CAST = (FAMILY["Anna"], UNSEEN_STRANGERS[0], FAMILY["Tom"])
_SETTINGS = RecognitionSettings()
_WARM_S = 3.0


class MemoryCamera(Camera):
    """Gives pictures of a film, without a process."""

    def start(self) -> None:
        """Begin to keep the newest one."""
        self._frame = SharedFrame.create()

    def give(self, image: Image) -> None:
        """Have a picture captured now."""
        assert self._frame is not None
        at_s = time.monotonic()
        self._frame.write(at_s, image)
        self._on_frame(at_s)


class Nowhere:
    """Where a capture's progress goes."""

    def publish_state(self, state: object) -> None:
        """Do nothing."""

    def publish_result(self, command: str, ok: bool, message: str) -> None:
        """Do nothing."""


def main() -> None:
    """Measure, and print a line of JSON for each number of cameras and of threads."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cameras", type=int, nargs="+", default=[8, 14, 24])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--fps", type=float, default=5.0)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model-dir", type=Path, help="of your own family; without it all are strangers")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    film = list(walk(CAST, frames_per_second=arguments.fps, size=(width, height), visit_s=6.0, pause_s=4.0))
    for cameras in arguments.cameras:
        rounds: dict[int, list[dict[str, float]]] = {workers: [] for workers in arguments.workers}
        for _ in range(arguments.rounds):
            for workers in arguments.workers:
                rounds[workers].append(measure(arguments, film, cameras, workers))
        for workers, measured in rounds.items():
            medians = {
                name: round(statistics.median(each[name] for each in measured), 2) for name in measured[0]
            }
            print(json.dumps({"cameras": cameras, "workers": workers} | medians), flush=True)


def measure(
    arguments: argparse.Namespace, film: Sequence[Image], cameras: int, workers: int
) -> dict[str, float]:
    """Search the frames of so many cameras for a while."""
    news, stop = threading.Event(), threading.Event()
    ages_s: list[float] = []
    watched = []
    for number in range(cameras):
        settings = CameraSettings(name=f"camera {number}", url="0")
        watched.append(
            WatchedCamera(settings, MemoryCamera(settings, on_news=news.set), MotionGate(), Region(None))
        )
    model = None if arguments.model_dir is None else load_current(arguments.model_dir)
    recognizer = Recognizer.from_settings(_SETTINGS, model)
    with tempfile.TemporaryDirectory() as folder:
        pipeline = _pipeline(Path(folder), watched, workers, news, ages_s)
        for each in watched:
            each.camera.start()
        feeding = threading.Thread(target=feed, args=(watched, film, arguments.fps, stop))
        feeding.start()
        pipeline.workers.start(time.monotonic())
        try:
            run(pipeline, recognizer, news, _WARM_S)
            ages_s.clear()
            came, began_s, spent_s = _came(watched), time.monotonic(), time.process_time()
            run(pipeline, recognizer, news, arguments.seconds)
            elapsed_s, spent_s = time.monotonic() - began_s, time.process_time() - spent_s
            return {
                "came_per_s": (_came(watched) - came) / elapsed_s,
                "taken_per_s": len(ages_s) / elapsed_s,
                "p50_ms": 1000 * (percentile(ages_s, 0.5) or 0.0),
                "p95_ms": 1000 * (percentile(ages_s, 0.95) or 0.0),
                "cpu_ms_a_frame": 1000 * spent_s / max(1, len(ages_s)),
                "cores": spent_s / elapsed_s,
                "threads": pipeline.workers.count,
                "pss_mb": pss(os.getpid()) / 2**20,
                "load": os.getloadavg()[0],
            }
        finally:
            stop.set()
            feeding.join()
            pipeline.workers.stop()
            for each in watched:
                each.camera.stop()


def _pipeline(
    folder: Path,
    watched: Sequence[WatchedCamera],
    workers: int,
    news: threading.Event,
    ages_s: list[float],
) -> FramePipeline:
    slugs, clock = [each.settings.slug for each in watched], WallClock()

    def show(frame: Frame, _sightings: object) -> None:
        ages_s.append(time.monotonic() - frame.captured_at_s)

    more = partial(Recognizer.from_settings, _SETTINGS)
    return FramePipeline(
        _SETTINGS,
        watched,
        SearchWorkers(workers, FrameSearch(_SETTINGS).search, more, news.set, window_s=1.0),
        Visits(_SETTINGS),
        Presence(slugs),
        Review(Settings(model_dir=folder), clock),
        CaptureController(folder, Nowhere(), clock),
        Metrics(slugs, "", 0.0),
        lambda _changes, _image: None,
        show,
        lambda _slug: False,
    )


def run(pipeline: FramePipeline, recognizer: Recognizer, news: threading.Event, seconds: float) -> None:
    """As the service's loop does."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        news.clear()
        pipeline.step(recognizer)
        news.wait(0.25)


def feed(watched: Sequence[WatchedCamera], film: Sequence[Image], fps: float, stop: threading.Event) -> None:
    """Give each camera its frames, one camera after the other, each at another place of the film."""
    due_s, every_s = time.monotonic(), 1 / fps / len(watched)
    number = 0
    while not stop.is_set():
        for place, each in enumerate(watched):
            camera = each.camera
            assert isinstance(camera, MemoryCamera)
            camera.give(film[(number + place * len(film) // len(watched)) % len(film)])
            due_s = max(due_s + every_s, time.monotonic() - 1.0)
            time.sleep(max(0.0, due_s - time.monotonic()))
        number += 1


def _came(watched: Sequence[WatchedCamera]) -> int:
    return sum(each.totals.frames for each in watched)


if __name__ == "__main__":
    main()
