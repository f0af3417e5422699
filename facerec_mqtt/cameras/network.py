"""Connections to cameras: why one cannot be reached, which certificate is trusted, how a login is answered.

RFC 2326 (RTSP 1.0), RFC 7617 (Basic), RFC 2617 and 7616 (Digest).
"""

import base64
import re
import select
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from facerec_mqtt.cameras.protocol import CameraFailedError, FailureKind, failed

if TYPE_CHECKING:
    import ssl
_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
_LONGEST_ANSWER = 65536
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}
# A word that no equals sign follows.
_CHALLENGE = re.compile(r"(?:^|,)\s*([A-Za-z][\w-]*)(?=\s+[^\s=,]|\s*(?:,|$))")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_FIELD = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


@dataclass(frozen=True, slots=True)
class Address:
    """Where a camera is, and which certificate it has."""

    scheme: str
    host: str
    port: int
    path: str
    """With the query; what is asked for in HTTP."""
    fingerprint: str | None = None
    """SHA-256 of the only certificate to trust, in hexadecimal."""

    @classmethod
    def of(cls, url: str, fingerprint: str | None) -> "Address":
        """Take a URL apart."""
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme], path, fingerprint)

    @property
    def place(self) -> str:
        """`host:port`, as it stands in sentences and in the `Host` header."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def connect(address: Address, timeout_s: float) -> socket.socket:
    """Connect to a camera, with TLS where its URL says so.

    Args:
        address: the camera's.
        timeout_s: for connecting; also that of the socket which is returned.

    Raises:
        CameraFailedError: it cannot be reached, or shows a certificate that is not trusted.
    """
    try:
        connection = socket.create_connection((address.host, address.port), timeout=timeout_s)
        if address.scheme not in ("https", "rtsps"):
            return connection
        return _secure(connection, address)
    except OSError as error:
        raise failure_of(error, address) from error


def failure_of(error: OSError, address: Address) -> CameraFailedError:
    """Why a camera cannot be reached."""
    if isinstance(error, TimeoutError):
        return failed(FailureKind.TIMEOUT, place=address.place)
    if isinstance(error, socket.gaierror):
        return failed(FailureKind.UNKNOWN_HOST, place=address.host)
    if isinstance(error, ConnectionRefusedError):
        return failed(FailureKind.REFUSED, place=address.place)
    detail = error.strerror or type(error).__name__
    return failed(FailureKind.UNREACHABLE, place=address.place, detail=detail)


def _secure(connection: socket.socket, address: Address) -> "ssl.SSLSocket":
    # Here, as further below: most cameras need neither, and each reader would pay with some megabytes.
    import ssl

    # Cameras sign their certificates themselves; FFmpeg does not check those of RTSP either.
    verify = address.scheme == "https" and address.fingerprint is None
    try:
        secured = _context(verify=verify).wrap_socket(connection, server_hostname=address.host)
    except ssl.SSLCertVerificationError as error:
        with socket.create_connection((address.host, address.port), connection.gettimeout()) as another:
            shown = _fingerprint(_context(verify=False).wrap_socket(another, server_hostname=address.host))
        raise failed(FailureKind.UNTRUSTED, place=shown, detail=error.verify_message) from error
    if address.fingerprint is not None and (shown := _fingerprint(secured)) != address.fingerprint:
        secured.close()
        raise failed(FailureKind.WRONG_CERTIFICATE, place=shown)
    return secured


def _context(*, verify: bool) -> "ssl.SSLContext":
    import ssl

    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # Old cameras have short keys; which certificate it is, is checked by its fingerprint.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context


def _fingerprint(connection: "ssl.SSLSocket") -> str:
    import hashlib

    return hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Login:
    """User and password, and how to answer a server that asks for them."""

    username: str = field(repr=False)
    password: str = field(repr=False)

    @classmethod
    def of(cls, username: str | None, password: str | None) -> "Login | None":
        """Of settings; `None` where there is none."""
        if username is None and password is None:
            return None
        return cls(username or "", password or "")

    def answer(self, challenges: Sequence[str], method: str, uri: str) -> str | None:
        """The `Authorization` header of a request; `None` where no kind of login that is offered is known.

        Args:
            challenges: the values of the `WWW-Authenticate` headers.
            method: of the request.
            uri: of the request, as in its first line.
        """
        offered = [one for challenge in challenges for one in _split(challenge)]
        for kind, values in offered:
            if kind == "digest" and values.get("algorithm", "MD5").upper() in _HASHES:
                return self._digest(values, method, uri)
        if any(kind == "basic" for kind, _ in offered):
            return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return None

    def _digest(self, values: dict[str, str], method: str, uri: str) -> str:
        import hashlib
        import secrets

        algorithm = values.get("algorithm", "MD5").upper()

        def digest(text: str) -> str:
            return hashlib.new(_HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()

        realm, nonce = values.get("realm", ""), values.get("nonce", "")
        mine, asked = digest(f"{self.username}:{realm}:{self.password}"), digest(f"{method}:{uri}")
        escaped = self.username.replace("\\", "\\\\").replace('"', '\\"')
        fields = {"username": escaped, "realm": realm, "nonce": nonce, "uri": uri}
        extra = ""
        if "auth" in [each.strip() for each in values.get("qop", "").split(",")]:
            once = secrets.token_hex(8)
            fields["response"] = digest(f"{mine}:{nonce}:00000001:{once}:auth:{asked}")
            fields["cnonce"] = once
            extra = ", qop=auth, nc=00000001"
        else:
            fields["response"] = digest(f"{mine}:{nonce}:{asked}")
        if "algorithm" in values:
            extra += f", algorithm={algorithm}"
        if "opaque" in values:
            fields["opaque"] = values["opaque"]
        return "Digest " + ", ".join(f'{key}="{value}"' for key, value in fields.items()) + extra


def kinds_of_login(challenges: Sequence[str]) -> str:
    """The kinds of login that are asked for, for a sentence: "Digest SHA-512-256, Kerberos"."""
    offered = [one for challenge in challenges for one in _split(challenge)]
    return ", ".join(f"{kind.title()} {values.get('algorithm', '')}".strip() for kind, values in offered)


def _split(header: str) -> list[tuple[str, dict[str, str]]]:
    """The challenges of one header, which may hold several."""
    starts = list(_CHALLENGE.finditer(_QUOTED.sub(lambda found: "_" * len(found[0]), header)))
    ends = [start.start() for start in starts[1:]] + [len(header)]
    return [
        (
            start[1].lower(),
            {
                key.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain
                for key, quoted, plain in _FIELD.findall(header[start.end() : end])
            },
        )
        for start, end in zip(starts, ends, strict=True)
    ]


def ask_rtsp(
    address: Address, url: str, login: Login | None, timeout_s: float
) -> tuple[socket.socket, tuple[str, ...]]:
    """Ask a camera for the description of its stream, with the login where it wants one.

    Returns:
        The connection, and the challenges that the login has answered, none where there were none.

    Raises:
        CameraFailedError: there is no description, and why.
    """
    connection = connect(address, timeout_s)
    try:
        status, challenges = _describe(connection, url, 1)
        if status == 401 and login is not None and challenges:
            header = login.answer(challenges, "DESCRIBE", url)
            if header is None:
                raise failed(FailureKind.LOGIN_KIND, detail=kinds_of_login(challenges))
            status, _ = _describe(connection, url, 2, header)
        if 200 <= status < 300:
            return connection, challenges
        if status in (401, 403):
            kind = FailureKind.LOGIN_MISSING if login is None else FailureKind.UNAUTHORIZED
            raise failed(kind, status=status)
        if status in (404, 400, 454):
            raise failed(FailureKind.NOT_FOUND, status=status, place=address.place)
        raise failed(FailureKind.STATUS, status=status)
    except OSError as error:
        connection.close()
        raise failure_of(error, address) from error
    except CameraFailedError:
        connection.close()
        raise


def _describe(
    connection: socket.socket, url: str, number: int, login: str | None = None
) -> tuple[int, tuple[str, ...]]:
    lines = [f"DESCRIBE {url} RTSP/1.0", f"CSeq: {number}", "Accept: application/sdp"]
    if login is not None:
        lines.append(f"Authorization: {login}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(4096)
        if not part:
            raise failed(FailureKind.HUNG_UP)
        received += part
        if not received.startswith(b"RTSP/"[: len(received)]) or len(received) > _LONGEST_ANSWER:
            raise failed(FailureKind.NOT_RTSP)
    head, _, body = received.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    status = re.fullmatch(r"RTSP/\d\.\d (\d{3})(?: .*)?", first)
    if status is None:
        raise failed(FailureKind.NOT_RTSP)
    headers = [
        (key.strip().lower(), value.strip()) for key, _, value in (line.partition(":") for line in rest)
    ]
    length = next((int(value) for key, value in headers if key == "content-length" and value.isdigit()), 0)
    while len(body) < min(length, _LONGEST_ANSWER) and (part := connection.recv(4096)):
        body += part
    return int(status[1]), tuple(value for key, value in headers if key == "www-authenticate" and value)


class Relay:
    """A connection to a camera that FFmpeg cannot make itself: by Digest with SHA-256, or to one certificate.

    FFmpeg speaks to a port of this machine, and what it says goes on with the login added. One connection is
    taken, in a thread that ends with it.

    Args:
        connection: to the camera.
        url: of the stream, without user and password.
        login: whom to log in.
        challenges: what the camera asks for; empty where it needs no login.
    """

    def __init__(
        self, connection: socket.socket, url: str, login: Login | None, challenges: Sequence[str]
    ) -> None:
        self._camera = connection
        self._listener = socket.create_server(("127.0.0.1", 0))
        parts = urlsplit(url)
        self._theirs = f"{parts.scheme}://{parts.netloc}"
        self._ours = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._rest = url.removeprefix(self._theirs)
        self._login, self._challenges = login, tuple(challenges)

    def start(self) -> str:
        """Listen; returns the URL that FFmpeg is to open."""
        threading.Thread(target=self._serve, name="relay", daemon=True).start()
        return self._ours + self._rest

    def _serve(self) -> None:
        with self._listener, self._camera:
            self._listener.settimeout(self._camera.gettimeout())
            try:
                player, _ = self._listener.accept()
                self._listener.close()
                with player:
                    self._pass_on(player)
            except OSError:
                return

    def _pass_on(self, player: socket.socket) -> None:
        waiting = b""
        # What TLS has read already, no longer shows at the socket.
        pending: Callable[[], int] = getattr(self._camera, "pending", int)
        while True:
            ready = [] if pending() else select.select([self._camera, player], [], [])[0]
            if pending() or self._camera in ready:
                data = self._camera.recv(65536)
                player.sendall(data)
                if not data:
                    return
            if player in ready:
                data = player.recv(65536)
                if not data:
                    return
                waiting = self._send_whole(waiting + data)

    def _send_whole(self, waiting: bytes) -> bytes:
        """Send on what is complete: requests, and data between them; returns the rest."""
        while waiting:
            if waiting[:1] == b"$":
                length = 4 + int.from_bytes(waiting[2:4], "big")
                if len(waiting) < max(4, length):
                    break
                self._camera.sendall(waiting[:length])
                waiting = waiting[length:]
                continue
            head, end, rest = waiting.partition(b"\r\n\r\n")
            if not end:
                break
            self._camera.sendall(self._with_login(head.decode("latin-1")).encode("latin-1"))
            waiting = rest
        return waiting

    def _with_login(self, head: str) -> str:
        first, *lines = head.split("\r\n")
        method, uri, version = [*first.split(" ", 2), "", ""][:3]
        if uri.startswith(self._ours):
            uri = self._theirs + uri.removeprefix(self._ours)
        if self._login is not None and self._challenges:
            lines.append(f"Authorization: {self._login.answer(self._challenges, method, uri)}")
        return "\r\n".join([f"{method} {uri} {version}", *lines, "", ""])
