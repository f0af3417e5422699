"""A running page on a home folder with drawn people, without a service."""

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from facerec_mqtt.monitoring.page_messages import PageCamera, PageFolders, PageRequest
from facerec_mqtt.web.__main__ import server_config
from facerec_mqtt.web.access.security import now_s
from facerec_mqtt.web.app import create_app
from facerec_mqtt.web.context import Context
from facerec_mqtt.web.live import Live
from tests.support.broker import PATIENCE_S, wait_until
from tests.support.service import Home


@dataclass(frozen=True, slots=True)
class Page:
    """A page that answers on a port of its own."""

    address: str
    """"http://127.0.0.1:40123", without a slash at its end."""
    folders: PageFolders
    context: Context
    client: httpx.Client
    """Asks this page: `page.client.get("/api/v1/people")`."""


@contextmanager
def running_page(
    request: PageRequest, live: Live | None = None, clock: Callable[[], float] = now_s
) -> Iterator[Page]:
    """Serve a page with a real uvicorn on a free port of the loopback interface.

    Args:
        request: its settings; the port is ours.
        live: the link to a service; none by default.
        clock: gives the time to sessions and to the slow-down of wrong passwords.
    """
    context = Context.of(request, live, clock)
    listening = socket.create_server((request.host, 0))
    server = uvicorn.Server(server_config(create_app(context), request))
    thread = threading.Thread(target=server.run, args=([listening],), name="page", daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started, "the page does not start")
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx.Client(base_url=address, timeout=PATIENCE_S) as client:
            yield Page(address, request.folders, context, client)
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        listening.close()


@pytest.fixture(scope="module")
def page_folders(rebuilt: Home, tmp_path_factory: pytest.TempPathFactory) -> PageFolders:
    """Folders of a household with Anna, Tom and their model, which the tests of one module may change."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(rebuilt.enrollment, folder / "enrollment")
    shutil.copytree(rebuilt.models, folder / "models")
    return folders_in(folder)


def folders_in(folder: Path) -> PageFolders:
    """The folders of a household below one folder."""
    return PageFolders(
        enrollment_dir=folder / "enrollment",
        model_dir=folder / "models",
        review_dir=folder / "review",
        keeps_pictures=True,
    )


def page_request(folders: PageFolders, **changes: object) -> PageRequest:
    """The request for a page on the loopback interface, with one camera and no password."""
    request = PageRequest(
        host="127.0.0.1",
        port=8094,
        folders=folders,
        cameras=(PageCamera(slug="front_door", name="Front door"),),
    )
    return request.model_copy(update=changes)


@pytest.fixture(scope="module")
def page(page_folders: PageFolders) -> Iterator[Page]:
    """A page without a service and without a password, for all tests of a module."""
    with running_page(page_request(page_folders)) as running:
        yield running


@pytest.fixture(scope="module")
def empty_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of a household that has nothing yet: no photos, no model, no visits, no service."""
    with running_page(page_request(folders_in(tmp_path_factory.mktemp("empty")))) as running:
        yield running
