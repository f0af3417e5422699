"""The Home Assistant add-on: its options, with a supervisor's answers, to a service's settings."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from facerec_mqtt import __version__
from facerec_mqtt.core.images import decode_picture
from facerec_mqtt.settings.loading import load_settings, setting_names
from facerec_mqtt.settings.schema import CameraSettings, Settings
from tests.support.paths import ROOT
from tests.support.service import clean_environment

ADDON = ROOT / "packaging" / "apps" / "facerec_mqtt"
SCRIPT = ROOT / "docker" / "app" / "run.py"
DOCKERFILE = ROOT / "docker" / "Dockerfile"
CONFIG = yaml.safe_load((ADDON / "config.yaml").read_text(encoding="utf-8"))
BROKER = {
    "addon": "core_mosquitto",
    "host": "core-mosquitto",
    "port": 1884,
    "ssl": False,
    "username": "addons",
    "password": "p@ss:w/rd#%?",
    "protocol": "3.1.1",
}
TOKEN = "t0k3n"
CAMERA = {"name": "Front door", "url": "rtsp://10.0.0.7/sub", "username": "cam", "password": "", "fps": 4}


@dataclass(slots=True, eq=False)
class Supervisor:
    """Answers as Home Assistant's supervisor does."""

    offers: dict[str, Any] | None
    asked: list[str] = field(default_factory=list)
    server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        supervisor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                supervisor.asked.append(self.path)
                allowed = self.headers["Authorization"] == f"Bearer {TOKEN}"
                offered = allowed and self.path == "/services/mqtt" and supervisor.offers is not None
                answer = {"result": "ok", "data": supervisor.offers} if offered else {"result": "error"}
                self.send_response(200 if offered else 400)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def supervisor(request: pytest.FixtureRequest) -> Iterator[Supervisor]:
    serving = Supervisor(getattr(request, "param", BROKER))
    thread = threading.Thread(target=serving.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield serving
    serving.server.shutdown()
    thread.join()
    serving.server.server_close()


def start(folder: Path, options: object, supervisor: str, token: str = TOKEN) -> Any:
    """Run the start script with a command that tells our part of its environment."""
    (folder / "options.json").write_text(options if isinstance(options, str) else json.dumps(options))
    tell = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if 'FACEREC_' in k}))"
    arguments = ["--options", str(folder / "options.json"), "--supervisor", supervisor]
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments, "--", sys.executable, "-c", tell],
        env=clean_environment(SUPERVISOR_TOKEN=token, http_proxy="http://127.0.0.1:9"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def settings_of(done: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Settings:
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(folder)
    for name, value in json.loads(done.stdout).items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_the_defaults_and_a_camera_with_the_supervisors_broker(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = CONFIG["options"] | {"cameras": [CAMERA | {"region": "0, 0.2, 0.7,1", "rotate": "90"}]}
    settings = settings_of(start(tmp_path, options, supervisor.url), monkeypatch, tmp_path)
    assert supervisor.asked == ["/services/mqtt"]
    assert (settings.mqtt.host, settings.mqtt.port, settings.mqtt.tls) == ("core-mosquitto", 1884, False)
    assert settings.web.ingress
    assert settings.web.port == CONFIG["ingress_port"]
    assert settings.mqtt.username == "addons"
    assert settings.mqtt.password is not None
    assert settings.mqtt.password.get_secret_value() == BROKER["password"]
    assert settings.cameras == (
        CameraSettings(
            name="Front door",
            url="rtsp://10.0.0.7/sub",
            username="cam",
            password=None,
            fps=4,
            region=(0, 0.2, 0.7, 1),
            rotate=90,
        ),
    )
    assert settings.enrollment_dir == Path("/share/facerec")
    assert settings.model_dir == Path("/data/models")
    # An image's volume there would hide the add-on's own data, and go with each container.
    assert not re.search(r"^VOLUME", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert settings.privacy.publish_images
    assert not settings.privacy.retain_images


def test_what_is_started_gets_neither_the_supervisors_token_nor_anything_else_that_is_not_needed(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    (tmp_path / "options.json").write_text(json.dumps(CONFIG["options"] | {"cameras": [CAMERA]}))
    done = subprocess.run(
        [
            *(sys.executable, SCRIPT, "--options", str(tmp_path / "options.json")),
            *("--supervisor", supervisor.url, "--", sys.executable, "-c"),
            "import json, os; print(json.dumps(dict(os.environ)))",
        ],
        env=clean_environment(
            SUPERVISOR_TOKEN=TOKEN, HASSIO_TOKEN=TOKEN, http_proxy="http://u:p@127.0.0.1:9", TZ="Europe/Oslo"
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    given = json.loads(done.stdout)
    assert TOKEN not in done.stdout
    assert "http_proxy" not in given
    assert given["TZ"] == "Europe/Oslo"
    assert given["PATH"] == os.environ["PATH"]
    assert given["FACEREC_MQTT__USERNAME"] == "addons"


def test_the_users_own_broker_and_other_settings_win(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {
        "mqtt_host": "broker.lan",
        "mqtt_port": 8883,
        "mqtt_tls": True,
        "mqtt_tls_ca": "/ssl/ca.crt",
        "mqtt_node_id": "barn",
        "publish_images": False,
        "departure_s": 300,
        "other_settings": [{"name": "FACEREC_RECOGNITION__VOTES", "value": "4"}],
    }
    settings = settings_of(start(tmp_path, CONFIG["options"] | own, supervisor.url), monkeypatch, tmp_path)
    assert supervisor.asked == []
    assert (settings.mqtt.host, settings.mqtt.port, settings.mqtt.tls) == ("broker.lan", 8883, True)
    assert (settings.mqtt.tls_ca, settings.mqtt.node_id) == (Path("/ssl/ca.crt"), "barn")
    assert settings.mqtt.username is None
    assert settings.mqtt.password is None
    assert not settings.privacy.publish_images
    assert settings.recognition.departure_s == 300
    assert settings.recognition.votes == 4


@pytest.mark.parametrize(("supervisor", "token"), [(None, TOKEN), (BROKER, "wrong")], indirect=["supervisor"])
def test_without_any_broker_one_sentence_says_what_to_do(
    supervisor: Supervisor, token: str, tmp_path: Path
) -> None:
    done = start(tmp_path, CONFIG["options"], supervisor.url, token)
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"There is no MQTT broker: .*mqtt_host\.\n", done.stderr)


def test_a_supervisor_that_does_not_answer_is_as_one_without_a_broker(tmp_path: Path) -> None:
    done = start(tmp_path, CONFIG["options"], "http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_damaged_options_are_reported(tmp_path: Path) -> None:
    done = start(tmp_path, "{", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "options.json" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_schema_the_script_and_the_settings_know_the_same_names() -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    names = dict(re.findall(r'^    "(\w+)": "(FACEREC_\w+)",$', script, re.MULTILINE))
    assert set(names) | {"cameras", "other_settings"} == set(CONFIG["schema"])
    assert set(names.values()) <= set(setting_names())
    # The supervisor keeps passwords itself, and gives an app no device that it has not asked for.
    assert set(CONFIG["schema"]["cameras"][0]) == set(CameraSettings.model_fields) - {
        "password_file",
        "token_file",
        "hardware_decoding",
    }
    assert set(CONFIG["options"]) <= set(CONFIG["schema"])
    translations = yaml.safe_load((ADDON / "translations" / "en.yaml").read_text(encoding="utf-8"))
    assert set(translations["configuration"]) == set(CONFIG["schema"])
    for option in ("cameras", "other_settings"):
        fields = translations["configuration"][option]["fields"]
        assert set(fields) == set(CONFIG["schema"][option][0])
        assert all(field["name"] for field in fields.values())


@pytest.mark.parametrize("options", [CONFIG["options"], {"cameras": []}], ids=["defaults", "too few"])
def test_the_supervisor_misses_no_option_in_the_defaults(options: dict[str, Any]) -> None:
    """It refuses to start without an option that the schema, or a list's element there, has without `?`."""
    elements = {name: kind[0] if isinstance(kind, list) else kind for name, kind in CONFIG["schema"].items()}
    needed = {name for name, kind in elements.items() if not (isinstance(kind, str) and kind.endswith("?"))}
    assert (needed <= set(options)) == (options is CONFIG["options"])


def kinds(schema: object) -> Iterator[str]:
    """Every type in an add-on's schema."""
    if isinstance(schema, str):
        yield schema
    else:
        for inner in schema.values() if isinstance(schema, dict) else schema:  # type: ignore[attr-defined]
            yield from kinds(inner)


def test_the_schema_has_only_types_that_the_supervisor_knows() -> None:
    number = r"(\([\d.]*,[\d.]*\))?"
    known = re.compile(
        rf"(bool|email|url|port|(str|password){number}|(int|float){number}|match\(.*\)|list\(.+\))\??"
    )
    found = list(kinds(CONFIG["schema"]))
    assert len(found) > len(CONFIG["schema"])
    assert [kind for kind in found if not known.fullmatch(kind)] == []
    assert not known.fullmatch("text")


def test_the_add_on_is_of_this_version_for_both_processors_and_has_the_page() -> None:
    assert CONFIG["version"] == __version__
    assert set(CONFIG["arch"]) == {"amd64", "aarch64"}
    assert CONFIG["ingress"] is True
    assert "ports" not in CONFIG  # nobody but the supervisor reaches it
    assert CONFIG["services"] == ["mqtt:want"]


def test_the_app_is_pulled_and_its_image_is_one_for_both_processors() -> None:
    assert re.fullmatch(r"[\w.-]+(/[\w-]+)+", CONFIG["image"])  # no tag, which is the version, and no {arch}
    assert not (ADDON / "Dockerfile").exists()  # nothing is built on a user's machine
    assert not (ADDON / "build.yaml").exists()
    targets = re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert CONFIG["image"].rpartition("/")[2] == "app"
    assert "app" in targets
    assert targets[-1] == "full"  # what is built where none is named


def test_the_folder_has_all_that_the_supervisor_shows() -> None:
    sizes = {
        name: decode_picture((ADDON / f"{name}.png").read_bytes()).shape[1::-1] for name in ("icon", "logo")
    }
    assert sizes == {"icon": (128, 128), "logo": (250, 100)}
    repository = yaml.safe_load((ADDON.parent / "repository.yaml").read_text(encoding="utf-8"))
    assert set(repository) == {"name", "url", "maintainer"}
    profiles = re.findall(r"^profile (\S+)", (ADDON / "apparmor.txt").read_text(), re.MULTILINE)
    assert profiles == [CONFIG["slug"]]  # exactly one, which the supervisor renames


@pytest.mark.skipif(
    shutil.which("apparmor_parser") is None, reason="needs AppArmor's parser: apt install apparmor"
)
@pytest.mark.parametrize(("end", "accepted"), [("", True), ("\nno rule at all\n", False)])
def test_apparmor_takes_the_profile(end: str, accepted: bool, tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.write_text((ADDON / "apparmor.txt").read_text(encoding="utf-8") + end, encoding="utf-8")
    # Compiled, and not loaded into the kernel.
    done = subprocess.run(["apparmor_parser", "-QK", profile], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == accepted, done.stderr


KNOWN_TO_THE_SUPERVISOR = {
    *("name", "version", "slug", "description", "arch", "url", "startup", "boot", "init", "apparmor"),
    *("ingress", "ingress_port", "panel_icon", "map", "services", "options", "schema", "image"),
}
"""What its schema has, of what we use; others it drops in silence (supervisor/apps/validate.py, 2026.08)."""


def test_the_supervisor_knows_every_key() -> None:
    assert set(CONFIG) <= KNOWN_TO_THE_SUPERVISOR
    assert CONFIG["startup"] in ("initialize", "system", "services", "application", "once")
    assert CONFIG["boot"] in ("auto", "manual", "manual_only")
    assert {entry["type"] for entry in CONFIG["map"]} <= {"share", "ssl", "media", "addon_config", "data"}


def test_the_repository_that_is_published_has_this_version_its_registry_and_the_changelog(
    tmp_path: Path,
) -> None:
    command: list[str | Path] = [
        sys.executable,
        ROOT / "scripts" / "release",
        "--only",
        "apps",
        "--out",
        tmp_path,
    ]
    named = ["--registry", "ghcr.io/somebody/facerec"]
    subprocess.run([*command, *named], check=True, capture_output=True)
    config = yaml.safe_load((tmp_path / "apps" / "facerec_mqtt" / "config.yaml").read_text(encoding="utf-8"))
    assert config == CONFIG | {"image": "ghcr.io/somebody/facerec/app", "version": __version__}
    changelog = (tmp_path / "apps" / "facerec_mqtt" / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{__version__}]" in changelog
    sums = (tmp_path / "SHA256SUMS").read_text()
    icon = (tmp_path / "apps" / "facerec_mqtt" / "icon.png").read_bytes()
    assert f"{hashlib.sha256(icon).hexdigest()}  apps/facerec_mqtt/icon.png\n" in sums
    # Without a registry it is made, but said not to be complete.
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1
    assert subprocess.run([*command, "--partial"], check=False, capture_output=True).returncode == 0


def test_the_forge_runs_our_scripts_and_nothing_else() -> None:
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
    steps = [
        step
        for path in workflows
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
        for step in job["steps"]
    ]
    assert {step["run"].split()[0] for step in steps if "run" in step} == {".ci/run", "scripts/release"}
    assert {step["uses"].partition("@")[0] for step in steps if "uses" in step} == {
        "actions/checkout",
        "actions/upload-artifact",
    }
