"""Why there is no connection: every reason has a sentence, and the codes of the protocol their meaning."""

import socket
import ssl

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from facerec_mqtt.mqtt.failures import (
    Fault,
    Outage,
    Rejection,
    address,
    ended,
    failed,
    login_refused,
    rejection,
    sentence,
)
from facerec_mqtt.settings.schema import MqttSettings

SETTINGS = MqttSettings(host="broker.lan", client_id="porch")


def code(packet: int, value: int) -> ReasonCode:
    return ReasonCode(packet, identifier=value)


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("names", [(), ("one", "two")])
def test_every_fault_has_one_sentence(fault: Fault, names: tuple[str, ...]) -> None:
    said = sentence(Outage(fault, "the detail", names, 7000), SETTINGS)
    assert said.startswith(f"{address(SETTINGS)}: ")
    assert said.isprintable()
    assert "{" not in said


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (0x84, Fault.PROTOCOL_VERSION),
        (0x85, Fault.BAD_CLIENT_ID),
        (0x86, Fault.NOT_AUTHORISED),
        (0x87, Fault.NOT_AUTHORISED),
        (0x88, Fault.LOGIN_REFUSED),
    ],
)
def test_a_refused_login_is_read_from_its_code(value: int, fault: Fault) -> None:
    refused = login_refused(code(PacketTypes.CONNACK, value))
    assert refused is not None
    assert refused.fault is fault
    assert refused.lasting
    assert login_refused(code(PacketTypes.CONNACK, 0)) is None


@pytest.mark.parametrize(
    ("value", "fault", "lasting"),
    [(0x8E, Fault.TAKEN_OVER, True), (0x95, Fault.TOO_LARGE, False), (0x8B, Fault.ENDED, False)],
)
def test_the_end_of_a_connection_is_read_from_its_code(value: int, fault: Fault, lasting: bool) -> None:
    outage = ended(code(PacketTypes.DISCONNECT, value))
    assert (outage.fault, outage.lasting) == (fault, lasting)


def test_only_a_client_id_that_is_taken_over_or_likely_to_be_is_blamed() -> None:
    blaming = {fault for fault in Fault if "another client" in sentence(Outage(fault), SETTINGS)}
    assert blaming == {Fault.TAKEN_OVER, Fault.KEEPS_BREAKING}
    assert '"porch"' in sentence(Outage(Fault.TAKEN_OVER), SETTINGS)


def test_a_rejected_message_is_read_from_its_code() -> None:
    assert rejection(code(PacketTypes.PUBACK, 0)) is None
    assert rejection(code(PacketTypes.PUBACK, 0x10)) is None  # taken, and nobody is subscribed
    assert rejection(code(PacketTypes.PUBACK, 0x87)) is Rejection.NOT_AUTHORISED
    assert rejection(code(PacketTypes.PUBACK, 0x97)) is Rejection.QUOTA


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ConnectionRefusedError(111, "Connection refused"), Fault.NOBODY_LISTENS),
        (socket.gaierror(-2, "Name or service not known"), Fault.UNKNOWN_HOST),
        (TimeoutError(), Fault.UNREACHABLE),
        (ConnectionResetError(), Fault.CLOSED_BEFORE_LOGIN),
        (ssl.SSLEOFError(), Fault.CLOSED_IN_HANDSHAKE),
        (OSError(101, "Network is unreachable"), Fault.NETWORK),
        (PermissionError(1, "Operation not permitted"), Fault.NOT_PERMITTED),
        (ValueError("Invalid host."), Fault.BAD_ADDRESS),
        (RuntimeError("can't start new thread"), Fault.NO_THREAD),
    ],
)
def test_what_fails_on_the_way_is_typed(error: OSError | ValueError | RuntimeError, fault: Fault) -> None:
    assert failed(error, SETTINGS).fault is fault
