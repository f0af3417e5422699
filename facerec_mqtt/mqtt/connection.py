"""One connection to the MQTT broker: making it, and saying in one sentence why there is none.

Each connection has a paho client of its own, so that nothing stale is replayed when the broker comes
back. Its callbacks only put what they are told into a queue.
"""

import contextlib
import logging
import queue
import secrets
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from facerec_mqtt.core.errors import BrokerError
from facerec_mqtt.settings.schema import MqttSettings

logger = logging.getLogger(__name__)
CONNECT_TIMEOUT_S = 5.0
FIRST_DELAY_S, MAX_DELAY_S = 0.5, 5.0
"""Between two attempts to connect."""
REFUSED_DELAY_S = 10.0
"""At most, where something must be set right first."""
STEADY_S = 10.0
"""A connection that lasted this long was a good one: the next attempt follows at once."""
MAX_BREAKS = 3
"""After this many connections in a row that broke sooner, the next ones are doubted."""
DOUBTED_STEADY_S = 60.0
"""A connection that is doubted is a good one after this time."""
DOUBTED_DELAY_S = 25.0
"""At most between two attempts then. Less than half of it, so that two services with one client id, who take
the connection from each other, never believe that it is over, and neither do it often nor talk about it."""
MAX_WAITING_MESSAGES = 1000
MAX_PACKET_BYTES = 1 << 24
"""Longer messages the broker is asked not to pass on, which protocol 3.1.1 cannot ask."""
MAX_MESSAGE_BYTES = 8192
"""Longer messages are cut here before they are kept; no command is nearly as long."""
MAX_RETAINED_BYTES = 1 << 20
"""Retained ones here: among them is our own announcement to Home Assistant."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker has answered our login."""

    refusal: str | None
    """Why it refuses us; `None` when it does not."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker has taken a message."""

    message_id: int
    refusal: str | None
    """Why it will not pass it on, where MQTT 5 tells."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker has answered a subscription."""

    refused: bool


@dataclass(frozen=True, slots=True)
class Received:
    """A message came."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class Outage:
    """Why there is no connection."""

    reason: str
    lasting: bool
    """Waiting alone will not end it: somebody has to set something right."""


Signal = Connected | Lost | Acknowledged | Subscribed | Received


def open_connection(
    settings: MqttSettings,
    client_id: str,
    tell: Callable[[Signal], None],
    will: tuple[str, bytes] | None = None,
) -> Client:
    """Connect to the broker and start to listen; the login's outcome comes as `Connected`.

    Args:
        settings: where and how.
        client_id: ours.
        tell: is given every signal, on the client's thread; must not block or raise.
        will: topic and payload that the broker publishes, retained, when we vanish.

    Raises:
        BrokerError: there is no connection; says why and what to do.
    """
    try:
        client = _client(settings, client_id, tell)
        if will is not None:
            client.will_set(will[0], will[1], qos=1, retain=True)
        client.connect(settings.host, settings.port, settings.keepalive_s, **_connect_properties(settings))
    except (OSError, ValueError) as error:
        raise BrokerError(_explain(error, settings)) from error
    try:
        client.loop_start()
    except (OSError, RuntimeError) as error:
        client._reset_sockets()  # its own ways to close wait for the thread that never ran
        raise BrokerError(_explain(error, settings)) from error
    return client


def is_lasting(error: BrokerError) -> bool:
    """Tell whether waiting alone will not help: TLS, a file, a setting or a limit has to be set right."""
    lasting = ssl.SSLError | FileNotFoundError | PermissionError | ValueError | RuntimeError
    return isinstance(error.__cause__, lasting)


def close_connection(client: Client) -> None:
    """End a connection, in whatever state it is, without a will."""
    client.disconnect()
    client.loop_stop()


class ReconnectPolicy:
    """Says once that the connection is lost and once that it is back, and how long to wait in between.

    Times are arguments, in seconds of `time.monotonic`.

    Args:
        where: what the broker is called in sentences.
        client_id: ours.
    """

    def __init__(self, where: str, client_id: str) -> None:
        self._where = where
        self._client_id = client_id
        self._delay_s = FIRST_DELAY_S
        self._breaks = 0
        self._doubted = False
        self._connected_s: float | None = None
        self._lost_s: float | None = None
        self._told = ""
        self._greeted = False

    def connected(self, now_s: float) -> float | None:
        """There is a connection.

        Returns:
            When to call `steady`, where that is not sure to last.
        """
        self._connected_s = now_s
        if self._doubted:
            return now_s + DOUBTED_STEADY_S
        self._say_connected(now_s)
        return None

    def steady(self, now_s: float) -> None:
        """The connection that was doubted is a good one: say so."""
        self._trust()
        self._say_connected(now_s)

    def _trust(self) -> None:
        self._delay_s, self._breaks, self._doubted = FIRST_DELAY_S, 0, False

    def _say_connected(self, now_s: float) -> None:
        if self._lost_s is not None:
            logger.info("%s: connected again after %.0f s.", self._where, now_s - self._lost_s)
        elif not self._greeted:
            logger.info("%s: connected.", self._where)
        self._greeted, self._lost_s, self._told = True, None, ""

    def lost(self, outage: Outage, now_s: float) -> float:
        """There is no connection.

        Returns:
            For how long to wait before the next attempt, in seconds.
        """
        if self._connected_s is not None:
            if now_s - self._connected_s >= (DOUBTED_STEADY_S if self._doubted else STEADY_S):
                self._trust()
            else:
                self._breaks += 1
            self._connected_s = None
            if not self._doubted and not outage.lasting and self._breaks >= MAX_BREAKS:
                reason = (
                    f"{self._where}: the connection breaks again and again; if another client has our "
                    f'client id "{self._client_id}", give each its own FACEREC_MQTT__CLIENT_ID'
                )
                outage = Outage(reason, True)
            # What ends a connection that stood and must be mended will end the next one too.
            self._doubted = self._doubted or outage.lasting
        if self._lost_s is None or (outage.lasting and outage.reason != self._told):
            logger.warning("%s. Trying again until it is back.", outage.reason.rstrip("."))
            self._told = outage.reason
        if self._lost_s is None:
            self._lost_s = now_s
        delay_s = self._delay_s
        most_s = DOUBTED_DELAY_S if self._doubted else REFUSED_DELAY_S if outage.lasting else MAX_DELAY_S
        self._delay_s = min(2 * delay_s, most_s)
        return delay_s


def check_login(settings: MqttSettings, timeout_s: float = 5.0) -> None:
    """Log in at the broker once and leave again; a running service is not disturbed.

    Raises:
        BrokerError: that is not possible; says why and what to do.
    """
    signals: queue.SimpleQueue[Signal] = queue.SimpleQueue()
    client = open_connection(settings, f"facerec-check-{secrets.token_hex(4)}", signals.put)
    try:
        deadline_s = time.monotonic() + timeout_s
        while True:
            signal = signals.get(timeout=max(0.01, deadline_s - time.monotonic()))
            if isinstance(signal, Connected):
                if signal.refusal is not None:
                    raise BrokerError(f"{address(settings)}: {signal.refusal}")
                return
            if isinstance(signal, Lost):
                raise BrokerError(f"{address(settings)}: {closed_before_login(settings)}")
    except queue.Empty:
        raise BrokerError(f"{address(settings)}: {no_answer(settings)}") from None
    finally:
        close_connection(client)


def address(settings: MqttSettings) -> str:
    """How the broker is called in sentences."""
    return f"MQTT broker {settings.host}:{settings.port}"


def no_answer(settings: MqttSettings) -> str:
    """Explain a broker that takes the connection and says nothing."""
    return f"it takes the connection but does not answer; is port {settings.port} that of an MQTT broker?"


def closed_before_login(settings: MqttSettings) -> str:
    """Explain a broker that closes the connection instead of answering the login."""
    if not settings.tls:
        return "it closed the connection before the login; does that port want TLS (FACEREC_MQTT__TLS=true)?"
    if settings.tls_certificate is None:
        return (
            "it closed the connection before the login; does that port speak TLS, "
            "and does it want a client certificate (FACEREC_MQTT__TLS_CERTIFICATE, FACEREC_MQTT__TLS_KEY)?"
        )
    return "it closed the connection before the login; does it accept our client certificate?"


def _connect_properties(settings: MqttSettings) -> dict[str, Any]:
    """What only the newer version of the protocol can ask a broker for when connecting."""
    if settings.protocol != "5":
        return {}
    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = MAX_PACKET_BYTES
    return {"clean_start": True, "properties": properties}


def _client(settings: MqttSettings, client_id: str, tell: Callable[[Signal], None]) -> Client:
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

    def on_connect(_c: Client, _u: object, _f: object, code: Any, _p: object) -> None:
        tell(Connected(_refusal(code, settings) if code.is_failure else None))

    def on_disconnect(_c: Client, _u: object, flags: Any, code: Any, _p: object) -> None:
        ended = flags.is_disconnect_packet_from_server
        tell(Lost(_loss(str(code), client_id) if ended else "the connection broke"))

    def on_publish(_c: Client, _u: object, message_id: int, code: Any, _p: object) -> None:
        tell(Acknowledged(message_id, str(code) if code.is_failure else None))

    def on_subscribe(_c: Client, _u: object, _m: int, codes: Any, _p: object) -> None:
        tell(Subscribed(any(code.is_failure for code in codes)))

    def on_message(_c: Client, _u: object, message: MQTTMessage) -> None:
        # A topic that is not UTF-8 is none of ours.
        with contextlib.suppress(UnicodeDecodeError):
            limit = MAX_RETAINED_BYTES if message.retain else MAX_MESSAGE_BYTES
            tell(Received(message.topic, bytes(message.payload[:limit]), message.retain))

    client.on_connect = on_connect
    client.on_disconnect = on_disconnect
    client.on_publish = on_publish
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    return client


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


def _explain(error: Exception, settings: MqttSettings) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            hint = (
                "connect by the name that is in it"
                if "mismatch" in error.verify_message.lower()
                else "renew it"
                if "expired" in error.verify_message
                else "give the authority that signed it as FACEREC_MQTT__TLS_CA"
            )
            reason = f"its certificate is not trusted ({error.verify_message}); {hint}"
        case ssl.SSLEOFError() | ConnectionResetError() | BrokenPipeError():
            reason = closed_before_login(settings)
        case ssl.SSLError():
            reason = f"no TLS ({error.reason}); check that this port speaks TLS, and our certificate and key"
        case ConnectionRefusedError():
            reason = "nothing answers there; is it running, are FACEREC_MQTT__HOST and __PORT right?"
        case socket.gaierror():
            reason = "there is no such host; check FACEREC_MQTT__HOST"
        case TimeoutError():
            reason = f"no answer within {CONNECT_TIMEOUT_S:g} s; check FACEREC_MQTT__HOST and any firewall"
        case FileNotFoundError():
            files = (settings.tls_ca, settings.tls_certificate, settings.tls_key)
            missing = ", ".join(str(path) for path in files if path is not None and not path.exists())
            reason = (
                f"the file {missing} does not exist; check FACEREC_MQTT__TLS_CA, __TLS_CERTIFICATE, __TLS_KEY"
            )
        case RuntimeError():
            reason = (
                "no thread for the connection can be started; end other programs, or raise the limit of"
                " processes that is set for this one (ulimit -u, TasksMax, pids_limit)"
            )
        case OSError():
            reason = error.strerror or type(error).__name__
        case _:
            reason = f"{error}; check FACEREC_MQTT__HOST and __PORT"
    return f"{address(settings)}: {reason}"


def _refusal(code: Any, settings: MqttSettings) -> str:
    """Explain a login that was refused, by the reason's name, which is alike in both versions."""
    name = str(code)
    lowered = name.lower()
    if "authorized" in lowered or "user name" in lowered:
        return "not authorised: check FACEREC_MQTT__USERNAME and FACEREC_MQTT__PASSWORD"
    if "protocol version" in lowered:
        other = "3.1.1" if settings.protocol == "5" else "5"
        return f"it does not speak MQTT {settings.protocol}; set FACEREC_MQTT__PROTOCOL={other}"
    if "client identifier" in lowered:
        return "it refuses our client id; set FACEREC_MQTT__CLIENT_ID"
    return f"it refuses the connection: {name}"


def _loss(reason: str, client_id: str) -> str:
    if "taken over" in reason.lower():
        return f'another client has our client id "{client_id}", give each its own FACEREC_MQTT__CLIENT_ID'
    return f"it ended the connection: {reason}"
