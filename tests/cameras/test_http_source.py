"""Cameras that are folders of pictures or snapshot URLs."""

import base64
import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle, islice
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import pytest

from facerec_mqtt.cameras import CameraFailedError, CameraFailure, FailureKind, probe
from facerec_mqtt.cameras.protocol import ReaderRequest
from facerec_mqtt.cameras.sources import Shot, open_source
from tests.support.rtsp import number_of, numbered
from tests.support.watched_camera import PASSWORD, PATIENCE_S, settings, watched

Answer = tuple[int, dict[str, str], bytes]


def jpeg(number: int, width: int = 320, height: int = 240) -> bytes:
    return cv2.imencode(".jpg", numbered(number, width, height))[1].tobytes()


@contextmanager
def http_camera(answer: Callable[[str | None], Answer]) -> Iterator[str]:
    """A web server; `answer` gets each request's Authorization and gives status, headers and body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answer(self.headers["Authorization"])
            self.send_response(status)
            for name, value in (
                {"Content-Type": "image/jpeg", "Content-Length": str(len(body))} | headers
            ).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/snapshot.jpg?channel=1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def basic(authorization: str | None) -> Answer:
    expected = "Basic " + base64.b64encode(f"cam:{PASSWORD}".encode()).decode()
    if authorization == expected:
        return 200, {}, jpeg(7)
    return 401, {"WWW-Authenticate": 'Basic realm="camera"'}, b""


def digest(authorization: str | None) -> Answer:
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', authorization or ""))

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    mine = md5(f"cam:camera:{PASSWORD}")
    asked = md5(f"GET:{given.get('uri')}")
    middle = f"n0nce:{given.get('nc')}:{given.get('cnonce')}:auth"
    if given.get("response") == md5(f"{mine}:{middle}:{asked}"):
        return 200, {}, jpeg(9)
    return 401, {"WWW-Authenticate": 'Digest realm="camera", nonce="n0nce", qop="auth"'}, b""


def failure_of(url: str | Path, **others: object) -> CameraFailure:
    with pytest.raises(CameraFailedError) as caught:
        probe(settings(url, **others))
    return caught.value.failure


# --- HTTP


@pytest.mark.parametrize(("answer", "number"), [(basic, 7), (digest, 9)])
def test_pictures_are_asked_for_with_a_login(answer: Callable[[str | None], Answer], number: int) -> None:
    with http_camera(answer) as url, watched(settings(url, username="cam", password=PASSWORD)) as door:
        assert [number_of(frame.image) for frame in door.frames(3)] == [number] * 3
        assert not door.frame().image.flags.writeable


@pytest.mark.parametrize("answer", [basic, digest])
def test_a_login_that_is_wanted_and_not_set_is_asked_for(answer: Callable[[str | None], Answer]) -> None:
    with http_camera(answer) as url:
        assert failure_of(url) == CameraFailure(FailureKind.LOGIN_MISSING, status=401)


def test_a_wrong_login_is_reported_and_not_shown() -> None:
    with http_camera(digest) as url:
        failure = failure_of(url, username="cam", password="guess-7391")
    assert failure == CameraFailure(FailureKind.UNAUTHORIZED, status=401)
    assert "guess" not in failure.sentence


@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [
        ((404, {}, b""), FailureKind.NOT_FOUND, 404),
        ((200, {}, b"<html>hello</html>"), FailureKind.NO_PICTURE, None),
        ((200, {}, jpeg(1)[:500]), FailureKind.NO_PICTURE, None),
        ((200, {}, b"\xff" * (21 * 2**20)), FailureKind.PICTURE_TOO_LARGE, None),
        ((200, {"Content-Type": "multipart/x-mixed-replace; boundary=x"}, b""), FailureKind.ENDED, None),
        ((503, {}, b""), FailureKind.STATUS, 503),
        ((302, {"Location": "file:///etc/passwd"}, b""), FailureKind.STATUS, 302),
        ((302, {"Location": "/again"}, b""), FailureKind.REDIRECTED, 302),
    ],
)
def test_what_is_no_picture_is_named(answer: Answer, kind: FailureKind, status: int | None) -> None:
    with http_camera(lambda _: answer) as url:
        failure = failure_of(url)
    assert (failure.kind, failure.status) == (kind, status)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE html>\n<title>Login</title>", "web page"),
        (b"\xef\xbb\xbf\r\n<html>", "web page"),
        (b'<?xml version="1.0"?><ResponseStatus/>', "web page"),
        (b'[{"cmd": "Snap", "error": {"detail": "please login first"}}]', "web page"),
        (b"", "empty"),
        (b"\r\n", "empty"),
    ],
)
def test_an_answer_that_is_no_picture_at_all_is_not_taken_for_a_photo_of_a_person(
    body: bytes, words: str
) -> None:
    with http_camera(lambda _: (200, {}, body)) as url:
        failure = failure_of(url)
    assert failure.kind is FailureKind.NO_PICTURE
    assert words in failure.sentence
    assert "person" not in failure.sentence
    assert "copy" not in failure.sentence


def test_nobody_listens_at_a_snapshot_url() -> None:
    with http_camera(basic) as url:
        pass
    assert failure_of(url) == CameraFailure(FailureKind.REFUSED, place=urlsplit(url).netloc)


def test_a_passing_fault_is_borne() -> None:
    first_is_seen = threading.Event()

    def answers() -> Iterator[Answer]:
        yield 200, {}, jpeg(1)
        first_is_seen.wait(PATIENCE_S)
        yield 503, {}, b""
        yield 200, {}, jpeg(2)[:300]

    given = answers()
    with http_camera(lambda _: next(given, (200, {}, jpeg(3)))) as url, watched(settings(url)) as door:
        assert number_of(door.frame().image) == 1
        first_is_seen.set()
        assert number_of(door.frame().image) == 3
        assert door.reported == [(True, None)]


def test_pictures_may_change_their_size() -> None:
    sizes = [(320, 240), (1280, 720), (64, 48)]
    answers: Iterator[Answer] = cycle([(200, {}, jpeg(1, *size)) for size in sizes])
    seen: set[tuple[int, ...]] = set()
    with http_camera(lambda _: next(answers)) as url, watched(settings(url, fps=5)) as door:
        while len(seen) < 3:
            frame = door.frame()
            seen.add(frame.image.shape)
            assert number_of(frame.image) == 1
    assert seen == {(height, width, 3) for width, height in sizes}


# --- Folders


def test_a_folder_is_shown_in_the_order_of_names_over_and_over(tmp_path: Path) -> None:
    for number, name in enumerate(["a.jpg", "b.JPEG", "c.png"]):
        image = cv2.imencode(Path(name).suffix.lower(), numbered(number))[1]
        (tmp_path / name).write_bytes(image.tobytes())
    (tmp_path / "b2.jpg").write_text("no picture")
    (tmp_path / "notes.txt").write_text("no picture either")
    request = ReaderRequest(
        "folder", str(tmp_path), str(tmp_path), None, None, None, 60.0, 5.0, 15.0, "auto", 0, None
    )
    shots = islice(open_source(request, lambda: None).shots, 7)
    assert [number_of(shot.image) for shot in shots if isinstance(shot, Shot)] == [0, 1, 2, 0, 1, 2, 0]


def test_a_slow_folder_is_not_taken_for_dead(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(1))
    with watched(settings(tmp_path, fps=0.25, read_timeout_s=3)) as door:
        door.frames(2)
        assert [online for online, _ in door.reported] == [True]


@pytest.mark.parametrize("content", [{}, {"a.jpg": b"no picture"}, {"notes.txt": b"text"}])
def test_a_folder_without_pictures_is_named(tmp_path: Path, content: dict[str, bytes]) -> None:
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    assert failure_of(tmp_path) == CameraFailure(FailureKind.EMPTY_FOLDER, place=str(tmp_path))
