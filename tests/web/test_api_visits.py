"""Visits by the API: filters, pages, whose a visit was, and a history that cannot be used."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from facerec_mqtt.history import FILE, History, Looks, VisitFacts, VisitKind, VisitRecord
from facerec_mqtt.monitoring.page_messages import PageFolders
from facerec_mqtt.presence import ScorePoint
from facerec_mqtt.settings import PicturesChoice
from tests.support.page import Page, folders_in, page_request, running_page
from tests.support.visits import NOON, filled

PICTURE = "2026-11-29/120000-123_garden_stranger.jpg"
WHY = VisitFacts(votes=3, frames=4, named=3, best_score=0.95)


def visit(number: int, kind: VisitKind, person: str | None = None, **facts: Any) -> VisitRecord:
    began = NOON + 60 * number
    name = None if person is None else person.capitalize()
    return VisitRecord(
        f"01{number:02}", kind, person, name, "front_door", began, began + 30, 0.4, why=WHY, **facts
    )


@pytest.fixture
def folders(tmp_path: Path) -> PageFolders:
    """Anna and Tom are enrolled; Anna came twice, and a stranger, whose picture is kept."""
    folders = folders_in(tmp_path)
    for name in ("Anna", "Tom"):
        (folders.enrollment_dir / name).mkdir(parents=True)
    with closing(
        filled(
            folders.model_dir / FILE,
            visit(1, VisitKind.FAMILY, "anna"),
            visit(2, VisitKind.STRANGER, picture=PICTURE),
            visit(3, VisitKind.FAMILY, "anna"),
            visit(4, VisitKind.DOUBTFUL),
        )
    ):
        pass
    picture = folders.review_dir / PICTURE
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"\xff\xd8 a picture")
    return folders


@pytest.fixture
def page(folders: PageFolders) -> Iterator[Page]:
    with running_page(page_request(folders)) as running:
        yield running


def listed(page: Page, query: str = "") -> list[str]:
    answer = page.client.get(f"/api/v1/visits{query}")
    assert answer.status_code == 200, answer.text
    return [each["visit_id"] for each in answer.json()["visits"]]


def ask(page: Page, method: str, path: str, **content: Any) -> tuple[int, Any]:
    answer = page.client.request(method, f"/api/v1{path}", **content)
    return answer.status_code, answer.json() if answer.content else None


def test_visits_are_filtered_and_come_page_by_page(page: Page) -> None:
    assert listed(page) == ["0104", "0103", "0102", "0101"]
    assert listed(page, "?person=anna") == ["0103", "0101"]
    assert listed(page, "?kind=stranger") == ["0102"]
    assert listed(page, "?camera=garden") == []
    assert listed(page, "?since=2026-11-29T00:00:00Z&until=2026-11-29T00:00:00Z") == []
    _, first = ask(page, "GET", "/visits?limit=3")
    assert listed(page, f"?limit=3&cursor={first['next']}") == ["0101"]
    seen = first["visits"][-1]
    assert (seen["kind"], seen["person"], seen["name"], seen["picture"]) == (
        "stranger",
        None,
        None,
        "/api/v1/visits/0102/picture.jpg",
    )
    status, detail = ask(page, "GET", "/visits/0103")
    assert status == 200
    assert "3 of 4 pictures were named Anna" in detail["sentence"]


@pytest.mark.parametrize(
    "query", ["?cursor=x", "?cursor=1_.", "?since=monday", "?kind=cat", "?limit=0", "?person=../anna"]
)
def test_nonsense_is_refused_in_one_sentence(page: Page, query: str) -> None:
    status, answer = ask(page, "GET", f"/visits{query}")
    assert status == 422
    assert set(answer) == {"error"}


def test_a_visit_is_assigned_and_its_picture_follows(page: Page, folders: PageFolders) -> None:
    enrollment = folders.enrollment_dir
    name = "20261129-120000-123_garden_0102.jpg"
    for assignment, kind, person, place in (
        ({"person": "tom"}, "family", "tom", "Tom"),
        ({"name": "Uncle Jo"}, "family", "uncle_jo", "Uncle Jo"),
        ({"visitor": "Postman"}, "visitor", "postman", "_known/Postman"),
        ({"nobody": True}, "stranger", None, "_strangers"),
        ({"person": "anna"}, "family", "anna", "Anna"),
    ):
        status, answer = ask(page, "POST", "/visits/0102/assign", json=assignment)
        assert status == 200, answer
        assert (answer["kind"], answer["person"]) == (kind, person)
        assert [path.relative_to(enrollment).as_posix() for path in enrollment.rglob("*.jpg")] == [
            f"{place}/{name}"
        ]
        assert page.client.get(answer["picture"]).content == b"\xff\xd8 a picture"
    assert not (folders.review_dir / PICTURE).exists()
    assert listed(page, "?person=anna") == ["0103", "0102", "0101"]


@pytest.mark.parametrize(
    ("assignment", "status"),
    [
        ({"person": "nobody_here"}, 404),
        ({"name": "../../x"}, 422),
        ({"name": "anna?"}, 422),
        ({"name": "_strangers"}, 422),
        ({"visitor": "Gate \u202eneet"}, 422),
        ({"visitor": "ANNA"}, 409),
        ({}, 422),
        ({"person": "tom", "nobody": True}, 422),
    ],
)
def test_what_cannot_be_assigned_changes_nothing(
    page: Page, folders: PageFolders, assignment: dict[str, Any], status: int
) -> None:
    before = sorted(folders.enrollment_dir.rglob("*"))
    assert ask(page, "POST", "/visits/0102/assign", json=assignment)[0] == status
    assert ask(page, "GET", "/visits/0102")[1]["kind"] == "stranger"
    assert (folders.review_dir / PICTURE).exists()
    assert sorted(folders.enrollment_dir.rglob("*")) == before


def test_two_people_who_assign_at_once_leave_one_picture_with_one_person(
    page: Page, folders: PageFolders
) -> None:
    answers: list[int] = []

    def assign(person: str) -> None:
        answers.append(ask(page, "POST", "/visits/0102/assign", json={"person": person})[0])

    threads = [threading.Thread(target=assign, args=(person,)) for person in ("anna", "tom") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    (left,) = folders.enrollment_dir.rglob("*.jpg")
    assert left.parent.name.lower() == ask(page, "GET", "/visits/0102")[1]["person"]


def test_a_deleted_visit_is_gone_with_its_picture(page: Page, folders: PageFolders) -> None:
    assert ask(page, "DELETE", "/visits/0102") == (204, None)
    assert not (folders.review_dir / PICTURE).exists()
    assert listed(page) == ["0104", "0103", "0101"]
    for method, path in (
        ("DELETE", "/visits/0102"),
        ("GET", "/visits/0102"),
        ("GET", "/visits/0102/picture.jpg"),
    ):
        assert ask(page, method, path)[0] == 404


def test_a_visit_opens_to_its_pictures_and_scores_and_all_pictures_move_when_it_was_another(
    page: Page, folders: PageFolders
) -> None:
    names = ("2026-11-29/120300-123_front_door_family.jpg", "2026-11-29/120301-123_front_door_family.jpg")
    for number, name in enumerate(names):
        (folders.review_dir / name).write_bytes(b"%d" % number)
    scores = (ScorePoint(-0.4, 0.31, "tom"), ScorePoint(0.0, 0.9, "anna"))
    with closing(History.open(folders.model_dir / FILE)) as history:
        assert history.set_looks("0103", Looks("anna", scores, names))
    _, opened = ask(page, "GET", "/visits/0103")
    assert opened["picture"] == opened["pictures"][0]
    assert [page.client.get(url).content for url in opened["pictures"]] == [b"0", b"1"]
    assert opened["scores"] == [
        {"seconds": -0.4, "score": 0.31, "nearest": "Tom"},
        {"seconds": 0.0, "score": 0.9, "nearest": "Anna"},
    ]
    assert ask(page, "GET", "/visits/0103/pictures/2.jpg")[0] == 404
    status, _ = ask(page, "POST", "/visits/0103/assign", json={"person": "tom"})
    assert status == 200
    moved = sorted(path.name for path in (folders.enrollment_dir / "Tom").iterdir())
    assert moved == [f"20261129-12030{number}-123_front_door_0103.jpg" for number in range(2)]
    assert not any((folders.review_dir / name).exists() for name in names)
    assert len(ask(page, "GET", "/visits/0103")[1]["pictures"]) == 2
    assert ask(page, "DELETE", "/visits/0103")[0] == 204
    assert len(list((folders.enrollment_dir / "Tom").iterdir())) == 2


def test_a_deleted_visit_takes_all_its_pictures_with_it(page: Page, folders: PageFolders) -> None:
    names = tuple(f"2026-11-29/12030{number}-123_front_door_family.jpg" for number in range(3))
    for name in names:
        (folders.review_dir / name).write_bytes(b"jpeg")
    with closing(History.open(folders.model_dir / FILE)) as history:
        assert history.set_looks("0103", Looks("anna", (), names))
    assert ask(page, "DELETE", "/visits/0103")[0] == 204
    assert [path.name for path in folders.review_dir.glob("*/*")] == [Path(PICTURE).name]


@pytest.mark.parametrize("picture", ["../secret.jpg", "/etc/hostname", "link.jpg"])
def test_a_picture_outside_of_the_review_folder_is_never_given_out(
    page: Page, folders: PageFolders, picture: str
) -> None:
    (folders.review_dir.parent / "secret.jpg").write_bytes(b"secret")
    (folders.review_dir / "link.jpg").symlink_to("../secret.jpg")
    with closing(filled(folders.model_dir / FILE, visit(5, VisitKind.STRANGER, picture=picture))):
        pass
    assert ask(page, "GET", "/visits/0105")[1]["picture"] is None
    assert page.client.get("/api/v1/visits/0105/picture.jpg").status_code == 404
    assert ask(page, "DELETE", "/visits/0105")[0] == 204
    assert (folders.review_dir.parent / "secret.jpg").exists()


@pytest.mark.parametrize(
    ("visit_id", "said", "corrected"),
    [("0101", {"person": "anna"}, 0), ("0104", {"person": "anna"}, 1), ("0102", {"nobody": True}, 0)],
)
def test_what_somebody_has_said_of_a_visit_is_remembered(
    page: Page, visit_id: str, said: dict[str, Any], corrected: int
) -> None:
    assert ask(page, "GET", f"/visits/{visit_id}")[1]["confirmed"] is False
    assert ask(page, "POST", f"/visits/{visit_id}/assign", json=said)[1]["confirmed"] is True
    found = {each["visit_id"]: each for each in ask(page, "GET", "/visits")[1]["visits"]}
    assert [key for key, each in found.items() if each["confirmed"]] == [visit_id]
    assert ask(page, "GET", "/quality?days=3650")[1]["corrected"] == corrected


def test_whether_it_works_is_counted(page: Page) -> None:
    before = ask(page, "GET", "/quality?days=3650")[1]
    assert (before["named"], before["doubted"], before["strangers"]) == (2, 1, 1)
    assert before["nearest_stranger"] == 0.95
    assert before["corrected"] == 0
    ask(page, "POST", "/visits/0101/assign", json={"person": "tom"})
    assert ask(page, "GET", "/quality?days=3650")[1]["corrected"] == 1


def test_a_history_that_cannot_be_used_is_one_sentence(page: Page, folders: PageFolders) -> None:
    path = folders.model_dir / FILE
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        status, answer = ask(page, "POST", "/visits/0102/assign", json={"person": "tom"})
        assert (status, "locked" in answer["error"]) == (503, True)
        assert (folders.review_dir / PICTURE).exists()
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    path.write_bytes(b"no database" * 1000)
    status, answer = ask(page, "GET", "/visits")
    assert (status, "damaged" in answer["error"]) == (503, True)
    assert ask(page, "GET", "/people")[0] == 200
    path.unlink()
    assert listed(page) == []
    assert ask(page, "DELETE", "/visits/0102")[0] == 404


@pytest.fixture
def groups(folders: PageFolders) -> None:
    """A stranger who came three times, once with a picture that is kept, and another who came once."""
    with closing(
        filled(
            folders.model_dir / FILE,
            visit(2, VisitKind.STRANGER, picture=PICTURE, stranger_id="S1"),
            visit(6, VisitKind.STRANGER, stranger_id="S1"),
            visit(7, VisitKind.STRANGER, stranger_id="S1"),
            visit(8, VisitKind.STRANGER, stranger_id="S2"),
        )
    ):
        pass


def strangers(page: Page) -> dict[str, int]:
    status, answer = ask(page, "GET", "/strangers")
    assert status == 200, answer
    return {each["stranger_id"]: each["visits"] for each in answer["strangers"]}


@pytest.mark.usefixtures("groups")
def test_strangers_are_put_together_taken_apart_and_named(page: Page, folders: PageFolders) -> None:
    assert strangers(page) == {"S2": 1, "S1": 3}
    (first,) = (each for each in ask(page, "GET", "/strangers")[1]["strangers"] if each["visits"] == 3)
    assert (first["cameras"], first["pictures"]) == (["front_door"], ["/api/v1/visits/0102/picture.jpg"])
    assert listed(page, "?stranger=S1") == ["0107", "0106", "0102"]
    status, new = ask(page, "POST", "/strangers/S1/split", json={"visits": ["0106", "0101"]})
    assert (status, new["visits"]) == (201, 1)
    assert strangers(page) == {"S2": 1, "S1": 2, new["stranger_id"]: 1}
    status, merged = ask(page, "POST", "/strangers/merge", json={"from": new["stranger_id"], "into": "S2"})
    assert (status, merged["stranger_id"], merged["visits"]) == (200, "S2", 2)
    status, named = ask(page, "POST", "/strangers/S1/assign", json={"visitor": "Postman"})
    assert status == 200
    assert {(each["visit_id"], each["kind"], each["name"]) for each in named["visits"]} == {
        ("0102", "visitor", "Postman"),
        ("0107", "visitor", "Postman"),
    }
    assert len(list((folders.enrollment_dir / "_known" / "Postman").iterdir())) == 1
    assert ask(page, "DELETE", "/strangers/S2") == (204, None)
    assert strangers(page) == {}
    assert "0106" not in listed(page)


@pytest.mark.usefixtures("groups")
def test_what_cannot_be_done_with_strangers_is_said_and_changes_nothing(page: Page) -> None:
    for status, method, path, content in (
        (404, "POST", "/strangers/S9/assign", {"nobody": True}),
        (404, "POST", "/strangers/merge", {"from": "S1", "into": "S9"}),
        (404, "POST", "/strangers/merge", {"from": "S9", "into": "S1"}),
        (409, "POST", "/strangers/merge", {"from": "S1", "into": "S1"}),
        (404, "POST", "/strangers/S1/split", {"visits": ["0108"]}),
        (409, "POST", "/strangers/S2/split", {"visits": ["0108"]}),
        (422, "POST", "/strangers/S1/split", {"visits": []}),
        (404, "DELETE", "/strangers/S9", None),
        (422, "DELETE", "/strangers/..%2Fx%20", None),
    ):
        found, answer = ask(page, method, path, json=content)
        assert found in ((status, 404) if "%" in path else (status,)), (path, answer)
        assert set(answer) == {"error"}
    assert strangers(page) == {"S2": 1, "S1": 3}


def test_whether_pictures_are_kept_is_chosen_once_and_the_service_follows(tmp_path: Path) -> None:
    folders = folders_in(tmp_path).model_copy(update={"keeps_pictures": False})
    time = [0.0]
    keeps = PicturesChoice(folders.model_dir, enabled=False, clock=lambda: time[0])
    with running_page(page_request(folders)) as page:
        expected = {"keeps_pictures": False, "by_settings": False, "asked": False}
        assert ask(page, "GET", "/choices") == (200, expected)
        assert not keeps()
        for chosen in (True, False):
            status, answer = ask(page, "PUT", "/choices", json={"keeps_pictures": chosen})
            assert (status, answer) == (200, expected | {"keeps_pictures": chosen, "asked": True})
            assert keeps() is not chosen
            time[0] += 10
            assert keeps() is chosen
    (folders.model_dir / "choices.json").write_text("{")
    time[0] += 10
    assert not keeps()
    with running_page(page_request(folders_in(tmp_path))) as page:
        assert ask(page, "PUT", "/choices", json={"keeps_pictures": False})[0] == 409


def test_everything_that_recognition_needs_is_tried(page: Page, folders: PageFolders) -> None:
    def checks() -> dict[str, tuple[str, str]]:
        status, answer = ask(page, "GET", "/checks")
        assert status == 200, answer
        return {each["check"]: (each["state"], each["sentence"]) for each in answer["checks"]}

    found = checks()
    assert found["enrollment folder"] == ("ok", "2 people, 0 files")
    assert found["history"][0] == "ok"
    assert {what for what, (state, _) in found.items() if state == "failed"} == {
        "model",
        "broker",
        "camera Front door",
    }
    (folders.model_dir / FILE).write_bytes(b"no database" * 1000)
    assert checks()["history"][0] == "failed"
