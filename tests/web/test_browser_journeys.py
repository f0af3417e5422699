"""Whole ways through the page of a running service, by clicks alone, with drawn people."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import httpx
from playwright.sync_api import expect

from tests.support.broker import Broker, wait_until
from tests.support.browser import OpenTab, Tab
from tests.support.lived_in import pictures_in
from tests.support.onvif_camera import PASSWORD, USERNAME, OnvifCamera, onvif_camera
from tests.support.service import Home, RunningService, command_line, write_film
from tests.support.service_runs import REBUILD_PATIENCE_S, camera


@contextmanager
def page_of_a_service(home: Home, broker: Broker, film: Path, log_folder: Path) -> Iterator[str]:
    """The address of the page of a service that looks at a film and keeps pictures of visits."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings: Mapping[str, str] = home.environment(camera(film), **broker.environment()) | {
        "FACEREC_WEB__ENABLED": "true",
        "FACEREC_WEB__PORT": str(port),
        "FACEREC_REVIEW__ENABLED": "true",
        "FACEREC_REVIEW__FOLDER": str(log_folder / "review"),
    }
    address = f"http://127.0.0.1:{port}"
    with RunningService(settings, log_folder / "service.log"):
        wait_until(lambda: _answers(address), "the page does not answer")
        yield address


def _answers(address: str, cameras: int = 1) -> bool:
    with suppress(httpx.TransportError):
        states = [each["online"] for each in httpx.get(f"{address}/api/v1/status").json()["cameras"]]
        return states == [True] * cameras
    return False


def test_the_first_camera_is_found_and_watched_by_clicks(
    broker: Broker, open_tab: OpenTab, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = broker.environment() | {"FACEREC_WEB__PORT": str(port), "FACEREC_WEB__ENABLED": "true"}
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}='{value}'\n" for name, value in settings.items()))
    address = f"http://127.0.0.1:{port}"
    with (
        onvif_camera(OnvifCamera()) as there,
        RunningService({"FACEREC_WEB__ENABLED": "true"}, tmp_path / "service.log"),
    ):
        wait_until(lambda: _answers(address, cameras=0), "the page does not answer")
        tab = open_tab(address, "phone")
        page = tab.open()
        page.get_by_role("link", name="Find cameras").click()
        tab.click("Find cameras")
        page.get_by_label("User of the cameras").fill(USERNAME)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("Address").fill(there)
        page.get_by_role("button", name="Find", exact=True).click()
        page.get_by_role("textbox", name="Name of the camera").fill("Front door")
        tab.click("Add")
        tab.click("Restart now")
        tab.shows("The service has started again.")
        expect(page.locator("[data-camera=front_door]")).to_be_visible()
        tab.problems.clear()  # that nobody was there for a while stands in the console, too
        tab.page.close()
    assert file.read_text().count("\n") == len(settings) + 1


def test_the_first_visit_leads_from_nothing_to_an_arrival(
    enrollment: Path, annas_film: Path, broker: Broker, open_tab: OpenTab, tmp_path: Path
) -> None:
    nothing = Home(tmp_path / "enrollment", tmp_path / "models", report={})
    nothing.enrollment.mkdir()
    with page_of_a_service(nothing, broker, annas_film, tmp_path) as address:
        tab = open_tab(address, "phone")
        page = tab.open()
        expect(page.locator(".step.now h2")).to_have_text("Photos")
        page.get_by_role("textbox", name="Name").fill("Anna")
        tab.click("Add")
        page.wait_for_url("**/people/anna", wait_until="load")  # by then its scripts listen
        page.locator("#photos-anna").set_input_files(sorted((enrollment / "Anna").glob("*.jpg")))
        expect(page.locator("[data-photo]")).to_have_count(8)
        tab.go("Now")
        expect(page.locator(".step.now h2")).to_have_text("Rebuild")
        tab.click("Rebuild")
        expect(page.locator("#headline")).to_have_text("Anna is here", timeout=REBUILD_PATIENCE_S * 1000)
        expect(page.locator(".step")).to_have_count(0)
        expect(page.locator(".tag.named", has_text="Anna").first).to_be_visible()
        its_picture_is_kept(tab)
        enroll_by_camera(tab, nothing.enrollment / "Anna")
        lose_the_page_and_find_it_again(tab, tmp_path)
        tab.page.close()


def its_picture_is_kept(tab: Tab) -> None:
    """Open the latest visit: it has a picture of its own, and its scores over time."""
    tab.page.locator(
        "#visits [data-item]", has_text="Anna"
    ).first.wait_for()  # without reading the page again

    def has_looks() -> bool:
        # The first visit began before there was a model, and may have but one look with it.
        page = tab.open()
        page.locator("#visits [data-item]", has_text="Anna").first.click()
        page.wait_for_url("**/visits/*")
        pictures = page.locator("[data-shot] img[src*='/api/v1/visits/']").count()
        return pictures > 0 and page.locator(".scores circle").count() > 1

    wait_until(has_looks, "no visit has a picture and scores")


def enroll_by_camera(tab: Tab, folder: Path) -> None:
    """Take pictures by the camera, and stop when the first is there."""
    before = pictures_in(folder)
    page = tab.open("/people/anna/enroll")
    tab.click("Start")
    expect(page.locator("[data-taken]")).not_to_have_text("0")
    expect(page.get_by_role("button", name="Start")).to_be_hidden()
    wait_until(lambda: pictures_in(folder) > before, "no picture was taken")
    tab.click("Stop")
    expect(page.locator("[data-hint]")).to_contain_text("Stopped.")
    expect(page.get_by_role("button", name="Take more")).to_be_visible()
    expect(page.locator("#answers .note")).to_have_count(0)  # they look like nobody else


def lose_the_page_and_find_it_again(tab: Tab, home: Path) -> None:
    """The page's process is killed: what is open says so, and is right again when there is a new one."""
    page = tab.open()
    lost = page.locator("[data-lost]")
    expect(lost).to_be_hidden()
    [process] = [pid for pid in processes_in(home) if "facerec_mqtt.web" in command_line(pid).split()]
    os.kill(process, signal.SIGKILL)
    expect(lost).to_be_visible()
    expect(lost).to_be_hidden()
    expect(page.locator("#headline")).to_have_text("Anna is here")
    tab.problems.clear()  # what could not be reached stands in the console


def processes_in(folder: Path) -> list[int]:
    """The processes that were started in a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
    return found


def test_a_stranger_on_monday_is_my_uncle_and_he_arrives_on_tuesday(
    home: Home, broker: Broker, open_tab: OpenTab, tmp_path: Path
) -> None:
    film = tmp_path / "film"
    film.mkdir()
    write_film(film, [None])
    shutil.copytree(home.enrollment, tmp_path / "enrollment")
    home = replace(home, enrollment=tmp_path / "enrollment")
    with page_of_a_service(home, broker, film, tmp_path) as address:
        tab = open_tab(address, "phone")
        page = tab.open()
        tab.go("Strangers")
        expect(page.get_by_text("Somebody who came 2 times")).to_be_visible()
        tab.click("Who is this?")
        page.get_by_role("combobox", name="Who is this?").fill("Uncle Jo")
        page.keyboard.press("Enter")
        tab.go("People")
        page.get_by_role("link", name="Uncle Jo").click()
        page.get_by_role("link", name="Rebuild").click()
        tab.click("Rebuild")
        expect(page.get_by_text("Uncle Jo").first).to_be_visible(timeout=REBUILD_PATIENCE_S * 1000)
        tab.go("Now")
        expect(page.locator("#headline")).to_have_text("Uncle Jo is here")
        tab.page.close()
    assert pictures_in(home.enrollment / "Uncle Jo") >= 1
