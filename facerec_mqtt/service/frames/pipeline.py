"""A frame's way through the service, from the camera to what is published.

    camera -> region -> motion -> faces, recognised -> tracks, visits -> pictures for review -> published

Up to the faces that is `search`, in threads beside the loop (`workers`). `FramePipeline.step` has frames
searched, and acts on those that were, each camera's in their order.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from facerec_mqtt.cameras import Scene
from facerec_mqtt.core.records import Frame, Image, PresenceChange, Sighting
from facerec_mqtt.enrollment import CaptureController
from facerec_mqtt.monitoring import Metrics
from facerec_mqtt.presence import Presence, Review, SettledFaces, Visits
from facerec_mqtt.recognition import Recognizer
from facerec_mqtt.service.frames.search import SearchRequest, SearchResult
from facerec_mqtt.service.frames.watched_camera import WatchedCamera, is_in_time
from facerec_mqtt.service.frames.workers import SearchWorkers
from facerec_mqtt.service.roles.remote import AnyRecognizer, RemoteRecognizer
from facerec_mqtt.settings import RecognitionSettings

_log = logging.getLogger(__name__)
STUCK_S = 60.0
"""A frame that was searched for so long never will be."""
_LARGE_SHARE = 0.01
"""Of the picture: somebody who is near enough to be known moves more."""
_NO_FACES = SettledFaces()
Publish = Callable[[Sequence[PresenceChange], Image | None], None]
"""Publishes what has changed, with the picture of the frame that decided it."""
Show = Callable[[Frame, Sequence[Sighting] | None], None]
"""Shows a frame's faces, `None` where it was not searched, to whoever watches the camera."""


@dataclass(frozen=True, slots=True)
class FramePipeline:
    """The stages that all cameras share. Of the loop's thread."""

    settings: RecognitionSettings
    cameras: Collection[WatchedCamera]
    workers: SearchWorkers
    visits: Visits
    presence: Presence
    review: Review
    captures: CaptureController
    metrics: Metrics
    publish: Publish
    show: Show
    is_shown: Callable[[str], bool]
    """Whether somebody watches a camera."""

    def step(self, recognizer: AnyRecognizer) -> None:
        """Act on the frames that were searched, and have the newest ones of other cameras searched.

        Args:
            recognizer: with the model in use. What was searched with another one is not acted upon: it may
                name somebody who was forgotten meanwhile.
        """
        results = self.workers.finished(time.monotonic())
        # First, so that no thread waits meanwhile; the cameras of these results are still busy.
        self._search(recognizer)
        for result in results:
            self._act(result, recognizer)
        if results:
            self._search(recognizer)

    def is_stuck(self, now_s: float) -> bool:
        """Whether a search does not come to an end."""
        return any(each.is_searched and now_s - each.search_began_s > STUCK_S for each in self.cameras)

    def _search(self, recognizer: AnyRecognizer) -> None:
        """Have frames searched while a thread is free: of the camera first that has waited for longest."""
        waiting = []
        for watched in self.cameras:
            if watched.is_searched:
                continue
            if watched.has_frame:
                waiting.append(watched)
            else:
                self._take_unchanged(watched)
        for watched in sorted(waiting, key=lambda each: each.search_began_s):
            if not self.workers.is_free:
                return
            watched.is_searched, watched.search_began_s = True, time.monotonic()
            self.workers.submit(self._request(watched, recognizer))

    def _request(self, watched: WatchedCamera, recognizer: AnyRecognizer) -> SearchRequest:
        slug, newest_s = watched.settings.slug, watched.camera.newest_s
        return SearchRequest(
            watched=watched,
            recognizer=recognizer,
            visits=self.visits.copy_of(slug) if isinstance(recognizer, RemoteRecognizer) else None,
            settled=_NO_FACES if watched.main is None else self.visits.settled(slug),
            is_forced=self.visits.must_search(slug, newest_s) or self.captures.is_at(slug),
            is_enabled=watched.enabled,
            discarded=watched.discarded,
            newest_s=newest_s,
        )

    def _act(self, result: SearchResult, recognizer: AnyRecognizer) -> None:
        watched, frame = result.request.watched, result.frame
        watched.is_searched = False
        if frame is None:
            # Tried again with the camera's next frame.
            watched.last_frame_s = result.request.newest_s
            if result.error is not None:
                self._report_failure(watched, result.error)
            return
        self._report_failure(watched, None)
        slug, at_s, sightings = watched.settings.slug, frame.captured_at_s, result.sightings
        watched.last_frame_s = at_s
        self._report_standstill(watched, result.stood_s)
        if result.request.recognizer is not recognizer or result.request.discarded != watched.discarded:
            return
        if not is_in_time(at_s):
            self.metrics.count_late(slug)
            return
        watched.taken += 1
        if not result.is_answered:
            self.metrics.count_late(slug)
            return
        watched.camera.tell(self._scene(watched, sightings))
        if not watched.enabled:
            return
        if sightings is None:
            self._count_still(slug, at_s)
            self.show(frame, None)
            return
        judge = result.judge
        if isinstance(recognizer, Recognizer):
            judge = partial(recognizer.identify_visit, min_margin=self.settings.min_margin)
        changes = self.visits.observe(slug, at_s, sightings, judge)
        self.review.add(slug, self.visits.in_view(slug), frame.image)
        self.captures.offer(slug, frame, sightings)
        self.presence.count_frame(slug, at_s, len(sightings))
        self.publish(changes, frame.image)
        self.show(frame, sightings)
        self.metrics.count_searched(slug, sightings, time.monotonic() - at_s)

    def _take_unchanged(self, watched: WatchedCamera) -> None:
        """Act on a frame that was not decoded, since nothing has moved, if there was one."""
        at_s = watched.camera.unchanged_s
        if at_s <= watched.last_frame_s:
            return
        watched.last_frame_s = at_s
        watched.taken += 1
        watched.gate.unchanged(at_s)
        if self._is_needed(watched.settings.slug):
            watched.camera.tell(Scene.ACTIVE)
        if watched.enabled:
            self._count_still(watched.settings.slug, at_s)

    def _is_needed(self, slug: str) -> bool:
        """Whether every picture of a camera is wanted, whatever it shows."""
        return self.captures.is_at(slug) or self.is_shown(slug)

    def _count_still(self, slug: str, at_s: float) -> None:
        self.visits.unchanged(slug, at_s)
        self.presence.count_frame(slug, at_s, None)
        self.metrics.count_still(slug)

    def _scene(self, watched: WatchedCamera, sightings: Sequence[Sighting] | None) -> Scene:
        """What a camera shows, by its last frame."""
        slug = watched.settings.slug
        if sightings is None and not self._is_needed(slug) and not self.visits.in_view(slug):
            return Scene.STILL
        return Scene.MOVED if watched.gate.moved_share >= _LARGE_SHARE else Scene.ACTIVE

    # --- What is reported, once

    def _report_standstill(self, watched: WatchedCamera, stood_s: float | None) -> None:
        """Report that a camera's picture stands still, or that it moves again."""
        if stood_s is None:
            return
        name, frozen = watched.settings.name, watched.frozen.is_frozen
        if frozen:
            _log.warning(
                'Camera "%s": its picture has stood still for %.0f minutes; restart the camera',
                name,
                stood_s / 60,
            )
        else:
            _log.info('Camera "%s": its picture moves again, after %.0f minutes', name, stood_s / 60)
        self.presence.camera_frozen(watched.settings.slug, frozen=frozen)

    def _report_failure(self, watched: WatchedCamera, error: Exception | None) -> None:
        """Report that a camera's frames cannot be searched, or that they can again."""
        is_failing = error is not None
        if is_failing and not watched.is_failing:
            _log.error(
                'Camera "%s": its picture cannot be searched for faces because of an error in this program '
                "(%s: %s); please report it",
                watched.settings.name,
                type(error).__name__,
                error,
            )
            _log.debug("Where it arose", exc_info=error)
        elif watched.is_failing and not is_failing:
            _log.info('Camera "%s": its pictures are searched for faces again', watched.settings.name)
        watched.is_failing = is_failing
