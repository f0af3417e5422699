"""Cameras of Frigate: read while it tracks a person, and told who that is where that is wanted."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from pydantic import ValidationError

from facerec_mqtt.cameras import Camera, CameraFailedError, CameraFailure, FailureKind
from facerec_mqtt.cameras.pictures.frigate_api import FrigateApi, FrigateLogin
from facerec_mqtt.core.records import PresenceChange
from facerec_mqtt.mqtt import Access, Received, Subscription
from facerec_mqtt.service.broker.frigate_messages import (
    MAX_EVENT_BYTES,
    PERSON,
    UNSEEN_S,
    FrigateEvent,
    TrackedPeople,
)
from facerec_mqtt.settings import CameraSettings, FrigateSettings, first_problem

_log = logging.getLogger(__name__)
ANNOUNCED_WITHIN_S = 10.0
_LABEL_TIMEOUT_S = 10.0
_MAX_WAITING_LABELS = 32


class Frigate:
    """Frigate, as it is heard on the broker. Its methods are called in the threads of the connection.

    Args:
        settings: its topics, and whether it is told who somebody is.
        cameras: those of its cameras that we read, by our slug.
    """

    def __init__(
        self, settings: FrigateSettings, cameras: Mapping[str, tuple[CameraSettings, Camera]]
    ) -> None:
        self._prefix = settings.topic_prefix
        self._cameras = cameras
        self._people = TrackedPeople()
        self._guard = threading.Lock()
        self._announcement: threading.Timer | None = None
        self._strange_logged = False
        self._labels = SubLabels(cameras) if settings.sub_labels else None
        for _, camera in cameras.values():
            camera.wait_for_release()
            camera.want(0.0)

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """What it is heard by."""
        return (
            Subscription(f"{self._prefix}/available", self._on_available, self._on_access),
            Subscription(f"{self._prefix}/events", self._on_event, qos=0),
        )

    def on_change(self, change: PresenceChange, name: str | None) -> None:
        """Tell Frigate who came, once for each of its objects; from any thread, and without waiting."""
        if (
            self._labels is None
            or name is None
            or change.sighting is None
            or change.camera not in self._cameras
        ):
            return
        settings, _ = self._cameras[change.camera]
        left, top, right, bottom = change.sighting.detection.box
        centre = ((left + right) / 2, (top + bottom) / 2) if settings.rotate == 0 else None
        with self._guard:
            person = self._people.with_face(settings.frigate_camera, centre, time.monotonic())
            if person is None or name in person.names:
                return
            person.names.add(name)
        self._labels.put(change.camera, person.tracked.id, name, change.sighting.identification.score)

    def _on_access(self, access: Access) -> None:
        self._stop_waiting()
        if access is Access.CLOSED:
            self._lose(FailureKind.NO_BROKER)
        elif access is Access.DENIED:
            self._lose(FailureKind.TOPIC_DENIED)
        else:
            # What it has said of itself is kept by the broker, and comes now.
            self._announcement = threading.Timer(
                ANNOUNCED_WITHIN_S, partial(self._lose, FailureKind.NO_FRIGATE)
            )
            self._announcement.daemon = True
            self._announcement.start()

    def _stop_waiting(self) -> None:
        if self._announcement is not None:
            self._announcement.cancel()

    def _on_available(self, message: Received) -> None:
        self._stop_waiting()
        if message.payload != b"online":
            self._lose(FailureKind.FRIGATE_STOPPED)
            return
        if not message.retained:  # it has begun anew, or has a new connection; whom it tracks, it will say
            self._forget_people()
        for _, camera in self._cameras.values():
            camera.hold(None)

    def _lose(self, kind: FailureKind) -> None:
        self._forget_people()
        for _, camera in self._cameras.values():
            camera.hold(CameraFailure(kind, place=f"{self._prefix}/available"))

    def _forget_people(self) -> None:
        with self._guard:
            self._people.clear()
        for _, camera in self._cameras.values():
            camera.want(0.0)

    def _on_event(self, message: Received) -> None:
        if message.retained or len(message.payload) > MAX_EVENT_BYTES:
            return
        try:
            event = FrigateEvent.model_validate_json(message.payload)
        except ValidationError as error:
            if not self._strange_logged:
                self._strange_logged = True
                _log.warning(
                    'A message on "%s" is none of Frigate, and is ignored, as are others like it (%s)',
                    message.topic,
                    first_problem(error),
                )
            return
        if event.after.label == PERSON:
            self._on_person(event)

    def _on_person(self, event: FrigateEvent) -> None:
        now_s, name = time.monotonic(), event.after.camera
        with self._guard:
            self._people.take(event, now_s)
            wanted_s = UNSEEN_S if self._people.at(name, now_s) else 0.0
        for settings, camera in self._cameras.values():
            if settings.frigate_camera == name:
                camera.want(wanted_s)


class SubLabels:
    """Writes names to Frigate, in a thread of its own: nothing waits for it, and nothing depends on it."""

    def __init__(self, cameras: Mapping[str, tuple[CameraSettings, Camera]]) -> None:
        self._apis = {slug: (settings.name, _api(settings)) for slug, (settings, _) in cameras.items()}
        self._waiting: queue.Queue[Callable[[], None]] = queue.Queue(_MAX_WAITING_LABELS)
        threading.Thread(target=self._run, name="sub labels", daemon=True).start()

    def put(self, camera: str, event_id: str, name: str, score: float) -> None:
        """Write a name, soon; where too many wait, it is left out."""
        try:
            self._waiting.put_nowait(partial(self._write, camera, event_id, name, score))
        except queue.Full:
            _log.warning("Frigate is too slow for sub labels; %s is left out at %s", name, camera)

    def _run(self) -> None:
        while True:
            write = self._waiting.get()
            try:
                write()
            except Exception:
                _log.exception("Unexpected error in a sub label")

    def _write(self, camera: str, event_id: str, name: str, score: float) -> None:
        camera_name, api = self._apis[camera]
        try:
            api.set_sub_label(event_id, name, round(min(max(score, 0.001), 1.0), 3), _LABEL_TIMEOUT_S)
        except CameraFailedError as error:
            _log.warning(
                'Camera "%s": the sub label "%s" could not be written; Frigate %s',
                camera_name,
                name,
                error.failure.sentence,
            )


def _api(settings: CameraSettings) -> FrigateApi:
    password = None if settings.password is None else settings.password.get_secret_value()
    token = None if settings.token is None else settings.token.get_secret_value()
    return FrigateApi(
        settings.url, FrigateLogin(settings.username, password, token), settings.tls_fingerprint
    )
