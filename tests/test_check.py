"""`check`: what is to be mended is said in a sentence, whatever it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_mqtt.check import check
from facerec_mqtt.config import Settings


def said(output: str, what: str) -> str:
    [line] = [line for line in output.splitlines() if f"  {what}: " in line]
    return line


@pytest.mark.parametrize("forbidden", ["enrollment", "enrollment/Anna"])
def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    forbidden: str,
) -> None:
    for name in ("Anna", "Tom"):
        (tmp_path / "enrollment" / name).mkdir(parents=True)
    entries = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path == tmp_path / forbidden:
            raise PermissionError(13, "Permission denied")  # as root, under whom tests may run, never is
        return entries(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    settings = Settings(enrollment_dir=tmp_path / "enrollment", model_dir=tmp_path / "models")
    assert check(settings) == 1
    line = said(capsys.readouterr().out, "enrollment folder")
    assert line.startswith("FAILED")
    assert f'The folder "{tmp_path / forbidden}" cannot be read (Permission denied)' in line
    assert line.endswith("check its permissions.")


def test_the_files_of_all_people_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, files in (("Anna", 2), ("Tom", 1)):
        (tmp_path / name / "folder").mkdir(parents=True)
        for number in range(files):
            (tmp_path / name / f"{number}.jpg").touch()
    check(Settings(enrollment_dir=tmp_path, model_dir=tmp_path / "models"))
    assert said(capsys.readouterr().out, "enrollment folder").endswith(": 2 people, 3 files")
