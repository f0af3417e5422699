"""Frames are searched beside the loop, and acted upon in it: each camera's in order, and never too late."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from facerec_mqtt.core.clock import WallClock
from facerec_mqtt.core.records import Identification, Image, PooledEmbedding, PresenceChange
from facerec_mqtt.enrollment import CaptureController
from facerec_mqtt.faces import MotionGate, Region
from facerec_mqtt.monitoring import Metrics
from facerec_mqtt.mqtt import Capture
from facerec_mqtt.presence import Presence, Review, Visits
from facerec_mqtt.recognition import Recognizer
from facerec_mqtt.recognition.recognizer import Recognition
from facerec_mqtt.service.frames.pipeline import STUCK_S, FramePipeline
from facerec_mqtt.service.frames.search import FrameSearch
from facerec_mqtt.service.frames.watched_camera import WatchedCamera
from facerec_mqtt.service.frames.workers import SearchWorkers
from facerec_mqtt.settings import CameraSettings, RecognitionSettings, Settings
from tests.support.memory_camera import MemoryCamera
from tests.support.sightings import face

PATIENCE_S = 60.0
SETTINGS = RecognitionSettings(motion=False, votes=1)


def picture(camera: int, number: int) -> Image:
    """A picture of which can be told whose it is."""
    return np.full((36, 64, 3), (camera, number, 0), np.uint8)


class Naming(Recognizer):
    """Names everybody; each search waits until it may go on."""

    def __init__(self, person: str | None = "anna", *, is_open: bool = True) -> None:
        self.person = person
        self.may_go_on = threading.Event()
        self.came: list[tuple[int, int]] = []
        """Camera and number of each picture, in the order in which they came."""
        self.at_once = 0
        self._of_cameras: Counter[int] = Counter()
        self._lock = threading.Lock()
        self.fails_at: int | None = None
        if is_open:
            self.may_go_on.set()

    @property
    def model(self) -> None:
        return None

    def with_model(self, _model: object) -> "Naming":
        return self

    def recognise(self, image: Image, **_: float) -> tuple[Recognition, ...]:
        camera, number = int(image[0, 0, 0]), int(image[0, 0, 1])
        with self._lock:
            self._of_cameras[camera] += 1
            assert self._of_cameras[camera] == 1, "a camera has two frames searched at once"
            self.came.append((camera, number))
            self.at_once = max(self.at_once, self._of_cameras.total())
        assert self.may_go_on.wait(PATIENCE_S)
        with self._lock:
            self._of_cameras[camera] -= 1
        if number == self.fails_at:
            raise ValueError("the picture is upside down")
        seen = face(self.person, x=10)
        return (Recognition(seen.detection, seen.face, seen.identification),)

    def identify_visit(self, pooled: PooledEmbedding, **_: float) -> Identification:  # noqa: ARG002
        raise AssertionError("no face has an embedding")


@dataclass
class House:
    """Cameras and what becomes of their frames, without a loop."""

    pipeline: FramePipeline
    cameras: list[MemoryCamera]
    news: threading.Event
    changes: list[PresenceChange]
    acted: list[float] = field(default_factory=list)
    """Capture of each frame that was shown, in order."""

    @property
    def watched(self) -> list[WatchedCamera]:
        return list(self.pipeline.cameras)

    def step_until(self, condition: Callable[[], bool], recognizer: Recognizer) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            self.news.clear()
            self.pipeline.step(recognizer)
            if condition():
                return
            assert time.monotonic() < deadline_s
            self.news.wait(0.1)

    def settle(self, recognizer: Recognizer) -> None:
        """Step until nothing is searched any more, nor waits."""
        self.step_until(
            lambda: not any(each.is_searched or each.has_frame for each in self.watched), recognizer
        )


Make = Callable[..., House]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes a house with so many cameras and threads."""
    houses: list[House] = []

    def a_house(cameras: int = 1, threads: int = 1) -> House:
        news = threading.Event()
        watched, given = [], []
        for number in range(cameras):
            settings = CameraSettings(name=f"camera {number}", url="0")
            camera = MemoryCamera(settings, on_news=news.set)
            camera.start()
            given.append(camera)
            watched.append(WatchedCamera(settings, camera, MotionGate(), Region(None)))
        slugs = [each.settings.slug for each in watched]
        workers = SearchWorkers(threads, FrameSearch(SETTINGS).search, Naming, news.set, window_s=0.0)
        changes: list[PresenceChange] = []
        acted: list[float] = []
        clock = WallClock()
        pipeline = FramePipeline(
            SETTINGS,
            watched,
            workers,
            Visits(SETTINGS),
            Presence(slugs),
            Review(Settings(model_dir=tmp_path / "models"), clock),
            CaptureController(tmp_path / "photos", Nowhere(), clock),
            Metrics(slugs, "1", 0.0),
            lambda new, _image: changes.extend(new),
            lambda frame, _sightings: acted.append(frame.captured_at_s),
            lambda _slug: False,
        )
        workers.start(time.monotonic())
        houses.append(House(pipeline, given, news, changes, acted))
        return houses[-1]

    yield a_house
    for house in houses:
        house.pipeline.workers.stop()
        for camera in house.cameras:
            camera.stop()


class Nowhere:
    """Where a capture's progress goes."""

    def publish_state(self, state: object) -> None: ...

    def publish_result(self, command: str, ok: bool, message: str) -> None: ...


def test_what_a_frame_shows_is_published(make: Make) -> None:
    house, naming = make(), Naming()
    at_s = house.cameras[0].give(picture(0, 1))
    house.settle(naming)
    assert [(change.kind, change.person, change.at_s) for change in house.changes] == [
        ("arrived", "anna", at_s)
    ]
    assert house.watched[0].totals.taken == 1


def test_frames_of_a_camera_are_acted_upon_in_order_and_others_are_searched_meanwhile(make: Make) -> None:
    house, naming = make(cameras=3, threads=2), Naming()
    given: list[list[float]] = [[], [], []]
    for number in range(20):
        for camera in range(3):
            given[camera].append(house.cameras[camera].give(picture(camera, number)))
        house.step_until(lambda: any(not each.is_searched for each in house.watched), naming)
    house.settle(naming)
    for camera in range(3):
        numbers = [number for each, number in naming.came if each == camera]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == 19
        acted = [at_s for at_s in house.acted if at_s in given[camera]]
        assert acted == sorted(acted)
        assert len(acted) == len(numbers)


def test_of_the_frames_that_come_meanwhile_the_newest_alone_is_searched(make: Make) -> None:
    house, naming = make(), Naming(is_open=False)
    house.cameras[0].give(picture(0, 1))
    house.step_until(lambda: len(naming.came) == 1, naming)
    for number in (2, 3, 4):
        house.cameras[0].give(picture(0, number))
        house.pipeline.step(naming)
    naming.may_go_on.set()
    house.settle(naming)
    assert naming.came == [(0, 1), (0, 4)]


def test_each_camera_has_its_turn_where_there_are_too_many_frames(make: Make) -> None:
    house, naming = make(cameras=4), Naming()
    for number in range(40):
        for camera in range(4):
            house.cameras[camera].give(picture(camera, number))
        before = len(naming.came)
        house.step_until(lambda before=before: len(naming.came) > before, naming)  # type: ignore[misc]
    turns = Counter(camera for camera, _ in naming.came)
    assert max(turns.values()) - min(turns.values()) <= 1


def test_whoever_was_forgotten_meanwhile_is_not_named(make: Make) -> None:
    house, before, after = make(), Naming("anna", is_open=False), Naming(None)
    house.cameras[0].give(picture(0, 1))
    house.step_until(lambda: len(before.came) == 1, before)
    before.may_go_on.set()
    house.step_until(lambda: not house.watched[0].is_searched, after)
    assert (house.changes, house.acted) == ([], [])
    house.cameras[0].give(picture(0, 2))
    house.settle(after)
    assert after.came == [(0, 2)]
    assert len(house.acted) == 1
    assert {change.person for change in house.changes} <= {None}


def test_nothing_follows_from_a_frame_of_a_camera_that_was_switched_off_meanwhile(make: Make) -> None:
    house, naming = make(), Naming(is_open=False)
    (watched,) = house.watched
    house.cameras[0].give(picture(0, 1))
    house.step_until(lambda: len(naming.came) == 1, naming)
    # Also where it is on again before the search has ended.
    watched.discard_search()
    naming.may_go_on.set()
    house.settle(naming)
    assert (house.changes, house.acted) == ([], [])
    watched.enabled = False
    house.cameras[0].give(picture(0, 2))
    house.settle(naming)
    assert naming.came == [(0, 1)]
    assert (house.changes, house.acted) == ([], [])


def test_an_error_in_a_search_is_logged_once_and_the_next_frames_are_searched(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    house, naming = make(), Naming()
    for number, fails_at in ((1, 1), (2, 2), (3, None), (4, None)):
        naming.fails_at = fails_at
        house.cameras[0].give(picture(0, number))
        house.settle(naming)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert "camera 0" in caplog.text
    assert "ValueError: the picture is upside down" in caplog.text
    assert len(house.acted) == 2
    assert [change.person for change in house.changes] == ["anna"]


def test_photos_are_taken_of_the_frames_that_were_searched(make: Make) -> None:
    """Where nothing moves, a camera that takes photos is searched all the same."""
    house, naming = make(), Naming()
    house.pipeline.captures.start(Capture("Anna", "camera_0", 60.0), naming, enabled=True)
    assert house.pipeline._request(house.watched[0], naming).is_forced
    house.pipeline.captures.camera_off("camera_0")
    assert not house.pipeline._request(house.watched[0], naming).is_forced


def test_a_search_that_never_ends_is_noticed(make: Make) -> None:
    house, naming = make(), Naming(is_open=False)
    house.cameras[0].give(picture(0, 1))
    house.step_until(lambda: len(naming.came) == 1, naming)
    now_s = time.monotonic()
    assert not house.pipeline.is_stuck(now_s)
    assert house.pipeline.is_stuck(now_s + 1.1 * STUCK_S)
    naming.may_go_on.set()
    house.settle(naming)
    assert not house.pipeline.is_stuck(now_s + 1.1 * STUCK_S)
