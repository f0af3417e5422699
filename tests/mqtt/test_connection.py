"""Logging in at real brokers, and what is said when that fails."""

import logging
import socket
from pathlib import Path

import pytest

from facerec_mqtt.core.errors import BrokerError
from facerec_mqtt.mqtt.connection import (
    FIRST_DELAY_S,
    MAX_BREAKS,
    MAX_DELAY_S,
    REFUSED_DELAY_S,
    STEADY_S,
    Outage,
    ReconnectPolicy,
    check_login,
)
from facerec_mqtt.settings.schema import MqttSettings
from tests.support.broker import Broker, Certificates, free_port

BROKE = Outage("broker: the connection broke", False)
REFUSED = Outage("broker: not authorised", True)


def test_a_missing_tls_file_and_a_port_without_tls_are_told_apart(broker: Broker, tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"nowhere\.crt does not exist"):
        check_login(broker.settings(tls=True, tls_ca=tmp_path / "nowhere.crt"))
    with pytest.raises(BrokerError, match=r"TLS|closed"):
        check_login(broker.settings(tls=True))


def test_a_tls_port_reached_without_tls_is_explained(broker_with_tls: Broker) -> None:
    plain = MqttSettings(host="127.0.0.1", port=broker_with_tls.port)
    with pytest.raises(BrokerError, match="FACEREC_MQTT__TLS=true"):
        check_login(plain)


def test_a_client_certificate_is_presented_and_missed(
    broker_with_client_certificates: Broker, certificates: Certificates
) -> None:
    ours = {"tls_certificate": certificates.client, "tls_key": certificates.client_key}
    check_login(broker_with_client_certificates.settings(**ours))
    with pytest.raises(BrokerError, match="FACEREC_MQTT__TLS_CERTIFICATE"):
        check_login(broker_with_client_certificates.settings())


def test_a_missing_broker_and_a_missing_host_are_told_apart() -> None:
    with pytest.raises(BrokerError, match="nothing answers there"):
        check_login(MqttSettings(host="127.0.0.1", port=free_port()))
    with pytest.raises(BrokerError, match="no such host"):
        check_login(MqttSettings(host="broker.invalid"))


def test_a_server_that_says_nothing_is_noticed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings = MqttSettings(host="127.0.0.1", port=mute.getsockname()[1])
        with pytest.raises(BrokerError, match="does not answer"):
            check_login(settings, timeout_s=0.5)


@pytest.fixture
def attempts(caplog: pytest.LogCaptureFixture) -> ReconnectPolicy:
    caplog.set_level(logging.INFO)
    return ReconnectPolicy("broker", "me")


def test_an_outage_is_said_once_and_its_end_once(
    attempts: ReconnectPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    assert attempts.connected(0) is None
    for second in range(100, 160, 5):
        attempts.lost(BROKE, second)
    attempts.connected(160)
    assert [record.message for record in caplog.records] == [
        "broker: connected.",
        "broker: the connection broke. Trying again until it is back.",
        "broker: connected again after 60 s.",
    ]


def test_a_reason_that_somebody_must_mend_is_said_when_it_turns_up(
    attempts: ReconnectPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    for outage in (BROKE, REFUSED, REFUSED, BROKE):
        attempts.lost(outage, 0)
    assert [record.message.split(". ")[0] for record in caplog.records] == [BROKE.reason, REFUSED.reason]


def test_attempts_become_rarer_up_to_a_limit(attempts: ReconnectPolicy) -> None:
    delays = [attempts.lost(BROKE, 0) for _ in range(10)]
    assert delays == sorted(delays)
    assert delays[0] == FIRST_DELAY_S
    assert delays[-1] == MAX_DELAY_S
    assert [attempts.lost(REFUSED, 0) for _ in range(5)][-1] == REFUSED_DELAY_S


def test_after_a_good_connection_the_next_attempt_follows_at_once(attempts: ReconnectPolicy) -> None:
    for _ in range(10):
        attempts.lost(BROKE, 0)
    attempts.connected(0)
    assert attempts.lost(BROKE, STEADY_S) == FIRST_DELAY_S


def test_connections_that_break_again_and_again_are_said_once_with_the_likely_cause(
    attempts: ReconnectPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(20):
        attempts.connected(second)
        attempts.lost(BROKE, second + 1)
    said = [record.message for record in caplog.records]
    assert len([message for message in said if 'our client id "me"' in message]) == 1
    assert len(said) == 2 * MAX_BREAKS
    steady_s = attempts.connected(100)
    assert steady_s is not None
    attempts.steady(steady_s)
    assert "connected again" in caplog.records[-1].message
