"""The link to the service: who is told what, and what the service is asked for."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facerec_mqtt.enrollment.reports.sentences import many_strangers_named
from facerec_mqtt.monitoring.page_messages import (
    MAX_MESSAGE_BYTES,
    FromPage,
    LiveFace,
    LiveFaces,
    PageAlive,
    PageListening,
    Published,
    RebuildModel,
    StopPhotos,
    Watch,
    encode,
    from_page,
)
from facerec_mqtt.web.live.faces import as_answer
from facerec_mqtt.web.live.link import MAX_LISTENERS, Live, NoServiceError, TooManyListenersError
from tests.support.broker import PATIENCE_S, wait_until
from tests.support.page import folders_in, page_request, running_page


class Service:
    """The other end of the link."""

    def __init__(self) -> None:
        self.socket, self.page = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE_S)
        self.live = Live([], self.page)

    def send(self, kind: Any, **content: Any) -> None:
        self.socket.send(encode(Published(type=kind, content=content)))

    def next(self) -> FromPage:
        """What the page sends next, but for signs of life."""
        while isinstance(
            message := from_page(self.socket.recv(MAX_MESSAGE_BYTES)), PageAlive | PageListening
        ):
            pass
        return message


@pytest.fixture
def service() -> Iterator[Service]:
    other = Service()
    yield other
    other.socket.close()
    other.page.close()


def seen(reason: str | None, **face: Any) -> LiveFaces:
    known = {"person": None, "name": None, "score": 0.38, "margin": 0.04, "candidate": "Tom"}
    one = LiveFace.model_validate(
        known | {"box": (1.0, 2.0, 3.0, 4.0), "reason": reason, "width_px": 41.0, "sharpness": 9.0} | face
    )
    return LiveFaces(
        camera="door",
        captured_at_s=1.5,
        width_px=640,
        height_px=360,
        searched=True,
        min_face_px=48.0,
        min_sharpness=15.0,
        min_margin=0.1,
        faces=(one,),
    )


def test_what_happens_is_sent_to_who_listens_and_faces_to_who_watches(service: Service) -> None:
    async def listen() -> tuple[Any, Any]:
        running = asyncio.create_task(service.live.run())
        with service.live.listening() as all_else, service.live.listening("door") as faces:
            await asyncio.sleep(0)
            service.send("event", event_type="arrived")
            service.socket.send(encode(seen("blurred")))
            service.socket.send(b"no message")
            answers = await all_else.next(PATIENCE_S), await faces.next(PATIENCE_S)
        running.cancel()
        return answers

    event, faces = asyncio.run(listen())
    assert event == ("event", '{"event_type":"arrived"}')
    assert LiveFaces.model_validate_json(faces[1]) == seen("blurred")
    assert service.live.faces("door") == seen("blurred")
    assert service.next() == Watch(camera="door", on=True)
    assert service.next() == Watch(camera="door", on=False)
    assert service.next() == Watch(camera="door", on=True)  # it was asked for again


def test_who_does_not_keep_up_has_to_begin_again(service: Service) -> None:
    async def dawdle() -> None:
        running = asyncio.create_task(service.live.run())
        with service.live.listening() as slow, service.live.listening() as quick:
            await asyncio.sleep(0)
            for number in range(200):
                service.send("event", number=number)
                assert await quick.next(PATIENCE_S) == ("event", f'{{"number":{number}}}')
            with pytest.raises(EOFError):
                await slow.next(PATIENCE_S)
        running.cancel()

    asyncio.run(dawdle())


def test_more_than_can_be_served_are_refused(service: Service) -> None:
    listening = [service.live.listening() for _ in range(MAX_LISTENERS)]
    for each in listening:
        each.__enter__()
    with pytest.raises(TooManyListenersError), service.live.listening():
        pass
    listening[0].__exit__(None, None, None)
    with service.live.listening():
        pass


def test_whoever_listens_most_often_gives_way(service: Service) -> None:
    with contextlib.ExitStack() as stack:
        many = [
            stack.enter_context(service.live.listening(address="192.0.2.1")) for _ in range(MAX_LISTENERS)
        ]
        with pytest.raises(TooManyListenersError):
            service.live.require_room("192.0.2.1")
        stack.enter_context(service.live.listening(address="192.0.2.2"))
        with pytest.raises(EOFError):
            asyncio.run(many[0].next(PATIENCE_S))
        with pytest.raises(TooManyListenersError):
            service.live.require_room("192.0.2.1")


def test_a_command_reaches_the_service_and_without_one_is_refused(service: Service) -> None:
    for command in (RebuildModel(force=True), StopPhotos()):
        service.live.send(command)
        assert service.next() == command
    service.socket.close()
    for live in (service.live, Live()):
        with pytest.raises(NoServiceError):
            live.send(RebuildModel())


@pytest.mark.parametrize(
    ("reason", "code", "words"),
    [
        ("no model", "no_model", "no model"),
        ("below threshold", "below_threshold", "0.38, most like Tom"),
        ("ambiguous", "ambiguous", "0.04 ahead"),
        ("face too small", "face_too_small", "41 px wide, 48 needed"),
        ("blurred", "blurred", "sharpness 9, 15 needed"),
    ],
)
def test_why_a_face_has_no_name_is_a_code_and_words(reason: str, code: str, words: str) -> None:
    (face,) = as_answer(seen(reason)).faces
    assert (face.reason_code, face.name) == (code, None)
    assert words in (face.reason or "")


def test_a_face_with_a_name_has_no_reason() -> None:
    (face,) = as_answer(seen(None, person="tom", name="Tom")).faces
    assert (face.person, face.name, face.reason, face.reason_code) == ("tom", "Tom", None, None)


def test_a_box_without_photos_names_the_box_that_has_them(service: Service, tmp_path: Path) -> None:
    anna = {"person": "anna", "name": "Anna", "present": True, "camera": None, "last_seen": None}
    model = {"status": "ready", "version": "20261130T120000Z-0001", "progress": None, "made_by": "hall"}
    cameras = [
        {"camera": "door", "name": "door", "online": True, "enabled": True, "fps": 5.0, "message": None}
    ]
    with running_page(page_request(folders_in(tmp_path)), service.live) as page:
        status = {"version": "1", "broker": {"online": True, "message": None}, "cameras": cameras}
        service.send("status", **status, model=model, people=[anna], capture=None)
        wait_until(lambda: service.live.status.model.made_by == "hall", "the status did not come")
        for path in ("/people", "/model", "/"):
            text = page.client.get(path).text
            assert "the box <b>hall</b>" in text or "the box hall" in text, path
            assert "Add photos</a>" not in text
        assert "Anna is here" in text
        assert "/visits?person=anna" in text
        # No folder is named where there is a button.
        said = many_strangers_named(7, 21, 0.001)
        service.send("status", **status, model=model | {"message": said}, people=[anna], capture=None)
        wait_until(lambda: service.live.status.model.message == said, "the status did not come")
        text = page.client.get("/model").text
        assert "on the page Strangers" in text
        assert "_strangers" not in text
        # Of one box alone nothing of that is said.
        service.send("status", **status, model=model | {"made_by": None}, people=[], capture=None)
        wait_until(lambda: service.live.status.model.made_by is None, "the status did not come")
        assert "the box" not in page.client.get("/people").text
