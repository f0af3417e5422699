"""Pictures that are put to somebody and look like somebody else: it is asked once, and nothing is refused."""

import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import pytest

from facerec_mqtt.cameras.shared_frame import SharedFrame
from facerec_mqtt.enrollment.person_file import photos_to_use
from facerec_mqtt.monitoring.page_messages import PageCamera, Published, encode
from facerec_mqtt.web.live import Live
from tests.support.broker import wait_until
from tests.support.browser import OpenTab
from tests.support.lived_in import DOUBTFUL, FAMILY_VISITS, face, household, pictures_in
from tests.support.page import Page, page_request, running_page
from tests.support.service import Home

ANNAS = f"01F{FAMILY_VISITS:05}"
"""A visit of hers with pictures."""


@pytest.fixture
def toms(tmp_path: Path) -> Path:
    """A photo of Tom."""
    photo = tmp_path / "toms.jpg"
    cv2.imwrite(str(photo), face("Tom", seed=31))
    return photo


def test_the_api_says_of_whom_pictures_are_and_changes_nothing(to_change: Page, toms: Path) -> None:
    ask = to_change.client
    check = f"/api/v1/visits/{ANNAS}/assign/check"
    before = pictures_in(to_change.folders.enrollment_dir)
    for body, like in (
        ({"person": "tom"}, "anna"),
        ({"name": "Somebody New"}, "anna"),
        ({"visitor": "Postman"}, "anna"),
        ({"person": "anna"}, None),
        ({"nobody": True}, None),
    ):
        found = ask.post(check, json=body).json()["looks_like"]
        assert (found and found["person"]) == like, body
    for name, status in (
        ("a/b", 422),
        ("Gate \u202eneet", 422),
        ("_strangers", 422),
        ("x" * 99, 422),
        ("ANNA", 409),
    ):
        assert ask.post(check, json={"visitor": name}).status_code == status, name
    stranger = ask.get("/api/v1/strangers").json()["strangers"][0]["stranger_id"]
    found = ask.post(f"/api/v1/strangers/{stranger}/assign/check", json={"person": "tom"}).json()
    assert found == {"looks_like": None}
    assert pictures_in(to_change.folders.enrollment_dir) == before
    sent = {"photo": ("toms.jpg", toms.read_bytes())}
    [added] = ask.post("/api/v1/people/anna/photos", files=sent).json()["photos"]
    assert (added["added"], added["looks_like"]["person"]) == (True, "tom")
    asked = {"files": ["toms.jpg", "001.jpg"]}
    found = ask.post("/api/v1/people/anna/look-alikes", json=asked).json()["looks_like"]
    assert (found["person"], found["files"]) == ("tom", ["toms.jpg"])
    alone = {"files": ["001.jpg", "002.jpg"]}
    assert ask.post("/api/v1/people/anna/look-alikes", json=alone).json() == {"looks_like": None}
    found = ask.post("/api/v1/people/anna/look-alikes", json={"files": ["toms.jpg"], "to": "tom"}).json()
    assert found == {"looks_like": None}


def test_a_visit_is_asked_about_once(to_change: Page, open_tab: OpenTab) -> None:
    tab = open_tab(to_change.address, "phone")
    page = tab.open(f"/visits/{ANNAS}")
    tab.click("No, somebody else")
    box = page.get_by_role("combobox", name="Who is this?")
    # A name that cannot be anybody's is said at once, where it was written.
    box.fill("a/b")
    box.press("Enter")
    page.locator("#who .problem").wait_for()
    assert box.get_attribute("aria-invalid") == "true"
    assert tab.serious() == []
    tab.problems.clear()  # the console shows the status of the answer
    box.fill("Tom")
    box.press("Enter")
    tab.shows("These look like Anna.")
    tab.click("Cancel")
    assert to_change.client.get(f"/api/v1/visits/{ANNAS}").json()["confirmed"] is False
    tab.click("No, somebody else")
    box.fill("Tom")
    box.press("Enter")
    page.locator("#sure-yes").click()
    tab.shows("This is Tom.")
    tab.go("Visits")
    folder = to_change.folders.enrollment_dir / "Tom"
    assert to_change.client.get(f"/api/v1/visits/{ANNAS}").json()["person"] == "tom"
    # Who was asked and said yes is not overruled by the next rebuild.
    assert len(photos_to_use(folder)) == 3


def test_without_javascript_it_is_asked_on_a_page(to_change: Page, open_tab: OpenTab, toms: Path) -> None:
    tab = open_tab(to_change.address, "phone", java_script_enabled=False)
    for visit_id, asks in ((ANNAS, True), (DOUBTFUL, False)):
        page = tab.open(f"/visits/{visit_id}")
        page.locator("input[name=name]").fill("Tom" if asks else "Anna")
        tab.click("Save")
        if asks:
            tab.click("Yes, put them there")
        page.wait_for_url(f"**/visits/{visit_id}")
    page = tab.open("/people/anna")
    page.locator("#photos-anna").set_input_files(toms)
    tab.click("Upload")
    tab.shows("This looks like Tom.")


@pytest.mark.parametrize("answer", ["Yes, use it", "No, move to Tom", "Delete it"])
def test_photos_that_are_sent_and_look_like_somebody_else_are_asked_about(
    to_change: Page, open_tab: OpenTab, toms: Path, answer: str
) -> None:
    tab = open_tab(to_change.address, "phone")
    page = tab.open("/people/anna")
    page.locator("#photos-anna").set_input_files(toms)
    tab.shows("This looks like Tom.")
    assert tab.serious() == []
    tab.click(answer)
    page.locator("#answers .note").wait_for(state="detached")
    folder = to_change.folders.enrollment_dir
    there = {name: (folder / name / "toms.jpg").exists() for name in ("Anna", "Tom")}
    assert there == {"Anna": answer.startswith("Yes"), "Tom": "Tom" in answer}
    assert photos_to_use(folder / "Anna") == ({"toms.jpg"} if there["Anna"] else set())


def test_pictures_of_strangers_are_put_to_the_others_by_a_button(
    to_change: Page, open_tab: OpenTab, toms: Path, tmp_path: Path
) -> None:
    folder = to_change.folders.enrollment_dir / "_strangers"
    before = pictures_in(folder)
    stranger = tmp_path / "stranger.jpg"
    cv2.imwrite(str(stranger), face(None, seed=8))
    tab = open_tab(to_change.address, "phone")
    page = tab.open("/strangers")
    page.locator("#photos-strangers").set_input_files([stranger, toms])
    tab.shows("This looks like Tom.")
    assert pictures_in(folder) == before + 2
    assert tab.serious() == []
    tab.click("Delete it")
    page.locator("#answers .note").wait_for(state="detached")
    page.get_by_text(f"{before + 1} pictures").click()
    photo = page.locator("[data-photo='stranger.jpg']")
    assert photo.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    photo.get_by_role("button", name="Delete").click()
    tab.shows("The photo is deleted.")
    tab.go("People")
    assert pictures_in(folder) == before
    for path in ("..%2FAnna%2F001.jpg", "%2Fetc%2Fhostname", "../Anna/001.jpg"):
        assert to_change.client.get(f"/api/v1/strangers/photos/{path}").status_code == 404, path


def test_without_javascript_pictures_of_strangers_are_added_and_deleted(
    to_change: Page, open_tab: OpenTab, toms: Path
) -> None:
    tab = open_tab(to_change.address, "phone", java_script_enabled=False)
    page = tab.open("/strangers")
    page.locator("#photos-strangers").set_input_files(toms)
    tab.click("Upload")
    tab.shows("This looks like Tom.")
    # A picture that is still on its way when it is deleted is one that cannot be loaded.
    page.wait_for_load_state("networkidle")
    page.get_by_role("button", name="Delete toms.jpg").click()
    page.wait_for_load_state("networkidle")
    assert not (to_change.folders.enrollment_dir / "_strangers" / "toms.jpg").exists()


def test_photos_that_a_camera_has_taken_and_look_like_somebody_else_are_asked_about(
    rebuilt: Home, open_tab: OpenTab, tmp_path: Path
) -> None:
    door = {"camera": "front_door", "name": "Front door", "online": True, "enabled": True}
    status: dict[str, Any] = {
        "version": "1",
        "broker": {"online": True},
        "model": {"status": "ready", "version": "20261130T120000Z-0001", "progress": None},
        "cameras": [door],
        "people": [],
    }
    taking = {"person": "Anna", "camera": "front_door", "taken": 1, "wanted": 20, "hint": "Smile."}
    folders, frame = household(rebuilt, tmp_path), SharedFrame.create()
    frame.write(1.0, face("Tom"))
    camera = PageCamera(slug="front_door", name="Front door", descriptor=frame.descriptor)
    service, link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    live = Live([camera], link)

    def send(capture: dict[str, Any] | None) -> None:
        service.send(encode(Published(type="status", content={**status, "capture": capture})))

    with closing(frame), service, link, running_page(page_request(folders, cameras=(camera,)), live) as page:
        send(None)
        wait_until(lambda: live.status.cameras[0].online, "the status did not come")
        tab = open_tab(page.address, "phone")
        opened = tab.open("/people/anna/enroll")
        with opened.expect_response("**/capture"):
            tab.click("Start")
        send(taking)
        opened.get_by_role("button", name="Stop").wait_for()
        cv2.imwrite(str(folders.enrollment_dir / "Anna" / "taken.jpg"), face("Tom", seed=31))
        send(None)
        tab.shows("This looks like Tom.")
        tab.click("No, move to Tom")
        opened.locator("#answers .note").wait_for(state="detached")
        assert (folders.enrollment_dir / "Tom" / "taken.jpg").exists()
        # Whoever passed, and is not enrolled, is asked about as well, with the pictures.
        with opened.expect_response("**/capture"):
            tab.click("Take more")
        send(taking)
        opened.get_by_role("button", name="Stop").wait_for()
        for number, name in enumerate(("Anna", None, "Anna")):
            cv2.imwrite(str(folders.enrollment_dir / "Anna" / f"t{number}.jpg"), face(name, seed=50 + number))
        send(None)
        tab.shows("1 of 3 pictures seems to show somebody else than Anna.")
        shown = opened.locator("#answers img")
        assert shown.count() == 1
        assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        assert tab.serious() == []
        assert opened.get_by_role("button", name="No, move").count() == 0
        tab.click("Delete it")
        opened.locator("#answers .note").wait_for(state="detached")
        there = [(folders.enrollment_dir / "Anna" / f"t{number}.jpg").exists() for number in range(3)]
        assert there == [True, False, True]
        tab.page.close()
