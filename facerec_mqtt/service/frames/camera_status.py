"""Cameras that are lost or back: from the threads of the cameras to the loop, and what follows."""

import queue
from collections.abc import Mapping

from facerec_mqtt.cameras import CameraFailure
from facerec_mqtt.presence import Presence, Visits
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.frames.watched_camera import WatchedCamera


class CameraStatusQueue:
    """What has changed with the cameras, in order.

    Args:
        publisher: publishes it.
        visits: of a camera that is lost they neither go on nor end.
        presence: nobody is seen there.
    """

    def __init__(self, publisher: Publisher, visits: Visits, presence: Presence) -> None:
        self._publisher = publisher
        self._visits = visits
        self._presence = presence
        self._changes: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()

    def put(self, camera: str, online: bool, _failure: CameraFailure | None) -> None:
        """Take in a change; in any thread."""
        self._changes.put((camera, online))

    def act(self, cameras: Mapping[str, WatchedCamera], now_s: float) -> None:
        """Act on all changes since the last call, in the loop's thread."""
        while True:
            try:
                slug, online = self._changes.get_nowait()
            except queue.Empty:
                return
            self._publisher.publish_camera_status(slug, online=online)
            if online:
                self._visits.camera_back(slug, now_s)
            else:
                cameras[slug].discard_search()
                self._visits.camera_lost(slug, now_s)
                self._presence.camera_lost(slug)
