"""A camera whose pictures somebody publishes: they come when something happens, or all the time."""

import time
from collections.abc import Iterator

from facerec_mqtt.cameras.pacing import Pacer
from facerec_mqtt.cameras.pictures.damaged import Tolerant
from facerec_mqtt.cameras.pictures.inbox import ALIVE_EVERY_S, Inbox
from facerec_mqtt.cameras.protocol import (
    LONGEST_HANDED,
    FailureKind,
    ReaderRequest,
    failed,
)
from facerec_mqtt.cameras.sources import Alive, Shot, Source, sleep_until
from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.images import decode_picture
from facerec_mqtt.core.picture_formats import WEB_FORMATS
from facerec_mqtt.core.records import Image


def open_handed(request: ReaderRequest, alive: Alive) -> Source:
    """Take the pictures that come on standard input."""
    inbox = Inbox()
    inbox.start()
    return Source(request.fps, handed_shots(inbox, request.fps, alive), is_prompted=True)


def handed_shots(inbox: Inbox, fps: float, alive: Alive) -> Iterator[Shot]:
    """Decode the pictures that are handed over, at most so many a second; of those between, none.

    Raises:
        CameraFailedError: the first is no picture, or many in a row are not, or one is too large.
    """
    pacer, tolerant = Pacer(fps), Tolerant(_decoded, first_counts=True)
    while True:
        # Those that come meanwhile replace each other, so that the last one of many is seen.
        sleep_until(pacer.due_s or 0.0, alive)
        picture = inbox.take(ALIVE_EVERY_S)
        alive()
        if picture is None:
            continue
        pacer.takes(time.monotonic())
        if len(picture.data) > LONGEST_HANDED:
            raise failed(FailureKind.PICTURE_TOO_LARGE, detail=f"{LONGEST_HANDED // 2**20} MB")
        image = tolerant.image(picture.data)
        if image is not None:
            yield Shot(picture.came_at_s, image)


def _decoded(data: bytes) -> Image:
    try:
        return decode_picture(data, formats=WEB_FORMATS)
    except PictureError as error:
        detail = f"{str(error)[:1].lower()}{str(error)[1:].rstrip('.')}"
        if data[:1] in b"<{[" or data[:100].isascii():
            detail = "a text is published there; give the topic of a JPEG file as it is"
        raise failed(FailureKind.NO_PICTURE, detail=detail) from error
