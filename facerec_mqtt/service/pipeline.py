"""A frame's way through the service, from the camera to what is published.

    camera -> region -> motion -> faces, recognised -> tracks, visits -> pictures for review -> published

`FramePipeline.process` is all of it, for one frame of one camera.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from facerec_mqtt.cameras import Camera
from facerec_mqtt.core.records import Frame, Image, PresenceChange, Sighting
from facerec_mqtt.enrollment import CaptureController
from facerec_mqtt.faces import MotionGate, Region
from facerec_mqtt.monitoring import CameraTotals, Metrics
from facerec_mqtt.presence import Presence, Review, Visits
from facerec_mqtt.recognition import Recognizer
from facerec_mqtt.settings import CameraSettings, RecognitionSettings

MAX_FRAME_AGE_S = 1.0
"""Nothing is decided on a frame older than this: whoever it shows may be gone."""
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
    enabled: bool = True
    last_frame_s: float = -1.0
    taken: int = 0
    """Frames that were in time."""

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
            return False
        slug, at_s = watched.settings.slug, frame.captured_at_s
        sightings = None
        if watched.enabled and _is_in_time(at_s):
            sightings = self._sightings(watched, frame, recognizer)
        # Again, since a machine that is short of time may have searched it for long.
        if not _is_in_time(at_s):
            self.metrics.count_late(slug)
            return True
        watched.taken += 1
        if not watched.enabled:
            return True
        if sightings is None:
            self.visits.unchanged(slug, at_s)
            self.presence.count_frame(slug, at_s, None)
            self.metrics.count_still(slug)
            self.show(frame, None)
            return True
        changes = self.visits.observe(slug, at_s, sightings)
        self.review.add(slug, self.visits.in_view(slug), frame.image)
        self.captures.offer(slug, frame, sightings)
        self.presence.count_frame(slug, at_s, len(sightings))
        self.publish(changes, frame.image)
        self.show(frame, sightings)
        self.metrics.count_searched(slug, sightings, time.monotonic() - at_s)
        return True

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
        return tuple(
            Sighting(
                camera=slug,
                captured_at_s=frame.captured_at_s,
                detection=watched.region.to_whole_frame(frame, face.detection),
                identification=face.identification,
                face=face.face,
                embedding=face.embedding,
            )
            for face in found
        )


def _is_in_time(captured_at_s: float) -> bool:
    return time.monotonic() - captured_at_s <= MAX_FRAME_AGE_S
