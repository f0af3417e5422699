"""Settings of cameras on the page: what is saved, what is refused, and what is never given out."""

import stat
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from facerec_mqtt.cameras.onvif.discovery import Answer
from facerec_mqtt.monitoring.page_messages import PageCamera
from facerec_mqtt.web.schemas import FindCameras
from facerec_mqtt.web.setup.finding import CameraFinder
from facerec_mqtt.web.setup.words import Keeper, camera_line, found_from_px
from tests.support.camera_setup import CANARY, SETTINGS, SetupPage, page_with_settings
from tests.support.onvif_camera import PASSWORD, USERNAME, OnvifCamera, onvif_camera
from tests.support.page import folders_in, page_request, running_page

NEW = {"name": "Yard", "url": "rtsp://10.0.0.9:554/sub", "username": "cam", "password": CANARY + "'\\"}


def changed_lines(before: str, after: str) -> list[str]:
    """Lines that are not in what was before."""
    old = before.splitlines()
    return [line for line in after.splitlines() if line not in old]


def test_a_region_is_saved_and_every_other_line_stays(setup: SetupPage) -> None:
    answer = setup.save(min_face_px=48)
    assert answer.status_code == 200
    door, garden = answer.json()["cameras"]
    assert (door["region"], door["min_face_px"], door["found_from_px"]) == ([0, 0.2, 0.7, 1], 48, 12)
    assert (garden["region"], garden["width"]) == (None, None)
    assert answer.json()["saving"]["restart"] is True
    text = setup.file.read_text()
    assert changed_lines(SETTINGS, text) == [
        '  {"name":"Front door","url":"rtsp://10.0.0.7:554/sub?x=1","username":"cam",'
        f'"password":"{CANARY}","region":[0,0.2,0.7,1],"min_face_px":48}},'
    ]
    assert len(text.splitlines()) == len(SETTINGS.splitlines())
    assert stat.S_IMODE(setup.file.stat().st_mode) == 0o640
    # The whole picture is no region.
    assert setup.save(region=None).status_code == 200
    assert '"region"' not in setup.file.read_text()


def test_a_camera_is_added_with_its_password_as_it_is(setup: SetupPage) -> None:
    answer = setup.page.client.post("/api/v1/cameras", json=NEW | {"revision": setup.revision})
    assert answer.status_code == 201
    # It holds a password that was given on the page.
    assert stat.S_IMODE(setup.file.stat().st_mode) == 0o600
    escaped = NEW["password"].replace("\\", "\\\\").replace('"', '\\"')
    line = f'{{"name":"Yard","url":"rtsp://10.0.0.9:554/sub","username":"cam","password":"{escaped}"}}'
    quoted = line.replace("\\", "\\\\").replace("'", "\\'")
    assert changed_lines(SETTINGS, setup.file.read_text()) == [
        '  {"name":"garden",  "url":"rtsp://10.0.0.8/sub"},',
        f"  {quoted}",
    ]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"name": "GARDEN"}, 409),
        ({"name": "!!"}, 422),
        ({"name": "   "}, 422),
        ({"name": "Gar\nden"}, 422),
        ({"name": "Gate \u202eneet"}, 422),
        ({"url": "rtsp://10.0.0.9:0/"}, 422),
        ({"url": "rtsp://10.0.0.9:70000/"}, 422),
        ({"url": "/etc/passwd"}, 422),
        ({"url": "file:///etc/passwd"}, 422),
        ({"url": "0"}, 422),
        ({"url": "http://ada:secret@10.0.0.9/"}, 422),
        ({"url": "rtsp://"}, 422),
        ({"password_file": "/etc/passwd"}, 422),
        ({"revision": "another"}, 409),
    ],
)
def test_what_is_no_new_camera_is_refused_and_nothing_is_written(
    setup: SetupPage, changes: dict[str, str], status: int
) -> None:
    answer = setup.page.client.post("/api/v1/cameras", json={**NEW, "revision": setup.revision, **changes})
    assert answer.status_code == status
    assert CANARY not in answer.text
    assert setup.file.read_text() == SETTINGS


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"region": [0.5, 0, 0.52, 1]}, 409),
        ({"region": [0, 0, 1]}, 422),
        ({"region": [0, 0, 1, 2]}, 422),
        ({"min_face_px": 5}, 422),
        ({"camera": "attic"}, 404),
        ({"revision": ""}, 409),
    ],
)
def test_what_is_no_region_is_refused_and_nothing_is_written(
    setup: SetupPage, changes: dict[str, object], status: int
) -> None:
    assert setup.save(**changes).status_code == status  # type: ignore[arg-type]
    assert setup.file.read_text() == SETTINGS


def test_a_file_that_somebody_else_has_changed_is_not_overwritten(setup: SetupPage) -> None:
    seen = setup.revision
    setup.file.write_text(SETTINGS + "# and one more\n")
    answer = setup.save(revision=seen)
    assert (answer.status_code, setup.file.read_text()) == (409, SETTINGS + "# and one more\n")
    assert "changed meanwhile" in answer.json()["error"]
    setup.file.write_text("FACEREC_CAMERAS=[\n")
    assert setup.page.client.get("/api/v1/cameras").json()["saving"]["possible"] is False
    assert setup.page.client.get("/cameras").status_code == 200


def test_no_password_is_given_to_anybody(setup: SetupPage) -> None:
    revision = setup.revision
    answers = [
        setup.page.client.get(path)
        for path in ("/cameras", "/cameras/front_door", "/api/v1/cameras", "/api/openapi.json", "/")
    ]
    answers.append(setup.save(min_face_px=50, revision=revision))
    answers.append(setup.save(region=[0, 0, 0.01, 1]))
    assert [each.status_code for each in answers] == [200] * 6 + [409]
    assert not any(CANARY in each.text or "10.0.0.7:554" in each.text for each in answers)
    # Nor is it something that passwords can be tried against.
    assert revision not in sha256(SETTINGS.encode()).hexdigest()


@pytest.mark.parametrize(
    ("keeper", "text", "changes", "line"),
    [
        (
            Keeper.ENVIRONMENT,
            SETTINGS,
            {"cameras_in_environment": True},
            '"region":[0,0,1,1],"min_face_px":40',
        ),
        (Keeper.NOWHERE, None, {}, '"region":[0,0,1,1],"min_face_px":40'),
        (Keeper.APP, None, {"supervisor": "127.0.0.1"}, "region: 0, 0, 1, 1\nmin_face_px: 40"),
    ],
)
def test_where_the_settings_are_not_ours_there_is_a_line_to_copy(
    tmp_path: Path, keeper: Keeper, text: str | None, changes: dict[str, Any], line: str
) -> None:
    with page_with_settings(tmp_path, text, **changes) as setup:
        assert setup.page.context.setups.keeper is keeper
        found = setup.page.client.get("/api/v1/cameras").json()
        assert (found["saving"]["possible"], found["saving"]["revision"]) == (False, None)
        assert found["cameras"][0]["line"] == line
        page = setup.page.client.get("/cameras/front_door")
        assert ("data-save" in page.text, found["saving"]["where"] in page.text) == (False, True)
        assert setup.save(revision="").status_code == 409
        assert text is None or setup.file.read_text() == text


def test_nobody_who_is_not_signed_in_finds_saves_or_restarts(tmp_path: Path) -> None:
    request = page_request(folders_in(tmp_path), password=SecretStr("let me in"))
    with running_page(request) as page:
        foreign = {"Sec-Fetch-Site": "cross-site"}
        asked = [
            page.client.get("/api/v1/cameras"),
            page.client.post("/api/v1/cameras/find", json={"address": "127.0.0.1:1"}),
            page.client.post("/api/v1/cameras", json=NEW | {"revision": ""}),
            page.client.put("/api/v1/cameras/front_door/settings", json={}),
            page.client.post("/api/v1/restart"),
            page.client.post("/restart"),
            page.client.post("/cameras/front_door/settings"),
        ]
        assert [each.status_code for each in asked] == [401] * len(asked)
        page.client.post("/sign-in", json={"password": "let me in"})
        assert page.client.get("/api/v1/cameras").status_code == 200
        for path in ("/api/v1/cameras/find", "/api/v1/restart", "/restart"):
            assert page.client.post(path, headers=foreign).status_code == 403


def find(client: httpx.Client, address: str, password: str | None = PASSWORD) -> dict[str, Any]:
    """Ask one address; the camera that is there, or why there is none."""
    login = {} if password is None else {"username": USERNAME, "password": password}
    answer = client.post("/api/v1/cameras/find", json={"address": address, **login})
    assert answer.status_code == 200
    assert PASSWORD not in answer.text
    found: dict[str, Any] = answer.json()["cameras"][0]
    return found


def test_a_camera_is_found_with_its_streams_and_the_line_for_the_settings(setup: SetupPage) -> None:
    profiles = (("sub", 640, 360, f"rtsp://127.0.0.1:554/user=ada&p={PASSWORD}"),)
    with onvif_camera(OnvifCamera()) as address, onvif_camera(OnvifCamera(profiles=profiles)) as other:
        camera = find(setup.page.client, address)
        hidden = find(setup.page.client, other)
        refused = find(setup.page.client, address, "wrong")
        asks = find(setup.page.client, address, None)
    assert (camera["name"], camera["made"], camera["known"]) == ("Eye 3", "ACME Eye 3", None)
    assert [stream["width"] for stream in camera["streams"]] == [640, 2560, 320]
    assert camera["streams"][0]["line"] == (
        '{"name":"Eye 3","url":"rtsp://127.0.0.1:554/sub","username":"ada","password":"PASSWORD"}'
    )
    assert hidden["streams"][0]["url"] == "rtsp://127.0.0.1:554/user=ada&p=PASSWORD"
    assert (refused["failure_code"], refused["streams"]) == ("login_refused", [])
    assert asks["failure_code"] == "login_needed"
    nobody = find(setup.page.client, "127.0.0.1:1")
    assert nobody["failure_code"] == "unreachable"
    for address in (
        "127.0.0.1/x",
        "a b",
        "ada@10.0.0.7",
        "http://10.0.0.7",
        "[f7]",
        "10.0.0.7:99999",
        "10.0.0.7:0",
        "",
    ):
        answer = setup.page.client.post("/api/v1/cameras/find", json={"address": address})
        assert answer.status_code == 422
        assert "10.0.0.7:8000" in answer.json()["error"]


def test_a_network_without_cameras_or_without_a_way_into_it_gets_one_sentence() -> None:
    def nowhere(_seconds: float) -> tuple[Answer, ...]:
        raise OSError(101, "Network is unreachable")

    door = PageCamera(slug="front_door", name="Front door", host="127.0.0.1")
    quiet = CameraFinder((door,), lambda _: ()).find(FindCameras(), Keeper.FILE)
    cut_off = CameraFinder((door,), nowhere).find(FindCameras(), Keeper.FILE)
    assert "ONVIF is switched on" in str(quiet.nothing)
    assert "Network is unreachable" in str(cut_off.nothing)
    with onvif_camera(OnvifCamera(login=False)) as address:
        there = (Answer(f"http://{address}/onvif/device_service", "Front door"),)
        found = CameraFinder((door,), lambda _: there).find(FindCameras(), Keeper.FILE)
    # It is one of ours, and its name is taken.
    assert (found.nothing, found.cameras[0].known, found.cameras[0].name) == (
        None,
        "front_door",
        "Front door 2",
    )


def test_lines_are_written_as_each_place_wants_them() -> None:
    camera = {"name": "Tom's", "url": "rtsp://10.0.0.9/"}
    assert camera_line(Keeper.APP, camera, is_first=True) == '- name: "Tom\'s"\n  url: "rtsp://10.0.0.9/"'
    first = camera_line(Keeper.NOWHERE, camera, is_first=True)
    assert first == """FACEREC_CAMERAS='[{"name":"Tom\\'s","url":"rtsp://10.0.0.9/"}]'"""


def test_a_region_is_searched_at_its_own_scale() -> None:
    assert found_from_px(None, (640, 360), 640) == 12
    assert found_from_px(None, (1920, 1080), 640) == 36
    assert found_from_px((0.5, 0, 1, 0.5), (1920, 1080), 640) == 18
    assert found_from_px((0, 0, 0.1, 0.2), (1920, 1080), 640) == 12
