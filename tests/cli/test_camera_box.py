"""At a box that only watches, nothing is made that belongs on another."""

from pathlib import Path

import pytest

from facerec_mqtt.cli.main import main


@pytest.mark.parametrize(
    "command", [["rebuild"], ["enroll", "capture", "--person", "Anna", "--camera", "porch"]]
)
def test_a_box_with_the_role_camera_gets_no_photos_and_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEREC_HOUSE__ROLE", "camera")
    monkeypatch.setenv("FACEREC_CAMERAS", '[{"name":"porch","url":"rtsp://127.0.0.1:9/x"}]')
    assert main(command) == 1
    assert "has the role camera" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
