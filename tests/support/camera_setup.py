"""A page whose cameras have pictures and a settings file, without a service."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facerec_mqtt.cameras.shared_frame import SharedFrame
from facerec_mqtt.core.records import Image
from facerec_mqtt.monitoring.page_messages import PageCamera, PageSettings
from tests.support.page import Page, folders_in, page_request, running_page

CANARY = "c4n4ry-p@ss#word"
SETTINGS = f"""# Our house. Do not touch.
FACEREC_MQTT__USERNAME=ada
FACEREC_MQTT__PASSWORD='{CANARY}'   # the broker's

OTHER_PROGRAM=1
export FACEREC_CAMERAS='[
  {{"name": "Front door", "url": "rtsp://10.0.0.7:554/sub?x=1", "username": "cam", "password": "{CANARY}"}},
  {{"name":"garden",  "url":"rtsp://10.0.0.8/sub"}}
]'  # two by now
FACEREC_RECOGNITION__VOTES=4
"""


@dataclass(frozen=True, slots=True)
class SetupPage:
    """Such a page."""

    page: Page
    file: Path

    @property
    def revision(self) -> str:
        """Of the settings at present."""
        return str(self.page.client.get("/api/v1/cameras").json()["saving"]["revision"])

    def save(self, camera: str = "front_door", **changes: Any) -> Any:
        """Ask for a change of a camera; the answer."""
        wanted = {"revision": self.revision, "region": [0, 0.2, 0.7, 1], "min_face_px": 40} | changes
        return self.page.client.put(f"/api/v1/cameras/{camera}/settings", json=wanted)


@contextmanager
def page_with_settings(
    folder: Path, text: str | None = SETTINGS, picture: Image | None = None, **changes: Any
) -> Iterator[SetupPage]:
    """Serve a page for two cameras, of which the front door has a picture.

    Args:
        folder: where the settings file is.
        text: of the settings file; `None` for no file.
        picture: of the front door, (H, W, 3) uint8 BGR.
        changes: of `PageSettings`, and `supervisor` of the request.
    """
    file = folder / "home.env"
    frame = SharedFrame.create()
    frame.write(1.0, np.full((360, 640, 3), 120, np.uint8) if picture is None else picture)
    cameras = (
        PageCamera(slug="front_door", name="Front door", descriptor=frame.descriptor, host="10.0.0.7"),
        PageCamera(slug="garden", name="garden", host="10.0.0.8"),
    )
    supervisor = changes.pop("supervisor", None)
    settings = PageSettings(**changes)
    if text is not None:
        file.write_text(text)
        file.chmod(0o640)
        digest = sha256(file.read_bytes()).hexdigest()
        settings = PageSettings(file=file, digest=digest, **changes)
    request = page_request(folders_in(folder), cameras=cameras, settings=settings, supervisor=supervisor)
    try:
        with running_page(request) as page:
            yield SetupPage(page, file)
    finally:
        frame.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SetupPage]:
    """Such a page, for the tests of a module."""
    with page_with_settings(tmp_path_factory.mktemp("setup")) as page:
        yield page


@pytest.fixture
def setup(served: SetupPage) -> SetupPage:
    """The page with its settings as they were at first."""
    served.file.write_text(SETTINGS)
    served.file.chmod(0o640)
    return served
