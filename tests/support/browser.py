"""A real browser, Debian's Chromium driven by Playwright, which notes what must never happen in a page."""

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.broker import PATIENCE_S

SIZES = {"phone": (390, 844), "desk": (1280, 860)}
_CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab of the browser, which opens paths of one page."""

    address: str
    page: Page
    problems: list[str] = field(default_factory=list)
    """Errors in the console, and requests to anywhere else."""

    def open(self, path: str = "/") -> Page:
        """Go to a path of ours."""
        self.page.goto(self.address + path)
        return self.page

    def click(self, name: str, role: str = "button") -> None:
        """Click the first thing of that name that can be seen."""
        self.page.get_by_role(role, name=name).filter(visible=True).first.click()  # type: ignore[arg-type]

    def go(self, name: str) -> None:
        """Go to one of the six pages by its link."""
        link = self.page.get_by_role("navigation", name="Pages").get_by_role("link", name=name)
        target = str(link.get_attribute("href"))
        link.click()
        self.page.wait_for_url(lambda url: urlsplit(url).path == target)

    def shows(self, text: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until a text can be seen."""
        self.page.get_by_text(text).filter(visible=True).first.wait_for(timeout=timeout_s * 1000)

    def serious(self) -> list[str]:
        """What axe-core finds to be serious or critical, by rule and element."""
        axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
        self.page.evaluate(axe)
        found: dict[str, Any] = self.page.evaluate("rules => axe.run(document, {runOnly: rules})", _RULES)
        return [
            f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]


OpenTab = Callable[..., Tab]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    if _CHROMIUM is None:
        pytest.skip("There is no Chromium for the tests of the page; Debian has it as: apt install chromium")
    expect.set_options(timeout=PATIENCE_S * 1000)
    with sync_playwright() as playwright:
        # As root, and in most containers, its sandbox cannot be set up; it opens our own page alone.
        chromium = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[OpenTab]:
    """Opens tabs: of an address, on the width of a `phone` or of a `desk`. None may have had a problem."""
    tabs: list[Tab] = []

    def open_one(address: str, size: str = "desk", **options: Any) -> Tab:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", **options
        )
        context.set_default_timeout(PATIENCE_S * 1000)
        tab = Tab(address, context.new_page())
        _watch(tab)
        tabs.append(tab)
        return tab

    yield open_one
    for tab in tabs:
        tab.page.context.close()
    assert [problem for tab in tabs for problem in tab.problems] == []


def _watch(tab: Tab) -> None:
    host = urlsplit(tab.address).netloc

    def on_request(url: str) -> None:
        if urlsplit(url).scheme in ("http", "https", "ws", "wss") and urlsplit(url).netloc != host:
            tab.problems.append(f"asked elsewhere: {url}")

    tab.page.on("request", lambda request: on_request(request.url))
    tab.page.on("pageerror", lambda error: tab.problems.append(f"error: {error}"))
    tab.page.on(
        "console",
        lambda message: tab.problems.append(message.text) if message.type in ("error", "warning") else None,
    )


@contextmanager
def proxy_with_prefix(address: str, prefix: str, header: str) -> Iterator[str]:
    """A proxy that serves a page below a prefix, as Home Assistant's supervisor does; yields its address.

    Args:
        address: of the page.
        prefix: "/faces".
        header: by which the page is told the prefix.
    """
    target = urlsplit(address)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection((target.hostname, target.port)) as page:
            head = b""
            while b"\r\n\r\n" not in head:
                data = client.recv(65536)
                if not data:
                    return
                head += data
            lines, rest = head.split(b"\r\n\r\n", 1)
            first, *others = lines.split(b"\r\n")
            first = first.replace(b" " + prefix.encode(), b" ", 1)
            kept = [line for line in others if not line.lower().startswith(b"connection:")]
            told = [f"{header}: {prefix}".encode(), b"Connection: close"]
            page.sendall(b"\r\n".join([first, *kept, *told]) + b"\r\n\r\n" + rest)
            back = threading.Thread(target=_pump, args=(page, client), daemon=True)
            back.start()
            _pump(client, page)
            back.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, name="proxy", daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}{prefix}"
    finally:
        listening.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
