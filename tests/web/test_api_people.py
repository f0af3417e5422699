"""People and their photos by the API, on drawn people: judged, moved, deleted, used anyway, forgotten."""

import fcntl
import shutil
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.images import read_picture
from facerec_mqtt.core.rejections import RejectionCode
from facerec_mqtt.enrollment.folder import read_enrollment_folder
from facerec_mqtt.enrollment.owners import TRASH
from facerec_mqtt.monitoring.page_messages import PageFolders
from facerec_mqtt.rendering import FAMILY, UNSEEN_STRANGERS, Pose, render_frame
from facerec_mqtt.web.household import ConflictError, NotThereError
from facerec_mqtt.web.schemas import AddedPhoto
from tests.support.broker import PATIENCE_S, wait_until
from tests.support.disk import fill
from tests.support.page import Page, folders_in, page_request, running_page
from tests.support.pictures import png_header_only

HOSTILE = [
    "../../../../etc/passwd.jpg",
    "..\\..\\evil.jpg",
    "/etc/cron.d/x.jpg",
    ".hidden.jpg",
    ".unfinished-x.jpg",
    "a\x00b.jpg",
    "CON:|?*.jpg",
    "x" * 500 + ".jpg",
    "..",
    "\u202egpj.exe",
    "naïve Ω.jpg",
]


def ask(page: Page, method: str, path: str, **content: Any) -> tuple[int, Any]:
    answer = page.client.request(method, f"/api/v1{path}", **content)
    return answer.status_code, answer.json() if answer.content else None


def send(page: Page, person: str, *files: tuple[str, bytes]) -> list[dict[str, Any]]:
    status, answer = ask(page, "POST", f"/people/{person}/photos", files=[("photo", file) for file in files])
    assert status == 201, answer
    return list(answer["photos"])


@dataclass(frozen=True)
class Sent:
    """A photo that comes while something else happens."""

    name: str
    content: Callable[[], bytes]

    def read(self, most_bytes: int) -> bytes:
        return self.content()[:most_bytes]


def photos(page: Page, person: str) -> dict[str, dict[str, Any]]:
    status, answer = ask(page, "GET", f"/people/{person}/photos")
    assert status == 200, answer
    return {photo["file"]: photo for photo in answer["photos"]}


def jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image)[1].tobytes()


def photo_of(*people: str, size: tuple[int, int] = (640, 480)) -> bytes:
    step = size[0] // (len(people) + 1)
    cast = {**FAMILY, "stranger": UNSEEN_STRANGERS[0]}
    placed = [(cast[name], Pose(step * (at + 1), size[1] // 2, 130)) for at, name in enumerate(people)]
    return jpeg(render_frame(placed, size=size, seed=7))


def test_people_have_what_the_last_rebuild_reported(page: Page) -> None:
    _, answer = ask(page, "GET", "/people")
    anna, tom = answer["people"]
    assert (anna["person"], anna["name"], anna["photos"]) == ("anna", "Anna", 8)
    assert 0 < anna["used"] <= 8
    assert 0 <= anna["recognised"] <= 1
    goes = ask(page, "GET", "/people/anna/to-forget")[1]
    assert (goes["photos"], goes["visits"], goes["unnamed"]) == (8, 0, 0)
    assert page.client.get(anna["picture"]).headers["content-type"] == "image/jpeg"
    listed = photos(page, "tom")
    assert sum(photo["used"] for photo in listed.values()) == tom["used"]
    assert all(bool(photo["reason"]) != photo["used"] for photo in listed.values())


def test_somebody_is_added_and_renamed_and_the_name_is_nobody_elses(
    page: Page, page_folders: PageFolders
) -> None:
    assert ask(page, "POST", "/people", json={"name": "  José  Núñez "})[1]["person"] == "jose_nunez"
    assert (page_folders.enrollment_dir / "José Núñez").is_dir()
    status, renamed = ask(page, "PATCH", "/people/jose_nunez", json={"name": "Pepe"})
    assert (status, renamed["person"], renamed["name"]) == (200, "jose_nunez", "Pepe")
    assert (page_folders.enrollment_dir / "José Núñez").is_dir()
    for name in ("Pepe", "jose nunez", "ANNA"):
        assert ask(page, "POST", "/people", json={"name": name})[0] == 409
    for name in ("anna", "Tom"):
        assert ask(page, "PATCH", "/people/jose_nunez", json={"name": name})[0] == 409
    for name in (
        "",
        " ",
        "../x",
        "_strangers",
        "_known",
        ".trash",
        "@eaDir",
        "a/b",
        "🦊",
        "x" * 99,
        "x" * 900,
        "a\x07b",
    ):
        assert ask(page, "POST", "/people", json={"name": name})[0] == 422, name
        form = page.client.post("/people", data={"name": name}, headers={"Origin": page.address})
        assert form.status_code == 422, name
    assert ask(page, "PATCH", "/people/nobody_here", json={"name": "X"})[0] == 404
    people = [person.name for person in read_enrollment_folder(page_folders.enrollment_dir).people]
    assert people == ["Anna", "Pepe", "Tom"]
    shutil.rmtree(page_folders.enrollment_dir / "José Núñez")


def test_photos_that_are_sent_are_judged_at_once(page: Page, page_folders: PageFolders) -> None:
    folder = page_folders.enrollment_dir / "Tom"
    before = {path.name for path in folder.iterdir()}
    there = folder / "001.jpg"
    good = photo_of("Tom")
    results = send(
        page,
        "tom",
        ("new.jpg", good),
        ("again.jpg", there.read_bytes()),
        ("two.jpg", photo_of("Tom", "Anna")),
        ("empty.jpg", jpeg(np.zeros((300, 300, 3), np.uint8))),
        ("bomb.png", png_header_only(60_000, 60_000)),
        ("page.jpg", b"<html><script>alert(1)</script>"),
        ("nothing.jpg", b""),
        ("cut.jpg", good[: len(good) // 2]),
    )
    assert [(each["added"], each["reason_code"]) for each in results] == [
        (True, None),
        (False, "same_photo"),
        (True, RejectionCode.SEVERAL_FACES),
        (True, RejectionCode.NO_FACE),
        (False, RejectionCode.PICTURE_TOO_LARGE),
        (False, RejectionCode.NOT_A_PICTURE),
        (False, RejectionCode.EMPTY_FILE),
        (False, RejectionCode.CUT_SHORT),
    ]
    assert results[1]["file"] == "001.jpg"
    assert {path.name for path in folder.iterdir()} - before == {"new.jpg", "two.jpg", "empty.jpg"}
    assert (folder / "new.jpg").read_bytes() == good
    assert (folder / "new.jpg").stat().st_mode & 0o777 == 0o600

    # Of several faces one is chosen.
    left, right = sorted(results[2]["faces"], key=lambda face: face["box"][0])
    assert left["box"][2] <= 0.5 <= right["box"][0]
    assert ask(page, "GET", "/people/tom/photos/two.jpg/faces")[1] == results[2]["faces"]
    status, chosen = ask(
        page, "PATCH", "/people/tom/photos/two.jpg", json={"face": results[2]["faces"].index(left)}
    )
    assert status == 200, chosen
    cut = read_picture(folder / chosen["file"])
    assert cut.shape[1] < 500
    assert not (folder / "two.jpg").exists()
    # What a rebuild would make of them beside the others comes soon after.
    wait_until(lambda: all(photo["used"] is not None for photo in photos(page, "tom").values()), "no audit")
    assert photos(page, "tom")["empty.jpg"]["reason_code"] == RejectionCode.NO_FACE
    assert ask(page, "PATCH", "/people/tom/photos/empty.jpg", json={"use": True})[0] == 409
    for name in ("new.jpg", "empty.jpg", chosen["file"]):
        assert ask(page, "DELETE", f"/people/tom/photos/{name}") == (204, None)


def test_whatever_a_file_is_called_it_lands_in_the_folder_as_a_file(
    page: Page, page_folders: PageFolders
) -> None:
    root = page_folders.enrollment_dir.parent
    outside = {path for path in root.rglob("*") if "Anna" not in path.parts and "cache" not in path.parts}
    folder = page_folders.enrollment_dir / "Anna"
    before = {path.name for path in folder.iterdir()}
    good = photo_of("Anna")
    sent = [send(page, "anna", (name, good + bytes([number])))[0] for number, name in enumerate(HOSTILE)]
    new = {path.name for path in folder.iterdir()} - before
    assert {each["file"] for each in sent} == new
    assert len(new) == len(HOSTILE)
    assert all(each["added"] and not each["file"].startswith(".") for each in sent)
    now = {path for path in root.rglob("*") if "Anna" not in path.parts and "cache" not in path.parts}
    assert now <= outside | {page_folders.model_dir / "rebuild.lock", page_folders.model_dir / "cache"}
    listed = photos(page, "anna")
    for name in new:
        assert page.client.get(listed[name]["url"], params={"width": 64}).status_code == 200
        (folder / name).unlink()


def test_what_the_folder_does_not_list_cannot_be_reached(page: Page, page_folders: PageFolders) -> None:
    enrollment = page_folders.enrollment_dir
    (enrollment.parent / "secret.jpg").write_bytes(photo_of("Tom"))
    (enrollment / "Anna" / "link.jpg").symlink_to("../../secret.jpg")
    (enrollment / "Anna" / "toms").symlink_to("../Tom")
    try:
        assert not {"link.jpg", "toms/001.jpg"} & photos(page, "anna").keys()
        for file in (
            "..%2F..%2Fsecret.jpg",
            "..%2FTom%2F001.jpg",
            "%2Fetc%2Fpasswd",
            "link.jpg",
            "toms%2F001.jpg",
            ".facerec.json",
            "001.jpg%00",
            "nothing.jpg",
        ):
            for method, end, body in (
                ("GET", "", None),
                ("DELETE", "", None),
                ("PATCH", "", {"person": "tom"}),
                ("PATCH", "", {"use": True}),
                ("POST", "/restore", None),
                ("GET", "/faces", None),
            ):
                status, _ = ask(page, method, f"/people/anna/photos/{file}{end}", json=body)
                assert status == 404, (method, file, end)
    finally:
        (enrollment / "Anna" / "link.jpg").unlink()
        (enrollment / "Anna" / "toms").unlink()
    assert (enrollment / "Tom" / "001.jpg").exists()


def test_a_photo_is_moved_deleted_restored_and_used_anyway(page: Page, page_folders: PageFolders) -> None:
    anna, tom = page_folders.enrollment_dir / "Anna", page_folders.enrollment_dir / "Tom"
    face = cv2.imdecode(np.frombuffer(photo_of("Anna", size=(400, 400)), np.uint8), cv2.IMREAD_COLOR)
    assert face is not None
    data = jpeg(cv2.GaussianBlur(face, (0, 0), 6))
    (anna / "2019").mkdir()
    (anna / "2019" / "x y.jpg").write_bytes(data)
    path = "/people/anna/photos/2019%2Fx%20y.jpg"

    def rejected() -> bool:
        return photos(page, "anna")["2019/x y.jpg"]["used"] is False

    wait_until(rejected, "it is not rejected")
    assert photos(page, "anna")["2019/x y.jpg"]["reason_code"] == RejectionCode.BLURRED
    assert photos(page, "anna")["2019/x y.jpg"]["can_be_used"]
    assert ask(page, "PATCH", path, json={"use": True})[1]["used_anyway"]
    wait_until(lambda: photos(page, "anna")["2019/x y.jpg"]["used"], "it is not used")
    assert ask(page, "PATCH", path, json={"use": False})[0] == 200

    assert ask(page, "DELETE", path) == (204, None)
    assert not (anna / "2019").exists()
    assert [file.read_bytes() for file in (page_folders.enrollment_dir / TRASH).rglob("x y.jpg")] == [data]
    assert ask(page, "DELETE", path)[0] == 404
    assert ask(page, "POST", f"{path}/restore")[1]["file"] == "2019/x y.jpg"
    assert (anna / "2019" / "x y.jpg").read_bytes() == data
    assert ask(page, "POST", f"{path}/restore")[0] == 404

    (tom / "x y.jpg").write_bytes(b"another of that name")
    status, moved = ask(page, "PATCH", path, json={"person": "tom"})
    assert (status, moved["file"]) == (200, "x y-2.jpg")
    assert (tom / "x y.jpg").read_bytes() == b"another of that name"
    assert (tom / "x y-2.jpg").read_bytes() == data
    for name in ("x y.jpg", "x y-2.jpg"):
        (tom / name).unlink()


def test_two_people_who_change_the_same_photo_lose_nothing(page: Page, page_folders: PageFolders) -> None:
    anna, tom = page_folders.enrollment_dir / "Anna", page_folders.enrollment_dir / "Tom"
    (anna / "both.jpg").write_bytes(b"\xff\xd8 both")
    answers: list[int] = []

    def change(method: str, **content: Any) -> Callable[[], None]:
        return lambda: answers.append(ask(page, method, "/people/anna/photos/both.jpg", **content)[0])

    threads = [threading.Thread(target=change("PATCH", json={"person": "tom"})) for _ in range(4)]
    threads += [threading.Thread(target=change("DELETE")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers)[0] in (200, 204)
    assert sorted(answers)[1:] == [404] * 7
    (left,) = page_folders.enrollment_dir.rglob("both.jpg")
    assert left.read_bytes() == b"\xff\xd8 both"
    left.unlink()
    assert not (tom / "both-2.jpg").exists()


def test_a_photo_that_is_sent_twice_at_once_is_one(page: Page, page_folders: PageFolders) -> None:
    data, both_come = photo_of("stranger"), threading.Barrier(2)
    answers: list[AddedPhoto] = []

    def content() -> bytes:
        both_come.wait(PATIENCE_S)
        return data

    def add() -> None:
        answers.extend(page.context.household.add_photos("anna", [Sent("twice.jpg", content)]))

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.added for each in answers) == [False, True]
    assert [each.file for each in answers] == ["twice.jpg"] * 2
    (one,) = (page_folders.enrollment_dir / "Anna").glob("twice*")
    one.unlink()


def test_an_upload_that_is_abandoned_leaves_nothing(page: Page, page_folders: PageFolders) -> None:
    before = sorted(page_folders.enrollment_dir.rglob("*"))
    host, port = page.address.removeprefix("http://").split(":")
    head = (
        f"POST /api/v1/people/anna/photos HTTP/1.1\r\nHost: {host}:{port}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 3000000\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + photo_of("Anna"))
    assert ask(page, "GET", "/people")[0] == 200
    assert sorted(page_folders.enrollment_dir.rglob("*")) == before


def test_on_a_full_disk_nothing_is_half_written(small_disk: Path) -> None:
    folders = folders_in(small_disk)
    (folders.enrollment_dir / "Anna").mkdir(parents=True)
    data = photo_of("Anna")
    fill(small_disk, leave=len(data) // 2)
    with running_page(page_request(folders)) as page:
        status, answer = ask(page, "POST", "/people/anna/photos", files=[("photo", ("a.jpg", data))])
        assert (status, "disk is full" in answer["error"]) == (503, True)
        assert list((folders.enrollment_dir / "Anna").iterdir()) == []


def test_a_picture_is_tried_and_not_kept(page: Page) -> None:
    known = (page.folders.enrollment_dir / "Anna" / "001.jpg").read_bytes()
    status, answer = ask(page, "POST", "/recognise", content=known)
    assert status == 200, answer
    (face,) = answer["faces"]
    assert (face["person"], face["name"], face["reason"]) == ("anna", "Anna", None)
    status, answer = ask(page, "POST", "/recognise", files={"photo": ("x.jpg", photo_of("stranger"))})
    assert [(face["person"], bool(face["reason"])) for face in answer["faces"]] == [(None, True)]
    for nothing in (b"hello", b"", png_header_only(60_000, 60_000)):
        assert ask(page, "POST", "/recognise", content=nothing)[0] == 422


def test_the_versions_of_the_model_and_the_way_back(page: Page) -> None:
    status, answer = ask(page, "GET", "/model")
    (version,) = answer["versions"]
    assert (status, version["current"], version["people"]) == (200, True, ["Anna", "Tom"])
    assert page.client.get(version["report"]).headers["content-type"].startswith("text/html")
    # Also while photos are being looked at, which hold the model folder.
    extra = page.folders.enrollment_dir / "Anna" / "extra.jpg"
    extra.write_bytes(photo_of("Anna", size=(500, 400)))
    photos(page, "anna")
    wait_until(lambda: _is_held(page.folders.model_dir), "nobody looks at it")
    assert ask(page, "POST", "/model/rollback", json={"version": version["version"]})[0] == 202
    extra.unlink()
    assert ask(page, "POST", "/model/rollback")[0] == 409
    assert ask(page, "POST", "/model/rollback", json={"version": "20200101T000000Z-0000"})[0] == 404
    assert ask(page, "GET", "/model/versions/..%2F..%2Fx/report.html")[0] == 404


def _is_held(model_dir: Path) -> bool:
    """Whether somebody holds the model folder."""
    with (model_dir / "rebuild.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_of_somebody_who_is_forgotten_nothing_is_left(page: Page, page_folders: PageFolders) -> None:
    assert ask(page, "POST", "/people", json={"name": "Zoe"})[0] == 201
    send(page, "zoe", ("zoe.jpg", photo_of("stranger")))
    assert ask(page, "DELETE", "/people/zoe/photos/zoe.jpg")[0] == 204
    assert list((page_folders.enrollment_dir / TRASH).rglob("zoe.jpg"))
    home, data = page.context.household, photo_of("Anna")

    def forget() -> bytes:
        home.forget_person("zoe")
        return b"no picture"

    # What was added a moment before is gone too, and nobody is told otherwise.
    with pytest.raises((NotThereError, ConflictError)):
        home.add_photos("zoe", [Sent("a.jpg", lambda: data), Sent("b.jpg", forget)])
    wait_until(lambda: ask(page, "GET", "/people")[1]["notes"] == [], "it goes on")
    assert not list(page_folders.enrollment_dir.rglob("*oe*"))
    assert ask(page, "DELETE", "/people/zoe")[0] == 404
