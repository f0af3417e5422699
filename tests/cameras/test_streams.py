"""Whatever a camera speaks is read: streams over HTTP and RTSP, by their content, with their logins."""

import hashlib
import itertools
import logging
import ssl
import subprocess
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import cv2
import numpy as np
import pytest

from facerec_mqtt.cameras import CameraFailedError, CameraFailure, FailureKind, probe
from facerec_mqtt.settings.schema import CameraSettings
from tests.support.http_cameras import Serve, http_server, jpeg, write_video
from tests.support.rtsp import StartRtsp, number_of, numbered, write_clip
from tests.support.rtsp_camera import RtspCamera
from tests.support.watched_camera import PASSWORD, settings, watched

FPS = 10


def failure_of(camera: CameraSettings) -> CameraFailure:
    with pytest.raises(CameraFailedError) as caught:
        probe(camera)
    return caught.value.failure


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    return [jpeg(number) for number in range(40)]


# --- Multipart JPEG


def multipart(
    parts: Sequence[bytes], content_type: str, *, begins: bytes = b"", every_s: float = 0.1
) -> Serve:
    """Sends the parts, over and over, to one client at a time."""
    busy = threading.Lock()

    def serve(request: BaseHTTPRequestHandler) -> None:
        if not busy.acquire(timeout=5):
            request.send_error(503)
            return
        try:
            request.send_response(200)
            request.send_header("Content-Type", content_type)
            request.end_headers()
            request.wfile.write(begins)
            while True:
                for part in parts:
                    request.wfile.write(part)
                    time.sleep(every_s)
        finally:
            busy.release()

    return serve


def part(data: bytes, delimiter: bytes, newline: bytes = b"\r\n", *, length: bool = True) -> bytes:
    lines = [delimiter, b"Content-Type: image/jpeg", *([b"content-LENGTH: %d" % len(data)] if length else [])]
    return newline.join([*lines, b"", data, b""])


@pytest.mark.parametrize(
    ("header", "delimiter", "newline", "length", "begins"),
    [
        ("boundary=part", b"--part", b"\r\n", True, b""),
        ('boundary="a part:1"', b"--a part:1", b"\r\n", True, b""),
        ("boundary=--part", b"--part", b"\r\n", False, b""),
        ("boundary=--part", b"----part", b"\n", True, b"\r\n"),
        ("boundary=another", b"--part", b"\n", False, b""),
        ("", b"--part", b"\r\n", False, b"This is a stream.\r\n"),
    ],
)
def test_multipart_pictures_are_read_however_they_are_written(
    pictures: list[bytes], header: str, delimiter: bytes, newline: bytes, length: bool, begins: bytes
) -> None:
    parts = [part(picture, delimiter, newline, length=length) for picture in pictures]
    content_type = f"multipart/x-mixed-replace; {header}".rstrip("; ")
    with http_server(multipart(parts, content_type, begins=begins)) as url:
        camera = settings(f"{url}/stream")
        assert probe(camera).width == 320
        with watched(camera) as door:
            numbers = [number_of(frame.image) for frame in door.frames(8)]
        assert door.reported == [(True, None)]
    assert all((after - before) % 40 in range(1, 20) for before, after in itertools.pairwise(numbers))


def test_a_damaged_part_is_left_out_and_a_stream_of_nothing_else_is_no_camera(pictures: list[bytes]) -> None:
    good, bad = part(pictures[7], b"--x"), part(pictures[7][:300], b"--x")
    kind = "multipart/x-mixed-replace; boundary=x"
    with http_server(multipart([bad, good], kind)) as url, watched(settings(url)) as door:
        assert {number_of(frame.image) for frame in door.frames(3)} == {7}
    with http_server(multipart([bad], kind, every_s=0.01)) as url:
        assert failure_of(settings(url)).kind is FailureKind.NO_PICTURE


@pytest.mark.parametrize(
    "begins", [b"--x\r\n\r\n", b"--x\r\n", b"", b"--x\r\nContent-Length: 999999999\r\n\r\n"]
)
def test_a_part_without_an_end_is_not_collected_without_an_end(begins: bytes) -> None:
    with http_server(multipart([b"y" * 2**20], "multipart/x", begins=begins, every_s=0)) as url:
        assert failure_of(settings(url)).kind is FailureKind.PICTURE_TOO_LARGE


def test_parts_may_change_their_size() -> None:
    parts = [part(jpeg(3, *size), b"--x") for size in ((320, 240), (240, 320))]
    with http_server(multipart(parts, "multipart/x; boundary=x")) as url, watched(settings(url)) as door:
        assert {frame.image.shape for frame in door.frames(6)} == {(240, 320, 3), (320, 240, 3)}


# --- Streams over HTTP


def stream(data: bytes, content_type: str, pieces: int = 40) -> Serve:
    """Sends a video as live as it is long, and once more, and ends."""

    def serve(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        if content_type:
            request.send_header("Content-Type", content_type)
        request.end_headers()
        size = len(data) // pieces + 1
        for at in range(0, len(data), size):
            request.wfile.write(data[at : at + size])
            time.sleep(1 / FPS)

    return serve


@pytest.mark.parametrize(
    ("suffix", "codec", "content_type"),
    [
        ("flv", "h264", "video/x-flv"),
        ("flv", "h264", "application/octet-stream"),
        ("flv", "flv", "text/html"),
        ("ts", "h264", "video/mp2t"),
        ("ts", "hevc", ""),
        ("mkv", "h264", "video/x-matroska"),
    ],
)
def test_a_stream_over_http_is_told_by_what_it_is(
    tmp_path: Path, suffix: str, codec: str, content_type: str
) -> None:
    data = write_video(tmp_path / f"film.{suffix}", [numbered(number) for number in range(60)], FPS, codec)
    with http_server(stream(data, content_type)) as url, watched(settings(f"{url}/snapshot.jpg")) as door:
        frames = door.frames(10)
        assert {frame.image.shape for frame in frames} == {(240, 320, 3)}
        numbers = [number_of(frame.image) for frame in frames]
        assert numbers == sorted(set(numbers))
        door.wait_until_reported(True, False)
    assert door.failures == [FailureKind.ENDED]


def test_a_playlist_is_played_at_its_own_speed(tmp_path: Path) -> None:
    pictures = [numbered(number) for number in range(80)]
    write_video(tmp_path / "live.m3u8", pictures, FPS, "h264", hls_time="2", hls_list_size="0")

    def serve(request: BaseHTTPRequestHandler) -> None:
        name = request.path.removeprefix("/")
        file = tmp_path / (name if name.endswith(".ts") else "live.m3u8")
        data = file.read_bytes()
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    with http_server(serve) as url, watched(settings(f"{url}/stream")) as door:
        frames = door.frames(20)
    numbers = [number_of(frame.image) for frame in frames]
    assert numbers == sorted(set(numbers))
    elapsed_s = frames[-1].captured_at_s - frames[0].captured_at_s
    assert elapsed_s > 0.5 * (numbers[-1] - numbers[0]) / FPS


def test_what_says_that_it_is_a_video_and_is_none_is_reported() -> None:
    with http_server(stream(b"no video at all " * 3000, "video/mp4", pieces=3)) as url:
        assert failure_of(settings(url)).kind is FailureKind.CODEC


# --- RTSP


@pytest.mark.parametrize("refusal", ["461 Unsupported Transport", "406 Not Acceptable"])
def test_a_camera_that_sends_by_udp_alone_is_read_unless_tcp_is_demanded(
    pictures: list[bytes], refusal: str
) -> None:
    with RtspCamera(pictures, transports=("udp",), refusal=refusal) as camera:
        for transport in ("auto", "udp"):
            with watched(settings(camera.url, transport=transport)) as door:
                assert len({number_of(frame.image) for frame in door.frames(4)}) > 1
        failure = failure_of(settings(camera.url, transport="tcp"))
    assert failure == CameraFailure(FailureKind.TRANSPORT, detail="tcp")


def test_a_camera_that_sends_by_tcp_alone_is_not_read_where_udp_is_demanded(pictures: list[bytes]) -> None:
    with RtspCamera(pictures, transports=("tcp",)) as camera:
        assert failure_of(settings(camera.url, transport="udp")).kind is FailureKind.TRANSPORT
        assert probe(settings(camera.url)).width == 320


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_a_login_by_digest_is_answered_whatever_its_hash(
    pictures: list[bytes], caplog: pytest.LogCaptureFixture, algorithm: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with RtspCamera(pictures, login=("cam", PASSWORD), algorithm=algorithm) as camera:
        with watched(settings(camera.url, username="cam", password=PASSWORD)) as door:
            assert len({number_of(frame.image) for frame in door.frames(4)}) > 1
        wrong = failure_of(settings(camera.url, username="cam", password="guess-7391"))
        none = failure_of(settings(camera.url))
    assert wrong == CameraFailure(FailureKind.UNAUTHORIZED, status=401)
    assert none == CameraFailure(FailureKind.LOGIN_MISSING, status=401)
    assert "guess-7391" not in caplog.text


def test_a_kind_of_login_that_nobody_knows_is_named(pictures: list[bytes]) -> None:
    with RtspCamera(pictures, login=("cam", PASSWORD), algorithm="SHA-512-256") as camera:
        failure = failure_of(settings(camera.url, username="cam", password=PASSWORD))
    assert failure == CameraFailure(FailureKind.LOGIN_KIND, detail="Digest SHA-512-256")


def test_a_camera_that_is_slow_to_describe_its_stream_is_waited_for_and_then_reported(
    pictures: list[bytes],
) -> None:
    with RtspCamera(pictures, describe_after_s=6) as camera:
        with watched(settings(camera.url, read_timeout_s=5)) as door:
            door.frames(2)
            assert door.reported == [(True, None)]
        failure = failure_of(settings(camera.url, read_timeout_s=1))
    assert failure == CameraFailure(FailureKind.SLOW, seconds=3)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_stream_that_changes_its_shape_is_read_as_it_is(
    start_rtsp: StartRtsp, tmp_path: Path, codec: str
) -> None:
    shapes = ((320, 240), (240, 320), (640, 480))
    for width, height in shapes:
        clip = [numbered(number, width, height) for number in range(20)]
        write_clip(tmp_path / f"{width}.avi", clip, FPS)
    clips = [tmp_path / f"{width}.avi" for width, _ in shapes]
    server = start_rtsp({"/door": clips}, codec=codec)
    found: dict[tuple[int, ...], set[int]] = {}
    with watched(settings(server.url("/door"))) as door:
        while len(found) < len(shapes) or min(map(len, found.values())) < 5:
            image = door.frame().image
            found.setdefault(image.shape[1::-1], set()).add(number_of(image))
            assert len(door.failures) == 0
    assert set(found) == set(shapes)
    assert all(number < 20 for numbers in found.values() for number in numbers)


# --- A certificate of the camera's own


@pytest.fixture(scope="module")
def own_certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    """A camera's certificate for another name, and its fingerprint."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "camera.crt", folder / "camera.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=IPC"]
    subprocess.run([*command, "-addext", "subjectAltName=DNS:ipc.local"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest()


def test_over_https_only_the_certificate_with_the_fingerprint_is_accepted(
    pictures: list[bytes], own_certificate: tuple[ssl.SSLContext, str]
) -> None:
    context, fingerprint = own_certificate

    def serve(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(pictures[5])

    with http_server(serve, context) as url:
        assert url.startswith("https://")
        failure = failure_of(settings(url))
        assert (failure.kind, failure.place) == (FailureKind.UNTRUSTED, fingerprint)
        assert fingerprint in failure.sentence
        grouped = ":".join(fingerprint[at : at + 2].upper() for at in range(0, 64, 2))
        with watched(settings(url, tls_fingerprint=grouped)) as door:
            assert number_of(door.frame().image) == 5
        failure = failure_of(settings(url, tls_fingerprint="00" * 32))
        assert failure == CameraFailure(FailureKind.WRONG_CERTIFICATE, place=fingerprint)


@pytest.mark.parametrize("login", [None, ("cam", PASSWORD)])
def test_over_rtsps_only_the_certificate_with_the_fingerprint_is_accepted(
    pictures: list[bytes], own_certificate: tuple[ssl.SSLContext, str], login: tuple[str, str] | None
) -> None:
    context, fingerprint = own_certificate
    user, password = login or (None, None)
    with RtspCamera(pictures, tls=context, login=login) as camera:
        url = camera.url
        assert url.startswith("rtsps://")
        right = settings(url, tls_fingerprint=fingerprint, username=user, password=password)
        with watched(right) as door:
            assert len({number_of(frame.image) for frame in door.frames(4)}) > 1
        failure = failure_of(settings(url, tls_fingerprint="00" * 32, username=user, password=password))
    assert failure == CameraFailure(FailureKind.WRONG_CERTIFICATE, place=fingerprint)


# --- Turned cameras


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_picture_is_turned_clockwise(tmp_path: Path, degrees: int) -> None:
    upright = numbered(0b00110101)
    mounted = np.rot90(upright, degrees // 90)
    cv2.imwrite(str(tmp_path / "a.png"), mounted)
    camera = settings(tmp_path, rotate=degrees)
    assert (probe(camera).width, probe(camera).height) == (320, 240)
    with watched(camera) as door:
        assert np.array_equal(door.frame().image, upright)
