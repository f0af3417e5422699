"""Real Mosquitto brokers on free ports of the loopback interface, and an ear that receives all on them."""

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from facerec_mqtt.settings.schema import MqttSettings

USERNAME = "facerec"
PASSWORD = "p@ss:w/rd#%?"
PATIENCE_S = 120.0
"""A busy machine may take so long for anything; whoever waits longer has found a fault."""
SETTLED = "test/settled/"
"""Topics by which an ear knows that nothing is on its way to it any more; not among what it returns."""
LOGIN_CONFIG = "allow_anonymous false\npassword_file {folder}/passwords\n"


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came."""

    topic: str
    payload: bytes
    retained: bool
    """Whether the broker had it before we asked."""
    qos: int

    @property
    def text(self) -> str:
        return self.payload.decode()

    def __str__(self) -> str:
        return f"{self.topic} {self.payload[:300]!r}"


class Ear:
    """Receives every message on a broker, from the moment it is entered."""

    def __init__(self, broker: "Broker", topics: str) -> None:
        self._broker = broker
        self._topics = topics
        self._changed = threading.Condition()
        self._messages: list[Message] = []
        self._settled: set[str] = set()
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=broker.protocol)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        if self._broker.username is not None:
            self._client.username_pw_set(self._broker.username, self._broker.password)
        if self._broker.ca is not None:
            own = self._broker.own_certificate or (None, None)
            self._client.tls_set(ca_certs=str(self._broker.ca), certfile=own[0], keyfile=own[1])
        self._client.connect("127.0.0.1", self._broker.port, 30)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S), "the broker did not answer the test's subscription"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self, client: Client, _user: object, _flags: ConnectFlags, code: ReasonCode, _properties: object
    ) -> None:
        if not code.is_failure:
            client.subscribe(self._topics, qos=1)

    def _on_message(self, _client: Client, _user: object, message: MQTTMessage) -> None:
        received = Message(message.topic, bytes(message.payload), message.retain, message.qos)
        with self._changed:
            if received.topic.startswith(SETTLED):
                self._settled.add(received.topic)
            else:
                self._messages.append(received)
            self._changed.notify_all()

    @property
    def messages(self) -> tuple[Message, ...]:
        """All that was received so far."""
        with self._changed:
            return tuple(self._messages)

    def wait(self, wanted: Callable[[Message], bool], timeout_s: float = PATIENCE_S) -> Message:
        """Return the first message of those wanted, waiting for it when it has not come yet."""

        def found() -> Message | None:
            return next((message for message in self._messages if wanted(message)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() is not None, timeout_s)
            message = found()
        received = "\n".join(map(str, self.messages))
        assert message is not None, f"not received within {timeout_s} s; received:\n{received}"
        return message

    def wait_for(self, topic: str, payload: bytes | None = None, timeout_s: float = PATIENCE_S) -> Message:
        """Return the first message on a topic, with this payload when one is given."""
        return self.wait(lambda m: m.topic == topic and payload in (None, m.payload), timeout_s)

    def settle(self) -> None:
        """Wait until everything that the broker had kept for us has come."""
        marker = f"{SETTLED}{time.monotonic_ns()}"
        # Of a lower quality it would overtake what waits.
        self._client.subscribe(marker, qos=1)
        self.say(marker)
        with self._changed:
            came = self._changed.wait_for(lambda: marker in self._settled, PATIENCE_S)
        assert came, "the broker does not answer any more"

    def on(self, topic: str) -> list[Message]:
        """Return all that was received on a topic so far."""
        return [message for message in self.messages if message.topic == topic]

    def say(self, topic: str, payload: bytes | str = b"", *, retain: bool = False) -> None:
        """Publish something."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)


@dataclass(slots=True, eq=False)
class Broker:
    """A Mosquitto of our own, with its data in a folder."""

    folder: Path
    port: int
    config: str
    """Further lines of its configuration file; `{folder}` stands for its folder."""
    username: str | None = None
    password: str | None = None
    ca: Path | None = None
    own_certificate: tuple[str, str] | None = None
    """Certificate and key of who listens, where the broker asks for them."""
    protocol: MQTTProtocolVersion = MQTTv5
    """What an ear speaks with it."""
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        path = self.folder / "mosquitto.conf"
        user = "user root\n" if os.geteuid() == 0 else ""
        lines = self.config.format(folder=self.folder)
        path.write_text(f"listener {self.port} 127.0.0.1\n{user}persistence false\nlog_dest stderr\n{lines}")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen([mosquitto(), "-c", path], stdout=log, stderr=log)
        give_up_s = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self.process.poll() is not None or time.monotonic() > give_up_s:
                raise RuntimeError(f"mosquitto: {(self.folder / 'mosquitto.log').read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it, as `systemctl stop` does."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)
            self.process = None

    def kill(self) -> None:
        """End it without any goodbye."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
            self.process = None

    def settings(self, **changes: Any) -> MqttSettings:
        """Make the settings with which our service connects."""
        values: dict[str, Any] = {"host": "127.0.0.1", "port": self.port}
        if self.username is not None:
            values |= {"username": self.username, "password": self.password}
        if self.ca is not None:
            values |= {"tls": True, "tls_ca": self.ca}
        return MqttSettings(**values | changes)

    def environment(self) -> dict[str, str]:
        """Make the environment with which our program connects."""
        prefix = "FACEREC_MQTT__"
        names = {"HOST": "127.0.0.1", "PORT": str(self.port)}
        if self.username is not None and self.password is not None:
            names |= {"USERNAME": self.username, "PASSWORD": self.password}
        if self.ca is not None:
            names |= {"TLS": "true", "TLS_CA": str(self.ca)}
        return {prefix + name: value for name, value in names.items()}

    def ear(self, topics: str = "#") -> Ear:
        """Listen to topics; to be used in a `with` statement."""
        return Ear(self, topics)

    def retained(self) -> dict[str, bytes]:
        """Ask as a newcomer what it has kept, by topic."""
        with self.ear() as ear:
            ear.settle()
            return {message.topic: message.payload for message in ear.messages if message.retained}


@dataclass(frozen=True, slots=True)
class Certificates:
    """A certificate authority of our own and what it signed; and one that nobody trusts."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path
    foreign_ca: Path


def wait_until(
    condition: Callable[[], object], what: str = "it did not happen", timeout_s: float = PATIENCE_S
) -> None:
    """Wait until something is so; fails with `what` when it is not in time."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, what
        time.sleep(0.01)


def mosquitto() -> str:
    """Find the broker, or skip the test."""
    path = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    return path


def free_port() -> int:
    """Find a port of the loopback interface that nobody listens on.

    Not one of those that the system gives to outgoing connections, and each of pytest's worker processes
    takes others: nobody has it before it is used.
    """
    first = 20_000 + 1_000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 10)
    for _ in range(1_000):
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", first + next(_ports) % 1_000))
            return int(listener.getsockname()[1])
    raise AssertionError("no port is free")


# Two runs of the tests at once begin at different ones.
_ports = itertools.count(os.getpid())


def run_broker(
    folder: Path,
    config: str = "allow_anonymous true\n",
    username: str | None = None,
    password: str | None = None,
    ca: Path | None = None,
) -> Iterator[Broker]:
    """Start a broker, hand it out, and end it."""
    mosquitto()
    folder.mkdir(parents=True, exist_ok=True)
    if username is not None and password is not None:
        passwords = folder / "passwords"
        subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, username, password], check=True)
        passwords.chmod(0o644)
    broker = Broker(folder, free_port(), config, username, password, ca)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that lets everybody in."""
    yield from run_broker(tmp_path / "broker")


@pytest.fixture
def broker_with_password(tmp_path: Path) -> Iterator[Broker]:
    """A broker that asks for a user and a password."""
    yield from run_broker(tmp_path / "broker", LOGIN_CONFIG, USERNAME, PASSWORD)


@pytest.fixture
def broker_with_tls(tmp_path: Path, certificates: Certificates) -> Iterator[Broker]:
    """A broker that speaks TLS only, and asks for a user and a password."""
    config = f"{LOGIN_CONFIG}certfile {certificates.server}\nkeyfile {certificates.server_key}\n"
    yield from run_broker(tmp_path / "broker", config, USERNAME, PASSWORD, certificates.ca)


@pytest.fixture
def broker_with_client_certificates(tmp_path: Path, certificates: Certificates) -> Iterator[Broker]:
    """A broker that asks for a client certificate."""
    config = (
        f"allow_anonymous true\ncertfile {certificates.server}\nkeyfile {certificates.server_key}\n"
        f"cafile {certificates.ca}\nrequire_certificate true\n"
    )
    yield from run_broker(tmp_path / "broker", config, ca=certificates.ca)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for the loopback interface, made with the openssl program."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (apt install openssl)")
    folder = tmp_path_factory.mktemp("certificates")
    authority = _authority(folder, "ca")
    server = _signed(folder, "server", authority, "subjectAltName=IP:127.0.0.1,DNS:localhost")
    client = _signed(folder, "client", authority, "extendedKeyUsage=clientAuth")
    foreign = _authority(folder, "foreign")
    return Certificates(
        authority, server, server.with_suffix(".key"), client, client.with_suffix(".key"), foreign
    )


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _authority(folder: Path, name: str) -> Path:
    certificate = folder / f"{name}.crt"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    key = folder / f"{name}.key"
    _openssl(
        "req", "-x509", *curve, "-keyout", key, "-out", certificate, "-days", "2", "-subj", f"/CN={name}"
    )
    return certificate


def _signed(folder: Path, name: str, authority: Path, extension: str) -> Path:
    certificate, key, request = (folder / f"{name}.{suffix}" for suffix in ("crt", "key", "csr"))
    extensions = folder / f"{name}.ext"
    extensions.write_text(extension)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    _openssl("req", "-new", *curve, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
    signer = ("-CA", authority, "-CAkey", authority.with_suffix(".key"), "-CAcreateserial")
    _openssl(
        "x509", "-req", "-in", request, *signer, "-out", certificate, "-days", "2", "-extfile", extensions
    )
    key.chmod(0o644)
    return certificate
