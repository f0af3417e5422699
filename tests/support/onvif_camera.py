"""A camera that speaks ONVIF: real datagrams and a real SOAP server with digest login; also bad ones."""

import base64
import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape, unescape

USERNAME, PASSWORD = "ada", "p<&'ß"
S = "http://www.w3.org/2003/05/soap-envelope"
D = "http://www.onvif.org/ver10/device/wsdl"
M = "http://www.onvif.org/ver10/media/wsdl"
T = "http://www.onvif.org/ver10/schema"


@dataclass
class OnvifCamera:
    """What it is, and how it behaves."""

    profiles: tuple[tuple[str, int, int, str], ...] = (
        ("main", 2560, 1440, "rtsp://127.0.0.1:554/main?x=1&y=2"),
        ("sub", 640, 360, "rtsp://ada:secret@192.168.99.9:554/sub"),
        ("tiny", 320, 180, "rtsp://127.0.0.1/tiny"),
    )
    login: bool = True
    http_digest: bool = False
    """Whether it asks by HTTP, as some do, and not within SOAP."""
    basic: bool = False
    clock_ahead_s: float = 0.0
    media_host: str = "127.0.0.1"
    """Which host it says that its media service has."""
    answer: Callable[["Handler", str], bool] | None = None
    """Answers instead of it, where it returns true."""
    asked: list[str] = field(default_factory=list)
    """What it was asked, in order."""
    logins: list[str] = field(default_factory=list)
    """What came as `Authorization`."""
    port: int = 0


class Handler(BaseHTTPRequestHandler):
    """Answers SOAP requests."""

    camera: OnvifCamera

    def do_POST(self) -> None:
        with suppress(ConnectionError, TimeoutError):
            request = self.rfile.read(int(self.headers["Content-Length"])).decode()
            found = re.search(r"<s:Body><(\w+)", request)
            assert found is not None
            name = found[1]
            self.camera.asked.append(name)
            self.camera.logins.append(self.headers["Authorization"] or "")
            if self.camera.answer is None or not self.camera.answer(self, name):
                self._answer(name, request)

    def _answer(self, name: str, request: str) -> None:
        camera = self.camera
        if name != "GetSystemDateAndTime" and camera.login:
            if camera.http_digest or camera.basic:
                if not self._http_login():
                    kind = 'Basic realm="x"' if camera.basic else 'Digest realm="r", nonce="n1", qop="auth"'
                    self.send(b"", 401, {"WWW-Authenticate": kind})
                    return
            elif not self._soap_login(request):
                fault = (
                    "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:NotAuthorized</s:Value>"
                    "</s:Subcode></s:Code><s:Reason><s:Text>no</s:Text></s:Reason></s:Fault>"
                )
                self.soap(fault, 400)
                return
        now = datetime.now(UTC) + timedelta(seconds=camera.clock_ahead_s)
        match name:
            case "GetSystemDateAndTime":
                self.soap(
                    f'<d:R xmlns:d="{D}" xmlns:t="{T}"><t:UTCDateTime><t:Time><t:Hour>{now.hour}</t:Hour>'
                    f"<t:Minute>{now.minute}</t:Minute><t:Second>{now.second}</t:Second></t:Time><t:Date>"
                    f"<t:Year>{now.year}</t:Year><t:Month>{now.month}</t:Month><t:Day>{now.day}</t:Day></t:Date>"
                    "</t:UTCDateTime></d:R>"
                )
            case "GetDeviceInformation":
                self.soap(
                    f'<d:GetDeviceInformationResponse xmlns:d="{D}"><d:Manufacturer>ACME</d:Manufacturer>'
                    "<d:Model>Eye 3</d:Model></d:GetDeviceInformationResponse>"
                )
            case "GetCapabilities":
                self.soap(
                    f'<d:R xmlns:d="{D}" xmlns:t="{T}"><t:Media><t:XAddr>http://{camera.media_host}:{camera.port}'
                    "/onvif/media</t:XAddr></t:Media></d:R>"
                )
            case "GetProfiles":
                self.soap(f'<m:R xmlns:m="{M}" xmlns:t="{T}">{"".join(map(_profile, camera.profiles))}</m:R>')
            case "GetStreamUri":
                token = unescape(re.search(r"<ProfileToken>(.*?)</ProfileToken>", request)[1])  # type: ignore[index]
                (uri,) = [uri for name, _, _, uri in camera.profiles if f"t-{name}" == token]
                found = f"<m:MediaUri><t:Uri>{escape(uri)}</t:Uri></m:MediaUri>"
                self.soap(f'<m:R xmlns:m="{M}" xmlns:t="{T}">{found}</m:R>')

    def _soap_login(self, request: str) -> bool:
        found = {
            key: re.search(rf"<\w+:{key}(?: [^>]*)?>(.*?)<", request)
            for key in ("Username", "Password", "Nonce", "Created")
        }
        if not all(found.values()):
            return False
        user, digest, nonce, created = (unescape(match[1]) for match in found.values() if match)
        there = datetime.now(UTC) + timedelta(seconds=self.camera.clock_ahead_s)
        fresh = abs((datetime.fromisoformat(created) - there).total_seconds()) < 60
        made = hashlib.sha1(base64.b64decode(nonce) + created.encode() + PASSWORD.encode()).digest()
        return fresh and user == USERNAME and base64.b64encode(made).decode() == digest

    def _http_login(self) -> bool:
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', self.headers["Authorization"] or ""))
        if not given or self.camera.basic:
            return False

        def md5(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        mine, asked = md5(f"{USERNAME}:r:{PASSWORD}"), md5(f"POST:{self.path}")
        expected = md5(f"{mine}:n1:{given['nc']}:{given['cnonce']}:auth:{asked}")
        return bool(expected == given["response"])

    def soap(self, body: str, status: int = 200) -> None:
        """Answer with an envelope."""
        self.send(f'<s:Envelope xmlns:s="{S}"><s:Body>{body}</s:Body></s:Envelope>'.encode(), status)

    def send(self, content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answer with anything."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        return


def _profile(profile: tuple[str, int, int, str]) -> str:
    name, width, height, _ = profile
    return (
        f'<m:Profiles token="t-{name}"><t:Name>{name}</t:Name><t:VideoEncoderConfiguration token="e">'
        f"<t:Encoding>H264</t:Encoding><t:Resolution><t:Width>{width}</t:Width><t:Height>{height}</t:Height>"
        "</t:Resolution><t:RateControl><t:FrameRateLimit>15</t:FrameRateLimit></t:RateControl>"
        "</t:VideoEncoderConfiguration></m:Profiles>"
    )


@contextmanager
def onvif_camera(camera: OnvifCamera) -> Iterator[str]:
    """Run a camera; its `host:port`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"camera": camera}))
    server.daemon_threads = True
    server.block_on_close = False
    camera.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def probe_match(*urls: str, scopes: str = "onvif://www.onvif.org/name/Front%20door") -> bytes:
    """A device's answer to a question of WS-Discovery."""
    return (
        f'<s:Envelope xmlns:s="{S}" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><s:Body>'
        f"<d:ProbeMatches><d:ProbeMatch><d:Scopes>{scopes}</d:Scopes><d:XAddrs>{' '.join(urls)}</d:XAddrs>"
        "</d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
    ).encode()


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[str, int]]:
    """Answer the first question that comes with these datagrams; where it is to be sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.bind(("127.0.0.1", 0))
        connection.settimeout(30.0)

        def answer() -> None:
            with suppress(OSError):
                question, there = connection.recvfrom(65535)
                if b"NetworkVideoTransmitter" in question:
                    for each in answers:
                        connection.sendto(each, there)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield connection.getsockname()


def drip(handler: Handler, _name: str) -> bool:
    """Answer without end, a byte at a time."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.05)
