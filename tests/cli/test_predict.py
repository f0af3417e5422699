"""`predict` as its user runs it: pictures in, an answer for each, whatever it is."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.support.service import Home, clean_environment, program, run_program


def answers(text: str) -> list[dict[str, Any]]:
    """What was printed: one line of JSON for each picture."""
    return [json.loads(line) for line in text.splitlines()]


def test_predict_answers_for_each_picture_in_order(home: Home, film: Path, tmp_path: Path) -> None:
    frames = sorted(film.glob("*.jpg"))
    (tmp_path / "text.jpg").write_text("no picture")
    anna = sorted((home.enrollment / "Anna").glob("*.jpg"))[0]
    pictures = [anna, tmp_path / "text.jpg", frames[0], tmp_path / "missing.png"]
    done = run_program(
        "predict", "--json", "--model-dir", home.models, "--save-annotated", tmp_path / "drawn", *pictures
    )
    assert done.returncode == 1
    lines = answers(done.stdout)
    assert [line["file"] for line in lines] == [str(picture) for picture in pictures]
    [face] = lines[0]["faces"]
    assert (face["person"], face["name"]) == ("anna", "Anna")
    assert face["score"] > 0.5
    assert len(face["box"]) == 4
    assert lines[1]["error"]
    assert lines[2]["faces"] == []
    assert lines[3]["error"]
    assert len(list((tmp_path / "drawn").iterdir())) == 2


def test_annotated_copies_of_pictures_with_one_name_lie_side_by_side(home: Home, tmp_path: Path) -> None:
    pictures = [home.enrollment / name / "001.jpg" for name in ("Anna", "Tom")]
    drawn = tmp_path / "drawn"
    for _ in range(2):  # a second time replaces what the first has written
        done = run_program("predict", "--model-dir", home.models, "--save-annotated", drawn, *pictures)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""  # LiteRT's own lines included
    copies = sorted(path.name for path in drawn.iterdir())
    assert copies == ["001-2.annotated.jpg", "001.annotated.jpg"]
    assert (drawn / copies[0]).read_bytes() != (drawn / copies[1]).read_bytes()


def test_a_name_that_is_no_text_is_answered_for_all_the_same(home: Home, tmp_path: Path) -> None:
    picture = os.fsencode(tmp_path) + b"/\xff.jpg"
    shutil.copy(home.enrollment / "Anna" / "001.jpg", os.fsdecode(picture))
    done = subprocess.run(
        [*program("predict", "--json", "--model-dir", home.models), picture, picture + b".gone"],
        env=clean_environment(PYTHONIOENCODING="utf-8:strict"),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    there, gone = answers(done.stdout.decode("utf-8"))
    assert os.fsencode(there["file"]) == picture
    assert there["faces"][0]["person"] == "anna"
    assert gone["error"]


def test_an_output_that_takes_no_more_gets_one_sentence(home: Home) -> None:
    anna = home.enrollment / "Anna" / "001.jpg"
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            program("predict", "--model-dir", home.models, anna),
            env=clean_environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.endswith("facerec-mqtt: The disk is full; free some space and try again.\n")
    assert "Traceback" not in done.stderr


def test_predict_without_a_model_says_what_to_do(tmp_path: Path, film: Path) -> None:
    done = run_program("predict", "--model-dir", tmp_path, sorted(film.glob("*.jpg"))[0])
    assert done.returncode == 1
    assert "facerec-mqtt rebuild" in done.stderr
    assert "Traceback" not in done.stderr
