"""The enrollment folder as people leave it."""

import errno
import os
from pathlib import Path

import pytest

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.records import Person
from facerec_mqtt.enrollment.folder import read_enrollment_folder
from facerec_mqtt.enrollment.forget import SetAside


def put(root: Path, *files: str) -> None:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_each_folder_is_a_person_under_their_own_name(tmp_path: Path) -> None:
    put(tmp_path, "José Núñez/1.jpg", "Anna/b.PNG", "Anna/a.jpeg", "Anna/c.webp", "_strangers/x.jpg")
    roster = read_enrollment_folder(tmp_path)
    assert [(person.slug, person.name) for person in roster.people] == [
        ("anna", "Anna"),
        ("jose_nunez", "José Núñez"),
    ]
    assert [(photo.file, photo.person) for photo in roster.photos] == [
        ("Anna/a.jpeg", "anna"),
        ("Anna/b.PNG", "anna"),
        ("Anna/c.webp", "anna"),
        ("José Núñez/1.jpg", "jose_nunez"),
        ("_strangers/x.jpg", None),
    ]
    assert roster.set_aside == ()
    assert roster.notes == ()


def test_accents_written_in_two_pieces_are_the_same_name(tmp_path: Path) -> None:
    put(tmp_path, "Jose\u0301/1.jpg")
    assert read_enrollment_folder(tmp_path).people[0].name == "José"


@pytest.mark.parametrize("content", [None, [], ["_strangers/1.jpg"], [".hidden/1.jpg"], ["photo.jpg"]])
def test_a_folder_without_anybody_says_what_to_make(content: list[str] | None, tmp_path: Path) -> None:
    folder = tmp_path / "enrollment"
    if content is not None:
        folder.mkdir()
        put(folder, *content)
    with pytest.raises(EnrollmentError, match="make") as caught:
        read_enrollment_folder(folder)
    assert str(folder / "Anna") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_folders_with_one_identifier_are_both_named(tmp_path: Path) -> None:
    put(tmp_path, "José/1.jpg", "jose/1.jpg")
    with pytest.raises(EnrollmentError, match="José") as caught:
        read_enrollment_folder(tmp_path)
    assert '"jose"' in str(caught.value)


def test_a_folder_called_by_an_emoji_is_named(tmp_path: Path) -> None:
    put(tmp_path, "🎉/1.jpg", "Anna/1.jpg")
    with pytest.raises(EnrollmentError, match=r"🎉.*rename"):
        read_enrollment_folder(tmp_path)


def test_a_name_with_leading_dots_is_noted(tmp_path: Path) -> None:
    put(tmp_path, "...Tom/1.jpg", ".cache/state.bin")
    with pytest.raises(EnrollmentError, match=r'holds nobody.*"\.\.\.Tom".*rename it\.$'):
        read_enrollment_folder(tmp_path)
    put(tmp_path, "Anna/1.jpg")
    roster = read_enrollment_folder(tmp_path)
    assert [person.name for person in roster.people] == ["Anna"]
    assert roster.notes == ('The folder "...Tom" is not used, since its name begins with a dot; rename it.',)


@pytest.mark.parametrize("folder", ["Tom", "_test/Tom"])
def test_photos_that_forget_has_left_set_aside_are_noted_without_a_name(tmp_path: Path, folder: str) -> None:
    put(tmp_path, "Anna/1.jpg", f".forgetting/{folder}/1.jpg")
    roster = read_enrollment_folder(tmp_path)
    assert [person.name for person in roster.people] == ["Anna"]
    assert roster.notes == (
        'The folder ".forgetting" is not used: it holds photos of somebody whom an interrupted facerec-mqtt'
        " forget was to remove; give that command again, or move them back.",
    )


def test_while_forget_is_at_work_its_photos_are_not_noted(tmp_path: Path) -> None:
    put(tmp_path, "Anna/1.jpg", "Tom/1.jpg")
    aside = SetAside(tmp_path, Person("tom", "Tom"), [tmp_path / "Tom"])
    aside.move()
    with aside.held():
        assert read_enrollment_folder(tmp_path).notes == ()
    assert len(read_enrollment_folder(tmp_path).notes) == 1
    aside.delete()
    assert read_enrollment_folder(tmp_path).notes == ()


def test_what_cannot_be_looked_at_is_noted(tmp_path: Path) -> None:
    put(tmp_path, "Anna/1.jpg")
    for link in (".old", "Anna/2.jpg", "Tom"):
        (tmp_path / link).symlink_to("x" * 300)  # as one to a share that has dropped
    roster = read_enrollment_folder(tmp_path)
    reason = os.strerror(errno.ENAMETOOLONG)
    assert [photo.file for photo in roster.photos] == ["Anna/1.jpg"]
    assert dict(roster.set_aside) == {
        "Anna/2.jpg": f"It cannot be looked at ({reason}); check its permissions."
    }
    assert roster.notes == (f'The folder "Tom" cannot be read ({reason}); check its permissions.',)
    assert [person.name for person in roster.people] == ["Anna", "Tom"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_a_folder_that_may_be_listed_and_not_looked_into_is_told_of(tmp_path: Path) -> None:
    put(tmp_path, "Anna/1.jpg", "Tom/1.jpg")
    (tmp_path / "Tom").chmod(0o400)
    assert read_enrollment_folder(tmp_path).notes == (
        f'The folder "Tom" cannot be read ({os.strerror(errno.EACCES)}); check its permissions.',
    )
    tmp_path.chmod(0o400)
    try:
        with pytest.raises(EnrollmentError, match="check its permissions"):
            read_enrollment_folder(tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_other_folders_with_an_underscore_are_noted_and_what_desktops_leave_is_not(tmp_path: Path) -> None:
    put(
        tmp_path,
        "Anna/1.jpg",
        "_old/1.jpg",
        ".trash/1.jpg",
        "@eaDir/1.jpg",
        "Anna/.DS_Store",
        "Anna/Thumbs.db",
    )
    roster = read_enrollment_folder(tmp_path)
    assert len(roster.photos) == 1
    assert len(roster.notes) == 1
    assert "_old" in roster.notes[0]


def test_what_is_no_photo_is_set_aside_with_its_reason(tmp_path: Path) -> None:
    put(tmp_path, "Anna/1.jpg", "Anna/2.HEIC", "Anna/notes.txt", "Anna/2019/3.jpg", "loose.jpg")
    os.mkfifo(tmp_path / "Anna" / "pipe")
    aside = dict(read_enrollment_folder(tmp_path).set_aside)
    assert set(aside) == {"Anna/2.HEIC", "Anna/notes.txt", "Anna/2019", "Anna/pipe", "loose.jpg"}
    assert "HEIC picture, which is not supported" in aside["Anna/2.HEIC"]
    assert "no picture" in aside["Anna/notes.txt"]
    assert "It is a folder" in aside["Anna/2019"]
    assert "outside of any person's folder" in aside["loose.jpg"]


def test_links_may_point_within_the_folder_but_not_out_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "enrollment"
    put(tmp_path, "secret/1.jpg")
    put(folder, "Anna/1.jpg")
    (folder / "Anna" / "2.jpg").symlink_to(folder / "Anna" / "1.jpg")
    (folder / "Anna" / "3.jpg").symlink_to(tmp_path / "secret" / "1.jpg")
    (folder / "Anna" / "4.jpg").symlink_to("/nowhere.jpg")
    (folder / "Anna" / "5.jpg").symlink_to(folder / "Anna" / "5.jpg")
    (folder / "Tom").symlink_to(tmp_path / "secret")
    roster = read_enrollment_folder(folder)
    assert [photo.file for photo in roster.photos] == ["Anna/1.jpg", "Anna/2.jpg"]
    aside = dict(roster.set_aside)
    assert "link out of" in aside["Anna/3.jpg"]
    assert "link to nowhere" in aside["Anna/4.jpg"]
    assert "link to nowhere" in aside["Anna/5.jpg"]
    assert [person.name for person in roster.people] == ["Anna"]
    assert "Tom" in roster.notes[0]


def test_the_enrollment_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    put(tmp_path, "real/Anna/1.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(read_enrollment_folder(tmp_path / "link").photos) == 1


def test_names_that_are_no_text_can_still_be_printed(tmp_path: Path) -> None:
    put(tmp_path, "Anna/1.jpg")
    with open(os.fsencode(tmp_path / "Anna") + b"/\xff\xfe.jpg", "wb"):  # noqa: PTH123
        pass
    for photo in read_enrollment_folder(tmp_path).photos:
        photo.file.encode()
