"""The settings: read, checked, and documented."""

import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel, SecretStr

from facerec_mqtt.core.errors import SettingsError
from facerec_mqtt.settings.loading import load_settings, setting_names
from facerec_mqtt.settings.messages import SECRET
from facerec_mqtt.settings.schema import CameraSettings, Settings
from tests.support.paths import ROOT

EXAMPLE = ROOT / "config.example.env"
CANARY = "c4n4ry-p@ss:w/rd#%?"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)


def read(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def message_for(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(monkeypatch, **environment)
    return str(caught.value)


def test_nothing_needs_to_be_set() -> None:
    settings = load_settings()
    assert settings.cameras == ()
    assert settings.mqtt.host == "localhost"


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("FACEREC_MQTT__HOST=file\nFACEREC_MQTT__PORT=1999\nOTHER_PROGRAM=1\n")
    settings = read(monkeypatch, FACEREC_MQTT__HOST="environment")
    assert (settings.mqtt.host, settings.mqtt.port) == ("environment", 1999)


def test_a_missing_settings_file_is_named() -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.env does not exist"):
        load_settings(Path("nowhere.env"))


def test_cameras_have_logins_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    cameras = read(
        monkeypatch,
        FACEREC_CAMERAS='[{"name":"Front door","url":"rtsp://10.0.0.7:554/sub","username":"cam",'
        f'"password":"{CANARY}"}},{{"name":"attic","url":0}}]',
    ).cameras
    assert [camera.slug for camera in cameras] == ["front_door", "attic"]
    assert [camera.kind for camera in cameras] == ["rtsp", "device"]


@pytest.mark.parametrize(
    ("url", "topic"),
    [
        ("mqtt://frigate/front/person/snapshot", "frigate/front/person/snapshot"),
        ("mqtt:///frigate/front", "frigate/front"),
        ("mqtt:////with/a/slash", "/with/a/slash"),
        ("mqtt:///10.0.0.2:1883/a", "10.0.0.2:1883/a"),
        ("mqtt://facerecognition/door 1?x", "facerecognition/door 1?x"),
    ],
)
def test_a_topic_is_taken_as_it_stands(monkeypatch: pytest.MonkeyPatch, url: str, topic: str) -> None:
    (camera,) = read(monkeypatch, FACEREC_CAMERAS=f'[{{"name":"a","url":"{url}"}}]').cameras
    assert (camera.kind, camera.topic) == ("mqtt", topic)


def test_a_password_is_encoded_once() -> None:
    camera = CameraSettings(
        name="a", url="rtsp://h:554/sub?x=1", username="u@x", password=SecretStr("p@ss:w/rd#%?")
    )
    assert camera.address() == "rtsp://u%40x:p%40ss%3Aw%2Frd%23%25%3F@h:554/sub?x=1"
    assert CameraSettings(name="a", url="rtsp://h/").address() == "rtsp://h/"


def test_no_representation_holds_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(
        monkeypatch,
        FACEREC_MQTT__USERNAME="u",
        FACEREC_MQTT__PASSWORD=CANARY,
        FACEREC_CAMERAS=f'[{{"name":"a","url":"rtsp://h/","password":"{CANARY}"}},'
        f'{{"name":"b","url":"http://h/","token":"{CANARY}"}}]',
    )
    assert CANARY not in f"{settings!r}{settings}{settings.model_dump()}{settings.model_dump_json()}"


@pytest.mark.parametrize(
    "cameras",
    [
        f'[{{"name":"a","url":"rtsp://h/","password":"{CANARY}"',
        f'[{{"name":"a","url":"rtsp://u:{CANARY}@h/"}}]',
        f'[{{"name":"a","url":"rtsp://h/","main_url":"rtsp://u:{CANARY}@h/"}}]',
        f'[{{"name":"a","url":"rtsp://h/","pasword":"{CANARY}"}}]',
        f'[{{"name":"a","url":"http://h/","token":"{CANARY} "}}]',
        f'[{{"name":"a","url":"http://h/","username":"u","token":"{CANARY}"}}]',
        f'[{{"name":"a","url":"mqtt://u:{CANARY}@h/topic"}}]',
        f'[{{"name":"a","url":"rtsp://h/","fps":0,"password":"{CANARY}"}}]',
        f'{{"name":"a","url":"rtsp://h/","password":"{CANARY}"}}',
        f'["{CANARY}"]',
    ],
)
def test_no_complaint_holds_a_password(monkeypatch: pytest.MonkeyPatch, cameras: str) -> None:
    message = message_for(monkeypatch, FACEREC_CAMERAS=cameras)
    assert "FACEREC_CAMERAS" in message
    assert CANARY not in message


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("FACEREC_MQTT__HSOT", "FACEREC_MQTT__HOST"),
        ("FACEREC_MODELDIR", "FACEREC_MODEL_DIR"),
        ("FACEREC_CAMERA", "FACEREC_CAMERAS"),
    ],
)
def test_an_unknown_name_is_answered_with_its_nearest(
    monkeypatch: pytest.MonkeyPatch, name: str, nearest: str
) -> None:
    assert f"Unknown setting {name} in the environment; did you mean {nearest}?" == message_for(
        monkeypatch, **{name: "x"}
    )


def test_an_unknown_name_in_the_file_is_found_too() -> None:
    Path(".env").write_text(f"FACEREC_MQTT__PASSWROD={CANARY}\n")
    with pytest.raises(SettingsError, match="did you mean FACEREC_MQTT__PASSWORD") as caught:
        load_settings()
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "mqtt://192.168.1.10",
        "mqtt://192.168.1.10:1883",
        f"mqtt://me:{CANARY}@192.168.1.10",
        "192.168.1.10:1883",
        "[fd00::10]:1883",
        "homeassistant.local/",
        "'192.168.1.10'",
        '"192.168.1.10"',
        "192.168.1.10 1883",
        "  ",
    ],
)
def test_a_broker_that_is_more_than_a_host_is_refused(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    message = message_for(monkeypatch, FACEREC_MQTT__HOST=host)
    assert "FACEREC_MQTT__PORT" in message
    assert CANARY not in message


@pytest.mark.parametrize(
    "host", [" 192.168.1.10 ", "fd00::10", "fe80::1%eth0", "homeassistant.local", "core_mqtt"]
)
def test_names_and_addresses_of_brokers_are_taken(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    settings = read(monkeypatch, FACEREC_MQTT__HOST=host)
    assert settings.mqtt.host == host.strip()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"FACEREC_MQTT__PORT": "x7"}, "FACEREC_MQTT__PORT is 'x7'"),
        ({"FACEREC_MQTT__PORT": "70000"}, "FACEREC_MQTT__PORT is '70000': take at most 65535."),
        ({"FACEREC_MQTT__NODE_ID": "a b"}, "FACEREC_MQTT__NODE_ID is 'a b': take letters, digits, _ and -"),
        ({"FACEREC_MQTT__PROTOCOL": "4"}, "take '3.1.1' or '5'"),
        ({"FACEREC_MQTT__TLS_INSECURE": "true"}, "need FACEREC_MQTT__TLS=true"),
        ({"FACEREC_MQTT__PASSWORD": "x"}, "set FACEREC_MQTT__USERNAME"),
        ({"FACEREC_MQTT__BASE_TOPIC": "a/#"}, "FACEREC_MQTT__BASE_TOPIC"),
        ({"FACEREC_CAMERAS": '["rtsp://h/"]'}, "camera 1: write a JSON object"),
        ({"FACEREC_CAMERAS": '[{"name":"a"}]'}, 'camera 1, "url": it is missing'),
        ({"FACEREC_CAMERAS": '[{"name":"\N{FOX FACE}","url":"0"}]'}, "no letter or digit"),
        ({"FACEREC_CAMERAS": '[{"name":"a","url":"ftp://h"}]'}, "rtsp, rtsps, http, https"),
        ({"FACEREC_CAMERAS": '[{"name":"a","url":"rtsp://h:99999/"}]'}, "port"),
        ({"FACEREC_CAMERAS": '[{"name":"a","url":"0","region":[0.5,0,0.5,1]}]'}, "region"),
        ({"FACEREC_CAMERAS": '[{"name":"a","url":"0","rotate":45}]'}, "rotate"),
        ({"FACEREC_CAMERAS": '[{"name":"a","url":"0","transport":"http"}]'}, "transport"),
        ({"FACEREC_CAMERAS": '[{"name":"a","url":"0","tls_fingerprint":"ab:cd"}]'}, "SHA-256"),
        ({"FACEREC_CAMERAS": '[{"name":"a","url":"mqtt://"}]'}, "names no topic"),
        ({"FACEREC_CAMERAS": '[{"name":"a","url":"mqtt://a/+/b"}]'}, "wildcard"),
        ({"FACEREC_CAMERAS": '[{"name":"a","url":"mqtt://10.0.0.2:1883/a"}]'}, "FACEREC_MQTT__HOST"),
        ({"FACEREC_CAMERAS": '[{"name":"a","url":"mqtt://facerec/camera/b/face"}]'}, "service itself"),
        ({"FACEREC_CAMERAS": '[{"name":"a","url":"0","main_url":"mqtt://a"}]'}, "give a stream"),
        ({"FACEREC_CAMERAS": '[{"name":"a","url":"rtsp://h/","token":"x"}]'}, "token is for"),
        ({"FACEREC_CAMERAS": '[{"name":"a b","url":"0"},{"name":"A-B","url":"1"}]'}, '"a b" and "A-B"'),
    ],
)
def test_a_wrong_value_gets_one_sentence(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sentence: str
) -> None:
    message = message_for(monkeypatch, **environment)
    assert sentence in message
    assert "\n" not in message


@pytest.mark.parametrize("value", ["-1", "a b", "9" * 30, "[]", "{}", "#/"])
def test_no_wrong_value_is_answered_in_the_words_of_a_library(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    names = setting_names().keys() - {"FACEREC_CAMERAS"}  # of which the whole is no JSON
    message = message_for(monkeypatch, **dict.fromkeys(sorted(names), value))
    for sentence in message.splitlines():
        assert not re.search(
            r"(?i)(input|string|value) should|field required|pattern|is not a valid", sentence
        )


def test_the_example_lists_every_setting_with_its_default() -> None:
    lines = re.findall(r"^# (FACEREC_\w+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE)
    documented = dict(lines)  # the last one of a name is its default

    def as_text(default: object) -> str:
        if default is None:
            return ""
        if isinstance(default, bool):
            return str(default).lower()
        return str(default)

    defaults = setting_names() | {"FACEREC_CAMERAS": "[]", "FACEREC_WEB__TRUSTED_PROXIES": None}
    assert documented == {name: as_text(default) for name, default in defaults.items()}


def test_the_example_says_a_sentence_before_each_setting() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for before, line in pairwise(lines):
        if line.startswith("# FACEREC_") and "CAMERAS" not in line:
            assert before.startswith("# "), line
            assert before.endswith("."), line


def test_the_example_lists_every_field_of_a_camera() -> None:
    listed = re.findall(r"^#   (\w+) \(", EXAMPLE.read_text(), re.MULTILINE)
    assert listed == list(CameraSettings.model_fields)


def test_the_example_can_be_used_with_every_line_switched_on(tmp_path: Path) -> None:
    filled = tmp_path / "filled.env"
    filled.write_text(re.sub(r"^# (FACEREC_)", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE))
    assert load_settings(filled) == Settings()


def test_a_value_in_the_file_is_taken_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL_VARIABLE", "replaced")
    Path(".env").write_text(
        "# a remark\n\nexport FACEREC_MQTT__USERNAME=u\n"
        "FACEREC_MQTT__PASSWORD='a${SHELL_VARIABLE}$b #%?\\'\\\\'\n"
        'FACEREC_CAMERAS=\'[{"name":"a","url":"rtsp://h/","password":"${SHELL_VARIABLE}"}]\'\n'
        "FACEREC_MQTT__CLIENT_ID=\n"
    )
    settings = load_settings()
    assert settings.mqtt.password is not None
    assert settings.mqtt.password.get_secret_value() == "a${SHELL_VARIABLE}$b #%?'\\"
    assert settings.cameras[0].address() == "rtsp://:%24%7BSHELL_VARIABLE%7D@h/"
    assert settings.mqtt.client_id is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"FACEREC_MQTT__HOST=a\n\nFACEREC_MQTT__PASSWORD='it's c4n4ry'\n", "Line 3 of .env"),
        (b"FACEREC_MQTT__HOST=a\nFACEREC_MQTT__PORT 1883\n", "Line 2 of .env"),
        (b"FACEREC_MQTT__PASSWORD=c4n4ry\xff\n", "not UTF-8"),
    ],
)
def test_a_settings_file_that_is_not_understood_gets_one_sentence(content: bytes, said: str) -> None:
    Path(".env").write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "c4n4ry" not in str(caught.value)


@pytest.mark.parametrize("name", ["KEY", "CAMERA_KEY"])
def test_a_key_that_is_none_is_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    message = message_for(monkeypatch, **{f"FACEREC_HOUSE__{name}": 63 * "d"})
    assert f"FACEREC_HOUSE__{name}" in message
    assert "dddd" not in message


def test_every_secret_of_the_settings_is_known_as_one() -> None:
    def secrets(model: type[BaseModel]) -> Iterator[str]:
        for name, field in model.model_fields.items():
            kinds = [field.annotation, *get_args(field.annotation)]
            if SecretStr in kinds:
                yield name
            for kind in [*kinds, *(each for union in kinds for each in get_args(union))]:
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    yield from secrets(kind)

    assert {"password", "token", "key", "camera_key"} <= (found := set(secrets(Settings)))
    assert found <= SECRET


# --- Secrets in files of their own


def secret_file(content: bytes = f"{CANARY}\n".encode(), name: str = "secret") -> Path:
    path = Path(name)
    path.write_bytes(content)
    return path.absolute()


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_brokers_password_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    path = secret_file((CANARY + ending).encode())
    settings = read(monkeypatch, FACEREC_MQTT__USERNAME="u", FACEREC_MQTT__PASSWORD_FILE=str(path))
    assert settings.mqtt.password == SecretStr(CANARY)
    assert CANARY not in f"{settings!r}{settings.model_dump_json()}"


def test_the_settings_file_may_name_a_secrets_file_too() -> None:
    Path(".env").write_text(f"FACEREC_MQTT__USERNAME=u\nFACEREC_MQTT__PASSWORD_FILE={secret_file()}\n")
    assert load_settings().mqtt.password == SecretStr(CANARY)


def test_a_cameras_password_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    cameras = f'[{{"name":"a","url":"rtsp://h/","username":"u","password_file":"{secret_file(b"p@ss")}"}}]'
    assert read(monkeypatch, FACEREC_CAMERAS=cameras).cameras[0].address() == "rtsp://u:p%40ss@h/"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "holds nothing"),
        (b"\n", "holds nothing"),
        (f"user: u\npassword: {CANARY}\n".encode(), "holds several lines"),
        (CANARY.encode() + b"\xff", "is not UTF-8 text"),
        (CANARY.encode() * 1000, "cannot be read (it has"),
    ],
)
def test_a_secrets_file_that_will_not_do_gets_one_sentence(
    monkeypatch: pytest.MonkeyPatch, content: bytes | None, sentence: str
) -> None:
    path = Path("nowhere") if content is None else secret_file(content)
    cameras = f'[{{"name":"a","url":"rtsp://h/","password_file":"{path}"}}]'
    for place, environment in (
        ("FACEREC_MQTT: password_file", {"FACEREC_MQTT__PASSWORD_FILE": str(path)}),
        ("FACEREC_CAMERAS, camera 1: password_file", {"FACEREC_CAMERAS": cameras}),
    ):
        with monkeypatch.context() as patched:
            message = message_for(patched, **environment)
        assert message.startswith(f"{place} {path} {sentence}")
        assert "\n" not in message
        assert CANARY not in message


def test_a_pipe_in_place_of_a_secrets_file_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo("pipe")
    assert "not a plain file" in message_for(monkeypatch, FACEREC_MQTT__PASSWORD_FILE="pipe")


def test_a_secret_and_a_file_for_it_are_not_both_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    path = secret_file()
    Path(".env").write_text(f"FACEREC_MQTT__PASSWORD={CANARY}2\n")
    message = message_for(monkeypatch, FACEREC_MQTT__PASSWORD_FILE=str(path))
    assert message == "FACEREC_MQTT: password and password_file are both given; leave one of them out."
    Path(".env").write_text("FACEREC_MQTT__USERNAME=u\nFACEREC_MQTT__PASSWORD=\n")
    assert read(monkeypatch, FACEREC_MQTT__PASSWORD_FILE=str(path)).mqtt.password == SecretStr(CANARY)


def test_a_password_from_a_file_needs_a_user_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "FACEREC_MQTT__USERNAME" in message_for(
        monkeypatch, FACEREC_MQTT__PASSWORD_FILE=str(secret_file())
    )


def test_only_secrets_have_files(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Unknown setting" in message_for(monkeypatch, FACEREC_MQTT__HOST_FILE=str(secret_file()))
    assert [name for name in setting_names() if name.endswith("PASSWORD_FILE")] == [
        "FACEREC_MQTT__PASSWORD_FILE",
        "FACEREC_WEB__PASSWORD_FILE",
    ]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "box.lan"])
def test_the_page_is_not_open_to_others_without_a_password(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    assert host in message_for(monkeypatch, FACEREC_WEB__HOST=host)
    monkeypatch.setenv("FACEREC_WEB__PASSWORD", CANARY)
    web = load_settings().web
    assert (web.host, web.password) == (host, SecretStr(CANARY))
    assert CANARY not in repr(web)


def test_a_page_that_the_supervisor_alone_reaches_or_that_is_off_needs_no_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert read(monkeypatch, FACEREC_WEB__HOST="0.0.0.0", FACEREC_WEB__INGRESS="true").web.ingress
    monkeypatch.setenv("FACEREC_WEB__INGRESS", "false")
    assert not read(monkeypatch, FACEREC_WEB__ENABLED="false").web.enabled


def test_trusted_proxies_are_addresses_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    web = read(monkeypatch, FACEREC_WEB__TRUSTED_PROXIES="10.0.0.2, fd00::/8").web
    assert web.trusted_proxies == ("10.0.0.2", "fd00::/8")
    assert '"proxy.lan"' in message_for(monkeypatch, FACEREC_WEB__TRUSTED_PROXIES="10.0.0.2,proxy.lan")


def test_the_pages_certificate_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "tls_key" in message_for(monkeypatch, FACEREC_WEB__TLS_CERTIFICATE="page.pem")


def test_a_house_and_its_box_are_called_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, FACEREC_HOUSE__NAME="villa").house.name == "villa"
    assert "FACEREC_MQTT__NODE_ID" in message_for(monkeypatch, FACEREC_HOUSE__NAME="Home")
    assert "FACEREC_HOUSE__NAME" in message_for(monkeypatch, FACEREC_HOUSE__NAME="my villa")


@pytest.mark.parametrize("quote", ["'", '"'])
def test_quotation_marks_around_the_whole_list_are_named(monkeypatch: pytest.MonkeyPatch, quote: str) -> None:
    cameras = '[{"name": "door", "url": "rtsp://u:s3cret@h/"}]'
    with pytest.raises(SettingsError, match="stands between quotation marks") as caught:
        read(monkeypatch, FACEREC_CAMERAS=f"{quote}{cameras}{quote}")
    assert "s3cret" not in str(caught.value)
