"""Cameras that speak HTTP: snapshots, multipart Motion JPEG, and streams, distinguished by their answers."""

import http.client
import time
from collections.abc import Callable, Mapping
from enum import Enum, auto
from urllib.parse import urljoin

from facerec_mqtt.cameras.network import Address, Login, connect, failure_of, kinds_of_login
from facerec_mqtt.cameras.protocol import CameraFailedError, FailureKind, ReaderRequest, failed
from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.images import decode_picture
from facerec_mqtt.core.picture_formats import WEB_FORMATS
from facerec_mqtt.core.records import Image

LONGEST_PICTURE = 20 * 2**20
_RETRY_S = 0.5
_MOST_REDIRECTS = 3
_HLS_TYPES = frozenset(
    ("application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl")
)
_PICTURE_STARTS = (b"\xff\xd8", b"\x89PNG", b"RIFF", b"GIF8", b"BM")
_STREAM_STARTS = (b"FLV\x01", b"\x1a\x45\xdf\xa3")  # FLV, Matroska and WebM


class HttpKind(Enum):
    """What a camera answers with."""

    PICTURE = auto()
    MULTIPART = auto()
    PLAYLIST = auto()
    STREAM = auto()


class Body:
    """The body of an answer, of which the beginning can be looked at; readable as a file.

    Its methods raise `CameraFailedError` where the connection is lost.
    """

    def __init__(
        self, address: Address, connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> None:
        self._address = address
        self._connection = connection
        self._response = response
        self._start = b""
        self.content_type = response.headers.get_content_type() if response.headers["Content-Type"] else ""

    def peek(self, size: int) -> bytes:
        """The beginning, which stays to be read; shorter where the body is."""
        while len(self._start) < size and (part := self._read(size - len(self._start))):
            self._start += part
        return self._start[:size]

    def read(self, size: int) -> bytes:
        """Some bytes, at most so many; none at the end."""
        if self._start:
            data, self._start = self._start[:size], self._start[size:]
            return data
        return self._read(size)

    def _read(self, size: int) -> bytes:
        try:
            return self._response.read1(size)
        except http.client.HTTPException:
            return b""
        except OSError as error:
            raise failure_of(error, self._address) from error

    def close(self) -> None:
        """End the connection."""
        self._response.close()
        self._connection.close()


class HttpCamera:
    """One URL of a camera.

    Args:
        request: which, and the login.
    """

    def __init__(self, request: ReaderRequest) -> None:
        self._url = request.url
        self._fingerprint = request.tls_fingerprint
        self._login = Login.of(request.username, request.password)
        self._token = request.token
        self._timeout_s = request.timeout_s
        self._challenges: list[str] = []

    def open(self, timeout_s: float) -> Body:
        """Ask for the URL.

        Args:
            timeout_s: for connecting, and for each part of the answer.

        Raises:
            CameraFailedError: there is no such answer, and why.
        """
        url = self._url
        for _ in range(_MOST_REDIRECTS + 1):
            address = Address.of(url, self._fingerprint)
            # A login is for the camera alone, not for wherever it sends us.
            is_camera = address.place == Address.of(self._url, None).place
            connection, response = self._ask(address, timeout_s, is_camera=is_camera)
            if 200 <= response.status < 300:
                return Body(address, connection, response)
            there = response.headers.get("Location") if 300 <= response.status < 400 else None
            connection.close()
            url = urljoin(url, there or "")
            if there is None or not url.startswith(("http://", "https://")):
                raise self._failure_of_status(response, address)
        raise failed(FailureKind.REDIRECTED, status=response.status)

    def _ask(
        self, address: Address, timeout_s: float, *, is_camera: bool
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        login = self._login if is_camera else None
        # What the camera asked for last time is answered at once; where it has changed, again.
        for is_last in (False, True):
            headers = {"Accept": "*/*"}
            if is_camera and self._token is not None:
                headers["Authorization"] = f"Bearer {self._token}"
            answer = login.answer(self._challenges, "GET", address.path) if login else None
            if answer is not None:
                headers["Authorization"] = answer
            connection, response = exchange(address, "GET", address.path, headers, timeout_s)
            challenges = response.headers.get_all("WWW-Authenticate") or []
            if response.status != 401 or login is None or is_last or not challenges:
                return connection, response
            self._challenges = challenges
            connection.close()
        raise AssertionError

    def _failure_of_status(self, response: http.client.HTTPResponse, address: Address) -> CameraFailedError:
        status = response.status
        if status in (401, 403):
            if self._token is not None:
                return failed(FailureKind.TOKEN_REFUSED, status=status)
            if self._login is None:
                return failed(FailureKind.LOGIN_MISSING, status=status)
            challenges = response.headers.get_all("WWW-Authenticate") or []
            if challenges and self._login.answer(challenges, "GET", address.path) is None:
                return failed(FailureKind.LOGIN_KIND, detail=kinds_of_login(challenges))
            return failed(FailureKind.UNAUTHORIZED, status=status)
        if status in (404, 410):
            return failed(FailureKind.NOT_FOUND, status=status, place=address.place)
        return failed(FailureKind.STATUS, status=status)

    def picture(self, timeout_s: float) -> Image:
        """Ask for a picture.

        Raises:
            CameraFailedError: there is none, and why.
        """
        return _picture_of(self.open(timeout_s))


class Snapshots:
    """A camera's snapshot URL, asked again and again.

    Args:
        picture: asks for a picture, within so many seconds.
        first: the first answer, where there is one already.
        timeout_s: silence that the watchdog allows.
    """

    def __init__(
        self, picture: Callable[[float], Image], timeout_s: float, first: Body | None = None
    ) -> None:
        self._picture = picture
        self._first = first
        self._timeout_s = timeout_s

    def take(self) -> Image:
        """Ask for a picture; after the first, a passing fault is retried for as long as the watchdog allows.

        Raises:
            CameraFailedError: there is no picture, and why.
        """
        if self._first is not None:
            body, self._first = self._first, None
            return _picture_of(body)
        give_up_s = time.monotonic() + 0.8 * self._timeout_s
        while True:
            try:
                return self._picture(max(0.1, give_up_s - time.monotonic()))
            except CameraFailedError as error:
                failure = error.failure
                is_lasting = failure.needs_action or (failure.status is not None and failure.status < 500)
                if is_lasting or time.monotonic() + _RETRY_S > give_up_s:
                    raise
            time.sleep(_RETRY_S)


def kind_of(body: Body) -> HttpKind:
    """What an answer is, by its content type and its first bytes, whatever its URL looks like."""
    if body.content_type.startswith("multipart/"):
        return HttpKind.MULTIPART
    start = body.peek(16)
    if start.startswith(_PICTURE_STARTS):
        return HttpKind.PICTURE
    if body.content_type in _HLS_TYPES or start.startswith(b"#EXTM3U"):
        return HttpKind.PLAYLIST
    is_transport_stream = start[:1] == b"G" and body.peek(189)[188:] == b"G"
    is_stream = start.startswith(_STREAM_STARTS) or start[4:8] == b"ftyp" or is_transport_stream
    if is_stream or body.content_type.startswith("video/"):
        return HttpKind.STREAM
    if start.startswith(b"--"):
        return HttpKind.MULTIPART
    return HttpKind.PICTURE


def exchange(
    address: Address,
    method: str,
    path: str,
    headers: Mapping[str, str],
    timeout_s: float,
    content: bytes | None = None,
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """Send one request, on a connection of its own, and read the head of the answer.

    Args:
        address: whom to ask.
        method: such as "GET".
        path: with what follows it.
        headers: besides those that every request has.
        timeout_s: for connecting, and for each part of the answer.
        content: what is sent.

    Raises:
        CameraFailedError: there is no answer, and why.
    """
    connection = http.client.HTTPConnection(address.host, address.port)
    # A proxy is for the world outside, the camera is at home: so connected by ourselves.
    connection.sock = connect(address, timeout_s)
    common = {"Host": address.place, "User-Agent": "facerec-mqtt", "Connection": "close"}
    try:
        connection.request(method, path, content, {**common, **headers})
        return connection, connection.getresponse()
    except OSError as error:
        connection.close()
        raise failure_of(error, address) from error
    except (http.client.HTTPException, ValueError) as error:
        connection.close()
        raise failed(FailureKind.NOT_HTTP, place=address.place) from error


def whole_body(body: Body) -> bytes:
    """All of an answer that is one picture.

    Raises:
        CameraFailedError: it is too long.
    """
    parts, size = [], 0
    while part := body.read(65536):
        parts.append(part)
        size += len(part)
        if size > LONGEST_PICTURE:
            raise failed(FailureKind.PICTURE_TOO_LARGE, detail=f"{LONGEST_PICTURE // 2**20} MB")
    return b"".join(parts)


def _picture_of(body: Body) -> Image:
    try:
        return decoded(whole_body(body))
    finally:
        body.close()


def decoded(data: bytes) -> Image:
    """Decode what an answer holds.

    Raises:
        CameraFailedError: it is no picture, and what it is instead.
    """
    try:
        return decode_picture(data, formats=WEB_FORMATS)
    except PictureError as error:
        detail = f"{str(error)[:1].lower()}{str(error)[1:].rstrip('.')}"
        if not data.strip():
            detail = "its answer is empty; check the URL, or restart the camera"
        elif data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in b"<{[":
            detail = "its answer is a web page or a text; check the URL, and whether it wants a login"
        raise failed(FailureKind.NO_PICTURE, detail=detail) from error
