"""Ask an RTSP server for its stream, as a player would, to find out why it cannot be opened.

OpenCV says only "not opened". RFC 2326 (RTSP 1.0), RFC 2617 and 7616 (the login).
"""

import hashlib
import re
import secrets
import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from facerec_mqtt.cameras.failures import FailureKind, failed

_PORTS = {"rtsp": 554, "rtsps": 322}
_LONGEST_ANSWER = 65536
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


def describe(url: str, username: str | None, password: str | None, timeout_s: float) -> None:
    """Ask for the description of a stream; return when it is given.

    Args:
        url: of the stream, without user and password.
        username: login, if any.
        password: login, if any.
        timeout_s: patience for each step.

    Raises:
        CameraFailedError: it is not given, and why.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    place = f"{host}:{port}"
    has_login = username is not None or password is not None
    try:
        with _connect(host, port, parts.scheme, timeout_s) as connection:
            answer = _ask(connection, url, 1, None)
            if answer.status == 401 and has_login:
                login = _authorization(answer, url, username or "", password or "")
                if login is not None:
                    answer = _ask(connection, url, 2, login)
    except TimeoutError as error:
        raise failed(FailureKind.TIMEOUT, place=place) from error
    except socket.gaierror as error:
        raise failed(FailureKind.UNKNOWN_HOST, place=host) from error
    except ConnectionRefusedError as error:
        raise failed(FailureKind.REFUSED, place=place) from error
    except OSError as error:
        detail = error.strerror or type(error).__name__
        raise failed(FailureKind.UNREACHABLE, place=place, detail=detail) from error
    _judge(answer.status, place, has_login=has_login)


def _judge(status: int, place: str, *, has_login: bool) -> None:
    if 200 <= status < 300:
        return
    if status in (401, 403):
        raise failed(FailureKind.UNAUTHORIZED if has_login else FailureKind.LOGIN_MISSING, status=status)
    if status in (404, 400, 454):
        raise failed(FailureKind.NOT_FOUND, status=status, place=place)
    raise failed(FailureKind.STATUS, status=status)


def _connect(host: str, port: int, scheme: str, timeout_s: float) -> socket.socket:
    connection = socket.create_connection((host, port), timeout=timeout_s)
    if scheme != "rtsps":
        return connection
    import ssl

    # Cameras sign their certificates themselves, and FFmpeg does not check them either.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=host)


def _ask(connection: socket.socket, url: str, number: int, login: str | None) -> _Answer:
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
    head = received.split(b"\r\n\r\n", 1)[0].decode("latin-1").split("\r\n")
    status = re.fullmatch(r"RTSP/\d\.\d (\d{3})(?: .*)?", head[0])
    if status is None:
        raise failed(FailureKind.NOT_RTSP)
    pairs = (line.partition(":") for line in head[1:])
    return _Answer(int(status[1]), tuple((key.strip().lower(), value.strip()) for key, _, value in pairs))


def _authorization(answer: _Answer, url: str, username: str, password: str) -> str | None:
    """The header that answers a server's challenge; `None` where it asks for what nobody knows."""
    challenges = answer.all("www-authenticate")
    for challenge in challenges:
        kind, _, rest = challenge.partition(" ")
        values = {
            key.lower(): quoted or plain
            for key, quoted, plain in re.findall(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))', rest)
        }
        if kind.lower() == "digest" and values.get("algorithm", "MD5").upper() in _HASHES:
            return _digest(values, url, username, password)
    if any(challenge.lower().startswith("basic") for challenge in challenges):
        import base64

        return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
    return None


def _digest(values: dict[str, str], url: str, username: str, password: str) -> str:
    algorithm = values.get("algorithm", "MD5").upper()

    def digest(text: str) -> str:
        return hashlib.new(_HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()

    realm, nonce = values.get("realm", ""), values.get("nonce", "")
    mine, asked = digest(f"{username}:{realm}:{password}"), digest(f"DESCRIBE:{url}")
    fields = {"username": username.replace('"', '\\"'), "realm": realm, "nonce": nonce, "uri": url}
    extra = ""
    if "auth" in values.get("qop", "").split(","):
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
