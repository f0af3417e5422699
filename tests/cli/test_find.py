"""`find`: a person in the pictures that are kept for review."""

import json
from datetime import datetime
from pathlib import Path

import cv2
import pytest

from facerec_mqtt.presence.review import ReviewFolder, kept_pictures
from facerec_mqtt.rendering import FAMILY, UNSEEN_STRANGERS, Identity, render_photo
from facerec_mqtt.settings.schema import ReviewSettings
from tests.support.service import run_program

# The third one is drawn so much like the first that a network takes them for relatives.
SOMEBODY, ANOTHER, _, THIRD = UNSEEN_STRANGERS


def write(path: Path, who: Identity, seed: int) -> Path:
    cv2.imwrite(str(path), render_photo(who, seed=seed, side_px=240))
    return path


@pytest.fixture
def review(tmp_path: Path) -> Path:
    """Two visits of somebody, one each of two others."""
    folder = ReviewFolder(ReviewSettings(folder=tmp_path / "review"))
    visits = [
        (SOMEBODY, "door", 23),
        (ANOTHER, "door", 24),
        (SOMEBODY, "front_door", 25),
        (THIRD, "door", 26),
    ]
    for number, (who, camera, day) in enumerate(visits):
        jpeg = write(tmp_path / "visit.jpg", who, 100 + number).read_bytes()
        folder.add("stranger", camera, datetime(2026, 11, day, 18, 2, 11, 412000), jpeg)
    return tmp_path / "review"


def test_the_names_of_kept_pictures_say_when_and_where(review: Path) -> None:
    (review / "2026-11-23" / "notes.txt").touch()
    (review / "2026-11-23" / "990000-000_door_stranger.jpg").touch()
    (review / "holiday").mkdir()
    kept = kept_pictures(review)
    assert [(each.taken.day, each.camera, each.kind) for each in kept] == [
        (23, "door", "stranger"),
        (24, "door", "stranger"),
        (25, "front_door", "stranger"),
        (26, "door", "stranger"),
    ]
    assert kept[0].taken.isoformat() == "2026-11-23T18:02:11.412000"
    assert kept_pictures(review / "missing") == ()


def test_who_was_here_is_found_with_time_and_camera_and_others_are_not(review: Path, tmp_path: Path) -> None:
    settings = {"FACEREC_REVIEW__ENABLED": "true", "FACEREC_REVIEW__FOLDER": str(review)}
    asked = write(tmp_path / "asked.jpg", SOMEBODY, 900)
    done = run_program("find", "--json", "--model-dir", tmp_path / "models", asked, environment=settings)
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert (answer["file"], answer["compared"]) == (str(asked), 4)
    [face] = answer["faces"]
    assert sorted((match["time"], match["camera"]) for match in face["matches"]) == [
        ("2026-11-23T18:02:11.412", "door"),
        ("2026-11-25T18:02:11.412", "front_door"),
    ]
    assert all(0.5 <= match["score"] <= 1 and Path(match["file"]).is_file() for match in face["matches"])
    done = run_program("find", asked, environment=settings, folder=tmp_path)
    assert "in 2 of 4 pictures kept for review" in done.stdout
    assert "2026-11-25 18:02:11  front_door" in done.stdout


def test_who_was_never_here_is_not_found(review: Path, tmp_path: Path) -> None:
    asked = write(tmp_path / "asked.jpg", FAMILY["Anna"], 900)
    done = run_program(
        "find", "--json", asked, environment={"FACEREC_REVIEW__FOLDER": str(review)}, folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["faces"][0]["matches"] == []


def test_where_nothing_is_kept_it_is_said_whether_anything_will_be(tmp_path: Path) -> None:
    asked = write(tmp_path / "asked.jpg", SOMEBODY, 900)
    off = run_program("find", asked, folder=tmp_path)
    assert off.returncode == 1
    assert "FACEREC_REVIEW__ENABLED=true" in off.stderr
    on = run_program("find", asked, environment={"FACEREC_REVIEW__ENABLED": "true"}, folder=tmp_path)
    assert on.returncode == 0, on.stderr
    assert "nothing is kept for review yet" in on.stdout


def test_what_is_no_picture_is_an_error(review: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("a letter")
    done = run_program(
        "find", "letter.jpg", environment={"FACEREC_REVIEW__FOLDER": str(review)}, folder=tmp_path
    )
    assert done.returncode == 1
    assert "letter.jpg" in done.stderr
    assert "Traceback" not in done.stderr
