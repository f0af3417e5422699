"""The pictures of a person on disk: where they may lie, and that they are whole."""

import os
import signal
import subprocess
import sys
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.enrollment.album import Album
from facerec_mqtt.enrollment.folder import read_enrollment_folder
from facerec_mqtt.enrollment.owners import folders_in

NOON = datetime(2026, 11, 23, 12, 0, 0, 345_000, tzinfo=UTC)


def add_one(enrollment: Path, name: str) -> Path:
    return Album.open(enrollment, name).add("learn", b"jpeg", NOON, "door")


def test_a_picture_is_private_and_named_by_its_time_and_camera(tmp_path: Path) -> None:
    album = Album.open(tmp_path / "enrollment", "José Núñez")
    learn, test = album.add("learn", b"one", NOON, "door"), album.add("test", b"two", NOON, "door")
    assert learn == tmp_path / "enrollment" / "José Núñez" / "20261123-120000-345_door.jpg"
    assert test == tmp_path / "enrollment" / "_test" / "José Núñez" / "20261123-120000-345_door.jpg"
    assert learn.read_bytes() == b"one"
    assert {oct(path.stat().st_mode & 0o777) for path in (learn, test)} == {"0o600"}
    assert {oct(path.parent.stat().st_mode & 0o777) for path in (learn, test)} == {"0o700"}


def test_the_rebuild_learns_from_one_folder_and_says_nothing_of_the_other(tmp_path: Path) -> None:
    album = Album.open(tmp_path, "Anna")
    album.add("learn", b"one", NOON, "door")
    album.add("test", b"two", NOON, "door")
    roster = read_enrollment_folder(tmp_path)
    assert [photo.file for photo in roster.photos] == ["Anna/20261123-120000-345_door.jpg"]
    assert (roster.notes, roster.rejected) == ((), ())
    assert [photo.file for photo in read_enrollment_folder(tmp_path / "_test").photos] == [
        "Anna/20261123-120000-345_door.jpg"
    ]


@pytest.mark.parametrize(
    "name", ["", "..", "../Anna", "/etc", "a/b", "_strangers", "_test", ".x", "😀", "a\0b"]
)
def test_a_name_that_leads_elsewhere_is_refused_and_nothing_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(EnrollmentError, match="cannot be the name of a person"):
        Album.open(tmp_path / "enrollment", name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("link", ["Anna", "_test/Anna", "_test"])
def test_a_folder_that_is_a_link_to_the_outside_is_refused(tmp_path: Path, link: str) -> None:
    outside, enrollment = tmp_path / "outside", tmp_path / "enrollment"
    outside.mkdir()
    (enrollment / link).parent.mkdir(parents=True, exist_ok=True)
    (enrollment / link).symlink_to(outside)
    with pytest.raises(EnrollmentError, match="a link out of the enrollment folder"):
        Album.open(enrollment, "Anna")
    assert list(outside.iterdir()) == []


def test_a_folder_whose_accents_are_spelt_otherwise_is_the_same(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "José")
    (tmp_path / decomposed).mkdir()
    assert add_one(tmp_path, "José").parent.name == decomposed
    assert [person.name for person in folders_in(tmp_path).values()] == ["José"]


def test_one_folder_that_cannot_be_looked_at_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "José").mkdir()
    (tmp_path / "Tom").symlink_to("x" * 300)  # as one to a share that has dropped
    assert [person.name for person in folders_in(tmp_path).values()] == ["José"]


def test_a_second_spelling_of_a_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "José").mkdir()
    with pytest.raises(EnrollmentError, match='folder "José" already'):
        Album.open(tmp_path, "jose")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EnrollmentError, match="cannot be written"):
        Album.open(tmp_path, "Anna")


def test_a_file_in_the_place_of_the_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "Anna").write_text("a file")
    with pytest.raises(EnrollmentError, match="cannot be written"):
        Album.open(tmp_path, "Anna")


def test_an_album_without_a_picture_leaves_no_folder(tmp_path: Path) -> None:
    Album.open(tmp_path, "Anna").close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_pictures_stays_at_the_end(tmp_path: Path) -> None:
    album = Album.open(tmp_path, "Anna")
    path = album.add("learn", b"one", NOON, "door")
    album.close()
    assert path.exists()
    assert not (tmp_path / "_test").exists()


def test_a_writer_that_is_killed_leaves_whole_pictures_only(tmp_path: Path) -> None:
    endless = (
        "import itertools, sys; from pathlib import Path; from datetime import datetime, timedelta, UTC\n"
        "from facerec_mqtt.enrollment.album import Album\n"
        "album = Album.open(Path(sys.argv[1]), 'Anna')\n"
        "for n in itertools.count():\n"
        "    album.add('learn', b'x' * 3_000_000 + b'end', datetime(2026, 1, 1, tzinfo=UTC)\n"
        "              + timedelta(seconds=n), 'door')\n"
        "    print(n, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", endless, tmp_path], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(3):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    photos = read_enrollment_folder(tmp_path).photos
    assert len(photos) >= 3
    assert all(photo.path.read_bytes().endswith(b"end") for photo in photos)
    Album.open(tmp_path, "Anna")
    assert not list((tmp_path / "Anna").glob(".*"))
