"""Pictures and streams as go2rtc and ESPHome write them, and tokens: read and never passed on."""

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import pytest

from facerec_mqtt.cameras import CameraFailedError, CameraFailure, FailureKind, probe
from tests.support.http_cameras import http_server, jpeg
from tests.support.rtsp import number_of
from tests.support.watched_camera import settings, watched

ESPHOME_BOUNDARY = b"--123456789000000000000987654321\r\n"
TOKEN = "eyJhbGciOi.J9-c4n4ry_x"


def esphome_stream(request: BaseHTTPRequestHandler) -> None:
    """Written without chunks and with a boundary after each part, by its component's own hand."""
    request.wfile.write(
        b"HTTP/1.0 200 OK\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n"
        b"Content-Type: multipart/x-mixed-replace;boundary=123456789000000000000987654321\r\n\r\n"
        + ESPHOME_BOUNDARY
    )
    for number in range(1000):
        data = jpeg(number % 30)
        request.wfile.write(b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
        request.wfile.write(data)
        request.wfile.write(b"\r\n" + ESPHOME_BOUNDARY)
        time.sleep(0.05)


def esphome_snapshot(request: BaseHTTPRequestHandler) -> None:
    data = jpeg(3)
    request.send_response(200)
    request.send_header("Content-Type", "image/jpeg")
    request.send_header("Content-Length", str(len(data)))
    request.send_header("Content-Disposition", "inline; filename=capture.jpg")
    request.end_headers()
    request.wfile.write(data)


def go2rtc_stream(request: BaseHTTPRequestHandler) -> None:
    """Go's server sends what has no length in chunks."""
    request.protocol_version = "HTTP/1.1"
    if parse_qs(urlsplit(request.path).query) != {"src": ["front"]}:
        request.send_error(404, "stream not found")
        return
    request.send_response(200)
    request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
    request.send_header("Connection", "close")
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    for number in range(1000):
        data = jpeg(number % 30)
        part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(data), data)
        request.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
        time.sleep(0.05)


@pytest.mark.parametrize("serve", [esphome_stream, go2rtc_stream, esphome_snapshot])
def test_what_neighbours_serve_is_read(serve: Callable[[BaseHTTPRequestHandler], None]) -> None:
    with http_server(serve) as url, watched(settings(f"{url}/api/stream.mjpeg?src=front")) as door:
        numbers = [number_of(frame.image) for frame in door.frames(4)]
        assert door.reported == [(True, None)]
    assert numbers == [3] * 4 if serve is esphome_snapshot else len(set(numbers)) == 4


def test_a_stream_that_go2rtc_does_not_have_is_named() -> None:
    with http_server(go2rtc_stream) as url, pytest.raises(CameraFailedError) as caught:
        probe(settings(f"{url}/api/stream.mjpeg?src=back"))
    assert caught.value.failure.kind is FailureKind.NOT_FOUND


def test_a_token_is_for_the_camera_alone_and_one_that_is_refused_is_not_shown() -> None:
    seen: list[tuple[str, str | None]] = []

    def elsewhere(request: BaseHTTPRequestHandler) -> None:
        seen.append(("elsewhere", request.headers["Authorization"]))
        esphome_snapshot(request)

    with http_server(elsewhere) as other:

        def serve(request: BaseHTTPRequestHandler) -> None:
            seen.append(("camera", request.headers["Authorization"]))
            if request.headers["Authorization"] != f"Bearer {TOKEN}":
                request.send_error(401)
                return
            request.send_response(302)
            request.send_header("Location", other)
            request.end_headers()

        with http_server(serve) as url:
            assert probe(settings(url, token=TOKEN)).width == 320
            assert seen == [("camera", f"Bearer {TOKEN}"), ("elsewhere", None)]
            with pytest.raises(CameraFailedError) as caught:
                probe(settings(url, token="c4n4ry-old"))
    assert caught.value.failure == CameraFailure(FailureKind.TOKEN_REFUSED, status=401)
    assert "c4n4ry" not in str(caught.value)
