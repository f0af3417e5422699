"""The real program beside a Frigate and a camera that publishes its pictures, with a real broker between."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.broker import Broker, wait_until
from tests.support.frigate import Frigate, frigate_server
from tests.support.service import FILM_FPS, Home, RunningService, run_program
from tests.support.service_runs import camera, events, is_event, wait_for_event

ID = "1607123955.475377-mxklsc"
PICTURES = "yard/front/picture"


@contextmanager
def every_picture(pictures: Sequence[bytes], show: "threading.Event", each: object) -> Iterator[None]:
    """Hand out pictures one after the other, at the film's speed, until the block ends."""
    assert callable(each)

    def run() -> None:
        for picture in itertools.cycle(pictures):
            if show.wait(1 / FILM_FPS):
                return
            each(picture)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        show.set()
        thread.join()


@pytest.fixture(scope="module")
def annas_pictures(annas_film: Path) -> list[bytes]:
    """Anna comes, and goes, and comes."""
    return [path.read_bytes() for path in sorted(annas_film.glob("*.jpg"))]


def test_somebody_at_a_camera_of_frigate_arrives_and_frigate_is_told(
    home: Home, annas_pictures: list[bytes], broker: Broker, tmp_path: Path
) -> None:
    frigate = Frigate({"front": annas_pictures[0]}, "facerec", "c4m:p@ss/w#%")

    def show(picture: bytes) -> None:
        frigate.pictures["front"] = picture

    with (
        frigate_server(frigate),
        broker.ear() as ear,
        every_picture(annas_pictures, threading.Event(), show),
    ):
        login = {"username": "facerec", "password": "c4m:p@ss/w#%"}
        front = camera(f"{frigate.url}/front", **login)
        wrong = camera(f"{frigate.url}/back", name="back", **login)
        settings = home.environment(front, wrong, **broker.environment(), FACEREC_FRIGATE__SUB_LABELS="true")
        frigate.say_available(ear)
        checked = run_program("check", environment=settings)
        assert f"{ok_line(checked.stdout)}: " in checked.stdout
        assert 'is not known to Frigate as "back"' in checked.stdout
        with RunningService(settings, tmp_path / "log") as service:
            ear.wait_for("facerec/camera/front_door/status", b"online")
            ear.say("frigate/events", frigate.event("new", "front", ID))
            arrived = wait_for_event(ear, "arrived", "anna")
            assert arrived["camera"] == "front_door"
            wait_until(lambda: frigate.labels)
            event_id, label = frigate.labels[0]
            assert (event_id, label["subLabel"]) == (ID, "Anna")
            assert label["subLabelScore"] == pytest.approx(arrived["score"], abs=0.001)
            ear.say("frigate/events", frigate.event("end", "front", ID))
            departed = wait_for_event(ear, "departed", "anna")
            assert departed["reason"] == "unseen"
            ear.wait_for("facerec/camera/back/status", b"offline")
            assert len(frigate.labels) == 1
            frigate.say_available(ear, "offline")
            ear.wait_for("facerec/camera/front_door/status", b"offline")
            assert service.terminate() == 0
        assert "c4m:" not in service.log
        assert service.log.count('Camera "back" is not known to Frigate') == 1


def ok_line(output: str) -> str:
    """The line of `check` about the camera that works."""
    return next(line.partition(": ")[0] for line in output.splitlines() if "fetched while Frigate" in line)


def test_somebody_in_pictures_on_mqtt_arrives_and_nobody_of_yesterday_does(
    home: Home, annas_pictures: list[bytes], broker: Broker, tmp_path: Path
) -> None:
    bell = camera("mqtt://yard/bell", name="bell", votes=1)
    settings = home.environment(camera(f"mqtt://{PICTURES}"), bell, **broker.environment())
    with broker.ear("facerec/#") as ear, broker.ear("none") as teller:
        anna = annas_pictures[len(annas_pictures) // 2]
        teller.say("yard/bell", anna, retain=True)
        teller.say(PICTURES, anna, retain=True)
        checked = run_program("check", environment=settings)
        assert "kept by the broker" in checked.stdout
        with RunningService(settings, tmp_path / "log") as service:
            ear.wait_for("facerec/camera/front_door/status", b"online")
            show = threading.Event()
            with every_picture(annas_pictures, show, lambda picture: teller.say(PICTURES, picture)):
                arrived = wait_for_event(ear, "arrived", "anna")
            wait_for_event(ear, "departed", "anna")
            ear.wait_for("facerec/camera/bell/status", b"online")
            assert {event["camera"] for event in events(ear)} == {"front_door"}
            teller.say("yard/bell", anna)
            ear.wait(lambda message: is_event(message, "arrived", "anna") and "bell" in message.topic)
            assert service.terminate() == 0
    assert arrived["votes"] >= 3
    assert "is not looked at" in service.log
