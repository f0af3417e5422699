"""Logging in at real brokers, and what is said when that fails."""

import socket
from pathlib import Path

import pytest

from facerec_mqtt.core.errors import BrokerError
from facerec_mqtt.mqtt.connection import check_login
from facerec_mqtt.settings.schema import MqttSettings
from tests.support.broker import Broker, Certificates, free_port


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
