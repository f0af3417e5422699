"""Cameras whose pictures are published on a real broker: what reaches them, and what they report."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from facerec_mqtt.cameras import CameraFailedError, CameraFailure, FailureKind, HandedPicture, probe
from facerec_mqtt.cameras.protocol import LONGEST_HANDED
from facerec_mqtt.service.broker.camera_topics import listen_for_cameras
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.settings import FrigateSettings
from facerec_mqtt.settings.schema import PrivacySettings
from tests.support.broker import Broker, wait_until
from tests.support.http_cameras import jpeg
from tests.support.rtsp import number_of
from tests.support.watched_camera import Watched, settings, watched

TOPIC = "frigate/front/person/snapshot"


@contextmanager
def listening(broker: Broker, url: str = f"mqtt://{TOPIC}", **others: object) -> Iterator[Watched]:
    """A camera whose pictures come by a service's connection."""
    camera_settings = settings(url, **others)
    publisher = Publisher(broker.settings(), PrivacySettings(), cameras=["door"])
    with watched(camera_settings) as door:
        listen_for_cameras(publisher, FrigateSettings(), [(camera_settings, door.camera)])
        publisher.start()
        try:
            yield door
        finally:
            publisher.stop()


def test_pictures_come_and_none_that_the_broker_has_kept(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with broker.ear() as ear:
        ear.say(TOPIC, jpeg(1), retain=True)
        with listening(broker) as door:
            door.wait_until_reported(True)
            assert door.camera.latest(0.0, 0.0) is None
            ear.say(f"{TOPIC}/other", jpeg(2))
            ear.say(TOPIC, b"")
            ear.say(TOPIC, jpeg(3), retain=True)
            assert number_of(door.frame().image) == 3
            broker.stop()
            door.wait_until_reported(True, False)
            assert door.failures == [FailureKind.NO_BROKER]
            broker.start()
            door.wait_until_reported(True, False, True)
    assert caplog.text.count("is not looked at") == 1


def test_of_many_pictures_the_newest_are_taken_and_the_last_one_is(broker: Broker) -> None:
    with broker.ear("none") as ear, listening(broker, fps=5) as door:
        door.wait_until_reported(True)
        for number in range(60):
            ear.say(TOPIC, jpeg(number))
        wait_until(lambda: number_of(door.frame().image) == 59)
        assert door.camera.counters.frames < 40


def test_a_camera_of_which_nothing_was_ever_heard_is_mentioned_once(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("facerec_mqtt.cameras.supervision.supervisor._UNHEARD_S", 0.1)
    caplog.set_level("INFO")
    with broker.ear("none") as ear, listening(broker) as door:
        wait_until(lambda: "has given no picture" in caplog.text)
        ear.say(TOPIC, jpeg(1))
        door.frame()
        assert door.reported == [(True, None)]
    assert caplog.text.count("has given no picture") == 1


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b'{"picture": "here"}', FailureKind.NO_PICTURE),
        (jpeg(1)[:500], FailureKind.NO_PICTURE),
        (bytes(LONGEST_HANDED + 5), FailureKind.PICTURE_TOO_LARGE),
    ],
)
def test_what_is_no_picture_is_reported_until_one_comes(
    broker: Broker, payload: bytes, kind: FailureKind
) -> None:
    # The newer protocol has the broker hold back what is too large.
    broker_settings = broker.settings(protocol="3.1.1")
    camera_settings = settings(f"mqtt://{TOPIC}")
    publisher = Publisher(broker_settings, PrivacySettings(), cameras=["door"])
    with broker.ear("none") as ear, watched(camera_settings) as door:
        listen_for_cameras(publisher, FrigateSettings(), [(camera_settings, door.camera)])
        publisher.start()
        try:
            door.wait_until_reported(True)
            ear.say(TOPIC, payload)
            door.wait_until_reported(True, False)
            assert door.failures == [kind]
            wait_until(lambda: door.camera.reader_pid and not door.camera.online)
            ear.say(TOPIC, jpeg(4))
            assert number_of(door.frame().image) == 4
            door.wait_until_reported(True, False, True)
        finally:
            publisher.stop()


def test_a_probe_needs_a_picture_and_says_its_size() -> None:
    with pytest.raises(CameraFailedError) as caught:
        probe(settings(f"mqtt://{TOPIC}"))
    assert caught.value.failure == CameraFailure(FailureKind.NEEDS_SERVICE)
    facts = probe(settings(f"mqtt://{TOPIC}"), HandedPicture(1.0, jpeg(1, 320, 240)))
    assert (facts.width, facts.height) == (320, 240)
