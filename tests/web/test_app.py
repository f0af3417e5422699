from contextlib import ExitStack

import httpx
import pytest

from facerec_mqtt.web.live.link import MAX_LISTENERS
from tests.support.page import Page


@pytest.mark.parametrize("path", ["/nowhere", "/static/nothing.css"])
def test_what_is_not_there_is_a_page_that_says_so(empty_page: Page, path: str) -> None:
    answer = empty_page.client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert path in answer.text


def test_what_is_not_there_in_the_api_is_one_sentence(empty_page: Page) -> None:
    answer = empty_page.client.get("/api/v1/nowhere")
    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]


def test_a_static_file_is_kept_by_the_browser_until_its_content_changes(empty_page: Page) -> None:
    linked = empty_page.client.get("/nowhere").text.split('href="')[1].split('"')[0]
    answer = empty_page.client.get(linked)
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    other = empty_page.client.get(httpx.URL(linked).path)
    assert other.headers["cache-control"] == "no-cache"
    again = empty_page.client.get(httpx.URL(linked).path, headers={"If-None-Match": other.headers["etag"]})
    assert again.status_code == 304


def test_who_would_be_one_listener_too_many_is_refused_before_the_answer_begins(empty_page: Page) -> None:
    live = empty_page.context.live
    with ExitStack() as stack:
        for _ in range(MAX_LISTENERS):
            stack.enter_context(live.listening(address="127.0.0.1"))
        refused = empty_page.client.get("/api/v1/events")
        assert (refused.status_code, list(refused.json())) == (503, ["error"])
        watch = {"accept": "text/event-stream"}
        assert empty_page.client.get("/api/v1/cameras/front_door/live", headers=watch).status_code == 503
    with empty_page.client.stream("GET", "/api/v1/events") as taken:
        assert taken.status_code == 200
