"""Every page in a real browser: for everybody, on telephone and desk, without JavaScript, below a prefix."""

from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect

from tests.support.broker import wait_until
from tests.support.browser import OpenTab, proxy_with_prefix
from tests.support.lived_in import DOUBTFUL, FAMILY_VISITS, OTHER_STRANGER, PICTURES, STRANGER
from tests.support.page import Page, page_request, running_page

PAGES = (
    "/",
    "/visits",
    f"/visits/{STRANGER}",
    f"/visits?stranger=S{STRANGER}",
    f"/visits/01F{FAMILY_VISITS:05}",
    "/strangers",
    "/people",
    "/people/anna",
    "/people/anna/enroll",
    "/model",
    "/cameras",
)
EMPTY_PAGES = ("/", "/visits", "/strangers", "/people", "/model", "/cameras", "/nothing")
KINDS = (("phone", "light"), ("desk", "dark"))


@pytest.mark.parametrize(("size", "scheme"), KINDS)
def test_nothing_keeps_anybody_out_of_a_page(
    lived_in: Page, open_tab: OpenTab, size: str, scheme: str
) -> None:
    tab = open_tab(lived_in.address, size, color_scheme=scheme)
    for path in PAGES:
        page = tab.open(path)
        assert page.locator("h1").inner_text()
        assert tab.serious() == [], path
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= page.viewport_size["width"], path  # type: ignore[index]


@pytest.mark.parametrize(("size", "scheme"), KINDS)
def test_empty_pages_say_what_to_do_next(empty_page: Page, open_tab: OpenTab, size: str, scheme: str) -> None:
    tab = open_tab(empty_page.address, size, color_scheme=scheme)
    for path in EMPTY_PAGES:
        page = tab.open(path)
        assert tab.serious() == [], path
        if path == "/nothing":
            tab.problems.clear()  # that there is nothing stands in the console, too
        elif path not in ("/strangers", "/cameras"):
            assert page.locator("main :is(a.button, form)").count(), path
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]


def test_without_javascript_all_is_there_to_be_read_and_a_visit_can_be_named(
    to_change: Page, open_tab: OpenTab, tmp_path: Path
) -> None:
    tab = open_tab(to_change.address, "phone", java_script_enabled=False)
    for path in PAGES:
        assert tab.open(path).locator("h1").inner_text()
    page = tab.open("/visits")
    assert page.locator("[data-visit]").count() == 50
    page.get_by_role("link", name="Earlier visits").click()
    assert page.locator("[data-visit]").count() == 50
    page = tab.open(f"/visits/{DOUBTFUL}")
    page.locator("input[name=name]").fill("Anna")
    tab.click("Save")
    assert page.locator("h1").inner_text().startswith("Anna")
    assert to_change.client.get(f"/api/v1/visits/{DOUBTFUL}").json()["person"] == "anna"
    nobody = tmp_path / "nobody.jpg"
    cv2.imwrite(str(nobody), np.full((240, 240, 3), 128, np.uint8))
    page = tab.open("/people/tom")
    page.locator("#photos-tom").set_input_files(nobody)
    tab.click("Upload")
    tab.shows("nobody.jpg: added, but not usable")


def test_a_visit_opens_to_its_best_pictures_and_its_scores_over_time(
    lived_in: Page, open_tab: OpenTab
) -> None:
    tab = open_tab(lived_in.address, "phone")
    page = tab.open(f"/visits/01F{FAMILY_VISITS:05}")
    shown = page.locator("[data-shot] img")
    first = shown.get_attribute("src")
    buttons = page.locator("[data-show]")
    expect(buttons).to_have_count(PICTURES)
    buttons.nth(1).click()
    expect(shown).not_to_have_attribute("src", first or "")
    wait_until(lambda: shown.evaluate("image => image.naturalWidth > 0"), "there is no such picture")
    scores = lived_in.client.get(f"/api/v1/visits/01F{FAMILY_VISITS:05}").json()["scores"]
    expect(page.locator(".scores circle")).to_have_count(len(scores))
    expect(page.locator(".scores .low")).to_have_count(sum(each["score"] < 0.5 for each in scores))
    page.get_by_text("As a table").click()
    expect(page.locator("details tbody tr")).to_have_count(len(scores))
    assert tab.serious() == []
    # One of which nothing is kept has neither.
    page = tab.open(f"/visits/{OTHER_STRANGER}")
    expect(page.locator(".scores, .strip")).to_have_count(0)


def test_no_name_in_a_live_picture_covers_another(lived_in: Page, open_tab: OpenTab) -> None:
    page = open_tab(lived_in.address, "phone").open()
    tops = page.evaluate(
        """async () => {
            const {keepApart} = await import('/static/cameras.js')
            const view = document.createElement('div')
            view.className = 'view'
            const tag = (name) => `<span class="tag">${name}</span>`
            view.innerHTML = `<div class="tags">${['Grandma Edith', 'Anna', 'Tom'].map(tag).join('')}</div>`
            document.body.append(view)
            const tags = [...view.querySelectorAll('.tag')]
            tags.forEach((tag, at) => { tag.style.left = ['10%', '20%', '85%'][at]; tag.style.top = '50%' })
            keepApart(tags)
            return tags.map((tag) => tag.getBoundingClientRect()).map(({ top, bottom }) => [top, bottom])
        }"""
    )
    assert tops[1][0] >= tops[0][1]
    assert tops[2] == tops[0]


def test_what_goes_wrong_again_and_again_is_said_once_and_what_can_be_undone_stays(
    lived_in: Page, open_tab: OpenTab
) -> None:
    page = open_tab(lived_in.address, "phone").open()
    page.evaluate(
        """async () => {
            const {complain, say} = await import('/static/undo.js')
            say('Deleted.', { action: 'Undo', onAction: () => {} })
            for (const at of [1, 1, 2, 1, 3, 3]) complain(new Error(`Wrong ${at}`))
        }"""
    )
    expect(page.locator(".toast span")).to_have_text(["Deleted.", "Wrong 1", "Wrong 3"])


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_under_a_prefix_every_link_leads_on(lived_in: Page, open_tab: OpenTab, size: str) -> None:
    request = page_request(lived_in.folders, trusted_proxies=("127.0.0.1",))
    with (
        running_page(request) as page,
        proxy_with_prefix(page.address, "/api/hassio/faces", "X-Forwarded-Prefix") as address,
    ):
        tab = open_tab(address, size)
        with tab.page.expect_response("**/api/hassio/faces/api/v1/events") as events:
            tab.open("/")
        assert events.value.ok
        for name in ("Visits", "Strangers", "People", "Model", "Cameras", "Now"):
            tab.go(name)
            assert tab.page.url.startswith(address)
        tab.open("/people/anna")
        picture = tab.page.locator("#photos img").first
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        assert tab.page.locator("a[href^='/']:not([href^='/api/hassio/faces/'])").count() == 0
        tab.page.close()


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_earlier_visits_come_while_one_scrolls(lived_in: Page, open_tab: OpenTab, size: str) -> None:
    tab = open_tab(lived_in.address, size)
    page = tab.open("/visits")
    while page.locator("[data-more]").count():
        page.mouse.wheel(0, 4000)
        page.wait_for_timeout(20)
    ids = page.eval_on_selector_all("[data-visit]", "rows => rows.map(row => row.dataset.visit)")
    assert len(ids) == len(set(ids)) == FAMILY_VISITS + 3
    days = page.locator("[data-day]").count()
    assert days == len(set(page.eval_on_selector_all("[data-day]", "all => all.map(day => day.dataset.day)")))
    assert page.locator("[data-day] h2").first.inner_text() == "Today" or datetime.now().hour == 0


def test_visits_are_chosen_by_kind_and_by_person(lived_in: Page, open_tab: OpenTab) -> None:
    tab = open_tab(lived_in.address, "phone")
    page = tab.open("/visits")
    page.get_by_role("navigation", name="Kind of visit").get_by_role("link", name="Strangers").click()
    page.wait_for_url("**/visits?kind=stranger")
    assert page.locator("[data-visit]").count() == 2
    tab.open("/visits?kind=visitor")
    expect(page.get_by_role("link", name="Known visitors")).to_be_in_viewport(ratio=1)
    expect(page.locator("#broker-line")).to_be_in_viewport(ratio=1)
    tab.open("/visits")
    page.get_by_text("Person, camera, day").click()
    page.get_by_label("Person").select_option("anna")
    page.wait_for_url("**person=anna*")
    assert set(page.locator("[data-visit] [data-item]").all_text_contents()) == {"Anna"}
