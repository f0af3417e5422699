"""Passwords that would be recognised anywhere, through all that can go wrong, are found nowhere."""

import base64
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.support.broker import Broker, Certificates, free_port, run_broker, wait_until
from tests.support.rtsp import StartRtsp
from tests.support.service import RunningService, children_of, command_line, wait_for_child

PATIENCE_S = 120.0
CAMERAS = {
    "good": "c4n4ry-good-p@ss:w/rd#%?",
    "wrong": 'c4n4ry-wrong-"quoted"',
    "gone": "c4n4ry-gone-ü$HOME",
    "garbage": "c4n4ry-garbage",
    "parrot": "c4n4ry-parrot-&=+",
    "parrot_http": "c4n4ry-http",
}
BROKER = "c4n4ry-broker-p@ss"
PAGE = "c4n4ry-page-p@ss/ü#%?"


def spellings(secret: str, username: str) -> set[bytes]:
    """A secret as it may be written in URLs, JSON, headers and errors."""
    texts = {secret, quote(secret, safe=""), quote(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    plain = {text.encode() for text in texts}
    return plain | {base64.b64encode(f"{username}:{secret}".encode()), base64.b64encode(secret.encode())}


class Witness:
    """Writes down the command line and the environment of all that a process starts."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.seen: dict[str, bytes] = {}
        """Command lines, with the environment of each."""
        self.core_limits: set[str] = set()

    def __enter__(self) -> "Witness":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            for child in children_of(self._pid):
                before = command_line(child)
                try:
                    environment = Path(f"/proc/{child}/environ").read_bytes()
                    limits = Path(f"/proc/{child}/limits").read_text().splitlines()
                except OSError:
                    continue  # it has ended
                # Between its birth and its own program a child is a copy of the service.
                if before and before != command_line(self._pid) and before == command_line(child):
                    self.seen[before] = environment
                    self.core_limits |= {line for line in limits if line.startswith("Max core file size")}


@contextmanager
def answering(answer: bytes, *, echo: bool) -> Iterator[int]:
    """A server that says the same to everybody, and in one case also what they have sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stopping = threading.Event()
        server.settimeout(0.2)

        def serve() -> None:
            while not stopping.is_set():
                try:
                    client, _ = server.accept()
                except TimeoutError:
                    continue
                with client:
                    client.settimeout(1)
                    try:
                        asked = client.recv(4096)
                        client.sendall(answer.replace(b"ECHO", asked.replace(b"\r\n", b" ") if echo else b""))
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(server.getsockname()[1])
        stopping.set()
        thread.join()


def environment_of(models: Path, cameras: Mapping[str, str], **settings: str) -> dict[str, str]:
    """Settings of a service with these cameras, each with its own password."""
    listed = [
        {
            "name": name,
            "url": url,
            "username": "cam",
            "password": CAMERAS[name],
            # The good one is not to be lost because the machine is busy with the others.
            "read_timeout_s": 30 if name == "good" else 2,
        }
        for name, url in cameras.items()
    ]
    return {
        "FACEREC_CAMERAS": json.dumps(listed),
        "FACEREC_MODEL_DIR": str(models),
        "FACEREC_ENROLLMENT_DIR": str(models.parent / "enrollment"),
        "FACEREC_LOGGING__LEVEL": "DEBUG",
    } | settings


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()


def assert_nowhere(places: Iterator[tuple[str, bytes]], key: Path | None = None) -> None:
    """Look for every spelling of every secret, and for what is in the key."""
    forms = {form for secret in CAMERAS.values() for form in spellings(secret, "cam")}
    forms |= spellings(BROKER, "us") | spellings(PAGE, "us")
    if key is not None:
        forms |= {line for line in key.read_bytes().splitlines() if not line.startswith(b"-----")}
    for place, content in places:
        assert not [form for form in forms if form in content], place


@pytest.fixture
def broker_with_canary(tmp_path: Path, certificates: Certificates) -> Iterator[Broker]:
    """A broker that speaks TLS, wants our certificate, and has a password of its own."""
    config = (
        "allow_anonymous false\npassword_file {folder}/passwords\nrequire_certificate true\n"
        f"certfile {certificates.server}\nkeyfile {certificates.server_key}\ncafile {certificates.ca}\n"
    )
    yield from run_broker(tmp_path / "broker", config, "us", BROKER, certificates.ca)


def test_no_password_is_found_anywhere_whatever_goes_wrong(
    start_rtsp: StartRtsp,
    clip: Path,
    broker_with_canary: Broker,
    certificates: Certificates,
    tmp_path: Path,
) -> None:
    broker = broker_with_canary
    work = tmp_path / "work"
    models = work / "models"
    page_port = free_port()
    server = start_rtsp({"/door": [clip]}, login=("digest", "cam", CAMERAS["good"]))
    parrot = b'RTSP/1.0 401 ECHO\r\nCSeq: 1\r\nWWW-Authenticate: Basic realm="ECHO"\r\n\r\n'
    parrot_http = b"HTTP/1.1 500 ECHO\r\nContent-Length: 4\r\nX: ECHO\r\n\r\nECHO"
    with (
        answering(b"\x00\xff garbage " * 500, echo=False) as garbage,
        answering(parrot, echo=True) as parrot_port,
        answering(parrot_http, echo=True) as http_port,
    ):
        settings = environment_of(
            models,
            {
                "good": server.url("/door"),
                "wrong": server.url("/door"),
                "gone": f"rtsp://127.0.0.1:{free_port()}/x",
                "garbage": f"rtsp://127.0.0.1:{garbage}/x",
                "parrot": f"rtsp://127.0.0.1:{parrot_port}/x",
                "parrot_http": f"http://127.0.0.1:{http_port}/shot.jpg",
            },
            FACEREC_MQTT__TLS_CERTIFICATE=str(certificates.client),
            FACEREC_MQTT__TLS_KEY=str(certificates.client_key),
            FACEREC_WEB__ENABLED="true",
            FACEREC_WEB__PORT=str(page_port),
            FACEREC_WEB__PASSWORD=PAGE,
            **broker.environment(),
        )
        broker.own_certificate = str(certificates.client), str(certificates.client_key)
        with broker.ear() as ear, RunningService(settings, work / "log") as service:
            assert service.process is not None
            with Witness(service.process.pid) as witness:
                ear.wait_for("facerec/camera/good/status", b"online", PATIENCE_S)
                for name in ("wrong", "gone", "garbage", "parrot", "parrot_http"):
                    ear.wait_for(f"facerec/camera/{name}/status", b"offline", PATIENCE_S)
                    wait_until(lambda name=name: f'"{name}" is still lost' in service.log, name)  # type: ignore[misc]
                os.kill(wait_for_child(service, "good"), signal.SIGSEGV)
                wait_until(lambda: 'Camera "good" is back' in service.log, "the reader that crashed")
                wait_until(lambda: f"127.0.0.1:{page_port}" in service.log, "the page")
                with httpx.Client(base_url=f"http://127.0.0.1:{page_port}", timeout=PATIENCE_S) as browser:
                    answers = [browser.post("/sign-in", data={"password": each}) for each in ("guess", PAGE)]
                    answers += [browser.get(path) for path in ("/", "/api/v1/status", "/api/openapi.json")]
                os.kill(wait_for_child(service, "facerec_mqtt.web"), signal.SIGSEGV)
                ear.say("facerec/command/rebuild", "PRESS")
                ear.wait_for("facerec/command/result", timeout_s=PATIENCE_S)
                broker.kill()
                wait_until(lambda: "Trying again" in service.log, "the broker that was killed")
            os.kill(service.process.pid, signal.SIGSEGV)
            service.process.wait(PATIENCE_S)
    assert any(" rebuild" in command for command in witness.seen)
    assert [answer.status_code for answer in answers[:2]] == [401, 303]
    assert any("facerec_mqtt.web" in command for command in witness.seen)
    assert any("cameras.launching" in command for command in witness.seen)
    assert witness.core_limits == {next(iter(witness.core_limits))}
    assert next(iter(witness.core_limits)).split()[4:6] == ["0", "0"]
    assert not [path for path in work.rglob("core*") if path.is_file()]
    assert len(service.log) > 500
    assert_nowhere(contents(work), certificates.client_key)
    assert_nowhere((message.topic, message.topic.encode() + message.payload) for message in ear.messages)
    assert_nowhere((str(each.url), str(each.headers).encode() + each.content) for each in answers)
    assert_nowhere(((command, command.encode() + b" " + env) for command, env in witness.seen.items()))


def test_a_broker_that_refuses_the_password_is_reported_without_it(
    broker_with_password: Broker, clip: Path, tmp_path: Path
) -> None:
    environment = broker_with_password.environment() | {
        "FACEREC_MQTT__USERNAME": "us",
        "FACEREC_MQTT__PASSWORD": BROKER,
    }
    settings = environment_of(tmp_path / "work" / "models", {}, **environment) | {
        "FACEREC_CAMERAS": json.dumps([{"name": "door", "url": str(clip)}])
    }
    with RunningService(settings, tmp_path / "work" / "log") as service:
        wait_until(lambda: "FACEREC_MQTT__PASSWORD" in service.log, "the refusal")
        assert service.terminate() == 0
    assert_nowhere(contents(tmp_path / "work"))


def test_a_secret_that_is_there_is_found(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(f"rtsp://cam:{quote(CAMERAS['good'], safe='')}@10.0.0.7/")
    with pytest.raises(AssertionError):
        assert_nowhere(contents(tmp_path))
