"""Writes the history from a thread of its own, so that no frame waits for the disk.

Whatever is wrong with the file, recognition goes on: a damaged one is moved aside, one that a newer version
has made is left alone, and a full disk or a lock is logged once and tried again.
"""

import contextlib
import itertools
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

from facerec_mqtt.history.errors import (
    DamagedHistoryError,
    HistoryError,
    NewerHistoryError,
    history_errors,
)
from facerec_mqtt.history.records import Looks, VisitRecord
from facerec_mqtt.history.removal import damaged_copies, delete_history
from facerec_mqtt.history.rows import without_others
from facerec_mqtt.history.store import History
from facerec_mqtt.history.strangers import Embedding, StrangerGroups

_log = logging.getLogger(__name__)

_MAX_QUEUED = 10_000
_DAY_S = 86_400.0

Job = Callable[[History], object]


class HistoryWriter:
    """Takes what is to be written; whoever calls never waits, and never sees an error.

    Args:
        path: the database.
        days: for how long visits are kept; 0 keeps none, and then there is no file.
        retry_s: after a failure, seconds until it is tried again.
    """

    def __init__(self, path: Path, days: int, *, retry_s: float = 30.0) -> None:
        self._path = path
        self._days = days
        self._retry_s = retry_s
        self._jobs: queue.Queue[Job | None] = queue.Queue(_MAX_QUEUED)
        self._waiting: dict[int, VisitRecord] = {}
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._fault = ""
        self._loaded_version: int | None = None
        self._is_loading = False
        self._people: frozenset[str] | None = None

    @property
    def is_on(self) -> bool:
        """Whether visits are kept."""
        return self._days > 0

    def start(self) -> None:
        """Begin to write; returns at once. Where no visits are to be kept, those of before are deleted."""
        if self._days > 0:
            self._thread = threading.Thread(target=self._run, name="history", daemon=True)
            self._thread.start()
            return
        try:
            delete_history(self._path)
        except OSError as error:
            _log.warning(
                'The history "%s" cannot be deleted (%s), though no visits are to be kept.',
                self._path,
                error.strerror,
            )

    def stop(self, timeout_s: float = 2.0) -> None:
        """Write what is left, within the time given."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            with contextlib.suppress(queue.Full):
                self._jobs.put_nowait(None)
            thread.join(timeout_s)

    def is_up_to_date(self, timeout_s: float) -> bool:
        """Wait until what was given so far is written; whether it is, after at most so long."""
        written = threading.Event()
        return self._enqueue(lambda _: written.set()) and written.wait(timeout_s)

    def put(
        self,
        visit: VisitRecord,
        embedding: Embedding | None = None,
        done: Callable[[], None] = lambda: None,
    ) -> None:
        """Add a visit, or replace the one of that id.

        Args:
            visit: what to add.
            embedding: what its face looks like, where it belongs to a group of strangers.
            done: called when it is written, or never will be; from any thread.
        """
        number = next(self._numbers)
        self._waiting[number] = visit

        def write(history: History) -> None:
            # Gone from there, its person was removed meanwhile.
            if number in self._waiting:
                history.put(visit, embedding)
                self._waiting.pop(number, None)
            done()

        if not self._enqueue(write):
            self._waiting.pop(number, None)
            done()

    def keep_only(self, people: Collection[str]) -> None:
        """Drop what is not written yet of anybody but these, given by slug: they may be forgotten."""
        self._people = frozenset(people)
        for number, visit in list(self._waiting.items()):
            if visit.person is not None and visit.person not in people:
                self._waiting.pop(number, None)

    def resume(self, visit: VisitRecord) -> None:
        """A visit goes on after a restart."""
        self._enqueue(lambda history: history.resume(visit))

    def end_open(self, service: str, except_for: Collection[str]) -> None:
        """End the visits that an earlier run of a service left open, but for those that go on."""
        self._enqueue(lambda history: history.end_open(service, except_for))

    def end(self, visit_id: str, ended: float) -> None:
        """Note when a visit ended.

        Args:
            visit_id: an unknown one is ignored.
            ended: seconds since 1970.
        """
        self._enqueue(lambda history: history.end(visit_id, ended))

    def seen(self, last_seen: Mapping[str, float]) -> None:
        """Note when visits were last seen, in seconds since 1970."""
        self._enqueue(lambda history: history.seen(last_seen))

    def shift(self, visits: Collection[str], seconds: float) -> None:
        """Correct the times of visits by some seconds."""
        self._enqueue(lambda history: history.shift(visits, seconds))

    def improve(self, visit_id: str, embedding: Embedding) -> None:
        """Replace what is kept of a visit's face; ignored where nothing is."""
        self._enqueue(lambda history: history.strangers.improve(visit_id, embedding))

    def load_groups(self, groups: StrangerGroups) -> None:
        """Let the groups of strangers take in what the history has, where somebody else has changed it."""

        def load(history: History) -> None:
            version, strangers = history.version, history.strangers
            if version != self._loaded_version:
                groups.load(strangers.embeddings(groups.network), strangers.sizes(), strangers.merged())
                self._loaded_version = version
            self._is_loading = False

        if not self._is_loading:
            self._is_loading = self._enqueue(load)

    def set_looks(self, visit_id: str, looks: Looks, rejected: Callable[[], None] = lambda: None) -> None:
        """Note what there is of a visit so far.

        Args:
            visit_id: which.
            looks: of it; whoever is not known any more when it is written came nearest nowhere.
            rejected: called, from any thread, where there is no such visit of that person any more.
        """

        def write(history: History) -> None:
            known = self._people
            scores = looks.scores if known is None else without_others(looks.scores, known.__contains__)
            if not history.set_looks(visit_id, replace(looks, scores=tuple(scores))):
                rejected()

        self._enqueue(write)

    def prune(self, now: float) -> None:
        """Delete what is too old, also files that were damaged.

        Args:
            now: seconds since 1970.
        """
        oldest = now - self._days * _DAY_S

        def prune(history: History) -> None:
            history.prune(oldest)
            self._loaded_version = None
            for path in damaged_copies(self._path):
                if path.stat().st_mtime < oldest:
                    path.unlink(missing_ok=True)

        self._enqueue(prune)

    def _enqueue(self, job: Job) -> bool:
        if self._thread is None or not self._thread.is_alive():
            return False
        try:
            self._jobs.put_nowait(job)
        except queue.Full:  # A disk that has been full for days; the reason was logged.
            return False
        return True

    def _run(self) -> None:
        history: History | None = None
        try:
            while (job := self._jobs.get()) is not None:
                while True:
                    try:
                        with history_errors(self._path):
                            history = history or History.open(self._path)
                            job(history)
                    except NewerHistoryError as error:
                        self._failed(str(error))
                        return
                    except HistoryError as error:
                        if history is not None:
                            history.close()
                            history, self._loaded_version = None, None
                        if isinstance(error, DamagedHistoryError) and self._move_aside():
                            continue
                        self._failed(str(error))
                        if self._stopping.wait(self._retry_s):
                            return
                    else:
                        self._succeeded()
                        break
        finally:
            if history is not None:
                with contextlib.suppress(sqlite3.Error):
                    history.close()

    def _move_aside(self) -> bool:
        """Move a damaged database out of the way; whether that was possible."""
        aside = self._path.with_name(f"{self._path.name}.damaged-{time.time_ns() // 1_000_000}")
        try:
            self._path.rename(aside)
            for suffix in ("-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        except OSError:
            return False
        _log.warning(
            'The history "%s" is damaged. It is kept as "%s", and a new one is begun.', self._path, aside
        )
        return True

    def _failed(self, sentence: str) -> None:
        if sentence != self._fault:
            _log.warning("%s Recognition goes on.", sentence)
        self._fault = sentence

    def _succeeded(self) -> None:
        if self._fault:
            _log.info("The history of visits is written again.")
        self._fault = ""
