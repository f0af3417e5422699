"""The page beside a real service: what is live, what is asked for, and what happens to its process."""

import io
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from tests.support.broker import PATIENCE_S, Broker, wait_until
from tests.support.service import RunningService, children_of, command_line, wait_for_child
from tests.support.service_runs import DOOR, camera, events, wait_for_event

PASSWORD = "c4n4ry-page-p@ss:w/rd#%?"
LIVE = f"/api/v1/cameras/{DOOR}/live"


class Stream:
    """Server-Sent Events, as they come."""

    def __init__(self) -> None:
        self.received: list[tuple[str, Any]] = []

    def read(self, lines: Iterator[str]) -> None:
        topic = ""
        try:
            for line in lines:
                if line.startswith("event: "):
                    topic = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    self.received.append((topic, json.loads(line.removeprefix("data: "))))
        except httpx.HTTPError:  # the page has ended
            return

    def wait_for(self, topic: str, **wanted: Any) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            found.extend(
                content
                for kind, content in list(self.received)
                if kind == topic and all(content.get(key) == value for key, value in wanted.items())
            )
            return bool(found)

        wait_until(is_there, f"no {topic} with {wanted}")
        return found[-1]


@contextmanager
def listening(browser: httpx.Client, path: str) -> Iterator[Stream]:
    """Listen to Server-Sent Events in the background."""
    stream = Stream()
    with browser.stream("GET", path, headers={"Accept": "text/event-stream"}, timeout=PATIENCE_S) as answer:
        assert answer.status_code == 200
        reading = threading.Thread(target=stream.read, args=(answer.iter_lines(),), daemon=True)
        reading.start()
        yield stream
        answer.close()
    reading.join(PATIENCE_S)


def newest(browser: httpx.Client) -> dict[str, Any]:
    """What the service sees: the newest picture with a face."""
    seen: list[dict[str, Any]] = []

    def has_face() -> bool:
        seen.append(browser.get(LIVE).json())
        return bool(seen[-1]["faces"])

    wait_until(has_face, "no face is seen")
    return seen[-1]


def test_the_page_shows_what_happens_and_recognition_goes_on_without_it(
    annas_film: Path, broker: Broker, tmp_path: Path
) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    settings = {
        "FACEREC_CAMERAS": json.dumps([camera(annas_film)]),
        "FACEREC_MODEL_DIR": str(tmp_path / "home" / "models"),
        "FACEREC_ENROLLMENT_DIR": str(tmp_path / "home" / "enrollment"),
        "FACEREC_RECOGNITION__DEPARTURE_S": "3",
        "FACEREC_WEB__ENABLED": "true",
        "FACEREC_WEB__PORT": str(port),
        "FACEREC_WEB__PASSWORD": PASSWORD,
        **broker.environment(),
    }
    (tmp_path / "home" / "enrollment").mkdir(parents=True)
    with (
        broker.ear() as ear,
        RunningService(settings, tmp_path / "home" / "log") as service,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as browser,
    ):
        assert service.process is not None
        wait_until(lambda: f"port {port} of 127.0.0.1 is taken" in service.log, "the port that is taken")
        # Somebody who is nobody, since there is no model.
        first = wait_for_event(ear, "stranger")
        taken.close()
        page = _wait_for_page(service, 1)
        assert os.getpriority(os.PRIO_PROCESS, page) > os.getpriority(os.PRIO_PROCESS, service.process.pid)
        assert browser.get("/api/v1/status").status_code == 401
        assert browser.post("/sign-in", json={"password": PASSWORD}).status_code == 204

        with listening(browser, "/api/v1/events") as stream, listening(browser, LIVE) as faces:
            status = stream.wait_for("status", broker={"online": True, "message": None})
            assert status["cameras"][0]["camera"] == DOOR
            assert status["cameras"][0]["online"]
            assert status["model"]["status"] == "missing"
            event = stream.wait_for("event", event_type="stranger")
            wait_until(lambda: event["visit_id"] in [each["visit_id"] for each in events(ear)])
            assert event["visit_id"] != first["visit_id"]
            wait_until(lambda: any(seen["faces"] for _, seen in faces.received), "no faces are sent")

            browser.patch(f"/api/v1/cameras/{DOOR}", json={"enabled": False}).raise_for_status()
            ear.wait_for(f"facerec/camera/{DOOR}/enabled/state", b"OFF")
            wait_until(
                lambda: any(
                    kind == "status" and not state["cameras"][0]["enabled"]
                    for kind, state in list(stream.received)
                )
            )
            browser.patch(f"/api/v1/cameras/{DOOR}", json={"enabled": True}).raise_for_status()
            assert browser.post("/api/v1/model/rebuild", json={}).status_code == 202
            assert not stream.wait_for("result", command="rebuild")["ok"]  # there are no photos
            wait_until(lambda: b"rebuild" in b"".join(m.payload for m in ear.on("facerec/command/result")))

        seen = newest(browser)
        picture = browser.get(f"/api/v1/cameras/{DOOR}/frame.jpg")
        assert Image.open(io.BytesIO(picture.content)).size == (seen["width"], seen["height"])
        left, top, right, bottom = seen["faces"][0]["box"]
        assert 0 <= left < right <= seen["width"]
        assert 0 <= top < bottom <= seen["height"]
        assert seen["faces"][0]["reason_code"] == "no_model"
        assert "rebuild" in seen["faces"][0]["reason"]
        small = browser.get(f"/api/v1/cameras/{DOOR}/frame.jpg?width=200")
        assert Image.open(io.BytesIO(small.content)).size[0] == 320
        assert browser.get("/api/v1/cameras/attic/frame.jpg").status_code == 404

        for where in (f"/proc/{page}/cmdline", f"/proc/{page}/environ"):
            assert b"c4n4ry" not in Path(where).read_bytes()
        os.kill(page, signal.SIGKILL)
        again = _wait_for_page(service, 2)
        assert again != page
        assert browser.get("/api/v1/status").status_code == 401  # sessions end with the process
        count = len(events(ear))
        wait_until(lambda: len(events(ear)) > count, "recognition has ended")
        assert service.log.count("The page is not there") == 2
        assert service.terminate() == 0
    wait_until(lambda: not command_line(again), "the page outlives the service")
    for file in (tmp_path / "home").rglob("*"):
        assert not file.is_file() or b"c4n4ry" not in file.read_bytes(), file


def _wait_for_page(service: RunningService, times: int) -> int:
    """Wait until the page has been started so often; returns its process id."""
    wait_until(lambda: service.log.count(": http://127.0.0.1:") == times, "the page does not start")
    return wait_for_child(service, "facerec_mqtt.web")


def test_a_page_that_is_switched_off_is_not_started(annas_film: Path, broker: Broker, tmp_path: Path) -> None:
    settings = {"FACEREC_CAMERAS": json.dumps([camera(annas_film)]), **broker.environment()}
    settings |= {"FACEREC_WEB__ENABLED": "false", "FACEREC_MODEL_DIR": str(tmp_path / "models")}
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        assert service.process is not None
        ear.wait_for(f"facerec/camera/{DOOR}/status", b"online")
        started = [command_line(child) for child in children_of(service.process.pid)]
        assert len(started) == 1
        assert "facerec_mqtt.web" not in started[0]
