"""What the page's process says when it cannot listen."""

import errno
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from facerec_mqtt.web.__main__ import listen, why_not
from tests.support.page import folders_in, page_request


def test_what_cannot_be_listened_on_is_named(tmp_path: Path) -> None:
    def sentence(host: str, port: int) -> str:
        with pytest.raises(OSError) as caught:  # noqa: PT011 - which one is what the sentence says
            listen(host, port)
        return why_not(caught.value, page_request(folders_in(tmp_path), host=host, port=port))

    assert "192.0.2.1 is no address of this machine" in sentence("192.0.2.1", 0)
    assert '"nowhere.invalid" is unknown' in sentence("nowhere.invalid", 0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"port {port} of 127.0.0.1 is taken" in sentence("127.0.0.1", port)


@pytest.mark.parametrize(
    ("error", "setting"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "FACEREC_WEB__PORT"),
        (ssl.SSLError(1, "wrong key"), "FACEREC_WEB__TLS_KEY"),
        (OSError(errno.ENOBUFS, "No buffer space available"), "No buffer space"),
    ],
)
def test_each_failure_says_what_to_set(tmp_path: Path, error: OSError, setting: str) -> None:
    changes: dict[str, Any] = {"port": 80}
    if isinstance(error, ssl.SSLError):
        changes |= {"tls_certificate": Path("a.crt"), "tls_key": Path("a.key")}
    assert setting in why_not(error, page_request(folders_in(tmp_path), **changes))


def test_both_kinds_of_addresses_are_listened_on() -> None:
    with listen("::", 0) as listening:
        port = listening.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), 10).close()
