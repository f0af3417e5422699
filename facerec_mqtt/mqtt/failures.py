"""Why there is no connection to the broker, or why it rejects a message: typed, and as a sentence."""

import ipaddress
import os
import socket
import ssl
from dataclasses import dataclass
from enum import Enum, auto

from paho.mqtt.reasoncodes import ReasonCode

from facerec_mqtt.core.errors import BrokerError
from facerec_mqtt.settings import MqttSettings

CONNECT_TIMEOUT_S = 5.0
"""For a connection, and again for the broker's answer to the login."""


class Fault(Enum):
    """What keeps us from the broker."""

    UNKNOWN_HOST = auto()
    NOBODY_LISTENS = auto()
    UNREACHABLE = auto()
    """Nothing answered in time."""
    MUTE = auto()
    """It takes the connection and does not answer the login."""
    CLOSED_BEFORE_LOGIN = auto()
    CLOSED_IN_HANDSHAKE = auto()
    """The same, while TLS was agreed on."""
    NETWORK = auto()
    """Another error of the network; `detail` is the system's."""
    BAD_ADDRESS = auto()
    MISSING_FILE = auto()
    """`names` are those of our TLS files that do not exist."""
    NOT_PERMITTED = auto()
    """`names` are those of our TLS files that cannot be read; without any, the system forbids to connect."""
    NO_TLS = auto()
    UNTRUSTED = auto()
    EXPIRED = auto()
    WRONG_NAME = auto()
    """The certificate is for other names: `names`, where they could be read."""
    NO_NAME = auto()
    """The certificate has a common name alone, which no client looks at."""
    NO_THREAD = auto()
    NOT_AUTHORISED = auto()
    PROTOCOL_VERSION = auto()
    BAD_CLIENT_ID = auto()
    LOGIN_REFUSED = auto()
    """For another reason; `detail` is the broker's."""
    TAKEN_OVER = auto()
    """Another client has our client id."""
    TOO_LARGE = auto()
    """A message was, or may have been, larger than the broker takes; `names` is its topic."""
    ENDED = auto()
    """The broker ended it for another reason; `detail` is the broker's."""
    BROKE = auto()
    KEEPS_BREAKING = auto()
    STOPPED = auto()
    """By ourselves."""
    INTERNAL = auto()
    """An error of this program."""


_TRANSIENT = {
    Fault.UNKNOWN_HOST,
    Fault.NOBODY_LISTENS,
    Fault.UNREACHABLE,
    Fault.MUTE,
    Fault.CLOSED_BEFORE_LOGIN,
    Fault.NETWORK,
    Fault.TOO_LARGE,
    Fault.ENDED,
    Fault.BROKE,
    Fault.STOPPED,
    Fault.INTERNAL,
}


@dataclass(frozen=True, slots=True)
class Outage:
    """Why there is no connection."""

    fault: Fault
    detail: str = ""
    names: tuple[str, ...] = ()
    size: int = 0

    @property
    def lasting(self) -> bool:
        """Whether waiting alone will not end it: somebody has to set something right."""
        return self.fault not in _TRANSIENT


class ConnectionFailedError(BrokerError):
    """There is no connection to the broker."""

    def __init__(self, outage: Outage, settings: MqttSettings) -> None:
        super().__init__(sentence(outage, settings))
        self.outage = outage


class Rejection(Enum):
    """Why the broker does not pass a message on; with reason codes of MQTT 5.0, section 3.4.2.1."""

    IMPLEMENTATION = (0x83, "Implementation specific error")
    NOT_AUTHORISED = (0x87, "Not authorized")
    TOPIC = (0x90, "Topic name invalid")
    QUOTA = (0x97, "Quota exceeded")
    FORMAT = (0x99, "Payload format invalid")
    UNSPECIFIED = (0x80, "Unspecified error")

    def __init__(self, code: int, words: str) -> None:
        self.code = code
        self.words = words


def rejection(code: ReasonCode) -> Rejection | None:
    """Read the broker's answer to a message; `None` when it has taken it."""
    if not code.is_failure:
        return None
    return next((one for one in Rejection if one.code == code.value), Rejection.UNSPECIFIED)


def login_refused(code: ReasonCode) -> Outage | None:
    """Read the broker's answer to a login; paho gives MQTT 5's codes for 3.1.1. `None` when it lets us in."""
    if not code.is_failure:
        return None
    faults = {
        0x84: Fault.PROTOCOL_VERSION,
        0x85: Fault.BAD_CLIENT_ID,
        0x86: Fault.NOT_AUTHORISED,
        0x87: Fault.NOT_AUTHORISED,
    }
    return Outage(faults.get(code.value, Fault.LOGIN_REFUSED), str(code))


def ended(code: ReasonCode) -> Outage:
    """Read the message with which a broker of MQTT 5 ends a connection."""
    faults = {0x8E: Fault.TAKEN_OVER, 0x95: Fault.TOO_LARGE}
    return Outage(faults.get(code.value, Fault.ENDED), str(code))


def failed(error: OSError | ValueError | RuntimeError, settings: MqttSettings) -> Outage:
    """Read what went wrong when the connection was made."""
    match error:
        case ssl.SSLCertVerificationError(verify_code=code):
            fault = _UNVERIFIED.get(code, Fault.UNTRUSTED)
            return Outage(fault, error.verify_message)
        case ssl.SSLEOFError():
            return Outage(Fault.CLOSED_IN_HANDSHAKE)
        case ssl.SSLError():
            return Outage(Fault.NO_TLS, error.reason or "")
        case FileNotFoundError():
            return Outage(Fault.MISSING_FILE, names=_tls_files(settings, os.F_OK))
        case PermissionError():
            return Outage(Fault.NOT_PERMITTED, error.strerror or "", _tls_files(settings, os.R_OK))
        case RuntimeError():
            return Outage(Fault.NO_THREAD)
        case OSError():
            found = next(
                (fault for kind, fault in _NETWORK.items() if isinstance(error, kind)), Fault.NETWORK
            )
            return Outage(found, error.strerror or type(error).__name__)
        case _:
            return Outage(Fault.BAD_ADDRESS, str(error))


_UNVERIFIED = {10: Fault.EXPIRED, 62: Fault.WRONG_NAME, 64: Fault.WRONG_NAME}
"""By OpenSSL's code: X509_V_ERR_CERT_HAS_EXPIRED, _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH."""
_NETWORK = {
    ConnectionResetError: Fault.CLOSED_BEFORE_LOGIN,
    BrokenPipeError: Fault.CLOSED_BEFORE_LOGIN,
    ConnectionRefusedError: Fault.NOBODY_LISTENS,
    socket.gaierror: Fault.UNKNOWN_HOST,
    TimeoutError: Fault.UNREACHABLE,
}


def _tls_files(settings: MqttSettings, mode: int) -> tuple[str, ...]:
    """Our TLS files that are not there (`os.F_OK`), or cannot be read (`os.R_OK`)."""
    files = (settings.tls_ca, settings.tls_certificate, settings.tls_key)
    return tuple(str(path) for path in files if path is not None and not os.access(path, mode))


def address(settings: MqttSettings) -> str:
    """How the broker is called in sentences."""
    return f"MQTT broker {settings.host}:{settings.port}"


def own_client_id(settings: MqttSettings) -> str:
    """The client id of the service."""
    return settings.client_id or f"facerec-{settings.node_id}"


def sentence(outage: Outage, settings: MqttSettings) -> str:
    """Explain why there is no connection, and what to do."""
    return f"{address(settings)}: {_reason(outage, settings)}"


def _reason(outage: Outage, settings: MqttSettings) -> str:
    match outage.fault:
        case Fault.CLOSED_BEFORE_LOGIN | Fault.CLOSED_IN_HANDSHAKE:
            return _closed(settings)
        case Fault.UNTRUSTED | Fault.EXPIRED | Fault.WRONG_NAME | Fault.NO_NAME:
            return _certificate(outage, settings)
        case Fault.MISSING_FILE:
            files = ", ".join(outage.names)
            return (
                f"the file {files} does not exist; check FACEREC_MQTT__TLS_CA, __TLS_CERTIFICATE, __TLS_KEY"
            )
        case Fault.NOT_PERMITTED if outage.names:
            return (
                f"the file {', '.join(outage.names)} cannot be read ({outage.detail}); check its permissions"
            )
        case Fault.PROTOCOL_VERSION:
            other = "3.1.1" if settings.protocol == "5" else "5"
            return f"it does not speak MQTT {settings.protocol}; set FACEREC_MQTT__PROTOCOL={other}"
        case Fault.TOO_LARGE if outage.names:
            return (
                f"it ended the connection just after {outage.size} bytes on {outage.names[0]}, "
                "which may be more than it takes in one message"
            )
    return _REASONS[outage.fault].format(
        detail=outage.detail,
        port=settings.port,
        client_id=own_client_id(settings),
        timeout_s=CONNECT_TIMEOUT_S,
    )


_REASONS = {
    Fault.UNKNOWN_HOST: "there is no such host; check FACEREC_MQTT__HOST",
    Fault.NOBODY_LISTENS: "nothing answers there; is it running, are FACEREC_MQTT__HOST and __PORT right?",
    Fault.UNREACHABLE: "no answer within {timeout_s:g} s; check FACEREC_MQTT__HOST and any firewall",
    Fault.MUTE: "it takes the connection but does not answer; is port {port} that of an MQTT broker?",
    Fault.NETWORK: "{detail}",
    Fault.BAD_ADDRESS: "{detail}; check FACEREC_MQTT__HOST and __PORT",
    Fault.NOT_PERMITTED: "{detail}",
    Fault.NO_TLS: "no TLS ({detail}); check that this port speaks TLS, and our certificate and key",
    Fault.NO_THREAD: (
        "no thread for the connection can be started; end other programs, or raise the limit of"
        " processes that is set for this one (ulimit -u, TasksMax, pids_limit)"
    ),
    Fault.NOT_AUTHORISED: "not authorised: check FACEREC_MQTT__USERNAME and FACEREC_MQTT__PASSWORD",
    Fault.BAD_CLIENT_ID: "it refuses our client id; set FACEREC_MQTT__CLIENT_ID",
    Fault.LOGIN_REFUSED: "it refuses the connection: {detail}",
    Fault.TAKEN_OVER: (
        'another client has our client id "{client_id}", give each its own FACEREC_MQTT__CLIENT_ID'
    ),
    Fault.TOO_LARGE: "it ended the connection: {detail}",
    Fault.ENDED: "it ended the connection: {detail}",
    Fault.BROKE: "the connection broke",
    Fault.KEEPS_BREAKING: (
        "the connection breaks again and again; if another client has our client id"
        ' "{client_id}", give each its own FACEREC_MQTT__CLIENT_ID'
    ),
    Fault.STOPPED: "the connection is closed",
    Fault.INTERNAL: "an error in this program ended the connection; please report it",
}


def _closed(settings: MqttSettings) -> str:
    if not settings.tls:
        return "it closed the connection before the login; does that port want TLS (FACEREC_MQTT__TLS=true)?"
    if settings.tls_certificate is None:
        return (
            "it closed the connection before the login; does that port speak TLS, "
            "and does it want a client certificate (FACEREC_MQTT__TLS_CERTIFICATE, FACEREC_MQTT__TLS_KEY)?"
        )
    return "it closed the connection before the login; does it accept our client certificate?"


def _certificate(outage: Outage, settings: MqttSettings) -> str:
    host = settings.host
    match outage.fault:
        case Fault.NO_NAME:
            return (
                "its certificate has a common name alone, which no client looks at: no name can match;"
                f" make one with subjectAltName={_alternative_name(host)}"
            )
        case Fault.WRONG_NAME if outage.names:
            return (
                f"its certificate is for {', '.join(outage.names)} and not for {host};"
                " set FACEREC_MQTT__HOST to a name that is in it"
            )
        case Fault.WRONG_NAME:
            hint = "set FACEREC_MQTT__HOST to a name that is in it"
        case Fault.EXPIRED:
            hint = "renew it"
        case _:
            hint = "give the authority that signed it as FACEREC_MQTT__TLS_CA"
    return f"its certificate is not trusted ({outage.detail}); {hint}"


def _alternative_name(host: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"
