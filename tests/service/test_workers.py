"""The threads that search frames: a further one begins where one is not enough, and only then."""

import logging
import threading
import time

import pytest

from facerec_mqtt.faces import MotionGate, Region
from facerec_mqtt.presence import SettledFaces
from facerec_mqtt.recognition import Recognizer
from facerec_mqtt.service.frames.search import SearchRequest, SearchResult
from facerec_mqtt.service.frames.watched_camera import WatchedCamera
from facerec_mqtt.service.frames.workers import SearchWorkers
from facerec_mqtt.service.roles.remote import AnyRecognizer
from facerec_mqtt.settings import CameraSettings
from tests.support.memory_camera import MemoryCamera
from tests.support.pattern_world import PatternBackbone, PatternDetector, pattern_cohort

WINDOW_S = 0.05
PATIENCE_S = 60.0


def networks() -> Recognizer:
    backbone = PatternBackbone()
    return Recognizer(PatternDetector(), backbone, backbone.digest, pattern_cohort(), None, None)


def request() -> SearchRequest:
    settings = CameraSettings(name="Door", url="0")
    watched = WatchedCamera(settings, MemoryCamera(settings), MotionGate(), Region(None))
    return SearchRequest(watched, networks(), None, SettledFaces(), False, True, 0, 0.0)


class Searches:
    """How frames are searched here, and what came of it."""

    def __init__(self, most: int, takes_s: float = 0.0, *, has_networks: bool = True) -> None:
        self.takes_s = takes_s
        self.together = threading.Barrier(1)
        self.news = threading.Event()
        self.used: set[int] = set()
        self._has_networks = has_networks
        self.workers = SearchWorkers(most, self._search, self._networks, self.news.set, window_s=WINDOW_S)

    def _networks(self) -> Recognizer:
        if not self._has_networks:
            raise MemoryError("there is no memory left")
        return networks()

    def _search(self, searched: SearchRequest, recognizer: AnyRecognizer) -> SearchResult:
        self.used.add(id(recognizer))
        self.together.wait(PATIENCE_S)
        time.sleep(self.takes_s)
        return SearchResult(searched)

    def run(self, now_s: float, *requests: SearchRequest) -> list[SearchResult]:
        """Have frames searched, and wait for all of them; all that takes until `now_s`."""
        for each in requests:
            assert self.workers.is_free
            self.workers.submit(each)
        results: list[SearchResult] = []
        while True:
            self.news.clear()
            results += self.workers.finished(0.0)
            if len(results) == len(requests):
                return results + self.workers.finished(now_s)
            assert self.news.wait(PATIENCE_S)

    def wait_for(self, count: int) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while self.workers.count < count:
            assert time.monotonic() < deadline_s
            self.news.wait(0.05)
            self.workers.finished(0.0)


def test_a_further_thread_begins_where_one_had_no_pause_and_has_its_own_networks() -> None:
    searches = Searches(most=2, takes_s=WINDOW_S)
    searches.workers.start(0.0)
    try:
        first = request()
        assert searches.run(WINDOW_S, first)[0].request is first
        searches.wait_for(2)
        # Both wait for each other, so that they must be searched at once.
        searches.together = threading.Barrier(2)
        assert len(searches.run(WINDOW_S, request(), request())) == 2
        assert not searches.workers.finished(100 * WINDOW_S)
        assert searches.workers.count == 2
        assert len(searches.used) == 3
    finally:
        searches.workers.stop()


@pytest.mark.parametrize(("most", "takes_s"), [(1, WINDOW_S), (2, 0.0)])
def test_none_begins_where_one_is_enough_or_all_that_may_be(most: int, takes_s: float) -> None:
    searches = Searches(most, takes_s)
    searches.workers.start(0.0)
    try:
        # The clock is the caller's: a minute with one search that takes no time.
        now_s = WINDOW_S if takes_s else 60.0
        searches.run(now_s, request())
        assert not searches.workers.finished(now_s)
        assert searches.workers.count == 1
        assert threading.active_count() < 50
    finally:
        searches.workers.stop()


def test_where_there_is_no_memory_for_another_the_first_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    searches = Searches(most=2, takes_s=WINDOW_S, has_networks=False)
    searches.workers.start(0.0)
    try:
        searches.run(WINDOW_S, request())
        deadline_s = time.monotonic() + PATIENCE_S
        while not caplog.records:
            assert time.monotonic() < deadline_s
            searches.news.wait(0.01)
            searches.workers.finished(0.0)
        assert "there is no memory left" in caplog.text
        for now_s in (3 * WINDOW_S, 5 * WINDOW_S):
            assert len(searches.run(now_s, request())) == 1
        assert (searches.workers.count, len(caplog.records)) == (1, 1)
    finally:
        searches.workers.stop()
