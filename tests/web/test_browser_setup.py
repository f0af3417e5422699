"""Cameras set up in a real browser: the region pulled, faces compared, cameras found and added."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from facerec_mqtt.settings import CAMERAS, setting_in
from tests.support.browser import OpenTab, Tab
from tests.support.camera_setup import SETTINGS, SetupPage, page_with_settings
from tests.support.onvif_camera import PASSWORD, USERNAME, OnvifCamera, onvif_camera

SIZES = ["phone", "desk"]
PLACE = "/cameras/front_door"


def cameras(setup: SetupPage) -> list[dict[str, Any]]:
    """As they are saved."""
    saved: list[dict[str, Any]] = json.loads(setting_in(setup.file.read_bytes(), CAMERAS))
    return saved


def handle(tab: Tab, name: str) -> Locator:
    return tab.page.get_by_role("button", name=name)


def pull(tab: Tab, name: str, across: float, down: float) -> None:
    """Take hold of a handle and move it by fractions of the picture."""
    box, view = handle(tab, name).bounding_box(), tab.page.locator(".view").bounding_box()
    assert box is not None
    assert view is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse = tab.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + across * view["width"] / 2, y + down * view["height"] / 2)
    mouse.move(x + across * view["width"], y + down * view["height"])
    mouse.up()


@pytest.mark.parametrize("size", SIZES)
def test_a_region_is_pulled_and_saved(setup: SetupPage, open_tab: OpenTab, size: str) -> None:
    tab = open_tab(setup.page.address, size)
    page = tab.open(PLACE)
    expect(page.locator("#outside")).to_have_text("The whole picture is looked at.")
    pull(tab, "Top left corner", 0.25, 0.5)
    pull(tab, "Right edge", -0.25, 0.3)
    expect(page.locator("#outside")).to_contain_text("25")
    # A side does not pass the opposite one, and the whole of it stays in the picture.
    pull(tab, "Bottom edge", 0, -2)
    pull(tab, "All of the region", 1, 1)
    assert tab.serious() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]
    tab.click("Save")
    tab.shows("Saved.")
    region = cameras(setup)[0]["region"]
    assert region == pytest.approx([0.5, 0.95, 1, 1], abs=0.02)
    expect(page.get_by_role("button", name="Restart now")).to_be_visible()
    page = tab.open("/cameras")
    assert tab.serious() == []


def test_a_finger_pulls_as_a_mouse_does(setup: SetupPage, open_tab: OpenTab) -> None:
    tab = open_tab(setup.page.address, "phone", has_touch=True, is_mobile=True)
    page = tab.open(PLACE)
    corner, view = handle(tab, "Bottom right corner").bounding_box(), page.locator(".view").bounding_box()
    assert corner is not None
    assert view is not None
    x, y = corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2
    touch = page.context.new_cdp_session(page)

    def send(kind: str, *points: dict[str, float]) -> None:
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    send("touchStart", {"x": x, "y": y})
    send("touchMove", {"x": x - 0.25 * view["width"], "y": y - 0.25 * view["height"]})
    send("touchMove", {"x": x - 0.5 * view["width"], "y": y - 0.5 * view["height"]})
    send("touchEnd")
    expect(page.locator("#outside")).to_contain_text("25")
    assert page.evaluate("scrollY") == 0


def test_with_the_keyboard_a_region_is_made_taken_back_and_saved(setup: SetupPage, open_tab: OpenTab) -> None:
    tab = open_tab(setup.page.address, "desk")
    page = tab.open(PLACE)
    handle(tab, "Left edge").focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowUp")  # not this edge's way
    expect(handle(tab, "Left edge, at 15 %")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#outside")).to_have_text("The whole picture is looked at.")
    handle(tab, "Top left corner").focus()
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(handle(tab, "Top left corner, at 1 % and 5 %")).to_be_focused()
    page.get_by_role("slider", name="Smallest face").press("ArrowRight")
    expect(page.locator("#least-px")).to_have_text("41")
    page.get_by_text("As a line to copy").click()
    expect(page.locator("#line")).to_have_text('"region":[0.01,0.05,1,1],"min_face_px":41')
    page.get_by_text("In numbers").click()
    page.get_by_role("spinbutton", name="Right").fill("80")
    tab.click("Save")
    tab.shows("Saved.")
    saved = cameras(setup)[0]
    assert (saved["region"], saved["min_face_px"]) == ([0.01, 0.05, 0.8, 1], 41)
    page.get_by_role("button", name="Whole picture").click()
    page.get_by_role("button", name="Undo changes").click()
    expect(handle(tab, "Top left corner, at 1 % and 5 %")).to_be_visible()


@pytest.mark.parametrize("size", SIZES)
def test_the_square_is_as_large_as_the_smallest_face_at_the_scale_of_the_picture(
    setup: SetupPage, open_tab: OpenTab, size: str
) -> None:
    tab = open_tab(setup.page.address, size)
    page = tab.open(PLACE)
    for least in (40, 120):
        page.get_by_role("slider", name="Smallest face").fill(str(least))
        square, view = handle(tab, "Square of").bounding_box(), page.locator(".view").bounding_box()
        assert square is not None
        assert view is not None
        # The picture is 640 px wide.
        assert square["width"] == pytest.approx(view["width"] * least / 640, abs=1)
        assert square["height"] == pytest.approx(square["width"], abs=1)


def test_what_somebody_else_has_changed_is_not_overwritten_and_the_line_is_there(
    setup: SetupPage, open_tab: OpenTab
) -> None:
    tab = open_tab(setup.page.address, "phone")
    page = tab.open(PLACE)
    pull(tab, "Left edge", 0.2, 0)
    setup.file.write_text(SETTINGS + "# by hand\n")
    tab.click("Save")
    tab.shows("changed meanwhile")
    tab.problems.clear()  # the refusal stands in the console, too
    assert setup.file.read_text() == SETTINGS + "# by hand\n"
    tab.click("Close")
    page.get_by_text("As a line to copy").click()
    expect(page.locator("#line")).to_contain_text('"region":[0.2,0,1,1]')


@pytest.mark.parametrize("size", SIZES)
def test_a_camera_is_found_and_added(setup: SetupPage, open_tab: OpenTab, size: str) -> None:
    tab = open_tab(setup.page.address, size)
    page = tab.open("/cameras")

    def find(address: str, password: str) -> None:
        tab.click("Find cameras")
        dialog = page.get_by_role("dialog", name="Find cameras")
        dialog.get_by_label("User of the cameras").fill(USERNAME)
        dialog.get_by_label("Password").fill(password)
        dialog.get_by_label("Address").fill(address)
        assert tab.serious() == []
        dialog.get_by_role("button", name="Find").click()

    find("127.0.0.1:70000", PASSWORD)
    # What is no address is said where it was written, and nothing has to be written again.
    page.locator("#find .problem").wait_for()
    assert page.get_by_label("Password").input_value() == PASSWORD
    tab.problems.clear()  # the console shows the status of the answer
    tab.click("Cancel")
    find("127.0.0.1:1", PASSWORD)
    tab.shows("There is no connection to it")
    with onvif_camera(OnvifCamera()) as address:
        find(address, "wrong")
        tab.shows("It rejects this user or password")
        find(address, PASSWORD)
        page.get_by_role("radio", name="2560 × 1440").check()
        page.get_by_text("As a line to copy").click()
        expect(page.locator("#found-cameras code")).to_contain_text("/main?x=1&y=2")
        expect(page.locator("#found-cameras code")).to_contain_text('"password":"PASSWORD"')
    assert tab.serious() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]
    assert PASSWORD not in page.content()
    page.get_by_role("textbox", name="Name of the camera").fill("Yard")
    tab.click("Add")
    tab.shows("Yard is saved.")
    assert cameras(setup)[-1] == {
        "name": "Yard",
        "url": "rtsp://127.0.0.1:554/main?x=1&y=2",
        "username": USERNAME,
        "password": PASSWORD,
    }
    expect(page.get_by_role("button", name="Restart now")).to_be_visible()


def test_where_the_settings_are_not_ours_the_line_follows_what_is_pulled(
    tmp_path: Path, open_tab: OpenTab
) -> None:
    large = np.full((1080, 1920, 3), 120, np.uint8)
    with page_with_settings(tmp_path, picture=large, cameras_in_environment=True) as setup:
        tab = open_tab(setup.page.address, "phone")
        page = tab.open(PLACE)
        pull(tab, "Left edge", 0.5, 0)
        expect(page.locator("#line")).to_have_text('"region":[0.5,0,1,1],"min_face_px":40')
        assert page.get_by_role("button", name="Save").count() == 0
        # 960 × 1080 px are scaled down to 640 before they are searched.
        expect(page.locator("#found")).to_be_hidden()
        page.get_by_role("slider", name="Smallest face").fill("16")
        expect(page.locator("#found b")).to_have_text("20 px")
        expect(page.get_by_text("Outside of the region nobody")).to_be_visible()
        assert tab.serious() == []
        tab.page.close()


def test_without_javascript_all_is_read_and_numbers_are_saved(setup: SetupPage, open_tab: OpenTab) -> None:
    tab = open_tab(setup.page.address, "phone", java_script_enabled=False)
    page = tab.open(PLACE)
    expect(page.locator(".overlay .least")).to_be_visible()
    page.get_by_text("In numbers").click()
    page.get_by_role("spinbutton", name="Bottom").fill("75")
    tab.click("Save")
    expect(page.locator("#outside")).to_contain_text("75")
    assert cameras(setup)[0]["region"] == [0, 0, 1, 0.75]
    page = tab.open("/cameras")
    expect(page.get_by_text("facerec-mqtt cameras find")).to_be_visible()
