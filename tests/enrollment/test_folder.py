"""The enrollment folder as people leave it."""

import errno
import os
import unicodedata
from pathlib import Path

import pytest

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.files import files_below
from facerec_mqtt.core.records import Person, PersonKind
from facerec_mqtt.core.rejections import Rejection, RejectionCode
from facerec_mqtt.enrollment.album import Album
from facerec_mqtt.enrollment.folder import (
    MAX_LEVELS,
    EnrollmentFolder,
    RejectedFile,
    read_enrollment_folder,
)
from facerec_mqtt.enrollment.forget import SetAside
from facerec_mqtt.enrollment.owners import everybody_in, folder_of, folders_in, is_of_somebody, parents_in


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
    assert roster.rejected == ()
    assert roster.notes == ()


def test_known_visitors_are_people_of_another_kind(tmp_path: Path) -> None:
    put(
        tmp_path,
        "Anna/a.jpg",
        "_known/Postman/1.jpg",
        "_known/Postman/old/2.jpg",
        "_known/3.jpg",
        "_known/_x/4.jpg",
    )
    roster = read_enrollment_folder(tmp_path)
    postman = Person("postman", "Postman", PersonKind.VISITOR)
    assert roster.people == (Person("anna", "Anna"), postman)
    assert [(photo.file, photo.person, photo.folder) for photo in roster.photos[1:]] == [
        ("_known/Postman/1.jpg", "postman", "Postman"),
        ("_known/Postman/old/2.jpg", "postman", "Postman"),
    ]
    outside = Rejection(code=RejectionCode.OUTSIDE_OF_FOLDERS)
    assert roster.rejected == (RejectedFile("_known/3.jpg", None, None, outside),)
    assert len(roster.notes) == 1
    assert "_known/_x" in roster.notes[0]
    assert everybody_in(tmp_path) == {
        tmp_path / "Anna": Person("anna", "Anna"),
        tmp_path / "_known/Postman": postman,
    }


@pytest.mark.parametrize("name", ["Anna", "anna", "Ánna"])
def test_a_visitor_and_a_member_may_not_share_a_slug(tmp_path: Path, name: str) -> None:
    put(tmp_path, "Anna/a.jpg", f"_known/{name}/1.jpg")
    with pytest.raises(EnrollmentError, match="known visitor"):
        read_enrollment_folder(tmp_path)
    with pytest.raises(EnrollmentError, match="one name for one person"):
        Album.open(tmp_path, "anna", PersonKind.VISITOR)


def test_a_link_out_of_the_folder_is_no_visitor(tmp_path: Path) -> None:
    put(tmp_path / "enrollment", "Anna/a.jpg", "_known/Postman/1.jpg")
    put(tmp_path, "elsewhere/1.jpg")
    (tmp_path / "enrollment/_known/Neighbour").symlink_to(tmp_path / "elsewhere")
    roster = read_enrollment_folder(tmp_path / "enrollment")
    assert [person.slug for person in roster.people] == ["anna", "postman"]
    assert "_known/Neighbour" in roster.notes[0]


def test_accents_written_in_two_pieces_are_the_same_name(tmp_path: Path) -> None:
    put(tmp_path, "Jose\u0301/1.jpg")
    assert read_enrollment_folder(tmp_path).people[0].name == "José"


@pytest.mark.parametrize("content", [None, [], ["_strangers/1.jpg"], [".hidden/1.jpg"], ["photo.jpg"]])
def test_a_folder_without_anybody_says_what_to_create(content: list[str] | None, tmp_path: Path) -> None:
    folder = tmp_path / "enrollment"
    if content is not None:
        folder.mkdir()
        put(folder, *content)
    with pytest.raises(EnrollmentError, match="create") as caught:
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
def test_photos_that_forget_has_left_moved_aside_are_noted_without_a_name(
    tmp_path: Path, folder: str
) -> None:
    put(tmp_path, "Anna/1.jpg", f".forgetting/{folder}/1.jpg")
    roster = read_enrollment_folder(tmp_path)
    assert [person.name for person in roster.people] == ["Anna"]
    assert roster.notes == (
        'The folder ".forgetting" is not used: it holds photos of somebody that an interrupted facerec-mqtt'
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
    assert roster.rejected == (
        RejectedFile("Anna/2.jpg", "Anna", "anna", Rejection(code=RejectionCode.NOT_LISTED, detail=reason)),
    )
    assert roster.notes == (f'The folder "Tom" cannot be read ({reason}); check its permissions.',)
    assert [person.name for person in roster.people] == ["Anna", "Tom"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_a_folder_that_may_be_listed_and_not_looked_into_is_reported(tmp_path: Path) -> None:
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


def test_what_is_no_photo_is_for_the_reader_of_its_content_to_say(tmp_path: Path) -> None:
    put(tmp_path, "Anna/1.jpg", "Anna/2.HEIC", "Anna/3.jfif", "Anna/film.mov", "Anna/notes.txt", "loose.jpg")
    os.mkfifo(tmp_path / "Anna" / "pipe")
    roster = read_enrollment_folder(tmp_path)
    assert [photo.path.name for photo in roster.photos] == [
        "1.jpg",
        "2.HEIC",
        "3.jfif",
        "film.mov",
        "notes.txt",
        "pipe",
    ]
    outside = Rejection(code=RejectionCode.OUTSIDE_OF_FOLDERS)
    assert roster.rejected == (RejectedFile("loose.jpg", None, None, outside),)


def codes(roster: EnrollmentFolder) -> dict[str, RejectionCode]:
    return {each.file: each.rejection.code for each in roster.rejected}


# --- Folders that are no person's


BINS = [
    *("@Recycle", "@Recently-Snapshot", "#recycle", "#snapshot", "$RECYCLE.BIN", "@eaDir", ".Trash-1000"),
    *("System Volume Information", "lost+found", "~snapshot", "@__thumb", "#Recycle", "RECYCLER", "__MACOSX"),
    *(".@__thumb", ".snapshot", ".zfs", "$Recycle.Bin", "system volume information", "found.000"),
]


@pytest.mark.parametrize("name", BINS)
def test_recycle_bins_and_snapshots_are_nobodys_and_nothing_is_said_of_them(
    name: str, tmp_path: Path
) -> None:
    put(
        tmp_path,
        "Anna/1.jpg",
        f"{name}/1.jpg",
        f"{name}/Tom/2.jpg",
        f"Anna/{name}/3.jpg",
        f"_test/{name}/4.jpg",
    )
    roster = read_enrollment_folder(tmp_path)
    assert [person.name for person in roster.people] == ["Anna"]
    assert [photo.file for photo in roster.photos] == ["Anna/1.jpg"]
    assert (roster.rejected, roster.notes) == ((), ())
    owners = {path: person.slug for each in parents_in(tmp_path) for path, person in folders_in(each).items()}
    assert owners == {tmp_path / "Anna": "anna"}
    assert [path.name for path in files_below(tmp_path / "Anna")] == ["1.jpg"]


@pytest.mark.parametrize(
    "name", ["Recycle", "Snapshot", "System", "Lost", "Found", "Tom@home", "Tom#2", "Trash"]
)
def test_a_person_may_be_called_nearly_like_a_recycle_bin(name: str, tmp_path: Path) -> None:
    put(tmp_path, f"{name}/1.jpg")
    roster = read_enrollment_folder(tmp_path)
    assert [person.name for person in roster.people] == [name]
    assert roster.notes == ()


@pytest.mark.parametrize("name", ["@homes", "#new", "$Windows", "~backup", "_old"])
def test_any_other_folder_with_such_a_sign_is_nobodys_and_noted(name: str, tmp_path: Path) -> None:
    put(tmp_path, "Anna/1.jpg", f"{name}/1.jpg")
    roster = read_enrollment_folder(tmp_path)
    assert [person.name for person in roster.people] == ["Anna"]
    assert len(roster.notes) == 1
    assert f'"{name}"' in roster.notes[0]
    assert not is_of_somebody(tmp_path / name)


# --- Names that look the same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tom", "Tom "),
        ("Tom", " Tom"),
        ("Tom", "Tom\u00a0"),
        ("Tom", "Tom\u200b"),
        ("Tom Sawyer", "Tom  Sawyer"),
        ("Jos\u00e9", "Jose\u0301"),
    ],
)
def test_folders_whose_names_look_the_same_are_one_person(one: str, other: str, tmp_path: Path) -> None:
    put(tmp_path, "Anna/1.jpg", f"{one}/1.jpg", f"{other}/2.jpg", f"_test/{other}/3.jpg")
    roster = read_enrollment_folder(tmp_path)
    assert [person.name for person in roster.people] == ["Anna", unicodedata.normalize("NFC", one)]
    own = [photo for photo in roster.photos if photo.person == roster.people[1].slug]
    assert sorted(photo.path.name for photo in own) == ["1.jpg", "2.jpg"]
    assert {photo.folder for photo in own} == {roster.people[1].name}
    assert len({photo.file for photo in roster.photos}) == 3
    assert len(roster.notes) == 1
    found = [
        path for parent in parents_in(tmp_path) for path, p in folders_in(parent).items() if p.name != "Anna"
    ]
    assert len(found) == 3


def test_one_folder_with_a_blank_behind_its_name_is_no_reason_for_a_note(tmp_path: Path) -> None:
    put(tmp_path, "Anna /1.jpg")
    roster = read_enrollment_folder(tmp_path)
    assert roster.people == (Person("anna", "Anna"),)
    assert roster.notes == ()
    assert folder_of(tmp_path, "Anna") == tmp_path / "Anna "


# --- Folders within a person's


def test_folders_in_a_persons_folder_are_theirs(tmp_path: Path) -> None:
    put(tmp_path, "Anna/1.jpg", "Anna/2019/summer/2.jpg", "Anna/_best/3.jpg", "_strangers/film/4.jpg")
    put(tmp_path, "Anna/.hidden/5.jpg", "Anna/@eaDir/6.jpg", "_test/Anna/2020/7.jpg")
    roster = read_enrollment_folder(tmp_path)
    assert [(photo.file, photo.person, photo.folder) for photo in roster.photos] == [
        ("Anna/1.jpg", "anna", "Anna"),
        ("Anna/2019/summer/2.jpg", "anna", "Anna"),
        ("Anna/_best/3.jpg", "anna", "Anna"),
        ("_strangers/film/4.jpg", None, "_strangers"),
    ]
    assert (roster.rejected, roster.notes) == ((), ())
    assert [photo.file for photo in read_enrollment_folder(tmp_path / "_test").photos] == ["Anna/2020/7.jpg"]
    below = [path.relative_to(tmp_path / "Anna").as_posix() for path in files_below(tmp_path / "Anna")]
    assert below == ["1.jpg", "2019/summer/2.jpg", "_best/3.jpg"]


def test_a_folder_that_is_too_deep_is_named(tmp_path: Path) -> None:
    levels = [f"level{number}" for number in range(MAX_LEVELS + 1)]
    put(tmp_path, f"Anna/{'/'.join(levels[:-1])}/1.jpg", f"Anna/{'/'.join(levels)}/2.jpg")
    roster = read_enrollment_folder(tmp_path)
    assert [photo.path.name for photo in roster.photos] == ["1.jpg"]
    assert codes(roster) == {f"Anna/{'/'.join(levels)}": RejectionCode.TOO_DEEP}


def test_links_to_folders_lead_neither_out_nor_in_a_circle(tmp_path: Path) -> None:
    folder = tmp_path / "enrollment"
    put(tmp_path, "secret/1.jpg")
    put(folder, "Anna/1.jpg", "Anna/2019/2.jpg", "_phone/3.jpg", "Tom/4.jpg")
    (folder / "Anna" / "self").symlink_to(folder / "Anna")
    (folder / "Anna" / "2019" / "all").symlink_to(folder)
    (folder / "Anna" / "phone").symlink_to(folder / "_phone")
    (folder / "Anna" / "out").symlink_to(tmp_path / "secret")
    (folder / "Anna" / "gone").symlink_to(tmp_path / "gone")
    roster = read_enrollment_folder(folder)
    assert [photo.file for photo in roster.photos if photo.person == "anna"] == [
        "Anna/1.jpg",
        "Anna/2019/2.jpg",
        "Anna/phone/3.jpg",
    ]
    assert codes(roster) == {
        "Anna/gone": RejectionCode.BROKEN_LINK,
        "Anna/out": RejectionCode.LINK_LEADS_OUTSIDE,
    }
    assert "secret" not in str([*files_below(folder / "Anna")])


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
    assert codes(roster) == {
        "Anna/3.jpg": RejectionCode.LINK_LEADS_OUTSIDE,
        "Anna/4.jpg": RejectionCode.BROKEN_LINK,
        "Anna/5.jpg": RejectionCode.BROKEN_LINK,
    }
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
