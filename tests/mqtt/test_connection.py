"""Logging in at real brokers, and why that fails."""

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_mqtt.mqtt.connection import check_login
from facerec_mqtt.mqtt.failures import ConnectionFailedError, Fault, Outage
from facerec_mqtt.settings.schema import MqttSettings
from tests.support.broker import Broker, Certificates, free_port, run_broker


def outage(settings: MqttSettings, timeout_s: float = 5.0) -> Outage:
    """Why a login fails."""
    with pytest.raises(ConnectionFailedError) as failed:
        check_login(settings, timeout_s)
    return failed.value.outage


def test_a_missing_tls_file_and_a_port_without_tls_are_distinguished(broker: Broker, tmp_path: Path) -> None:
    missing = outage(broker.settings(tls=True, tls_ca=tmp_path / "nowhere.crt"))
    assert missing == Outage(Fault.MISSING_FILE, names=(str(tmp_path / "nowhere.crt"),))
    # It ends the connection in the middle of the handshake; how that looks depends on who is faster.
    closed = (Fault.NO_TLS, Fault.CLOSED_IN_HANDSHAKE, Fault.CLOSED_BEFORE_LOGIN)
    assert outage(broker.settings(tls=True)).fault in closed


def test_a_tls_port_reached_without_tls_is_explained(broker_with_tls: Broker) -> None:
    plain = MqttSettings(host="127.0.0.1", port=broker_with_tls.port)
    assert outage(plain).fault is Fault.CLOSED_BEFORE_LOGIN
    with pytest.raises(ConnectionFailedError, match="FACEREC_MQTT__TLS=true"):
        check_login(plain)


def test_a_client_certificate_is_presented_and_missed(
    broker_with_client_certificates: Broker, certificates: Certificates
) -> None:
    ours = {"tls_certificate": certificates.client, "tls_key": certificates.client_key}
    check_login(broker_with_client_certificates.settings(**ours))
    with pytest.raises(ConnectionFailedError, match="FACEREC_MQTT__TLS_CERTIFICATE"):
        check_login(broker_with_client_certificates.settings())


def test_a_missing_broker_and_a_missing_host_are_distinguished() -> None:
    assert outage(MqttSettings(host="127.0.0.1", port=free_port())).fault is Fault.NOBODY_LISTENS
    assert outage(MqttSettings(host="broker.invalid")).fault is Fault.UNKNOWN_HOST


def test_a_server_that_does_not_answer_is_noticed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings = MqttSettings(host="127.0.0.1", port=mute.getsockname()[1])
        assert outage(settings, timeout_s=0.5) == Outage(Fault.MUTE)


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_login_that_is_refused_is_typed_alike_in_both_versions(
    broker_with_password: Broker, protocol: str
) -> None:
    wrong = outage(broker_with_password.settings(protocol=protocol, password="wrong"))
    assert wrong.fault is Fault.NOT_AUTHORISED
    assert wrong.lasting


@pytest.fixture
def broker_of_certificate(
    request: pytest.FixtureRequest, tmp_path: Path, certificates: Certificates
) -> Iterator[Broker]:
    """A broker whose certificate has the extensions that the test names."""
    folder = tmp_path / "broker"
    folder.mkdir()
    certificate = sign(certificates, folder, request.param)
    config = f"allow_anonymous true\ncertfile {certificate}\nkeyfile {certificates.server_key}\n"
    yield from run_broker(folder, config, ca=certificates.ca)


def sign(certificates: Certificates, folder: Path, extensions: str) -> Path:
    """Have our authority sign the server's key for other names."""
    certificate, lines = folder / "other.crt", folder / "other.ext"
    lines.write_text(extensions)
    request = certificates.server.with_suffix(".csr")
    key = certificates.ca.with_suffix(".key")
    authority: list[str | Path] = ["-CA", certificates.ca, "-CAkey", key, "-CAcreateserial"]
    files: list[str | Path] = ["-in", request, "-out", certificate, "-extfile", lines]
    command = ["openssl", "x509", "-req", "-days", "2", *files, *authority]
    subprocess.run(command, check=True, capture_output=True)
    certificate.chmod(0o644)
    return certificate


@pytest.mark.parametrize(
    ("broker_of_certificate", "names"),
    [
        ("subjectAltName=DNS:broker.lan,DNS:broker", ("broker.lan", "broker")),
        ("subjectAltName=IP:10.1.2.3,DNS:*.lan", ("10.1.2.3", "*.lan")),
    ],
    indirect=["broker_of_certificate"],
)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_for_other_names_is_refused_with_these_names(
    broker_of_certificate: Broker, names: tuple[str, ...], host: str
) -> None:
    found = outage(broker_of_certificate.settings(host=host))
    assert (found.fault, found.names) == (Fault.WRONG_NAME, names)
    said = re.escape(f"is for {', '.join(names)} and not for {host}")
    with pytest.raises(ConnectionFailedError, match=said):
        check_login(broker_of_certificate.settings(host=host))


@pytest.mark.parametrize("broker_of_certificate", ["keyUsage=digitalSignature"], indirect=True)
@pytest.mark.parametrize(("host", "wanted"), [("localhost", "DNS:localhost"), ("127.0.0.1", "IP:127.0.0.1")])
def test_a_certificate_without_a_name_cannot_match_and_says_what_to_put_into_it(
    broker_of_certificate: Broker, host: str, wanted: str
) -> None:
    assert outage(broker_of_certificate.settings(host=host)).fault is Fault.NO_NAME
    with pytest.raises(ConnectionFailedError, match=f"no name can match; .*subjectAltName={wanted}"):
        check_login(broker_of_certificate.settings(host=host))


@pytest.mark.parametrize("broker_of_certificate", ["subjectAltName=DNS:localhost"], indirect=True)
def test_a_certificate_for_our_name_is_accepted(broker_of_certificate: Broker) -> None:
    check_login(broker_of_certificate.settings(host="localhost"))


def test_names_in_a_certificate_of_an_unknown_authority_are_not_looked_at(
    broker_with_tls: Broker, certificates: Certificates
) -> None:
    found = outage(broker_with_tls.settings(tls_ca=certificates.foreign_ca))
    assert (found.fault, found.names) == (Fault.UNTRUSTED, ())
