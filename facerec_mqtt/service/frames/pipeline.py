"""A frame's way through the service, from the camera to what is published.

    camera -> region -> motion -> faces, recognised -> tracks, visits -> pictures for review -> published

`FramePipeline.process` is all of it, for one frame of one camera.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from facerec_mqtt.cameras import Camera, Launch, OnStatus, Scene
from facerec_mqtt.core.records import Frame, Image, PresenceChange, Sighting
from facerec_mqtt.enrollment import CaptureController
from facerec_mqtt.faces import MotionGate, Region
from facerec_mqtt.monitoring import CameraTotals, Metrics
from facerec_mqtt.presence import Presence, Review, Visits
from facerec_mqtt.recognition import Recognizer
from facerec_mqtt.service.frames.frozen_picture import FrozenPicture
from facerec_mqtt.service.frames.main_stream import MainStream
from facerec_mqtt.settings import CameraSettings, RecognitionSettings

_log = logging.getLogger(__name__)
MAX_FRAME_AGE_S = 1.0
"""Nothing is decided on a frame older than this: whoever it shows may be gone."""
_LARGE_SHARE = 0.01
"""Of the picture: somebody who is near enough to be known moves more."""
Publish = Callable[[Sequence[PresenceChange], Image | None], None]
"""Publishes what has changed, with the picture of the frame that decided it."""
Show = Callable[[Frame, Sequence[Sighting] | None], None]
"""Shows a frame's faces, `None` where it was not searched, to whoever watches the camera."""


@dataclass(slots=True, eq=False)
class WatchedCamera:
    """One camera, and what the loop keeps of it."""

    settings: CameraSettings
    camera: Camera
    gate: MotionGate
    region: Region
    main: MainStream | None = None
    """Where it has one."""
    frozen: FrozenPicture = field(default_factory=FrozenPicture)
    enabled: bool = True
    last_frame_s: float = -1.0
    taken: int = 0
    """Frames that were in time."""

    @classmethod
    def of(
        cls,
        settings: CameraSettings,
        recognition: RecognitionSettings,
        on_status: OnStatus,
        launch: Launch,
    ) -> Self:
        """Make it; nothing is started."""
        main = MainStream(settings, recognition, launch) if settings.main_url else None
        camera = Camera(settings, on_status, launch=launch)
        return cls(settings, camera, MotionGate(), Region(settings.region), main)

    def close_idle(self, now_s: float) -> None:
        """Close the main stream where it is not needed."""
        if self.main is not None:
            self.main.close_if_idle(now_s)

    def stop(self) -> None:
        """End reading, within two seconds."""
        if self.main is not None:
            self.main.close()
        self.camera.stop()

    @property
    def totals(self) -> CameraTotals:
        """What it has given since the start."""
        counters = self.camera.counters
        return CameraTotals(counters.frames, counters.reconnects, self.taken)

    def newest(self) -> Frame | None:
        """The newest frame, each once; `None` when there is none that is new."""
        frame = self.camera.latest(self.last_frame_s, 0.0)
        if frame is not None:
            self.last_frame_s = frame.captured_at_s
        return frame


@dataclass(frozen=True, slots=True)
class FramePipeline:
    """The stages that all cameras share."""

    settings: RecognitionSettings
    visits: Visits
    presence: Presence
    review: Review
    captures: CaptureController
    metrics: Metrics
    publish: Publish
    show: Show
    is_shown: Callable[[str], bool]
    """Whether somebody watches a camera."""

    def process(self, watched: WatchedCamera, recognizer: Recognizer) -> bool:
        """Take a camera's newest frame, and act on it.

        Args:
            watched: the camera.
            recognizer: who knows the family.

        Returns:
            Whether there was a new one.
        """
        frame = watched.newest()
        if frame is None:
            return self._take_unchanged(watched)
        slug, at_s = watched.settings.slug, frame.captured_at_s
        sightings = None
        if watched.enabled and _is_in_time(at_s):
            sightings = self._sightings(watched, frame, recognizer)
        # Again, since a machine that is short of time may have searched it for long.
        if not _is_in_time(at_s):
            self.metrics.count_late(slug)
            return True
        watched.taken += 1
        watched.camera.tell(self._scene(watched, sightings))
        self._watch_for_standstill(watched, frame)
        if not watched.enabled:
            return True
        if sightings is None:
            self._count_still(slug, at_s)
            self.show(frame, None)
            return True
        judge = partial(recognizer.identify_visit, min_margin=self.settings.min_margin)
        changes = self.visits.observe(slug, at_s, sightings, judge)
        self.review.add(slug, self.visits.in_view(slug), frame.image)
        self.captures.offer(slug, frame, sightings)
        self.presence.count_frame(slug, at_s, len(sightings))
        self.publish(changes, frame.image)
        self.show(frame, sightings)
        self.metrics.count_searched(slug, sightings, time.monotonic() - at_s)
        return True

    def _take_unchanged(self, watched: WatchedCamera) -> bool:
        """Act on a frame that was not decoded, since nothing has moved; returns whether there was one."""
        at_s = watched.camera.unchanged_s
        if at_s <= watched.last_frame_s:
            return False
        watched.last_frame_s = at_s
        watched.taken += 1
        watched.gate.unchanged(at_s)
        if self._is_needed(watched.settings.slug):
            watched.camera.tell(Scene.ACTIVE)
        if watched.enabled:
            self._count_still(watched.settings.slug, at_s)
        return True

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

    def _watch_for_standstill(self, watched: WatchedCamera, frame: Frame) -> None:
        """Report once that a camera's picture stands still, and once that it moves again."""
        stood_s = watched.frozen.look(frame.image, frame.captured_at_s)
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

    def _sightings(
        self, watched: WatchedCamera, frame: Frame, recognizer: Recognizer
    ) -> tuple[Sighting, ...] | None:
        """The faces in a frame; `None` where nothing has moved, so that it was not searched."""
        slug = watched.settings.slug
        part = watched.region.cut(frame)
        moved = not self.settings.motion or watched.gate.moved(part)
        if not (moved or self.visits.must_search(slug, frame.captured_at_s) or self.captures.is_at(slug)):
            return None
        found = recognizer.recognise(
            part.image,
            min_face_px=watched.settings.min_face_px,
            min_sharpness=self.settings.min_sharpness,
            min_margin=self.settings.min_margin,
        )
        sightings = [
            Sighting(
                camera=slug,
                captured_at_s=frame.captured_at_s,
                detection=watched.region.to_whole_frame(frame, face.detection),
                identification=face.identification,
                face=face.face,
                embedding=face.embedding,
            )
            for face in found
        ]
        main = watched.main
        if main is None:
            return tuple(sightings)
        return tuple(
            main.look(frame, each, recognizer) if self._is_too_small(each) else each for each in sightings
        )

    def _is_too_small(self, sighting: Sighting) -> bool:
        """Whether it is a face that a larger picture might give a name, and that has none yet."""
        return sighting.identification.refusal == "face too small" and not self.visits.is_settled(sighting)


def _is_in_time(captured_at_s: float) -> bool:
    return time.monotonic() - captured_at_s <= MAX_FRAME_AGE_S
