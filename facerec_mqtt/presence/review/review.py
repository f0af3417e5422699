"""Scores and pictures of visits: collected in the loop, written by a thread, so that no frame waits."""

import logging
import math
import queue
import threading
import time
from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass

from facerec_mqtt.core.clock import WallClock
from facerec_mqtt.core.records import Image
from facerec_mqtt.faces import portrait_jpeg
from facerec_mqtt.presence.review.collector import VisitCollector, VisitLooks
from facerec_mqtt.presence.review.folder import ReviewFolder
from facerec_mqtt.presence.tracks.tracking import Track
from facerec_mqtt.settings import PicturesChoice, Settings

_log = logging.getLogger(__name__)
_PRUNE_EVERY_S = 3600.0
_MOST_WAITING = 64
_END_S = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class KeptLooks:
    """What there is of a visit, with the pictures on disk."""

    looks: VisitLooks
    pictures: tuple[str, ...] = ()
    """Paths below the review folder, the best first."""
    removed: tuple[str, ...] = ()
    """Of pictures that better ones have taken the place of."""


class Review:
    """Scores of all visits, and pictures where their owner wants them, by the settings or on the page.

    Args:
        settings: whether, where and for how long.
        clock: the wall clock, for the names of the files.
    """

    def __init__(self, settings: Settings, clock: WallClock) -> None:
        self._is_on = PicturesChoice(settings.model_dir, enabled=settings.review.enabled)
        # Without the history nobody could tell whose they are, and they would be shown nowhere.
        keeps_named = settings.history.days > 0 and settings.review.max_family_pictures > 0
        self._collector = VisitCollector(settings.recognition.departure_s, keeps_named=keeps_named)
        self._folder = ReviewFolder(settings.review, settings.history.days)
        self._clock = clock
        self._waiting: queue.Queue[VisitLooks | tuple[str, ...] | None] = queue.Queue(_MOST_WAITING)
        self._kept: queue.SimpleQueue[KeptLooks] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._written: dict[str, dict[float, str]] = {}
        """By visit, then by capture: the pictures of visits that go on."""
        self._prune_s = -math.inf
        self._failed = False

    def add(self, camera: str, in_view: Iterable[Track], image: Image) -> None:
        """Take in a frame that was searched, with the tracks of the faces in it."""
        self._collector.add(camera, in_view, image if self._is_on() else None)

    def set_people(self, people: Collection[str]) -> None:
        """Another model is in use: what is not written yet of others, given by slug, never is."""
        self._collector.set_people(people)

    def update(
        self, now_s: float, followed: Container[Track], open_visits: Container[str]
    ) -> tuple[KeptLooks, ...]:
        """Have written what there is of visits that began, ended or lost their face; delete old pictures.

        Args:
            now_s: the time.
            followed: the tracks that have not ended.
            open_visits: ids of the visits that have not ended.

        Returns:
            What was written since the last call.
        """
        for looks in self._collector.take_due(now_s, followed, open_visits):
            self._enqueue(looks)
        if now_s >= self._prune_s:
            self._prune_s = now_s + _PRUNE_EVERY_S
            self._enqueue(())
        return self._take_kept()

    def discard(self, pictures: tuple[str, ...]) -> None:
        """Delete pictures of a visit that is not in the history; may be called from any thread."""
        self._enqueue(pictures)

    def stop(self) -> tuple[KeptLooks, ...]:
        """The service ends, and what there is of its visits is written; returns as `update`."""
        for looks in self._collector.take_due(math.inf, (), ()):
            self._enqueue(looks)
        thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join(_END_S)
        return self._take_kept()

    def _take_kept(self) -> tuple[KeptLooks, ...]:
        return tuple(self._kept.get_nowait() for _ in range(self._kept.qsize()))

    def _enqueue(self, job: VisitLooks | tuple[str, ...]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="review", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(job)
        except queue.Full:  # a disk that has stood still for long
            _log.debug("Too much waits to be written of visits.")

    # --- In the thread

    def _run(self) -> None:
        while (job := self._waiting.get()) is not None:
            try:
                if isinstance(job, VisitLooks):
                    self._write(job)
                else:
                    self._folder.remove(job)
                if self._waiting.empty():
                    self._folder.prune(self._clock.now().local(time.monotonic()).date())
            except OSError as error:
                self._report(error)

    def _write(self, looks: VisitLooks) -> None:
        """Bring the pictures of a visit on the disk to what there is of it now."""
        key = looks.visit_id or ""
        written = self._written.pop(key, {})
        gone = [at_s for at_s in written if at_s not in {shot.at_s for shot in looks.shots}]
        removed = tuple(written.pop(at_s) for at_s in gone)
        clock = self._clock.now()
        try:
            self._folder.remove(removed)
            for shot in looks.shots if self._is_on() else ():
                if shot.at_s not in written:
                    jpeg = portrait_jpeg(shot.image)
                    written[shot.at_s] = self._folder.add(
                        looks.kind, looks.camera, clock.local(shot.at_s), jpeg
                    )
                    self._failed = False
        finally:
            if not looks.ended:
                self._written[key] = written
            pictures = tuple(written[shot.at_s] for shot in looks.shots if shot.at_s in written)
            self._kept.put(KeptLooks(looks, pictures, removed))

    def _report(self, error: OSError) -> None:
        if not self._failed:
            _log.warning(
                "Pictures for review cannot be kept (%s: %s); see FACEREC_REVIEW__FOLDER.",
                error.strerror,
                error.filename,
            )
        self._failed = True
