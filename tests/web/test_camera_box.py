"""The page of a box that only watches: no photos, no people, no model are changed on it."""

from collections.abc import Iterator

import pytest

from facerec_mqtt.web.schemas import HouseStatus, ModelStatus
from tests.support.page import Page, folders_in, page_request, running_page

CHANGES = [
    ("POST", "/api/v1/people", {"name": "Anna"}),
    ("PATCH", "/api/v1/people/anna", {"name": "Ann"}),
    ("DELETE", "/api/v1/people/anna", None),
    ("POST", "/api/v1/people/anna/photos", None),
    ("DELETE", "/api/v1/people/anna/photos/1.jpg", None),
    ("POST", "/api/v1/strangers/photos", None),
    ("POST", "/api/v1/cameras/front_door/capture", {"name": "Anna"}),
    ("POST", "/api/v1/visits/01KAREC9M3N8Q2Z7X4V6T1B5WD/assign", {"person": "anna"}),
    ("POST", "/api/v1/model/rebuild", {}),
    ("POST", "/api/v1/model/rollback", {}),
    ("POST", "/api/v1/recognise", None),
]
FORMS = [
    "/people",
    "/people/anna/rename",
    "/people/anna/photos",
    "/people/anna/enroll",
    "/strangers/photos",
    "/model/rebuild",
    "/model/rollback",
    "/model/try",
]


@pytest.fixture(scope="module")
def camera_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folders = folders_in(tmp_path_factory.mktemp("porch")).model_copy(update={"takes_photos": False})
    with running_page(page_request(folders)) as page:
        live = page.context.live
        house = HouseStatus(name="villa", role="camera", recognisers=["attic", "barn"])
        model = ModelStatus(status="ready", version="20260101T000000Z-abcd", progress=None, made_by="hall")
        live._status = live.status.model_copy(update={"house": house, "model": model})
        yield page


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_change_is_refused_and_it_is_said_where_to_make_it(
    camera_box: Page, method: str, path: str, body: dict[str, str] | None
) -> None:
    answer = camera_box.client.request(method, path, json=body)
    assert answer.status_code == 409
    assert "on the page of the box hall" in answer.json()["error"]
    assert not camera_box.folders.enrollment_dir.exists()


@pytest.mark.parametrize("path", FORMS)
def test_a_form_that_is_sent_all_the_same_is_refused(camera_box: Page, path: str) -> None:
    answer = camera_box.client.post(path, data={"name": "Anna", "camera": "front_door"})
    assert answer.status_code == 409
    assert "the box hall" in answer.text
    assert not camera_box.folders.enrollment_dir.exists()


@pytest.mark.parametrize(
    "path", ["/", "/visits", "/strangers", "/people", "/people/anna", "/people/anna/enroll", "/model"]
)
def test_the_pages_offer_none_of_it(camera_box: Page, path: str) -> None:
    answer = camera_box.client.get(path)
    if path.endswith("/enroll"):
        assert answer.status_code == 404 or "data-start" not in answer.text
        return
    assert answer.status_code == 200
    for form in ("/people", "/model/rebuild", "/model/rollback", "/model/try", "/strangers/photos"):
        assert f'action="{form}' not in answer.text
    assert 'data-upload="' not in answer.text


def test_the_page_says_what_the_box_does_and_who_answers(camera_box: Page) -> None:
    for path in ("/model", "/cameras"):
        shown = camera_box.client.get(path).text
        assert "role camera" in shown
        assert "2 boxes answer: attic, barn." in shown
    status = camera_box.client.get("/api/v1/status").json()
    assert status["house"] == {
        "name": "villa",
        "role": "camera",
        "recognisers": ["attic", "barn"],
        "asked_by": [],
    }
    answer = camera_box.client.get("/api/v1/checks")
    assert "rebuild" not in answer.text  # which a camera box never does
    checks = {each["check"]: each["state"] for each in answer.json()["checks"]}
    assert checks["recogniser"] == "ok"
    assert not checks.keys() & {"model", "enrollment folder", "photos can be added"}


def test_a_box_of_its_own_takes_changes(empty_page: Page) -> None:
    assert empty_page.client.get("/api/v1/status").json()["house"] is None
    assert empty_page.client.post("/api/v1/people", json={"name": "Anna"}).status_code == 201
    assert 'action="/people' in empty_page.client.get("/people").text
