"""`check`: what fails is reported in a sentence, whatever it is."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facerec_mqtt.cli.setup.check import check
from facerec_mqtt.history import FILE
from facerec_mqtt.settings.schema import (
    HistorySettings,
    MetricsSettings,
    MqttSettings,
    ReviewSettings,
    Settings,
)
from tests.support.visits import ANNA, filled


def line_of(output: str, what: str) -> str:
    [line] = [line for line in output.splitlines() if f"  {what}: " in line]
    return line


@pytest.mark.parametrize("forbidden", ["enrollment", "enrollment/Anna"])
def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path,
    forbid: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
    forbidden: str,
) -> None:
    for name in ("Anna", "Tom"):
        (tmp_path / "enrollment" / name).mkdir(parents=True)
    forbid(tmp_path / forbidden)
    settings = Settings(enrollment_dir=tmp_path / "enrollment", model_dir=tmp_path / "models")
    assert check(settings) == 1
    line = line_of(capsys.readouterr().out, "enrollment folder")
    assert line.startswith("FAILED")
    assert f'The folder "{tmp_path / forbidden}" cannot be read (Permission denied)' in line
    assert line.endswith("check its permissions.")


def test_the_files_of_all_people_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, files in (("Anna", 2), ("Tom", 1)):
        (tmp_path / name / "folder").mkdir(parents=True)
        for number in range(files):
            (tmp_path / name / f"{number}.jpg").touch()
    check(Settings(enrollment_dir=tmp_path, model_dir=tmp_path / "models"))
    assert line_of(capsys.readouterr().out, "enrollment folder").endswith(": 2 people, 3 files")


def test_what_a_rebuild_would_refuse_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("Tom", "tom"):
        (tmp_path / "enrollment" / name).mkdir(parents=True)
    assert check(Settings(enrollment_dir=tmp_path / "enrollment", model_dir=tmp_path / "models")) == 1
    line = line_of(capsys.readouterr().out, "enrollment folder")
    assert line.startswith("FAILED")
    assert "would both be called 'tom'" in line


def test_what_is_switched_on_besides_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()

    def checked(folder: Path) -> dict[str, str]:
        settings = Settings(
            enrollment_dir=tmp_path,
            model_dir=tmp_path / "models",
            heartbeat_file=folder / "beat",
            review=ReviewSettings(enabled=True, folder=folder / "review"),
            metrics=MetricsSettings(prometheus_port=9108),
        )
        check(settings)
        shown = capsys.readouterr().out
        return {what: line_of(shown, what) for what in ("review folder", "heartbeat file", "Prometheus")}

    lines = checked(tmp_path)
    lines.pop("Prometheus")  # the extra may not be installed
    assert all(line.startswith("ok") for line in lines.values())
    assert list(tmp_path.glob("*")) == [tmp_path / "file"]
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    lines = checked(tmp_path / "file")
    assert all(line.startswith("FAILED") for line in lines.values())
    assert "FACEREC_REVIEW__FOLDER" in lines["review folder"]
    assert "FACEREC_HEARTBEAT_FILE" in lines["heartbeat file"]
    assert "pip install 'facerec-mqtt[metrics]'" in lines["Prometheus"]


def test_a_login_without_a_password_is_not_said_to_have_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mqtt = MqttSettings(host="127.0.0.1", port=1, username="facerec")
    check(Settings(enrollment_dir=tmp_path, model_dir=tmp_path / "models", mqtt=mqtt))
    line = line_of(capsys.readouterr().out, "settings")
    assert "as facerec without a password" in line
    assert "***" not in line


def test_a_history_that_cannot_be_written_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def checked(**settings: Any) -> str:
        check(Settings(enrollment_dir=tmp_path, model_dir=tmp_path / "models", **settings))
        return capsys.readouterr().out

    assert line_of(checked(), "history").startswith("ok")
    assert not (tmp_path / "models").exists()
    filled(tmp_path / "models" / FILE, ANNA).close()
    assert line_of(checked(), "history").startswith("ok")
    (tmp_path / "models" / FILE).write_bytes(b"no database" * 1000)
    assert line_of(checked(), "history").startswith("FAILED")
    assert "  history: " not in checked(history=HistorySettings(days=0))


OWNER, GROUP, OURS = 1026, 100, 1000
CHECK = """
import os, sys
from pathlib import Path
from facerec_mqtt.cli.setup.check import check
from facerec_mqtt.settings.schema import ReviewSettings, Settings
folder = Path(sys.argv[1])
settings = Settings(
    enrollment_dir=folder / "enrollment",
    model_dir=folder / "models",
    review=ReviewSettings(enabled=True, folder=folder / "review"),
)
Settings(), check(Settings(enrollment_dir=folder, model_dir=folder))  # so that everything is imported
print("-----")
os.setgroups([]), os.setgid(1000), os.setuid(1000)
check(settings)
"""


def checked_as_another(folder: Path) -> dict[str, str]:
    """What `check` prints of the folders when it runs as 1000:1000."""
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(folder)], capture_output=True, text=True, check=True
    )
    shown = done.stdout.split("-----\n")[1]
    return {what: line_of(shown, f"{what} folder") for what in ("enrollment", "model", "review")}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_of_a_folder_of_another_user_it_is_said_whose_it_is_and_what_mends_it(tmp_path: Path) -> None:
    for above in [tmp_path, *tmp_path.parents][:-1]:
        above.chmod(above.stat().st_mode | 0o055)
    folders = {"enrollment": "enrollment", "model": "models", "review": "review"}
    for name in folders.values():
        (tmp_path / name / "Anna").mkdir(parents=True)
        os.chown(tmp_path / name, OWNER, GROUP)
        (tmp_path / name).chmod(0o750)
    lines = checked_as_another(tmp_path)
    for what, line in lines.items():
        assert line.startswith("FAILED")
        assert f"{OWNER}:{GROUP} (mode 750)" in line
        assert f"this runs as {OURS}:{OURS}" in line
        assert f'user: "{OWNER}:{GROUP}"' in line
        command = f"chown -R {OURS}:{OURS} {shlex.quote(str(tmp_path / folders[what]))}"
        assert command in line
        subprocess.run(shlex.split(command), check=True)
    assert all(line.startswith("ok") for line in checked_as_another(tmp_path).values())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_of_a_folder_of_root_nobody_is_advised_to_run_as_root(tmp_path: Path) -> None:
    for above in [tmp_path, *tmp_path.parents][:-1]:
        above.chmod(above.stat().st_mode | 0o055)
    for name in ("enrollment/Anna", "models", "review"):
        (tmp_path / name).mkdir(parents=True, mode=0o700)
    (tmp_path / "enrollment").chmod(0o700)
    lines = checked_as_another(tmp_path)
    assert all(f"chown -R {OURS}:{OURS}" in line for line in lines.values())
    assert "user: " not in "".join(lines.values())
