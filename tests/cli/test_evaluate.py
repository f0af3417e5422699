"""`evaluate`: how well the model in use does on new, labelled pictures."""

import contextlib
import json
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facerec_mqtt.cli.main import main
from facerec_mqtt.core.rejections import RejectionCode
from facerec_mqtt.rendering import FAMILY, UNSEEN_STRANGERS
from facerec_mqtt.rendering.photos import write_photos
from tests.support.service import Home


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that no rebuild has seen: two of each of the family and of two people who are not."""
    folder = tmp_path_factory.mktemp("new") / "pictures"
    write_photos(folder / "Anna", FAMILY["Anna"], (900, 901))
    write_photos(folder / "Tom", FAMILY["Tom"], (900, 901))
    write_photos(folder / "_strangers", UNSEEN_STRANGERS[0], (900, 901))
    write_photos(folder / "Postman", UNSEEN_STRANGERS[1], (900, 901))
    (folder / "Tom" / "letter.jpg").write_text("not a picture")
    cv2.imwrite(str(folder / "Tom" / "wall.png"), np.full((300, 300, 3), 90, np.uint8))
    return folder


def evaluate(*arguments: str | Path, home: Home) -> int:
    return main(["evaluate", "--model-dir", str(home.models), *map(str, arguments)])


@pytest.fixture(scope="module")
def page_and_answer(
    rebuilt: Home, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Mapping[str, Any]]:
    """One evaluation, since looking at pictures takes its time."""
    page = tmp_path_factory.mktemp("page") / "new" / "report.html"
    before = {path: path.read_bytes() for path in pictures.rglob("*") if path.is_file()}
    output = tmp_path_factory.mktemp("output") / "answer.json"
    with output.open("w") as file, contextlib.redirect_stdout(file):
        assert evaluate("--folder", pictures, "--json", "--html", page, home=rebuilt) == 0
    assert {path: path.read_bytes() for path in pictures.rglob("*") if path.is_file()} == before
    (line,) = output.read_text().splitlines()
    return page, json.loads(line)


def test_family_and_strangers_are_scored_and_who_is_not_in_the_model_is_a_stranger(
    page_and_answer: tuple[Path, Mapping[str, Any]], rebuilt: Home
) -> None:
    answer = page_and_answer[1]
    assert answer["version"] == rebuilt.report["version"]
    assert answer["people"] == ["anna", "tom"]
    assert (answer["genuine"], answer["strangers"]) == (4, 4)
    assert answer["details"]["tom"]["pictures"] == 2
    assert answer["details"]["tom"]["set_aside"] == 2
    assert answer["tpir"] == sum(each["person"] == each["named"] for each in answer["outcomes"][:2]) / 4 + (
        sum(each["named"] == "tom" for each in answer["outcomes"] if each["person"] == "tom") / 4
    )
    assert answer["tpir"] >= 0.75
    assert answer["fpir"] <= 0.25
    assert answer["stated_fpir"] == 0.01
    assert any("Postman is not in the model" in note for note in answer["notes"])
    codes = {photo["file"]: photo["reason_code"] for photo in answer["photos"] if not photo["used"]}
    assert codes == {
        "Tom/letter.jpg": RejectionCode.NOT_A_PICTURE,
        "Tom/wall.png": RejectionCode.NO_FACE,
    }
    assert not any("learnt from" in note for note in answer["notes"])


def test_what_is_rejected_unseen_counts_for_whose_folder_it_is_in(
    rebuilt: Home, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree(pictures / "Anna", folder / "Anna")
    (folder / "Anna" / "notes.txt").write_text("no picture")
    for name in ("_strangers", "Postman"):
        (folder / name).mkdir()
        (folder / name / "notes.txt").write_text("no picture")
        (folder / name / "letter.jpg").write_text("not a picture")
    assert evaluate("--folder", folder, home=rebuilt) == 0
    rows = [line.strip("│ ").split("│") for line in capsys.readouterr().out.splitlines() if "│" in line]
    rejected = {cells[0].strip(): cells[2].strip() for cells in rows}
    assert rejected == {"Anna": "1", "Tom": "0", "not enrolled": "4"}


def test_the_page_is_written_for_its_owner_alone(page_and_answer: tuple[Path, Mapping[str, Any]]) -> None:
    page, answer = page_and_answer
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    text = page.read_text()
    assert "How well did it do on new pictures?" in text
    assert answer["version"] in text
    assert [path.name for path in page.parent.iterdir()] == ["report.html"]


def test_photos_that_the_model_has_learnt_from_are_called_flattering(
    rebuilt: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(rebuilt.enrollment / "Anna", tmp_path / "pictures" / "Anna")
    assert evaluate("--folder", tmp_path / "pictures", home=rebuilt) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "8 of the pictures were used for enrollment" in shown
    assert "Recognised:" in shown


def test_each_picture_that_was_answered_wrongly_is_named(
    rebuilt: Home, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(pictures / "Anna", tmp_path / "pictures" / "Tom")
    shutil.copytree(
        pictures / "Tom", tmp_path / "pictures" / "_strangers", ignore=shutil.ignore_patterns("w*", "l*")
    )
    shutil.copytree(pictures / "_strangers", tmp_path / "pictures" / "Anna")
    page = tmp_path / "page.html"
    assert evaluate("--folder", tmp_path / "pictures", "--html", page, home=rebuilt) == 0
    shown = capsys.readouterr().out
    for line in (
        "Tom/001.jpg: Taken for Anna.",
        "_strangers/001.jpg: Taken for Tom.",
        "Anna/001.jpg: Not recognised.",
    ):
        assert f"  {line}" in shown
        assert line in page.read_text().replace("<b>", "").replace("</b>", "")


def test_strangers_alone_can_be_scored(
    rebuilt: Home, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(pictures / "_strangers", tmp_path / "pictures" / "_strangers")
    assert evaluate("--folder", tmp_path / "pictures", "--json", home=rebuilt) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["tpir"] is None
    assert answer["strangers"] == 2


def test_without_a_model_or_a_picture_that_can_be_judged_there_is_one_sentence(
    rebuilt: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    assert evaluate("--folder", folder, home=rebuilt) == 1
    assert f'The folder "{folder}" cannot be read' in capsys.readouterr().err
    (folder / "Anna").mkdir(parents=True)
    assert evaluate("--folder", folder, home=rebuilt) == 1
    assert "There is no picture" in capsys.readouterr().err
    (folder / "Anna" / "1.jpg").write_text("not a picture")
    assert evaluate("--folder", folder, home=rebuilt) == 1
    assert "the first is Anna/1.jpg" in capsys.readouterr().err
    assert main(["evaluate", "--folder", str(folder), "--model-dir", str(tmp_path / "none")]) == 1
    assert "There is no model" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_reported_and_what_was_there_stays(
    rebuilt: Home, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    strangers = tmp_path / "pictures" / "_strangers"
    strangers.mkdir(parents=True)
    shutil.copy(pictures / "_strangers" / "001.jpg", strangers)
    page = tmp_path / "file" / "report.html"
    assert evaluate("--folder", tmp_path / "pictures", "--html", page, home=rebuilt) == 1
    assert "Cannot write" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"
