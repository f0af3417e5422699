"""The threads that search frames: one, and further ones while that is not enough.

The networks and OpenCV let go of Python's lock while they compute, so that each thread takes a core. It has
networks of its own, which are memory: so a further one begins only once those before it had hardly a pause.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from facerec_mqtt.service.frames.search import SearchRequest, SearchResult
from facerec_mqtt.service.roles.remote import AnyRecognizer, with_model_of

_log = logging.getLogger(__name__)
WINDOW_S = 10.0
"""So long a further thread must have been wanted: somebody who passes all cameras does not make one begin."""
BUSY = 0.8
"""From this share of the time that the threads have worked, another one begins."""
_STOP_WITHIN_S = 2.0
Search = Callable[[SearchRequest, AnyRecognizer], SearchResult]


@dataclass(frozen=True, slots=True)
class _Done:
    result: SearchResult
    spent_s: float


@dataclass(frozen=True, slots=True)
class _Ready:
    """A further thread has its networks, or cannot have them."""

    error: Exception | None = None


class SearchWorkers:
    """Searches frames beside the loop, whose thread alone calls the methods.

    Args:
        most: threads at most.
        search: searches a frame; for several threads.
        more_networks: opens the networks once more.
        on_done: called when there is a result, in a thread of these; must return at once.
        window_s: over which it is seen whether they are enough.
    """

    def __init__(
        self,
        most: int,
        search: Search,
        more_networks: Callable[[], AnyRecognizer],
        on_done: Callable[[], None],
        window_s: float = WINDOW_S,
    ) -> None:
        self._most = most
        self._search = search
        self._more_networks = more_networks
        self._on_done = on_done
        self._window_s = window_s
        self._requests: queue.SimpleQueue[SearchRequest | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[_Done | _Ready] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._ready = 0
        self._searching = 0
        self._spent_s = 0.0
        self._since_s = 0.0

    @property
    def count(self) -> int:
        """Threads that search, or could."""
        return self._ready

    @property
    def is_free(self) -> bool:
        """Whether one of them has nothing to do."""
        return self._searching < self._ready

    def start(self, now_s: float) -> None:
        """Begin with one thread, which uses the networks of whatever recognizer is in use."""
        self._ready, self._since_s = 1, now_s
        self._begin(self._work, None)

    def submit(self, request: SearchRequest) -> None:
        """Have a frame searched; only where one is free."""
        self._searching += 1
        self._requests.put(request)

    def finished(self, now_s: float) -> list[SearchResult]:
        """What was searched since the last call, in the order in which it was finished."""
        results: list[SearchResult] = []
        while True:
            try:
                answer = self._answers.get_nowait()
            except queue.Empty:
                break
            match answer:
                case _Done():
                    self._searching -= 1
                    self._spent_s += answer.spent_s
                    results.append(answer.result)
                case _Ready(error=None):
                    self._ready += 1
                    _log.info("Frames are searched by %d threads from now on", self._ready)
                case _Ready():
                    self._most = self._ready
                    _log.warning("No further thread can search frames: %s", answer.error)
        if now_s >= self._since_s + self._window_s:
            is_busy = self._spent_s >= BUSY * self._ready * (now_s - self._since_s)
            self._spent_s, self._since_s = 0.0, now_s
            if is_busy and self._ready == len(self._threads) < self._most:
                self._begin(self._work_beside)
        return results

    def stop(self) -> None:
        """End the threads, within two seconds; what they have found is lost."""
        for _ in self._threads:
            self._requests.put(None)
        deadline_s = time.monotonic() + _STOP_WITHIN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        name = f"search-{len(self._threads) + 1}"
        thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    # --- In a thread of its own

    def _work_beside(self) -> None:
        try:
            own = self._more_networks()
        except Exception as error:  # whatever it is, those that there are go on
            self._answers.put(_Ready(error))
            self._on_done()
            return
        self._answers.put(_Ready())
        self._on_done()
        self._work(own)

    def _work(self, own: AnyRecognizer | None) -> None:
        """Search until there is nothing more.

        Args:
            own: with networks of this thread's; `None` uses those of each request.
        """
        while (request := self._requests.get()) is not None:
            began_s = time.monotonic()
            try:
                recognizer = request.recognizer
                if own is not None:
                    if own.model is not recognizer.model:
                        own = with_model_of(own, recognizer)
                    recognizer = own
                result = self._search(request, recognizer)
            except Exception as error:  # one frame must not end the thread
                result = SearchResult(request, error=error)
            self._answers.put(_Done(result, time.monotonic() - began_s))
            self._on_done()
