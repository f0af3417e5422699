"""What is saved on the page comes into use: the service starts itself again, and forgets nobody."""

import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.broker import Broker, wait_until
from tests.support.heartbeats import received
from tests.support.service import Home, RunningService, program
from tests.support.service_runs import camera, events, wait_for_event


def answer(address: str, path: str) -> Any:
    """What the API says; nothing while nobody is there."""
    with suppress(httpx.TransportError):
        return httpx.get(f"{address}/api/v1/{path}").json()
    return None


@pytest.fixture
def settings_file(home: Home, broker: Broker, annas_film: Path, tmp_path: Path) -> Path:
    """The settings of a whole service in a file."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = home.environment(camera(annas_film), **broker.environment()) | {
        "FACEREC_WEB__PORT": str(port),
        "FACEREC_RECOGNITION__DEPARTURE_S": "600",
    }
    file = tmp_path / "house.env"
    file.write_text("# ours\n" + "".join(f"{name}='{value}'\n" for name, value in settings.items()))
    return file


def test_a_region_that_was_saved_is_used_after_a_restart_by_the_page(
    settings_file: Path, broker: Broker, tmp_path: Path
) -> None:
    port = next(line for line in settings_file.read_text().splitlines() if "WEB__PORT" in line).split("'")[1]
    address = f"http://127.0.0.1:{port}"
    command = program("--env-file", settings_file, "run")
    with (
        broker.ear() as ear,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        environment = {"FACEREC_WEB__ENABLED": "true", "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with RunningService(environment, tmp_path / "service.log", command) as service:
            wait_for_event(ear, "arrived", "anna")
            wait_until(lambda: answer(address, "cameras"), "the page does not answer")
            saving = answer(address, "cameras")["saving"]
            assert (saving["possible"], saving["restart"]) == (True, False)
            wanted = {"revision": saving["revision"], "region": [0, 0, 0.5, 1], "min_face_px": 30}
            saved = httpx.put(f"{address}/api/v1/cameras/front_door/settings", json=wanted)
            assert saved.json()["saving"]["restart"] is True

            # With settings that it could not start with it goes on.
            good = settings_file.read_text()
            settings_file.write_text(good + "FACEREC_MQTT__PORT=none\n")
            assert httpx.post(f"{address}/api/v1/restart").status_code == 202
            wait_until(lambda: "does not start again: FACEREC_MQTT__PORT" in service.log, "it says nothing")
            settings_file.write_text(good)

            received(systemd)
            assert httpx.post(f"{address}/api/v1/restart").status_code == 202
            wait_until(
                lambda: (came := answer(address, "cameras")) and not came["saving"]["restart"],
                "it does not come back with what was saved",
            )
            assert service.process is not None
            assert service.process.poll() is None
            wait_until(lambda: service.log.count(" watches front_door") == 2, "it did not start twice")
            told = b"\n".join(received(systemd))
            assert b"RELOADING=1" in told
            assert b"READY=1" in told
            assert b"STOPPING=1" not in told
            (door,) = answer(address, "cameras")["cameras"]
            assert (door["region"], door["min_face_px"]) == ([0, 0, 0.5, 1], 30)
            # Who was here is here, and has not come again.
            wait_until(lambda: answer(address, "status")["people"], "nobody is known")
            anna = next(each for each in answer(address, "status")["people"] if each["person"] == "anna")
            assert anna["present"] is True
            assert [event["event_type"] for event in events(ear)].count("departed") == 0
            assert service.terminate() == 0
    cameras = json.loads(settings_file.read_text().split("FACEREC_CAMERAS='")[1].split("'\n")[0])
    assert cameras[0]["region"] == [0, 0, 0.5, 1]
