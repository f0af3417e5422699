"""`check`: what fails is reported in a sentence, whatever it is."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facerec_mqtt.cli.check import check
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
