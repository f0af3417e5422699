"""One connection to the MQTT broker: making it and logging in.

Each connection has a paho client of its own, so that nothing stale is replayed when the broker comes
back. Its callbacks only put what happens into a queue.
"""

import contextlib
import queue
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from facerec_mqtt.mqtt import failures
from facerec_mqtt.mqtt.failures import CONNECT_TIMEOUT_S, ConnectionFailedError, Fault, Outage, Rejection
from facerec_mqtt.settings import MqttSettings

MAX_PACKET_BYTES = 1 << 24
"""Longer messages the broker is asked not to pass on, which protocol 3.1.1 cannot ask."""
MAX_MESSAGE_BYTES = 8192
"""Longer messages are cut here before they are kept; no command is nearly as long."""
MAX_RETAINED_BYTES = 1 << 20
"""Retained ones here: among them is our own announcement to Home Assistant."""
_MAX_CERTIFICATE_NAMES = 5


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker has let us in."""

    max_packet_bytes: int | None = None
    """The largest packet that it takes, where it says so, which only MQTT 5 can."""
    shares: bool = True
    """Whether clients can share a subscription, as far as it says."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone, or the login is refused."""

    outage: Outage


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker has taken a message, or rejects it."""

    message_id: int
    rejection: Rejection | None
    """Why it will not pass it on, where MQTT 5 says so."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker has answered a subscription."""

    message_id: int
    refused: bool


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """What a message says of the answer to it, or an answer of what it answers."""

    topic: str | None
    """Where the answer is to go; `None` in an answer."""
    correlation: bytes
    """The same in both."""

    @classmethod
    def of(cls, message: MQTTMessage) -> Self | None:
        """What a message says; `None` where nothing of it can be told apart."""
        correlation = getattr(message.properties, "CorrelationData", None)
        if not isinstance(correlation, bytes) or not correlation:
            return None
        topic = getattr(message.properties, "ResponseTopic", None)
        return cls(topic if isinstance(topic, str) else None, correlation)


@dataclass(frozen=True, slots=True)
class Received:
    """A message came."""

    topic: str
    payload: bytes
    retained: bool
    reply_to: ReplyTo | None = None
    """Where an answer is wanted, which only MQTT 5 can say."""


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The broker has taken a subscription back."""

    message_id: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Whoever owns the connection wants it to end."""


@dataclass(frozen=True, slots=True)
class Wake:
    """Whoever owns the connection has something to do on its thread."""


Signal = Connected | Lost | Acknowledged | Subscribed | Unsubscribed | Received | Stop | Wake
Signals = queue.SimpleQueue[Signal]


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection to a broker that has let us in."""

    client: Client
    signals: Signals
    """What happens on it."""
    max_packet_bytes: int | None
    shares: bool


@contextmanager
def connection(
    settings: MqttSettings,
    client_id: str,
    *,
    signals: Signals | None = None,
    max_waiting: int | None = None,
    will: tuple[str, bytes] | None = None,
    timeout_s: float = CONNECT_TIMEOUT_S,
) -> Iterator[Connection]:
    """Connect to the broker and log in, and end the connection, in whatever state it is, without a will.

    Nothing is sent before the broker has let us in, but a DISCONNECT where it does not, to withdraw the will.

    Args:
        settings: where and how.
        client_id: ours.
        signals: where what happens is put; a queue of its own by default.
        max_waiting: messages that come while as many signals wait are dropped.
        will: topic and payload that the broker publishes, retained, when we vanish.
        timeout_s: how long to wait for the answer to the login.

    Raises:
        ConnectionFailedError: there is no connection; says why and what to do.
    """
    waiting = queue.SimpleQueue() if signals is None else signals

    def put(signal: Signal) -> None:
        if max_waiting is None or not isinstance(signal, Received) or waiting.qsize() < max_waiting:
            waiting.put(signal)

    client = _connect(settings, client_id, put, will)
    try:
        outcome = _login(waiting, time.monotonic() + timeout_s)
        if isinstance(outcome, Outage):
            raise ConnectionFailedError(outcome, settings)
        yield Connection(client, waiting, outcome.max_packet_bytes, outcome.shares)
    finally:
        client.disconnect()
        client.loop_stop()


def _login(signals: Signals, until_s: float) -> Connected | Outage:
    """Wait for the outcome of the login; until `until_s` of `time.monotonic`."""
    while True:
        try:
            signal = signals.get(timeout=max(0.0, until_s - time.monotonic()))
        except queue.Empty:
            return Outage(Fault.MUTE)
        match signal:
            case Connected():
                return signal
            case Lost(Outage(Fault.BROKE)):
                return Outage(Fault.CLOSED_BEFORE_LOGIN)
            case Lost(outage):
                return outage
            case Stop():
                return Outage(Fault.STOPPED)


def _connect(
    settings: MqttSettings,
    client_id: str,
    put: Callable[[Signal], None],
    will: tuple[str, bytes] | None,
) -> Client:
    """Connect, and start the thread on which `put` is called; raises `ConnectionFailedError`."""
    try:
        client = _client(settings, client_id, put)
        if will is not None:
            client.will_set(will[0], will[1], qos=1, retain=True)
        client.connect(settings.host, settings.port, settings.keepalive_s, **_connect_properties(settings))
    except (OSError, ValueError) as error:
        outage = failures.failed(error, settings)
        if outage.fault is Fault.WRONG_NAME:
            outage = _with_names(outage, settings)
        raise ConnectionFailedError(outage, settings) from error
    try:
        client.loop_start()
    except (OSError, RuntimeError) as error:
        client._reset_sockets()  # its own ways to close wait for the thread that never ran
        raise ConnectionFailedError(failures.failed(error, settings), settings) from error
    return client


def check_login(settings: MqttSettings, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
    """Log in at the broker once and disconnect; a running service is not disturbed.

    Raises:
        ConnectionFailedError: that is not possible; says why and what to do.
    """
    with connection(settings, f"facerec-check-{secrets.token_hex(4)}", timeout_s=timeout_s):
        pass


def _connect_properties(settings: MqttSettings) -> dict[str, Any]:
    """What only the newer version of the protocol can ask a broker for when connecting."""
    if settings.protocol != "5":
        return {}
    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = MAX_PACKET_BYTES
    return {"clean_start": True, "properties": properties}


def _client(settings: MqttSettings, client_id: str, put: Callable[[Signal], None]) -> Client:
    if settings.protocol == "5":
        client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTv5, reconnect_on_failure=False)
    else:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=True,
            protocol=MQTTv311,
            reconnect_on_failure=False,
        )
    client.connect_timeout = CONNECT_TIMEOUT_S
    if settings.username is not None:
        password = settings.password.get_secret_value() if settings.password is not None else None
        client.username_pw_set(settings.username, password)
    if settings.tls:
        client.tls_set_context(_tls_context(settings))
        client.tls_insecure_set(settings.tls_insecure)
    _set_callbacks(client, put)
    return client


def _set_callbacks(client: Client, put: Callable[[Signal], None]) -> None:
    def on_connect(
        _client: Client, _user: object, _flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        refused = failures.login_refused(code)
        limit = getattr(properties, "MaximumPacketSize", None)
        shares = getattr(properties, "SharedSubscriptionAvailable", 1) != 0
        put(Connected(limit, shares) if refused is None else Lost(refused))

    def on_disconnect(
        _client: Client,
        _user: object,
        flags: DisconnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        ended = flags.is_disconnect_packet_from_server
        put(Lost(failures.ended(code) if ended else Outage(Fault.BROKE)))

    def on_publish(
        _client: Client, _user: object, message_id: int, code: ReasonCode, _properties: Properties
    ) -> None:
        put(Acknowledged(message_id, failures.rejection(code)))

    def on_subscribe(
        _client: Client,
        _user: object,
        message_id: int,
        codes: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        put(Subscribed(message_id, any(code.is_failure for code in codes)))

    def on_unsubscribe(_client: Client, _user: object, message_id: int, *_: object) -> None:
        put(Unsubscribed(message_id))

    def on_message(_client: Client, _user: object, message: MQTTMessage) -> None:
        # A topic that is not UTF-8 is none of ours.
        with contextlib.suppress(UnicodeDecodeError):
            limit = MAX_RETAINED_BYTES if message.retain else MAX_MESSAGE_BYTES
            put(Received(message.topic, bytes(message.payload[:limit]), message.retain))

    client.on_connect = on_connect
    client.on_disconnect = on_disconnect
    client.on_publish = on_publish
    client.on_subscribe = on_subscribe
    client.on_unsubscribe = on_unsubscribe
    client.on_message = on_message


class _TidySocket(ssl.SSLSocket):
    """Closes itself when the handshake fails, which paho forgets; each attempt would leave a socket open."""

    def do_handshake(self, block: bool = False) -> None:
        """Agree on the encryption with the other side."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _tls_context(settings: MqttSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.tls_ca)
    context.sslsocket_class = _TidySocket
    if settings.tls_certificate is not None:
        # A key with a passphrase would else ask for it on the terminal.
        context.load_cert_chain(settings.tls_certificate, settings.tls_key, password="")
    if settings.tls_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _with_names(outage: Outage, settings: MqttSettings) -> Outage:
    """Ask for the broker's certificate again, which is signed by a trusted authority, and add its names."""
    context = _tls_context(settings)
    context.check_hostname = False
    try:
        with (
            socket.create_connection((settings.host, settings.port), CONNECT_TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=settings.host) as encrypted,
        ):
            certificate = encrypted.getpeercert() or {}
    except (OSError, ValueError):
        return outage
    entries: Any = certificate.get("subjectAltName", ())
    found = [value for kind, value in entries if kind in ("DNS", "IP Address")]
    if not found:
        return Outage(Fault.NO_NAME, outage.detail)
    names = (name if name.isprintable() else ascii(name) for name in found[:_MAX_CERTIFICATE_NAMES])
    return replace(outage, names=tuple(names))
