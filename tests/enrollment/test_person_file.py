"""What is said about a person beside their photos: another name, and photos to use although rejected."""

from datetime import datetime
from pathlib import Path

import cv2
import pytest

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.records import Person
from facerec_mqtt.core.rejections import RejectionCode
from facerec_mqtt.enrollment.album import Album
from facerec_mqtt.enrollment.changes import listed_photos
from facerec_mqtt.enrollment.folder import read_enrollment_folder
from facerec_mqtt.enrollment.judging.audit import check_enrollment
from facerec_mqtt.enrollment.owners import TRASH, folders_in
from facerec_mqtt.enrollment.person_file import FILE, PersonFile, read_person_file, write_person_file
from facerec_mqtt.enrollment.traces import Places, find_traces
from tests.support.pattern_world import pattern_cohort, pattern_networks, picture_of, write_photos

NOON = datetime(2026, 11, 30, 12)


def people(folder: Path) -> list[Person]:
    return list(read_enrollment_folder(folder).people)


def test_a_display_name_leaves_identifier_and_folder_as_they_are(tmp_path: Path) -> None:
    write_photos(tmp_path / "Ana", 1, 1)
    write_person_file(tmp_path / "Ana", PersonFile(name="Ana María"))
    assert people(tmp_path) == [Person("ana", "Ana María")]
    for name in ("Ana", "Ana María"):
        album = Album.open(tmp_path, name)
        assert album.add("learn", b"x", NOON, "door").parent == tmp_path / "Ana"
        traces = find_traces(Places(tmp_path, tmp_path / "models", tmp_path / "review"), name)
        assert traces.person == Person("ana", "Ana María")
    write_person_file(tmp_path / "Ana", PersonFile())
    assert people(tmp_path) == [Person("ana", "Ana")]
    assert not (tmp_path / "Ana" / FILE).exists()


@pytest.mark.parametrize("content", ['{"name": "Tom"}', '{"name": "../x"}', '{"name": ""}', "{", "[]"])
def test_a_name_that_is_taken_or_none_does_not_count(tmp_path: Path, content: str) -> None:
    write_photos(tmp_path / "Ana", 1, 1)
    write_photos(tmp_path / "Tom", 2, 1)
    (tmp_path / "Ana" / FILE).write_text(content)
    assert people(tmp_path) == [Person("ana", "Ana"), Person("tom", "Tom")]


def test_a_damaged_file_is_not_written_over_unseen(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    with pytest.raises(EnrollmentError, match=FILE):
        read_person_file(tmp_path)


def test_a_rejected_photo_is_used_where_its_owner_says_so(tmp_path: Path) -> None:
    enrollment = tmp_path / "enrollment"
    write_photos(enrollment / "Anna", 1, 8)
    write_photos(enrollment / "Tom", 2, 8)
    cv2.imwrite(str(enrollment / "Anna" / "tom.png"), picture_of(2, picture=50))
    cv2.imwrite(str(enrollment / "Anna" / "small.png"), picture_of(1, picture=51, scale=0.2))
    (enrollment / "Anna" / "text.png").write_text("no picture")
    files = ("Anna/tom.png", "Anna/small.png", "Anna/text.png")

    def reasons() -> list[RejectionCode | None]:
        audit = check_enrollment(
            enrollment, tmp_path / "models", load_networks=pattern_networks, cohort=pattern_cohort()
        )
        found = {photo.file: photo.rejection for photo in audit.photos}
        return [None if (why := found[file]) is None else why.code for file in files]

    rejected = [
        RejectionCode.LOOKS_LIKE_ANOTHER,
        RejectionCode.FACE_TOO_SMALL,
        RejectionCode.NOT_A_PICTURE,
    ]
    assert reasons() == rejected
    use = frozenset(file.removeprefix("Anna/") for file in files)
    write_person_file(enrollment / "Anna", PersonFile(use=use))
    assert reasons() == [None, None, RejectionCode.NOT_A_PICTURE]
    write_person_file(enrollment / "Anna", PersonFile())
    assert reasons() == rejected


def test_deleted_photos_are_nobodys_but_are_found_by_forget(tmp_path: Path) -> None:
    write_photos(tmp_path / "Anna", 1, 1)
    write_photos(tmp_path / TRASH / "Anna" / "20261130T120000Z", 1, 1)
    folder = read_enrollment_folder(tmp_path)
    assert [photo.file for photo in folder.photos] == ["Anna/000.png"]
    assert folder.notes == ()
    assert list(folders_in(tmp_path)) == [tmp_path / "Anna"]
    traces = find_traces(Places(tmp_path, tmp_path / "models", tmp_path / "review"), "Anna")
    assert set(traces.folders) == {tmp_path / "Anna", tmp_path / TRASH / "Anna"}


def test_a_persons_files_go_by_their_paths_in_the_folder_also_of_known_visitors(tmp_path: Path) -> None:
    for file in ("Anna/1.jpg", "Anna/2019/1.jpg", "_known/Postman/2.jpg", "_known/Postman/2019/3.jpg"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"x")
    (tmp_path / "Anna" / "link.jpg").symlink_to("1.jpg")
    (tmp_path / "Anna" / "toms").symlink_to("../_known/Postman")
    assert set(listed_photos(tmp_path, "anna")) == {"1.jpg", "2019/1.jpg"}
    assert listed_photos(tmp_path, "postman") == {
        "2.jpg": tmp_path / "_known" / "Postman" / "2.jpg",
        "2019/3.jpg": tmp_path / "_known" / "Postman" / "2019" / "3.jpg",
    }
    assert listed_photos(tmp_path, "tom") == {}
