"""A Frigate of our own: its HTTP interface and what it says on MQTT, with the keys of its version 0.18."""

import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.broker import Ear

COOKIE = "frigate_token"
SESSION = "eyJhbGciOiJIUzI1NiJ9.session.of-the-test"


@dataclass(slots=True, eq=False)
class Frigate:
    """What it shows and what it was asked; with a user, it asks for a login as port 8971 does."""

    pictures: dict[str, bytes]
    """The newest picture of each of its cameras, as JPEG."""
    user: str | None = None
    password: str | None = None
    session: str = SESSION
    offline: set[str] = field(default_factory=set)
    """Cameras of which it has no new picture."""
    fetched: list[tuple[str, Mapping[str, list[str]]]] = field(default_factory=list)
    """Cameras whose picture was fetched, and the query."""
    labels: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Sub labels that were set: the event's id and the body."""
    logins: int = 0
    event_ids: set[str] = field(default_factory=set)
    url: str = ""
    """`frigate://127.0.0.1:port`, without a camera."""

    def event(self, kind: str, camera: str, event_id: str, **changes: Any) -> str:
        """What it publishes on `frigate/events` for an object, and from then on knows."""
        self.event_ids.add(event_id)
        before, after = _tracked(camera, event_id), _tracked(camera, event_id) | changes
        if kind == "end":
            after["end_time"] = time.time()
        return json.dumps({"before": before, "after": after, "type": kind})

    def say_available(self, ear: Ear, word: str = "online") -> None:
        """Publish that it runs, "stopped" that it was stopped, or "offline" as its will says."""
        ear.say("frigate/available", word, retain=True)

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer one request as Frigate's nginx and its API do together."""
        path = urlsplit(request.path)
        if path.path == "/api/login":
            self.logins += 1
            given = json.loads(body)
            if (given["user"], given["password"]) != (self.user, self.password):
                _send(request, 401, {"message": "Login failed"})
                return
            _send(request, 200, None, {"Set-Cookie": f"{COOKIE}={self.session}; HttpOnly; Max-Age=86400"})
            return
        cookie, bearer = request.headers.get("Cookie"), request.headers.get("Authorization")
        if self.user is not None and (
            cookie != f"{COOKIE}={self.session}" and bearer != f"Bearer {self.session}"
        ):
            _send(request, 401, None)
            return
        parts = path.path.strip("/").split("/")
        match request.command, parts:
            case "GET", ["api", camera, "latest.jpg"]:
                self._latest(request, camera, parse_qs(path.query))
            case "POST", ["api", "events", event_id, "sub_label"]:
                self._sub_label(request, event_id, json.loads(body))
            case _:
                _send(request, 404, {"detail": "Not Found"})

    def _latest(self, request: BaseHTTPRequestHandler, camera: str, query: Mapping[str, list[str]]) -> None:
        self.fetched.append((camera, query))
        if camera not in self.pictures:
            _send(request, 404, {"success": False, "message": "Camera not found"})
            return
        offline = {"X-Frigate-Offline": "true"} if camera in self.offline else {}
        _send(request, 200, self.pictures[camera], {"Cache-Control": "no-store"} | offline)

    def _sub_label(self, request: BaseHTTPRequestHandler, event_id: str, body: dict[str, Any]) -> None:
        if event_id not in self.event_ids:
            _send(request, 404, {"success": False, "message": f"Event {event_id} not found."})
        elif len(body["subLabel"]) > 100 or not 0 < body["subLabelScore"] <= 1:
            _send(request, 422, {"detail": []})
        else:
            self.labels.append((event_id, body))
            _send(request, 200, {"success": True, "message": f"Event {event_id} sub label set"})


def _send(
    request: BaseHTTPRequestHandler,
    status: int,
    content: object,
    headers: Mapping[str, str] | None = None,
) -> None:
    is_picture = isinstance(content, bytes)
    data = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
    request.send_response(status)
    request.send_header("Content-Type", "image/jpeg" if is_picture else "application/json")
    request.send_header("Content-Length", str(len(data)))
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(data)


def _tracked(camera: str, event_id: str) -> dict[str, Any]:
    """An object as Frigate describes it."""
    now_s = time.time()
    return {
        "id": event_id,
        "camera": camera,
        "frame_time": now_s,
        "snapshot": {
            "frame_time": now_s,
            "box": [0, 0, 1280, 720],
            "area": 921600,
            "region": [0, 0, 1280, 720],
            "score": 0.77546,
            "attributes": [],
        },
        "snapshot_clean": True,
        "label": "person",
        "sub_label": None,
        "top_score": 0.958984375,
        "false_positive": False,
        "start_time": now_s,
        "end_time": None,
        "score": 0.7890625,
        "computed_score": 0.8,
        "box": [0, 0, 1280, 720],
        "area": 921600,
        "ratio": 1.78,
        "region": [0, 0, 1280, 720],
        "active": True,
        "stationary": False,
        "motionless_count": 0,
        "position_changes": 2,
        "current_zones": ["driveway"],
        "entered_zones": ["yard", "driveway"],
        "has_clip": False,
        "has_snapshot": False,
        "attributes": {"face": 0.64},
        "current_attributes": [],
        "pending_loitering": False,
        "max_severity": "alert",
        "current_estimated_speed": 0,
        "average_estimated_speed": 0,
        "velocity_angle": 0,
        "path_data": [[[0.5, 0.9], now_s]],
        "recognized_license_plate": None,
    }


@contextmanager
def frigate_server(frigate: Frigate, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Frigate]:
    """Serve its HTTP interface."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                frigate.answer(self, body)
            except (ConnectionError, TimeoutError):
                return

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        allow_reuse_address = True

    server = Server(("127.0.0.1", port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    frigate.url = f"frigate{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield frigate
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
