"""A camera of Frigate: its newest picture is fetched while Frigate tracks a person, and nothing otherwise."""

import time
from collections.abc import Iterator

from facerec_mqtt.cameras.http_source import Snapshots
from facerec_mqtt.cameras.pacing import Pacer
from facerec_mqtt.cameras.pictures.frigate_api import FrigateApi, FrigateLogin
from facerec_mqtt.cameras.pictures.inbox import ALIVE_EVERY_S, Inbox
from facerec_mqtt.cameras.protocol import ReaderRequest
from facerec_mqtt.cameras.sources import Alive, Shot, Source, sleep_until
from facerec_mqtt.core.records import Image


def open_frigate(request: ReaderRequest, alive: Alive) -> Source:
    """Fetch one picture, so that a wrong name or login shows at once, and then those that are wanted."""
    login = FrigateLogin(request.username, request.password, request.token)
    api = FrigateApi(request.url, login, request.tls_fingerprint)
    inbox = Inbox()
    inbox.start()
    first = api.picture(request.open_timeout_s)
    snapshots = Snapshots(api.picture, request.timeout_s)
    return Source(request.fps, _shots(first, snapshots, inbox, request.fps, alive), is_prompted=True)


def _shots(first: Image, snapshots: Snapshots, inbox: Inbox, fps: float, alive: Alive) -> Iterator[Shot]:
    yield Shot(time.monotonic(), first)
    del first
    pacer = Pacer(fps)
    while True:
        alive()
        if not inbox.wait_until_wanted(ALIVE_EVERY_S):
            continue
        sleep_until(pacer.due_s or 0.0, alive)
        image = snapshots.take()
        now_s = time.monotonic()
        pacer.takes(max(now_s, pacer.due_s or now_s))
        yield Shot(now_s, image)
        del image
