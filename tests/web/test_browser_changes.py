"""What a household comes to the page for, by finger and by keyboard, and found in its folders."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import Route, expect

from facerec_mqtt.enrollment.person_file import photos_to_use
from facerec_mqtt.recognition.model_store import current_version, load_current, new_version, save_model
from facerec_mqtt.rendering import FAMILY, render_photo
from facerec_mqtt.service.house.memory import noted
from facerec_mqtt.settings import read_choices
from tests.support.broker import wait_until
from tests.support.browser import OpenTab, Tab
from tests.support.lived_in import DOUBTFUL, OTHER_STRANGER, STRANGER, face, household, pictures_in
from tests.support.page import Page, page_request, running_page
from tests.support.service import Home

SIZES = ["phone", "desk"]


def name_it(tab: Tab, name: str, choice: int = 0) -> None:
    """Type a name into the question who it is, and take one of what is offered."""
    box = tab.page.get_by_role("combobox", name="Who is this?")
    box.fill(name)
    for _ in range(choice):
        box.press("ArrowDown")
    box.press("Enter")


def kind_of(page: Page, visit_id: str) -> tuple[str, str | None]:
    visit = page.client.get(f"/api/v1/visits/{visit_id}").json()
    return visit["kind"], visit["name"]


@pytest.mark.parametrize("size", SIZES)
def test_a_stranger_is_named_and_the_picture_is_a_photo_of_theirs(
    to_change: Page, open_tab: OpenTab, size: str
) -> None:
    tab = open_tab(to_change.address, size)
    tab.open("/visits?kind=stranger")
    tab.click("Who is this?")
    name_it(tab, "Uncle Jo")
    tab.shows("This is Uncle Jo.")
    # Whoever goes on at once finds it done.
    tab.go("People")
    tab.page.get_by_role("link", name="Uncle Jo").click()
    expect(tab.page.locator("[data-photo]")).to_have_count(1)
    expect(tab.page.locator("#changed")).to_contain_text("One photo is new")
    tab.open(f"/visits/{STRANGER}")
    tab.shows("You said that this is Uncle Jo.")
    tab.shows("One photo is new")
    assert pictures_in(to_change.folders.enrollment_dir / "Uncle Jo") == 1
    assert kind_of(to_change, STRANGER) == ("family", "Uncle Jo")


def test_what_was_done_can_be_undone_and_has_then_not_been_done(to_change: Page, open_tab: OpenTab) -> None:
    tab = open_tab(to_change.address, "phone")
    page = tab.open("/visits")
    row = page.locator(f"[data-visit='{DOUBTFUL}']")
    row.get_by_role("button", name="Who is this?").click()
    name_it(tab, "Anna")
    tab.shows("This is Anna.")
    tab.click("Undo")
    row.get_by_role("button", name="Who is this?").wait_for()
    assert kind_of(to_change, DOUBTFUL) == ("doubtful", None)


def test_with_the_keyboard_alone_a_visit_is_named_another_deleted_and_that_undone(
    to_change: Page, open_tab: OpenTab
) -> None:
    tab = open_tab(to_change.address, "desk")
    page = tab.open("/")
    page.keyboard.press("2")
    page.wait_for_url("**/visits")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("a")
    page.locator("#who").get_by_role("option", name="Anna").wait_for()
    page.keyboard.press("Enter")
    tab.shows("This is Anna.")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Delete")
    tab.shows("The visit is deleted.")
    # With the next change the one before is made, while this one is shown already.
    wait_until(lambda: kind_of(to_change, DOUBTFUL) == ("family", "Anna"), "the first visit was not named")
    page.keyboard.press("Control+z")
    page.locator(f"[data-visit='{STRANGER}']").wait_for()
    page.keyboard.press("Escape")
    assert kind_of(to_change, STRANGER)[0] == "stranger"


@pytest.mark.parametrize("size", SIZES)
def test_a_wrong_name_is_corrected_and_a_visit_deleted_where_it_is_shown(
    to_change: Page, open_tab: OpenTab, size: str
) -> None:
    tab = open_tab(to_change.address, size)
    page = tab.open("/visits?person=anna")
    page.locator("[data-item]").first.click()
    tab.click("No, somebody else")
    page.locator("#who").get_by_role("option", name="Tom").wait_for()
    assert page.locator("#who").get_by_role("option", name="Anna").count() == 0
    name_it(tab, "Tom")
    tab.click("Yes, put them there")
    tab.shows("This is Tom.")
    tab.shows("You said that this is Tom.")
    expect(page.get_by_role("button", name="Yes, Anna")).to_be_hidden()
    tab.go("Visits")
    # A visit that was confirmed is asked about no more.
    page.locator("[data-visit='01F00119'] [data-item]").click()
    tab.click("Yes, Tom")
    tab.shows("You said that this is Tom.")
    tab.go("Visits")
    tab.open("/visits/01F00119")
    tab.shows("You said that this is Tom.")
    assert page.get_by_role("button", name="Yes, Tom").count() == 0
    tab.open(f"/visits/{OTHER_STRANGER}")
    tab.click("Delete this visit")
    tab.shows("The visit is deleted.")
    tab.go("Now")
    tab.problems.clear()  # the page that was left may have asked for what is gone
    assert to_change.client.get(f"/api/v1/visits/{OTHER_STRANGER}").status_code == 404
    tab.open(f"/visits/{DOUBTFUL}")
    tab.click("Delete this visit")
    page.wait_for_url("**/visits")
    assert to_change.client.get(f"/api/v1/visits/{DOUBTFUL}").status_code == 404


@pytest.mark.parametrize("size", SIZES)
def test_somebody_new_gets_photos_each_with_its_answer(
    to_change: Page, open_tab: OpenTab, tmp_path: Path, size: str
) -> None:
    good, bad = tmp_path / "good.jpg", tmp_path / "nobody.jpg"
    cv2.imwrite(str(good), render_photo(FAMILY["José"], seed=3, side_px=320))
    cv2.imwrite(str(bad), face("Anna")[:60, :60].repeat(4, 0).repeat(4, 1))
    tab = open_tab(to_change.address, size)
    page = tab.open("/people")
    page.get_by_label("Name of somebody new").fill("José")
    tab.click("Add")
    page.wait_for_url("**/people/jose")
    page.locator("#photos-jose").set_input_files([good, bad])
    expect(page.locator("[data-photo]")).to_have_count(2)
    expect(page.locator("#photos-title")).to_have_text("2 photos")
    expect(page.locator("#changed")).to_contain_text("2 photos are new")
    assert pictures_in(to_change.folders.enrollment_dir / "José") >= 1
    photo = page.locator("[data-photo]").first
    photo.get_by_role("button", name="Delete").click()
    tab.shows("The photo is deleted.")
    tab.click("Undo")
    photo.wait_for()
    # What was wrong with one stays until somebody has read it.
    page.get_by_role("button", name="Close: nobody.jpg").click()
    expect(page.locator("#answers .note")).to_have_count(0)


def test_the_right_face_of_a_photo_of_several_can_be_clicked_after_a_reload(
    to_change: Page, open_tab: OpenTab, tmp_path: Path
) -> None:
    both = tmp_path / "both.jpg"
    cv2.imwrite(str(both), cv2.hconcat([face("Anna", seed=3), face("Tom", seed=3)]))
    assert to_change.client.post("/api/v1/people", json={"name": "José"}).status_code == 201
    sent = {"photo": ("both.jpg", both.read_bytes())}
    [added] = to_change.client.post("/api/v1/people/jose/photos", files=sent).json()["photos"]
    assert len(added["faces"]) == 2
    tab = open_tab(to_change.address, "phone")
    page = tab.open("/people/jose")
    page.get_by_role("button", name="Choose the face of José in both.jpg").click()
    tab.shows("Click the right face.")
    assert tab.serious() == []
    page.get_by_role("button", name="Face 2").click()
    expect(page.locator("[data-photo='both.jpg']")).to_have_count(0)
    expect(page.locator("[data-photo='both-face-2.jpg']")).to_have_count(1)
    page.wait_for_load_state("networkidle")
    assert [path.name for path in (to_change.folders.enrollment_dir / "José").glob("*.jpg")] == [
        "both-face-2.jpg"
    ]


def test_a_page_that_is_loaded_while_a_change_is_sent_is_read_again(
    to_change: Page, open_tab: OpenTab
) -> None:
    tab = open_tab(to_change.address, "desk")
    page = tab.page
    page.clock.install(time=0)
    tab.open("/strangers")
    page.clock.pause_at(3_600_000)
    shown = page.locator("[data-stranger]:visible")
    expect(shown).to_have_count(2)
    page.locator(f"[data-stranger='S{STRANGER}']").get_by_role("button", name="Delete these visits").click()
    expect(shown).to_have_count(1)
    page.reload()
    wait_until(
        lambda: to_change.client.get(f"/api/v1/visits/{STRANGER}").status_code == 404, "it was not deleted"
    )
    # What is made after the page was loaded is found, too.
    to_change.client.delete(f"/api/v1/visits/{OTHER_STRANGER}").raise_for_status()
    page.clock.run_for(1000)
    expect(shown).to_have_count(0)
    tab.problems.clear()  # what was loaded may have asked for a picture that is gone


@pytest.mark.parametrize("path", ["/people/anna", "/strangers"])
def test_a_double_click_deletes_one_photo_and_of_two_deletions_the_second_can_be_undone(
    to_change: Page, open_tab: OpenTab, path: str
) -> None:
    folder = to_change.folders.enrollment_dir / ("Anna" if path == "/people/anna" else "_strangers")
    folder.mkdir(exist_ok=True)
    for seed in range(4):
        cv2.imwrite(str(folder / f"0{seed}.jpg"), face("Anna", seed=30 + seed))
    tab = open_tab(to_change.address, "desk")
    page = tab.page
    page.clock.install(time=0)
    tab.open(path)
    page.clock.pause_at(3_600_000)
    if path == "/strangers":
        page.locator("#stranger-photos summary").click()
    loaded: list[str] = []
    page.on(
        "request", lambda request: loaded.append(request.url) if request.is_navigation_request() else None
    )
    shown = page.locator("[data-photo]:visible")
    before, files = shown.count(), len(list(folder.glob("*.jpg")))
    button = shown.first.locator("[data-delete-photo] button")
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    assert box is not None
    place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    # The photo beside it moves to the pointer at once.
    page.mouse.dblclick(*place)
    expect(shown).to_have_count(before - 1)
    # No double click to the browser, but no more than a moment later.
    page.mouse.click(*place)
    expect(shown).to_have_count(before - 1)
    page.clock.run_for(2000)
    page.mouse.click(*place)
    expect(shown).to_have_count(before - 2)
    wait_until(lambda: len(list(folder.glob("*.jpg"))) == files - 1, "the first photo was not deleted")
    # What is read meanwhile does not bring back what can still be undone.
    page.evaluate("import('/static/live.js').then(live => live.refresh({whole: true}))")
    expect(shown).to_have_count(before - 2)
    tab.click("Undo")
    expect(shown).to_have_count(before - 1)
    assert len(list(folder.glob("*.jpg"))) == files - 1
    assert loaded == []


def test_a_photo_is_moved_and_a_person_renamed_and_forgotten(to_change: Page, open_tab: OpenTab) -> None:
    enrollment = to_change.folders.enrollment_dir
    before = len(list((enrollment / "Anna").glob("*.jpg")))
    tab = open_tab(to_change.address, "desk")
    page = tab.open("/people/tom")
    page.get_by_role("button", name="Not Tom").first.click()
    page.get_by_role("option", name="Anna").click()
    tab.shows("This looks like Tom.")
    tab.click("Yes, put it there")
    tab.shows("Moved to Anna.")
    tab.go("People")
    assert len(list((enrollment / "Anna").glob("*.jpg"))) == before + 1
    tab.open("/people/anna")
    page.get_by_role("textbox", name="Name").fill("Annabel")
    tab.click("Rename")
    page.get_by_role("heading", name="Annabel", exact=True).first.wait_for()
    assert to_change.client.get("/api/v1/people/anna").json()["name"] == "Annabel"
    tab.click("Forget Annabel")  # without the mark in the box nothing happens
    page.get_by_label("Yes, forget Annabel permanently").check()
    tab.click("Forget Annabel")
    page.locator("#sure-yes").click()
    page.get_by_role("progressbar", name="Forgetting Annabel").wait_for()
    page.wait_for_url("**/people")
    page.get_by_text("Annabel is").first.wait_for()
    # The other boxes of the house are to forget her, too.
    assert [each.matches("anna") for each in noted(to_change.folders.model_dir)] == [True]
    assert pictures_in(enrollment / "Annabel") == 0


def test_a_photo_that_was_set_aside_is_used_anyway(to_change: Page, open_tab: OpenTab) -> None:
    model_dir = to_change.folders.model_dir
    current = load_current(model_dir)
    assert current is not None
    first, other, *rest = current.report["photos"]
    aside = first | {
        "used": False,
        "reason": f"It is a near-duplicate of {other['file']}, which is used.",
        "reason_code": "duplicate_of",
        "duplicate_of": other["file"],
    }
    made = datetime.now(UTC) + timedelta(minutes=5)
    report = {**current.report, "photos": [aside, other, *rest]}
    save_model(
        model_dir, replace(current, version=new_version(made), created=made.isoformat(), report=report)
    )
    folder, file = Path(aside["file"]).parts
    [told] = [
        each
        for each in to_change.client.get(f"/api/v1/people/{folder.lower()}/photos").json()["photos"]
        if each["file"] == file
    ]
    assert (told["used"], told["duplicate_of"]) == (False, other["file"])
    assert Path(other["file"]).name not in told["reason"]
    tab = open_tab(to_change.address, "phone")
    page = tab.open(f"/people/{folder.lower()}")
    expect(page.locator("#photo-count")).to_contain_text("1 set aside")
    expect(page.locator("#set-aside")).to_contain_text("One is set aside: almost the same as another.")
    photo = page.locator(f"[data-photo='{file}']")
    photo.get_by_role("button", name="Use it anyway").click()
    photo.get_by_role("button", name="Use it no longer").wait_for()
    assert file in photos_to_use(to_change.folders.enrollment_dir / folder)


def test_a_visit_of_somebody_else_is_taken_out_of_a_strangers_group(
    to_change: Page, open_tab: OpenTab
) -> None:
    merge = {"from": f"S{OTHER_STRANGER}", "into": f"S{STRANGER}"}
    assert to_change.client.post("/api/v1/strangers/merge", json=merge).status_code == 200
    tab = open_tab(to_change.address, "phone")
    tab.open("/strangers")
    tab.click("Somebody who came 2 times", role="link")
    row = tab.page.locator(f"[data-visit='{OTHER_STRANGER}']")
    row.get_by_role("button", name="Somebody else").click()
    tab.shows("The visit is taken out.")
    expect(row).to_be_hidden()
    tab.go("Strangers")
    expect(tab.page.locator("[data-stranger]")).to_have_count(2)


def test_photos_that_are_chosen_before_the_page_can_take_them_are_taken(
    to_change: Page, open_tab: OpenTab, tmp_path: Path
) -> None:
    photo = tmp_path / "several.jpg"
    cv2.imwrite(str(photo), cv2.hconcat([face("Anna", seed=5), face("Tom", seed=5)]))
    tab = open_tab(to_change.address, "desk")
    held: list[Route] = []
    tab.page.route("**/static/page.js*", lambda route: held.append(route))
    page = tab.page
    page.goto(f"{to_change.address}/people/anna", wait_until="commit")
    page.locator("#photos-anna").set_input_files(photo)

    def is_held() -> bool:
        page.wait_for_timeout(10)  # what the browser asks for is heard meanwhile
        return bool(held)

    wait_until(is_held)
    held[0].continue_()
    # Of two faces one is to be clicked; until then the photo is not shown a second time.
    page.get_by_role("button", name="Face 2").wait_for()
    listed = page.locator("[data-photo='several.jpg']")
    expect(listed).to_have_count(1)
    expect(listed).to_be_hidden()
    page.get_by_role("button", name="Face 2").click()
    expect(page.locator("[data-photo='several-face-2.jpg']")).to_be_visible()
    expect(listed).to_have_count(0)


def test_the_household_is_asked_once_whether_pictures_are_kept_and_may_change_its_mind(
    rebuilt: Home, open_tab: OpenTab, tmp_path: Path
) -> None:
    folders = household(rebuilt, tmp_path).model_copy(update={"keeps_pictures": False})

    def keeps() -> bool | None:
        return read_choices(folders.model_dir).keeps_pictures

    with running_page(page_request(folders)) as running:
        tab = open_tab(running.address, "phone", java_script_enabled=False)
        page = tab.open()
        assert keeps() is None
        expect(page.locator("#may")).to_contain_text(str(folders.review_dir))
        tab.click("Yes, keep pictures")
        expect(page.get_by_text("May pictures of visits be kept?")).to_have_count(0)
        assert keeps() is True
        page = tab.open("/model")
        tab.click("Stop keeping pictures")
        page.get_by_role("button", name="Keep pictures of visits").wait_for()
        assert keeps() is False
    with running_page(page_request(folders.model_copy(update={"keeps_pictures": True}))) as running:
        tab = open_tab(running.address, "phone", java_script_enabled=False)
        assert tab.open().get_by_text("May pictures of visits be kept?").count() == 0
        expect(tab.open("/model").locator("#pictures")).to_contain_text("FACEREC_REVIEW__ENABLED")


def test_a_picture_is_tried_and_a_damaged_one_answered_in_a_sentence(
    to_change: Page, open_tab: OpenTab, tmp_path: Path
) -> None:
    picture, broken = tmp_path / "anna.jpg", tmp_path / "broken.jpg"
    cv2.imwrite(str(picture), face("Anna", seed=2))
    broken.write_bytes(b"no picture")
    tab = open_tab(to_change.address, "phone")
    page = tab.open("/model")
    page.locator("#try").set_input_files(picture)
    page.locator("#tried b", has_text="Anna").wait_for()
    assert page.locator("#tried .boxes rect").count() == 1
    # Of several the first is the one on the left, in the picture and below it.
    both = tmp_path / "both.jpg"
    cv2.imwrite(str(both), cv2.hconcat([face("Tom", seed=5), face("Anna", seed=5)]))
    page.locator("#try").set_input_files(both)
    expect(page.locator("#tried b")).to_have_text(["1. Tom", "2. Anna"])
    expect(page.locator("#tried .tag")).to_have_text(["1", "2"])
    page.locator("#try").set_input_files(broken)
    page.locator("#tried .note.wrong").wait_for()
    tab.problems.clear()  # the console shows the status of the answer


@pytest.mark.parametrize("size", SIZES)
def test_strangers_are_put_together_and_made_a_known_visitor(
    to_change: Page, open_tab: OpenTab, size: str
) -> None:
    tab = open_tab(to_change.address, size)
    page = tab.open("/strangers")
    assert page.locator("[data-stranger]").count() == 2
    page.get_by_role("button", name="The same as …").first.click()
    page.get_by_role("button", name="This is the same").click()
    tab.shows("Put together.")
    tab.go("Now")
    tab.go("Strangers")
    tab.shows("Somebody who came 2 times")
    tab.click("Who is this?")
    name_it(tab, "Postman", choice=1)
    tab.shows("This is Postman.")
    tab.go("Visits")
    assert kind_of(to_change, STRANGER) == kind_of(to_change, OTHER_STRANGER) == ("visitor", "Postman")


def test_a_model_that_was_refused_is_said_until_it_is_used_all_the_same(
    to_change: Page, open_tab: OpenTab
) -> None:
    model_dir = to_change.folders.model_dir
    current = load_current(model_dir)
    assert current is not None
    because = f"Of 40 photos it recognises 10, and the model {current.version} 39."
    made = datetime.now(UTC) + timedelta(minutes=5)
    worse = replace(
        current,
        version=new_version(made),
        created=made.isoformat(),
        report={**current.report, "not_used_because": because},
    )
    save_model(model_dir, worse, switch=False)
    tab = open_tab(to_change.address, "phone")
    page = tab.open("/model")
    expect(page.locator("#rebuild")).to_contain_text("Of 40 photos it recognises 10, and the one in use 39.")
    before = page.locator("#rebuild-title").inner_text()
    page.locator("#rebuild").get_by_role("button", name="Use the new model anyway").click()
    assert page.locator("#sure-yes.danger").count() == 0
    page.locator("#sure-yes").click()
    tab.shows("This version is in use now.")
    expect(page.locator("#rebuild-title")).not_to_have_text(before)
    expect(page.locator("#rebuild .note")).to_have_count(0)
    assert current_version(model_dir) == worse.version
    # And the way back, among the versions that are kept.
    page.locator("#versions").get_by_role("button", name="Use this one").click()
    page.locator("#sure-yes").click()
    wait_until(lambda: current_version(model_dir) == current.version, "the model was not rolled back")
    expect(page.locator("#rebuild-title")).to_have_text(before)


def test_the_report_of_a_rebuild_is_shown_as_it_was_made(to_change: Page, open_tab: OpenTab) -> None:
    tab = open_tab(to_change.address, "desk")
    page = tab.open("/model")
    page.get_by_role("link", name="Report").click()
    page.wait_for_url("**/report.html")
    assert page.locator("main").evaluate("main => getComputedStyle(main).maxWidth") != "none"


def test_everything_is_checked_at_a_click(to_change: Page, open_tab: OpenTab) -> None:
    tab = open_tab(to_change.address, "phone")
    page = tab.open("/cameras")
    page.get_by_role("link", name="Check everything").click()
    page.locator("#checks li").first.wait_for()
    page.get_by_role("link", name="Check again").wait_for()


def test_of_a_model_that_was_refused_the_new_photos_can_be_removed_and_come_back(
    to_change: Page, open_tab: OpenTab
) -> None:
    folders = to_change.folders
    current = load_current(folders.model_dir)
    assert current is not None
    bad = ["IMG_1.jpg", "IMG_2.jpg", "holiday/IMG 3.jpg"]
    (folders.enrollment_dir / "Anna" / "holiday").mkdir()
    for number, name in enumerate(bad):
        cv2.imwrite(str(folders.enrollment_dir / "Anna" / name), face("Tom", seed=40 + number))
    photos = [{"file": f"Anna/{name}", "folder": "Anna", "used": True} for name in bad]
    tally = {"pictures": 24, "right": 15, "right_before": 23}
    compared = {"version": current.version, "worse_code": "member_missed", "worse_people": ["Anna"]}
    made = datetime.now(UTC) + timedelta(minutes=5)
    report = {
        **current.report,
        "photos": [*current.report["photos"], *photos],
        "not_used_because": "It is worse.",
        "compared_with": compared | {"worse_tally": tally},
    }
    worse = replace(current, version=new_version(made), created=made.isoformat(), report=report)
    save_model(folders.model_dir, worse, switch=False)
    [newest, *older] = to_change.client.get("/api/v1/model").json()["versions"]
    assert (newest["worse"]["before"], newest["worse"]["now"], newest["worse"]["pictures"]) == (23, 15, 24)
    assert {(each["person"], each["file"]) for each in newest["worse"]["added"]} == {
        ("anna", name) for name in bad
    }
    assert all(each["worse"] is None for each in older)
    tab = open_tab(to_change.address, "phone")
    page = tab.open("/model")
    expect(page.locator("#rebuild .fell")).to_have_text("23 of 24 before, 15 of 24 now.")
    assert tab.serious() == []
    page.get_by_role("checkbox", name="IMG_2.jpg").uncheck()
    tab.click("Remove the chosen photos")
    tab.shows("2 photos are removed.")
    tab.go("People")
    assert [(folders.enrollment_dir / "Anna" / name).exists() for name in bad] == [False, True, False]
    # Without JavaScript, and of one that is there still.
    plain = open_tab(to_change.address, "phone", java_script_enabled=False)
    plain.open("/model")
    plain.click("Remove the chosen photos")
    plain.page.wait_for_url("**/model")
    assert not (folders.enrollment_dir / "Anna" / "IMG_2.jpg").exists()
    assert to_change.client.post("/api/v1/people/anna/photos/IMG_1.jpg/restore").status_code == 200
