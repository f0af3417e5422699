"""Cameras that speak HTTP: snapshots, multipart Motion JPEG, and streams, told apart by what they answer."""

import http.client
import re
import time
from collections.abc import Iterator
from enum import Enum, auto
from urllib.parse import urljoin

from facerec_mqtt.cameras.network import Address, Login, connect, failure_of, kinds_of_login
from facerec_mqtt.cameras.pacing import Pacer
from facerec_mqtt.cameras.protocol import CameraFailedError, FailureKind, ReaderRequest, failed
from facerec_mqtt.cameras.sources import Alive, Shot
from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.images import decode_picture
from facerec_mqtt.core.picture_formats import WEB_FORMATS
from facerec_mqtt.core.records import Image

_LONGEST_PICTURE = 20 * 2**20
_LONGEST_HEADER = 65536
_RETRY_S = 0.5
_MOST_REDIRECTS = 3
_MOST_BAD_PICTURES = 20
_HLS_TYPES = frozenset(
    ("application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl")
)
_PICTURE_STARTS = (b"\xff\xd8", b"\x89PNG", b"RIFF", b"GIF8", b"BM")
_STREAM_STARTS = (b"FLV\x01", b"\x1a\x45\xdf\xa3")  # FLV, Matroska and WebM
_ANY_DELIMITER = re.compile(rb"(?:^|\r?\n)--([^\r\n]+?)[ \t]*\r?\n")
_END_OF_HEADER = re.compile(rb"(?:^|\r?\n)\r?\n")
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


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
            connection, response = self._ask(address, timeout_s, self._login if is_camera else None)
            if 200 <= response.status < 300:
                return Body(address, connection, response)
            there = response.headers.get("Location") if 300 <= response.status < 400 else None
            connection.close()
            url = urljoin(url, there or "")
            if there is None or not url.startswith(("http://", "https://")):
                raise self._failure_of_status(response, address)
        raise failed(FailureKind.STATUS, status=response.status)

    def _ask(
        self, address: Address, timeout_s: float, login: Login | None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        # What the camera asked for last time is answered at once; where it has changed, again.
        for is_last in (False, True):
            connection = http.client.HTTPConnection(address.host, address.port)
            # A proxy is for the world outside, the camera is at home: so connected by ourselves.
            connection.sock = connect(address, timeout_s)
            headers = {
                "Host": address.place,
                "User-Agent": "facerec-mqtt",
                "Accept": "*/*",
                "Connection": "close",
            }
            answer = login.answer(self._challenges, "GET", address.path) if login else None
            if answer is not None:
                headers["Authorization"] = answer
            try:
                connection.request("GET", address.path, headers=headers)
                response = connection.getresponse()
            except OSError as error:
                connection.close()
                raise failure_of(error, address) from error
            except (http.client.HTTPException, ValueError) as error:
                connection.close()
                raise failed(FailureKind.NOT_HTTP, place=address.place) from error
            challenges = response.headers.get_all("WWW-Authenticate") or []
            if response.status != 401 or login is None or is_last or not challenges:
                return connection, response
            self._challenges = challenges
            connection.close()
        raise AssertionError

    def _failure_of_status(self, response: http.client.HTTPResponse, address: Address) -> CameraFailedError:
        status = response.status
        if status in (401, 403):
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
        camera: the camera.
        first: its first answer.
        timeout_s: silence that the watchdog allows.
    """

    def __init__(self, camera: HttpCamera, first: Body, timeout_s: float) -> None:
        self._camera = camera
        self._first: Body | None = first
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
                return self._camera.picture(max(0.1, give_up_s - time.monotonic()))
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


def _whole_body(body: Body) -> bytes:
    """All of an answer that is one picture.

    Raises:
        CameraFailedError: it is too long.
    """
    parts, size = [], 0
    while part := body.read(65536):
        parts.append(part)
        size += len(part)
        if size > _LONGEST_PICTURE:
            raise failed(FailureKind.PICTURE_TOO_LARGE, detail=f"{_LONGEST_PICTURE // 2**20} MB")
    return b"".join(parts)


def multipart_shots(body: Body, fps: float, alive: Alive) -> Iterator[Shot]:
    """Take every part of a multipart stream as it comes, and decode those that are wanted.

    Raises:
        CameraFailedError: the stream has ended, or too many parts in a row are damaged.
    """
    pacer, bad = Pacer(fps), 0
    for data in _multipart_pictures(body):
        now_s = time.monotonic()
        alive()
        if not pacer.takes(now_s):
            continue
        try:
            image = _decoded(data)
        except CameraFailedError:
            bad += 1
            if bad >= _MOST_BAD_PICTURES:
                raise
            continue
        bad = 0
        yield Shot(now_s, image)


def _multipart_pictures(body: Body) -> Iterator[bytes]:
    """The parts of a multipart stream, as they are written by cameras.

    Which boundary they use, their first line says: in the header it may be quoted, have its dashes too, or be
    another one. A part may come without its length.

    Raises:
        CameraFailedError: a part is too long, or the stream has ended.
    """
    delimiter = _ANY_DELIMITER
    waiting = _Waiting(body)
    while True:
        found = waiting.until(delimiter, _LONGEST_PICTURE)
        if delimiter is _ANY_DELIMITER:
            delimiter = re.compile(rb"(?:^|\r?\n)--" + re.escape(found[1]) + rb"(?:--)?[ \t]*\r?\n")
        waiting.take(found.end())
        end = waiting.until(_END_OF_HEADER, _LONGEST_HEADER)
        length = _LENGTH.search(waiting.take(end.end()))
        if length is not None:
            waiting.fill(int(length[1]))
            yield waiting.take(int(length[1]))
        else:
            yield waiting.take(waiting.until(delimiter, _LONGEST_PICTURE).start())


class _Waiting:
    """What has been read of a body and not been used yet."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._data = bytearray()

    def fill(self, size: int) -> None:
        """Read until there are so many bytes."""
        while len(self._data) < size:
            self._more(max(size, 1), _LONGEST_PICTURE)

    def until(self, pattern: re.Pattern[bytes], limit: int) -> re.Match[bytes]:
        """Read until there is a match, within so many bytes."""
        searched = 0
        while (found := pattern.search(self._data, searched)) is None:
            # What is searched for may be cut in two.
            searched = max(0, len(self._data) - 200)
            self._more(len(self._data) + 1, limit)
        return found

    def take(self, size: int) -> bytes:
        """Take so many bytes off."""
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken

    def _more(self, size: int, limit: int) -> None:
        if size > limit:
            raise failed(FailureKind.PICTURE_TOO_LARGE, detail=f"{_LONGEST_PICTURE // 2**20} MB")
        data = self._body.read(65536)
        if not data:
            raise failed(FailureKind.ENDED)
        self._data += data


def _picture_of(body: Body) -> Image:
    try:
        return _decoded(_whole_body(body))
    finally:
        body.close()


def _decoded(data: bytes) -> Image:
    try:
        return decode_picture(data, formats=WEB_FORMATS)
    except PictureError as error:
        detail = f"{str(error)[:1].lower()}{str(error)[1:].rstrip('.')}"
        if not data.strip():
            detail = "its answer is empty; check the URL, or restart the camera"
        elif data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in b"<{[":
            detail = "its answer is a web page or a text; check the URL, and whether it wants a login"
        raise failed(FailureKind.NO_PICTURE, detail=detail) from error
