"""Cameras about which the broker decides: those whose pictures are published there, and those of Frigate."""

import logging
from collections.abc import Iterable

from facerec_mqtt.cameras import Camera, CameraFailure, FailureKind
from facerec_mqtt.mqtt import Access, Received, Subscription
from facerec_mqtt.service.broker.frigate import Frigate
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.settings import CameraSettings, FrigateSettings

_log = logging.getLogger(__name__)


def listen_for_cameras(
    publisher: Publisher, frigate: FrigateSettings, cameras: Iterable[tuple[CameraSettings, Camera]]
) -> None:
    """Listen to what decides about cameras on the broker; before the publisher and they are started."""
    at_frigate: dict[str, tuple[CameraSettings, Camera]] = {}
    for settings, camera in cameras:
        if settings.kind == "frigate":
            at_frigate[settings.slug] = settings, camera
        elif settings.kind == "mqtt":
            camera.wait_for_release()
            topic = _PictureTopic(settings, camera)
            # Quality 0: a broker would keep pictures of a higher one for us, and none is worth waiting.
            publisher.subscribe(Subscription(settings.topic, topic.take, topic.on_access, qos=0))
    if at_frigate:
        neighbour = Frigate(frigate, at_frigate)
        for subscription in neighbour.subscriptions:
            publisher.subscribe(subscription)
        publisher.on_change(neighbour.on_change)


class _PictureTopic:
    """One camera's topic."""

    def __init__(self, settings: CameraSettings, camera: Camera) -> None:
        self._settings = settings
        self._camera = camera
        self._kept_logged = False

    def take(self, message: Received) -> None:
        """Hand over a picture, unless it may be of yesterday."""
        if not message.payload:
            return  # so a kept picture is removed
        if not message.retained:
            self._camera.hand(message.payload)
        elif not self._kept_logged:
            self._kept_logged = True
            _log.info(
                'Camera "%s": the picture that the broker keeps on "%s" is not looked at, since nobody knows '
                "how old it is",
                self._settings.name,
                self._settings.topic,
            )

    def on_access(self, access: Access) -> None:
        """Pass on whether pictures can come."""
        match access:
            case Access.OPEN:
                self._camera.hold(None)
            case Access.DENIED:
                self._camera.hold(CameraFailure(FailureKind.TOPIC_DENIED, place=self._settings.topic))
            case Access.CLOSED:
                self._camera.hold(CameraFailure(FailureKind.NO_BROKER))
