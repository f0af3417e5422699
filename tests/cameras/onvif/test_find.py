"""Finding cameras: a real SOAP server and real datagrams, good ones and bad ones."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from facerec_mqtt.cameras.network import Login
from facerec_mqtt.cameras.onvif import Trouble, find_cameras, ready_settings
from facerec_mqtt.cameras.onvif.discovery import Answer, discover
from facerec_mqtt.cameras.onvif.soap import MAX_ANSWER_BYTES
from facerec_mqtt.settings import CameraSettings
from tests.support.onvif_camera import (
    PASSWORD,
    USERNAME,
    Handler,
    OnvifCamera,
    answering,
    drip,
    onvif_camera,
    probe_match,
)
from tests.support.service import run_program

LOGIN = Login(USERNAME, PASSWORD)


def test_a_camera_is_found_by_datagram_and_tells_its_streams_the_sub_stream_first() -> None:
    with onvif_camera(OnvifCamera()) as place:
        url = f"http://{place}/onvif/device_service"
        match = probe_match(f"http://10.9.9.9/elsewhere {url}")
        with answering(b"rubbish", probe_match("http://10.9.9.9/elsewhere"), match, match) as where:
            answers = discover(1.5, [where])
        # Only what is at the address that the answer came from is asked, with the login, and once.
        assert answers == (Answer(url, "Front door"),)
        (camera,) = find_cameras(LOGIN, ask_network=lambda _: answers)
    assert (camera.name, camera.maker, camera.model, camera.failure) == ("Front door", "ACME", "Eye 3", None)
    assert [(each.url, each.width_px, each.fps) for each in camera.streams] == [
        ("rtsp://127.0.0.1:554/sub", 640, 15.0),
        ("rtsp://127.0.0.1:554/main?x=1&y=2", 2560, 15.0),
        ("rtsp://127.0.0.1/tiny", 320, 15.0),
    ]
    made = ready_settings(camera, {"front_door"}, LOGIN, show_password=True)
    settings = CameraSettings.model_validate(made)
    assert settings.slug == "front_door_2"
    assert settings.password is not None
    assert settings.password.get_secret_value() == PASSWORD
    assert PASSWORD not in json.dumps(ready_settings(camera, [], LOGIN, show_password=False))
    assert PASSWORD not in repr(LOGIN)


@pytest.mark.parametrize(
    "camera",
    [
        OnvifCamera(http_digest=True),
        OnvifCamera(login=False),
        OnvifCamera(clock_ahead_s=-86_400 * 365),
        OnvifCamera(media_host="192.168.77.7"),
    ],
    ids=["digest by HTTP", "no login", "another year", "another address of its own"],
)
def test_cameras_differ_and_are_read_all_the_same(camera: OnvifCamera) -> None:
    with onvif_camera(camera) as place:
        (found,) = find_cameras(LOGIN, hosts=[place])
    assert found.failure is None
    assert len(found.streams) == 3


def flood(handler: Handler, _name: str) -> bool:
    handler.send(b" " * (MAX_ANSWER_BYTES + 100_000))
    return True


def entities(handler: Handler, _name: str) -> bool:
    bomb = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    handler.send(f'<!DOCTYPE x [<!ENTITY a0 "ha">{bomb}]><x>&a11;</x>'.encode())
    return True


def deep(handler: Handler, _name: str) -> bool:
    handler.send(b"<a>" * 20_000 + b"</a>" * 20_000)
    return True


def web_page(handler: Handler, _name: str) -> bool:
    handler.send(b"<html><body><p>Hello<br></body></html>", 404)
    return True


def no_profiles(handler: Handler, name: str) -> bool:
    if name != "GetProfiles":
        return False
    handler.soap("<GetProfilesResponse/>")
    return True


def bad_address(handler: Handler, name: str) -> bool:
    if name != "GetStreamUri":
        return False
    handler.soap("<R><Uri>rtsp://127.0.0.1:99999/x</Uri></R>")
    return True


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (flood, Trouble.NOT_ONVIF),
        (entities, Trouble.NOT_ONVIF),
        (deep, Trouble.NOT_ONVIF),
        (web_page, Trouble.NOT_ONVIF),
        (bad_address, Trouble.NOT_ONVIF),
        (no_profiles, Trouble.NO_STREAMS),
        (drip, Trouble.TIMEOUT),
    ],
)
def test_a_bad_one_is_named_with_the_reason_and_hides_no_other(
    answer: Callable[[Handler, str], bool], trouble: Trouble
) -> None:
    with onvif_camera(OnvifCamera(answer=answer)) as bad, onvif_camera(OnvifCamera()) as good:
        began_s = time.monotonic()
        found = find_cameras(LOGIN, hosts=[bad, good], device_s=3.0 if answer is drip else 30.0)
        took_s = time.monotonic() - began_s
    assert found[0].failure is not None
    assert found[0].failure.trouble is trouble
    assert answer is not drip or took_s < 30
    assert len(found[1].streams) == 3


@pytest.mark.parametrize(
    ("login", "trouble"),
    [(None, Trouble.LOGIN_NEEDED), (Login(USERNAME, "wrong"), Trouble.LOGIN_REFUSED)],
)
@pytest.mark.parametrize("by_http", [True, False])
def test_a_login_is_asked_for_or_refused(login: Login | None, trouble: Trouble, by_http: bool) -> None:
    with onvif_camera(OnvifCamera(http_digest=by_http)) as place:
        (found,) = find_cameras(login, hosts=[place])
    assert found.failure is not None
    assert found.failure.trouble is trouble


def test_a_password_is_not_sent_in_plain_text_to_whoever_asks_for_it() -> None:
    camera = OnvifCamera(basic=True)
    with onvif_camera(camera) as place:
        (found,) = find_cameras(LOGIN, hosts=[place])
    assert found.failure is not None
    assert found.failure.trouble is Trouble.LOGIN_REFUSED
    assert set(camera.logins) == {""}


def test_the_command_prints_the_line_for_the_settings_and_no_password(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    options: list[str | Path] = ["--username", USERNAME, "--password-file", secret]
    with onvif_camera(OnvifCamera()) as place:
        told = run_program("cameras", "find", "--address", place, *options, folder=tmp_path)
        plain = run_program("cameras", "find", "--address", place, *options, "--json", folder=tmp_path)
        refused = run_program("cameras", "find", "--address", place, "--username", USERNAME, folder=tmp_path)
    assert told.returncode == plain.returncode == 0
    assert PASSWORD not in told.stdout + told.stderr + plain.stdout
    line = next(line for line in told.stdout.splitlines() if line.startswith("FACEREC_CAMERAS="))
    (tmp_path / ".env").write_text(line.replace("PASSWORD", "x"))
    accepted = run_program("visits", folder=tmp_path)
    assert "FACEREC_CAMERAS" not in accepted.stderr
    (camera,) = json.loads(plain.stdout)["cameras"]
    assert camera["settings"]["url"] == camera["streams"][0]["url"] == "rtsp://127.0.0.1:554/sub"
    assert refused.returncode == 1
    assert "ONVIF_PASSWORD" in refused.stderr
