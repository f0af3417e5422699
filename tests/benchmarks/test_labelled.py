"""Labelled pictures that others measure on: what is odd is left out or reported, never miscounted."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.labelled import person_of, read_chips, read_families, read_pairs, read_people
from facerec_mqtt.core.records import Detection, Image


def finds_nothing(_image: Image) -> Sequence[Detection]:
    return []


def write_picture(path: Path, side_px: int = 112) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((side_px, side_px, 3), 90, np.uint8))


def write_pairs(folder: Path, labels: Sequence[str]) -> Path:
    """A table of pairs of Anna with herself and with Tom by turns; the folder gets the pictures."""
    for name in ("Anna/1.jpg", "Anna/2.jpg", "Tom/1.jpg"):
        write_picture(folder / name, 250)
    others = ["Anna/2.jpg", "Tom/1.jpg"]
    rows = [f"7\t{label}\tAnna/1.jpg\t{others[at % 2]}" for at, label in enumerate(labels)]
    table = folder / "pairs.tsv"
    table.write_text("\n".join(["fold\tsame\ta\tb", *rows]), encoding="utf-8")
    return table


@pytest.mark.parametrize("labels", ["10", ("true", "false"), ("TRUE", "False"), ("yes", "no")])
def test_a_pair_is_of_the_same_person_however_that_is_written(tmp_path: Path, labels: Sequence[str]) -> None:
    table = write_pairs(tmp_path, [*labels] * 6)
    pairs = read_pairs(table, tmp_path, 7, finds_nothing)
    assert pairs.same.tolist() == [True, False] * 6
    assert (pairs.person[pairs.left] == pairs.person[pairs.right]).tolist() == [True, False] * 6
    assert (pairs.left_out, pairs.undetected) == (0, 3)


def test_pairs_without_their_pictures_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_pairs(tmp_path, ["1", "0"] * 10)
    with table.open("a", encoding="utf-8") as file:
        file.write("\n7\t1\tAnna/1.jpg\tAnna/99.jpg\n7\t0\tAnna/1.jpg\tbroken.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    pairs = read_pairs(table, tmp_path, 7, finds_nothing)
    assert (len(pairs.same), pairs.left_out) == (20, 2)
    reported = capsys.readouterr().err
    assert "99.jpg cannot be read as a picture" in reported
    assert "2 of 22 pairs are left out" in reported


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        ("", "gives 0 pairs"),
        ("fold\tsame\ta\tb\n7\tperhaps\tAnna/1.jpg\tTom/1.jpg", "line 2: KeyError('perhaps')"),
        ("a\tb\nAnna/1.jpg\tTom/1.jpg", "line 2: KeyError('fold')"),
        ("fold\tsame\ta\tb\n7\t1", "line 2"),
        ("fold\tsame\ta\tb\n7\t1\tAnna/1.jpg\tTom/1.jpg", "gives 1 pairs"),
        ("fold\tsame\ta\tb\n" + "6\t1\tAnna/1.jpg\tTom/1.jpg\n" * 20, "gives 0 pairs"),
    ],
)
def test_a_table_that_gives_no_figure_is_refused(tmp_path: Path, content: str, reported: str) -> None:
    write_pairs(tmp_path, ["1", "0"])
    (tmp_path / "pairs.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit) as refused:
        read_pairs(tmp_path / "pairs.tsv", tmp_path, 7, finds_nothing)
    assert reported in str(refused.value)


def test_without_folders_the_file_names_say_who_is_shown() -> None:
    assert person_of("Aaron Peirsol/0001.jpg") == "Aaron Peirsol"
    assert person_of("Aaron_Peirsol_0001.jpg") == person_of("Aaron_Peirsol_0012.jpg") == "Aaron_Peirsol"


def test_in_a_folder_of_people_only_pictures_count(tmp_path: Path) -> None:
    for person in range(3):
        for number in range(4):
            write_picture(tmp_path / f"p{person}" / f"{number}.jpg")
    (tmp_path / "p0" / ".DS_Store").write_bytes(b"clutter")
    (tmp_path / "p0" / "notes.txt").write_text("clutter", encoding="utf-8")
    (tmp_path / "p0" / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "empty").mkdir()
    people = read_people(tmp_path, family=2, enrolled=3)
    assert {who: len(faces) for who, faces in people.items()} == {"p0": 4, "p1": 4, "p2": 4}
    with pytest.raises(SystemExit, match="3 people with more than 3 pictures"):
        read_people(tmp_path, family=3, enrolled=3)
    write_picture(tmp_path / "p1" / "large.jpg", 200)
    with pytest.raises(SystemExit, match="200x200 px"):
        read_people(tmp_path, family=2, enrolled=3)


def test_every_tenth_chip_is_read_and_sorted_by_age(tmp_path: Path) -> None:
    # The CRC-32 of these names is divisible by ten, of "3_0_0_1.jpg" it is not.
    for name in ("3_0_0_19.jpg", "3_0_0_1.jpg"):
        write_picture(tmp_path / "utk" / name, 128)
    (tmp_path / "utk" / "Thumbs.db").write_bytes(b"clutter")
    groups = read_chips(tmp_path)
    assert {name: len(faces) for name, faces in groups.items()} == {"utk_0_4": 1}
    with pytest.raises(SystemExit, match="no chips"):
        read_chips(tmp_path / "utk")


def test_of_families_chips_are_taken_and_pictures_without_a_face_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for member, count in (("F0001/MID1", 2), ("F0001/MID2", 1), ("F0002/MID1", 2)):
        for number in range(count):
            write_picture(tmp_path / member / f"{number}.jpg", 128)
    write_picture(tmp_path / "F0002/MID1/wall.jpg", 224)
    (tmp_path / "F0002/MID1/notes.txt").write_text("clutter", encoding="utf-8")
    faces, names = read_families(tmp_path, finds_nothing)
    assert names == ["F0001/MID1"] * 2 + ["F0001/MID2"] + ["F0002/MID1"] * 2
    assert {face.shape for face in faces} == {(112, 112, 3)}
    assert "In 1 pictures" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="--families wants folders"):
        read_families(tmp_path / "F0001", finds_nothing)
