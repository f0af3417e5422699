"""Writes the history from a thread of its own, so that no frame waits for the disk.

Whatever is wrong with the file, recognition goes on: a damaged one is moved aside, one that a newer version
has made is left alone, and a full disk or a lock is logged once and tried again.
"""

import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from facerec_mqtt.presence.history import (
    DamagedHistoryError,
    History,
    HistoryError,
    NewerHistoryError,
    VisitRecord,
    sentence_for,
)

_log = logging.getLogger(__name__)

_MAX_QUEUED = 10_000
_DAY_S = 86_400.0

Job = Callable[[History], object]


class HistoryWriter:
    """Takes what is to be written; whoever calls never waits, and never sees an error.

    Args:
        path: the database.
        days: for how long visits are kept; 0 keeps none, and then no file is made.
        retry_s: after a failure, seconds until it is tried again.
    """

    def __init__(self, path: Path, days: int, *, retry_s: float = 30.0) -> None:
        self._path = path
        self._days = days
        self._retry_s = retry_s
        self._jobs: queue.Queue[Job | None] = queue.Queue(_MAX_QUEUED)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._fault = ""

    def start(self) -> None:
        """Begin to write; returns at once."""
        if self._days > 0:
            self._thread = threading.Thread(target=self._run, name="history", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Write what is left, within the time given."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            with contextlib.suppress(queue.Full):
                self._jobs.put_nowait(None)
            thread.join(timeout_s)

    def put(self, visit: VisitRecord) -> None:
        """Add a visit, or replace the one of that id."""
        self._enqueue(lambda history: history.put(visit))

    def end(self, visit_id: str, ended: float) -> None:
        """Note when a visit ended.

        Args:
            visit_id: an unknown one is ignored.
            ended: seconds since 1970.
        """
        self._enqueue(lambda history: history.end(visit_id, ended))

    def prune(self, now: float) -> None:
        """Delete what is too old.

        Args:
            now: seconds since 1970.
        """
        self._enqueue(lambda history: history.prune(now - self._days * _DAY_S))

    def _enqueue(self, job: Job) -> None:
        if self._thread is not None and self._thread.is_alive():
            # A disk that has been full for days: what does not fit is lost, and the reason was logged.
            with contextlib.suppress(queue.Full):
                self._jobs.put_nowait(job)

    def _run(self) -> None:
        history: History | None = None
        try:
            while (job := self._jobs.get()) is not None:
                while True:
                    try:
                        history = history or self._open()
                        job(history)
                    except NewerHistoryError as error:
                        self._failed(str(error))
                        return
                    except (HistoryError, sqlite3.Error) as error:
                        self._failed(sentence_for(error, self._path))
                        if history is not None:
                            history.close()
                            history = None
                        if self._stopping.wait(self._retry_s):
                            return
                    else:
                        self._succeeded()
                        break
        finally:
            if history is not None:
                history.close()

    def _open(self) -> History:
        try:
            return History.open(self._path)
        except DamagedHistoryError as error:
            aside = self._path.with_name(f"{self._path.name}.damaged-{int(time.time())}")
            try:
                for suffix in ("-wal", "-shm"):
                    Path(f"{self._path}{suffix}").unlink(missing_ok=True)
                self._path.rename(aside)
            except OSError:
                raise error from None
            _log.warning('%s It is kept as "%s", and a new one is begun.', error, aside)
            return History.open(self._path)

    def _failed(self, sentence: str) -> None:
        if sentence != self._fault:
            _log.warning("%s Recognition goes on.", sentence)
        self._fault = sentence

    def _succeeded(self) -> None:
        if self._fault:
            _log.info("The history of visits is written again.")
        self._fault = ""
