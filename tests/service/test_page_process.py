"""The page's process: what its supervisor does when it hangs, fails or has a certificate."""

import logging
import os
import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from facerec_mqtt.monitoring.page_messages import PageListening, PageRequest
from facerec_mqtt.service import page_process as process
from facerec_mqtt.service.page_process import PageProcess, where_found
from facerec_mqtt.settings import WebSettings
from tests.support.broker import PATIENCE_S, Certificates, free_port, wait_until
from tests.support.page import folders_in, page_request
from tests.support.service import children_of, command_line


@contextmanager
def running(folder: Path, **changes: Any) -> Iterator[tuple[PageProcess, int]]:
    """A page under supervision, and its port."""
    port = free_port()

    def request(link: int) -> tuple[PageRequest, tuple[int, ...]]:
        return page_request(folders_in(folder), port=port, link_descriptor=link, **changes), ()

    page = PageProcess(f"port {port}", request)
    page.start()
    try:
        yield page, port
    finally:
        page.stop()


def page_pid() -> int:
    return next(pid for pid in children_of(os.getpid()) if "facerec_mqtt.web" in command_line(pid))


def test_a_page_that_hangs_is_ended_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process, "_SILENT_S", 8.0)
    caplog.set_level(logging.INFO)
    with running(tmp_path) as (page, port):
        wait_until(lambda: isinstance(page.take(), PageListening), "it does not start")
        first = page_pid()
        os.kill(first, signal.SIGSTOP)
        wait_until(lambda: isinstance(page.take(), PageListening), "it does not come back")
        assert page_pid() != first
        assert httpx.get(f"http://127.0.0.1:{port}/api/v1/status", timeout=PATIENCE_S).status_code == 200
    wait_until(lambda: not command_line(first), "the hanging one is left")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "8 s" in warnings[0]


def test_a_page_with_a_certificate_is_served_by_https(tmp_path: Path, certificates: Certificates) -> None:
    photo = folders_in(tmp_path).enrollment_dir / "Anna" / "1.jpg"
    photo.parent.mkdir(parents=True)
    Image.new("RGB", (200, 200)).save(photo)
    tls = {"tls_certificate": certificates.server, "tls_key": certificates.server_key}
    with running(tmp_path, **tls) as (page, port):
        wait_until(lambda: isinstance(page.take(), PageListening), "it does not start")
        trust = ssl.create_default_context(cafile=certificates.ca)
        address = f"https://127.0.0.1:{port}/api/v1"
        with httpx.Client(base_url=address, verify=trust, timeout=PATIENCE_S) as browser:
            assert browser.get("/status").status_code == 200
            # OpenCV is memory, so it is there only once a picture is asked for.
            assert "/cv2." not in Path(f"/proc/{page_pid()}/maps").read_text()
            assert browser.get("/people/anna/photos/1.jpg").headers["content-type"] == "image/jpeg"


def test_what_must_be_set_right_is_one_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    nowhere = {"tls_certificate": Path("/nowhere.crt"), "tls_key": Path("/nowhere.key")}
    with running(tmp_path, **nowhere) as (page, _):
        # What it ends without having read must not hide why it ends.
        wait_until(lambda: page.send(b"{}"), "it takes no message")
        wait_until(lambda: "The page is not there" in caplog.text, "nothing is said")
    assert "FACEREC_WEB__TLS" in caplog.text
    assert caplog.text.count("The page is not there") == 1


def test_the_log_says_where_other_devices_find_the_page() -> None:
    def found(**settings: object) -> str:
        return where_found(WebSettings.model_validate({"password": "long enough"} | settings))

    assert found(host="192.168.1.20") == "http://192.168.1.20:8094/"
    for host in ("0.0.0.0", "::"):
        here, others = found(host=host).split(", and from other devices ")
        assert here in ("http://127.0.0.1:8094/", "http://[::1]:8094/")
        assert others.endswith(":8094/")
        assert "127.0.0.1" not in others
        assert "0.0.0.0" not in others
