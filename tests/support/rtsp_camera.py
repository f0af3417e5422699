"""RTSP cameras that are played in Python: what GStreamer's server does not offer."""

import contextlib
import hashlib
import os
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

HOST = "127.0.0.1"


@dataclass
class RtspCamera:
    """An RTSP camera in Python: Motion JPEG by RTP (RFC 2326, RFC 2435), by TCP or by UDP.

    Attributes:
        pictures: JPEG files that it shows, over and over, ten a second.
        transports: of "tcp" and "udp", what it offers.
        refusal: what it answers to the other.
        login: user and password, asked for by Digest (RFC 7616); `None` asks for nothing.
        algorithm: of Digest.
        describe_after_s: how long a connection waits for its description.
        tls: speak TLS, with this certificate.
    """

    pictures: Sequence[bytes]
    transports: Sequence[str] = ("tcp", "udp")
    refusal: str = "461 Unsupported Transport"
    login: tuple[str, str] | None = None
    algorithm: str = "SHA-256"
    describe_after_s: float = 0.0
    tls: ssl.SSLContext | None = None
    asked: list[str] = field(default_factory=list)
    """The requests that came, without their headers."""
    played: list[float] = field(default_factory=list)
    """For how long each that was let in has taken pictures, in seconds."""
    port: int = 0

    def __enter__(self) -> "RtspCamera":
        self._server = socket.create_server((HOST, 0))
        self.port = self._server.getsockname()[1]
        self._closing = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        # Wakes the thread that waits for a connection.
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    @property
    def url(self) -> str:
        return f"rtsp{'s' if self.tls else ''}://{HOST}:{self.port}/stream?channel=1"

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        gone = threading.Event()
        with ExitStack() as stack:
            stack.callback(gone.set)
            stack.callback(connection.close)
            with contextlib.suppress(OSError, ValueError):
                if self.tls is not None:
                    connection = self.tls.wrap_socket(connection, server_side=True)
                    stack.callback(connection.close)
                _RtspTalk(self, connection, gone, stack).go_on()


class _RtspTalk:
    """One connection to an `RtspCamera`."""

    def __init__(
        self, camera: RtspCamera, connection: socket.socket, gone: threading.Event, stack: ExitStack
    ) -> None:
        self._camera = camera
        self._connection = connection
        self._gone = gone
        self._stack = stack
        self._writing = threading.Lock()
        self._send_rtp: Callable[[bytes], None] | None = None
        self._nonce = hashlib.md5(os.urandom(8), usedforsecurity=False).hexdigest()

    def go_on(self) -> None:
        """Answer until the other side leaves."""
        received = b""
        while True:
            # Between the requests of whoever takes pictures by TCP lie reports on their reception.
            if received[:1] == b"$" and len(received) >= 4:
                length = 4 + int.from_bytes(received[2:4], "big")
                if len(received) >= length:
                    received = received[length:]
                    continue
            elif b"\r\n\r\n" in received:
                head, received = received.split(b"\r\n\r\n", 1)
                self._answer(head.decode("latin-1"))
                continue
            part = self._connection.recv(4096)
            if not part:
                return
            received += part

    def _say(self, head: str, status: str, *headers: str, body: str = "") -> None:
        number = re.search(r"(?im)^CSeq:\s*(\d+)", head)
        lines = [f"RTSP/1.0 {status}", f"CSeq: {number[1] if number else 0}", *headers]
        with self._writing:
            self._connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def _answer(self, head: str) -> None:
        method, url = head.split()[:2]
        self._camera.asked.append(method)
        if method == "OPTIONS":
            return self._say(
                head, "200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"
            )
        if self._camera.login is not None and not self._knows_us(head, method):
            return self._say(
                head,
                "401 Unauthorized",
                f'WWW-Authenticate: Digest realm="camera", algorithm={self._camera.algorithm}, qop="auth", '
                f'nonce="{self._nonce}"',
            )
        if method == "DESCRIBE":
            if self._gone.wait(self._camera.describe_after_s):
                return None
            sdp = (
                f"v=0\r\no=- 0 0 IN IP4 {HOST}\r\ns=door\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
                "m=video 0 RTP/AVP 26\r\na=rtpmap:26 JPEG/90000\r\na=framerate:10\r\na=control:track1\r\n"
            )
            return self._say(
                head,
                "200 OK",
                f"Content-Base: {url.rstrip('/')}/",
                "Content-Type: application/sdp",
                f"Content-Length: {len(sdp)}",
                body=sdp,
            )
        if method == "SETUP":
            return self._set_up(head)
        if method == "PLAY":
            self._say(head, "200 OK", "Session: 1")
            if self._send_rtp is not None:
                threading.Thread(target=self._play, daemon=True).start()
            return None
        self._say(head, "200 OK", "Session: 1")
        return None

    def _knows_us(self, head: str, method: str) -> bool:
        assert self._camera.login is not None
        user, password = self._camera.login
        given = re.search(r"(?im)^Authorization:\s*Digest (.*)$", head)
        if given is None:
            return False
        pairs = re.findall(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))', given[1])
        values = {key.lower(): quoted or plain for key, quoted, plain in pairs}

        def digest(text: str) -> str:
            kind = "md5" if self._camera.algorithm == "MD5" else "sha256"
            return hashlib.new(kind, text.encode(), usedforsecurity=False).hexdigest()

        mine, asked = digest(f"{user}:camera:{password}"), digest(f"{method}:{values.get('uri', '')}")
        once = ""
        if "qop" in values:
            once = f"{values.get('nc', '')}:{values.get('cnonce', '')}:{values['qop']}:"
        return values.get("response") == digest(f"{mine}:{self._nonce}:{once}{asked}")

    def _set_up(self, head: str) -> None:
        wanted = re.search(r"(?im)^Transport:\s*(.*)$", head)
        for offer in (wanted[1] if wanted else "").split(","):
            kind = "tcp" if "/TCP" in offer.upper() else "udp"
            if kind not in self._camera.transports or "multicast" in offer:
                continue
            if kind == "tcp":
                channels = re.search(r"interleaved=(\d+)", offer)
                channel = int(channels[1]) if channels else 0

                def by_tcp(packet: bytes, channel: int = channel) -> None:
                    with self._writing:
                        self._connection.sendall(b"$" + struct.pack(">BH", channel, len(packet)) + packet)

                self._send_rtp = by_tcp
                chosen = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
            else:
                ports = re.search(r"client_port=(\d+)(?:-(\d+))?", offer)
                if ports is None:
                    continue
                sender = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                reports = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                sender.bind((HOST, 0))
                reports.bind((HOST, 0))
                place = (self._connection.getpeername()[0], int(ports[1]))

                def by_udp(
                    packet: bytes, sender: socket.socket = sender, place: tuple[str, int] = place
                ) -> None:
                    with contextlib.suppress(ConnectionRefusedError):
                        sender.sendto(packet, place)

                self._send_rtp = by_udp
                ours = f"{sender.getsockname()[1]}-{reports.getsockname()[1]}"
                theirs = f"{ports[1]}-{ports[2] or int(ports[1]) + 1}"
                chosen = f"RTP/AVP;unicast;client_port={theirs};server_port={ours}"
            return self._say(head, "200 OK", f"Transport: {chosen}", "Session: 1;timeout=60")
        self._say(head, self._camera.refusal)
        return None

    def _play(self) -> None:
        camera, send = self._camera, self._send_rtp
        assert send is not None
        number = len(camera.played)
        camera.played.append(0.0)
        began_s = time.monotonic()
        sequence = 0
        with contextlib.suppress(OSError):
            while not self._gone.is_set() and not camera._closing.is_set():
                elapsed_s = time.monotonic() - began_s
                picture = camera.pictures[int(elapsed_s * 10) % len(camera.pictures)]
                for packet in rtp_packets(picture, sequence, int(elapsed_s * 90000)):
                    send(packet)
                    sequence += 1
                camera.played[number] = elapsed_s
                self._gone.wait(0.1)


def rtp_packets(picture: bytes, sequence: int, timestamp: int) -> Iterator[bytes]:
    """A JPEG file, 4:2:0 and with the usual Huffman tables as OpenCV writes it, as RTP packets (RFC 2435)."""
    tables, width, height, position = b"", 0, 0, 2
    while True:
        marker, length = picture[position + 1], int.from_bytes(picture[position + 2 : position + 4], "big")
        segment = picture[position + 4 : position + 2 + length]
        position += 2 + length
        if marker == 0xDB:
            for at in range(0, len(segment), 65):
                tables += segment[at + 1 : at + 65]
        elif marker == 0xC0:
            height, width = struct.unpack(">HH", segment[1:5])
        elif marker == 0xDA:
            break
    scan = picture[position:-2]
    at = 0
    while at < len(scan):
        header = struct.pack(">I", at) + bytes((1, 255, width // 8, height // 8))
        if at == 0:
            header += struct.pack(">HH", 0, len(tables)) + tables
        part = scan[at : at + 1300]
        at += len(part)
        last = 0x80 if at >= len(scan) else 0
        number = sequence & 0xFFFF
        sequence += 1
        yield struct.pack(">BBHII", 0x80, 26 | last, number, timestamp & 0xFFFFFFFF, 0x5EED) + header + part
