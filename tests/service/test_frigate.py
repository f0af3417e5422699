"""Cameras of Frigate, with a real broker between: when they are read, and what Frigate is told."""

import logging
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from facerec_mqtt.cameras import CameraFailedError, CameraFailure, FailureKind, launch_alone, probe
from facerec_mqtt.core.records import PresenceChange
from facerec_mqtt.service.broker.camera_topics import listen_for_cameras
from facerec_mqtt.service.broker.frigate_messages import UNSEEN_S, FrigateEvent, TrackedPeople
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.settings import FrigateSettings
from facerec_mqtt.settings.schema import PrivacySettings
from tests.support.broker import Broker, Certificates, Ear, wait_until
from tests.support.frigate import Frigate, frigate_server
from tests.support.http_cameras import jpeg
from tests.support.publisher import arrival
from tests.support.rtsp import number_of
from tests.support.watched_camera import Watched, settings, watched

ID = "1607123955.475377-mxklsc"
OTHER_ID = "1607123999.1-abcdef"
PASSWORD = "p@ss:w/rd#%?"


@dataclass(slots=True)
class Neighbours:
    """Frigate and our service beside each other."""

    frigate: Frigate
    ear: Ear
    door: Watched
    publisher: Publisher

    def event(self, kind: str, event_id: str = ID, camera: str = "front", **changes: object) -> None:
        """Have Frigate publish one."""
        self.ear.say("frigate/events", self.frigate.event(kind, camera, event_id, **changes))

    def wait_until_fetching(self) -> None:
        before = len(self.frigate.fetched)
        wait_until(lambda: len(self.frigate.fetched) > before + 2)

    def wait_until_quiet(self) -> None:
        """Wait until nothing is fetched for as long as several pictures would take."""

        def is_quiet() -> bool:
            before = len(self.frigate.fetched)
            time.sleep(1.0)  # at twenty a second
            return len(self.frigate.fetched) == before

        wait_until(is_quiet)

    def arrives(self, change: PresenceChange, name: str | None) -> None:
        """Our service recognises somebody."""
        self.publisher.publish_event(change, name=name, model=None)


@contextmanager
def neighbours(
    broker: Broker, frigate: Frigate, *, available: bool = True, **others: object
) -> Iterator[Neighbours]:
    with frigate_server(frigate), broker.ear("none") as ear:
        if available:
            frigate.say_available(ear)
        door_settings = settings(f"{frigate.url}/front", **{"fps": 20} | others)
        publisher = Publisher(broker.settings(), PrivacySettings(), cameras=["door"])
        door = Watched(door_settings, launch_alone)
        listen_for_cameras(publisher, FrigateSettings(sub_labels=True), [(door_settings, door.camera)])
        door.camera.start()
        publisher.start()
        try:
            if available:
                door.wait_until_reported(True)
            yield Neighbours(frigate, ear, door, publisher)
        finally:
            publisher.stop()
            door.camera.stop()


def at_door(change: PresenceChange, kind: str = "arrived") -> PresenceChange:
    return replace(change, camera="door", kind=kind)  # type: ignore[arg-type]


def test_pictures_are_fetched_while_a_person_is_tracked_and_not_otherwise(broker: Broker) -> None:
    with neighbours(broker, Frigate({"front": jpeg(1), "yard": jpeg(2)})) as both:
        assert number_of(both.door.frame().image) == 1
        both.wait_until_quiet()
        at_first = len(both.frigate.fetched)
        both.event("new", label="car")
        both.event("new", camera="yard")
        both.event("new", false_positive=True)
        both.ear.say("frigate/events", "no event")
        both.wait_until_quiet()
        assert len(both.frigate.fetched) == at_first
        assert {camera for camera, _ in both.frigate.fetched} == {"front"}
        both.event("new")
        both.wait_until_fetching()
        both.event("new", OTHER_ID)
        both.event("end")
        both.wait_until_fetching()
        both.event("end", OTHER_ID)
        both.wait_until_quiet()
        both.frigate.pictures["front"] = jpeg(7)
        both.event("new", "1607124000.5-zzzzzz")
        wait_until(lambda: number_of(both.door.frame().image) == 7)
        assert both.door.reported == [(True, None)]


def test_frigate_that_goes_is_reported_and_one_that_comes_back_is_read_again(broker: Broker) -> None:
    with neighbours(broker, Frigate({"front": jpeg(1)})) as both:
        both.event("new")
        both.wait_until_fetching()
        both.frigate.say_available(both.ear, "offline")
        both.door.wait_until_reported(True, False)
        assert both.door.failures == [FailureKind.FRIGATE_STOPPED]
        both.frigate.say_available(both.ear)
        both.door.wait_until_reported(True, False, True)
        both.wait_until_quiet()  # whom it tracked before, it has forgotten
        both.event("update")
        both.wait_until_fetching()
        broker.stop()
        both.door.wait_until_reported(True, False, True, False)
        assert both.door.failures[1:] == [FailureKind.NO_BROKER]


def test_a_frigate_that_the_broker_does_not_know_is_one_sentence(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facerec_mqtt.service.broker.frigate.ANNOUNCED_WITHIN_S", 0.1)
    with neighbours(broker, Frigate({"front": jpeg(1)}), available=False) as both:
        both.door.wait_until_reported(False)
        assert both.door.failures == [FailureKind.NO_FRIGATE]
        assert not both.frigate.fetched
        both.frigate.say_available(both.ear)
        both.door.wait_until_reported(False, True)


def test_who_came_is_written_once_for_each_tracked_person_and_no_stranger_is(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    anna = at_door(arrival(time.monotonic()))
    stranger = replace(at_door(anna, "stranger"), person=None)
    with neighbours(broker, Frigate({"front": jpeg(1)})) as both:
        both.event("new")
        both.wait_until_fetching()
        both.arrives(stranger, None)
        both.arrives(replace(anna, camera="garden"), "Anna")
        both.arrives(anna, "Anna")
        both.arrives(anna, "Anna")
        both.arrives(anna, "Anna-Lena " * 20)
        wait_until(lambda: len(both.frigate.labels) == 2)
        (first, said), (_, long) = both.frigate.labels
        assert (first, said["subLabel"]) == (ID, "Anna")
        assert 0 < said["subLabelScore"] <= 1
        assert len(long["subLabel"]) == 100
        # Of two, it is the one in whose box the face is.
        assert anna.sighting is not None
        left, top, right, bottom = map(float, anna.sighting.detection.box)
        both.event("update", box=[right + 10, bottom + 10, right + 90, bottom + 90])
        both.event("new", OTHER_ID, box=[left - 5, top - 5, right + 5, bottom + 5])

        def is_written() -> bool:
            both.arrives(anna, "Anna")  # until the events are there, it is the first, which has the name
            return len(both.frigate.labels) == 3

        wait_until(is_written)
        assert both.frigate.labels[2][0] == OTHER_ID
        both.frigate.event_ids.clear()
        both.arrives(anna, "Tom")
        wait_until(lambda: "could not be written" in caplog.text)
        assert both.door.reported == [(True, None)]
    assert len([each for each in caplog.records if each.levelno >= logging.WARNING]) == 1


@pytest.mark.parametrize(
    ("path", "login", "kind"),
    [
        ("back", {"username": "cam", "password": PASSWORD}, FailureKind.NOT_AT_FRIGATE),
        ("gone", {"username": "cam", "password": PASSWORD}, FailureKind.OFFLINE_AT_FRIGATE),
        ("front", {"username": "cam", "password": "wrong"}, FailureKind.UNAUTHORIZED),
        ("front", {"token": "wrong"}, FailureKind.TOKEN_REFUSED),
        ("front", {}, FailureKind.LOGIN_MISSING),
        ("front", {"username": "cam", "password": PASSWORD}, None),
        ("front", {"token": "the-session"}, None),
    ],
)
def test_a_login_and_a_name_are_tried_at_once(
    certificates: Certificates, path: str, login: dict[str, str], kind: FailureKind | None
) -> None:
    frigate = Frigate({"front": jpeg(1), "gone": jpeg(2)}, "cam", PASSWORD, "the-session", {"gone"})
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates.server, certificates.server_key)
    with frigate_server(frigate, tls=tls):
        with pytest.raises(CameraFailedError) as caught:
            probe(settings(f"{frigate.url}/{path}", **login))
        assert caught.value.failure.kind is FailureKind.UNTRUSTED
        trusted = login | {"tls_fingerprint": str(caught.value.failure.place)}
        front = settings(f"{frigate.url}/{path}", **trusted)
        if kind is None:
            assert probe(front).width == 320
            return
        with pytest.raises(CameraFailedError) as caught:
            probe(front)
    assert caught.value.failure.kind is kind
    assert PASSWORD not in str(caught.value)


def test_a_cookie_that_has_run_out_is_replaced(broker: Broker) -> None:
    frigate = Frigate({"front": jpeg(1)}, "cam", PASSWORD)
    with neighbours(broker, frigate, username="cam", password=PASSWORD) as both:
        both.event("new")
        both.wait_until_fetching()
        frigate.session = "another-day"
        both.wait_until_fetching()
        assert both.door.reported == [(True, None)]
        assert 2 <= frigate.logins <= 4


def test_of_a_person_of_whom_nothing_is_heard_the_end_was_missed() -> None:
    event = FrigateEvent.model_validate_json(Frigate({}).event("new", "front", ID))
    people = TrackedPeople()
    people.take(event, 100.0)
    assert len(people.at("front", 100.0 + UNSEEN_S)) == 1
    assert not people.at("front", 101.0 + UNSEEN_S)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "../../config"},
        {"id": "a/b"},
        {"end_time": "never"},
        {"label": 3},
        {"box": [1, 2, 3]},
        {"id": "x" * 70},
    ],
)
def test_what_is_no_event_of_frigate_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        FrigateEvent.model_validate_json(Frigate({}).event("new", "front", ID, **changes))


def test_a_camera_of_frigate_can_be_read_without_a_broker() -> None:
    frigate = Frigate({"front": jpeg(1)})
    with frigate_server(frigate), watched(settings(f"{frigate.url}/front")) as door:
        assert [number_of(frame.image) for frame in door.frames(3)] == [1, 1, 1]
    assert CameraFailure(FailureKind.NOT_AT_FRIGATE, place="x").needs_action
