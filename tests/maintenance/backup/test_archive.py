"""Archives that somebody made to do harm, or that went wrong: refused before anything is touched."""

import contextlib
import hashlib
import json
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.maintenance.backup import BackupError, back_up, restore
from facerec_mqtt.maintenance.backup.archive import MANIFEST
from facerec_mqtt.maintenance.backup.contents import place_of
from tests.support.houses import a_house

CONTENT = b"a picture"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def entry(content: bytes = CONTENT, **other: Any) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} | other


def manifest(**files: dict[str, Any]) -> dict[str, Any]:
    return {"format": 1, "program": "0.1.0", "created": "2026-11-30T12:00:00+00:00", "files": files}


def write_zip(path: Path, facts: object, *infos: tuple[str | zipfile.ZipInfo, bytes], **how: Any) -> Path:
    with zipfile.ZipFile(path, "w", **how) as archive:
        for info, content in infos:
            archive.writestr(info, content)
        if facts is not None:
            archive.writestr(MANIFEST, facts if isinstance(facts, bytes) else json.dumps(facts))
    return path


def info(name: str, mode: int = 0o100600) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    return made


def try_to_restore(folder: Path, file: Path) -> FacerecError | None:
    """Restore into new folders; what was refused has changed nothing."""
    refusal: FacerecError | None = None
    try:
        restore(folder / "house" / "enrollment", folder / "house" / "models", file, merge=False)
    except FacerecError as error:
        refusal = error
    if refusal is not None:
        there = [path for path in (folder / "house").rglob("*") if path.is_file()]
        assert [path.name for path in there if path.name != "rebuild.lock"] == []
        assert not list((folder / "house").rglob(".*"))
        assert "\n" not in str(refusal)
    return refusal


NAMES = [
    "enrollment/../../evil.jpg",
    "enrollment/Anna/../../../evil.jpg",
    "/etc/evil",
    "enrollment//etc/evil",
    "enrollment/./evil.jpg",
    "enrollment/.forgetting/Anna/1.jpg",
    "enrollment/.unfinished-restore/new/1.jpg",
    "enrollment/Anna/" + "x" * 300,
    "enrollment/" + "a/" * 40 + "1.jpg",
    "enrollment/Anna/",
    "enrollment",
    "models/versions/../../evil",
    "models/versions/20261123T100411Z-3f2a/evil.so",
    "models/versions/current/model.npz",
    "models/rebuild.lock",
    "models/.restoring/plan.json",
    "models/history.db-wal",
    "models/cache/photos.npz",
    "photos/1.jpg",
    "",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_no_backup_has_is_refused(tmp_path: Path, name: str) -> None:
    assert place_of(name) is None
    file = write_zip(tmp_path / "b", manifest(**{name: entry()}), (info(name), CONTENT))
    assert isinstance(try_to_restore(tmp_path, file), BackupError)
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize(
    "name", ["enrollment/Anna/1.jpg", "enrollment/_test/José/1..jpg", "models/current", "models/web.json"]
)
def test_a_name_that_a_backup_has_is_accepted(name: str) -> None:
    assert str(place_of(name)) == name


def hostile(folder: Path, kind: str) -> Path:
    """An archive that is wrong in one way."""
    name, file = "enrollment/Anna/1.jpg", folder / "b"
    good = manifest(**{name: entry()})
    match kind:
        case "link":
            return write_zip(file, good, (info(name, 0o120777), CONTENT))
        case "pipe":
            return write_zip(file, good, (info(name, 0o010600), CONTENT))
        case "bomb":
            content = bytes(50 * 2**20)
            facts = manifest(**{name: entry(content)})
            return write_zip(file, facts, (name, content), compression=zipfile.ZIP_DEFLATED)
        case "bomb in the manifest":
            return write_zip(
                file, b'{"format": 1' + b" " * 90 * 2**20 + b"}", compression=zipfile.ZIP_DEFLATED
            )
        case "wrong digest":
            return write_zip(file, manifest(**{name: entry(b"another p")}), (info(name), CONTENT))
        case "wrong size":
            return write_zip(file, manifest(**{name: entry(bytes=3)}), (info(name), CONTENT))
        case "file not listed":
            return write_zip(file, manifest(), (info(name), CONTENT))
        case "file missing":
            return write_zip(file, good)
        case "a name twice":
            with pytest.warns(UserWarning, match="Duplicate"):
                return write_zip(file, good, (info(name), CONTENT), (info(name), b"other"))
        case "a file and a folder":
            other = "enrollment/Anna"
            facts = manifest(**{name: entry(), other: entry()})
            return write_zip(file, facts, (info(name), CONTENT), (info(other), CONTENT))
        case "no manifest":
            return write_zip(file, None, (info(name), CONTENT))
        case "a newer one":
            return write_zip(file, good | {"format": 2}, (info(name), CONTENT))
        case "not JSON":
            return write_zip(file, b"[" * 100_000)
        case "cut short":
            write_zip(file, good, (info(name), CONTENT))
            file.write_bytes(file.read_bytes()[:-30])
            return file
        case "changed":
            write_zip(file, good, (info(name), CONTENT))
            file.write_bytes(file.read_bytes().replace(CONTENT, b"b picture"))
            return file
        case "a model that is none":
            current = "models/current"
            return write_zip(
                file, manifest(**{current: entry(b"../../x")}), (info(current), b"../../x"), (info(name), b"")
            )
        case "a history that is none":
            history = "models/history.db"
            return write_zip(file, manifest(**{history: entry()}), (info(history), CONTENT))
        case "a pipe itself":
            os.mkfifo(file)
            return file
        case "not there":
            return folder / "nowhere"
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind",
    [
        "link",
        "pipe",
        "bomb",
        "bomb in the manifest",
        "wrong digest",
        "wrong size",
        "file not listed",
        "file missing",
        "a name twice",
        "a file and a folder",
        "no manifest",
        "a newer one",
        "not JSON",
        "cut short",
        "changed",
        "a model that is none",
        "a history that is none",
        "a pipe itself",
        "not there",
    ],
)
def test_it_is_refused_in_one_sentence_and_nothing_is_touched(tmp_path: Path, kind: str) -> None:
    assert try_to_restore(tmp_path, hostile(tmp_path, kind)) is not None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6), byte=st.integers(0, 255), end=st.integers(0, 10**6))
@example(at=0, byte=0, end=10**6)
def test_whatever_is_damaged_it_is_restored_whole_or_refused(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, end: int
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "Anna").mkdir()
    (folder / "Anna" / "1.jpg").write_bytes(CONTENT)
    back_up(folder, folder.parent / f"{folder.name}-models", folder.parent / f"{folder.name}.b", NOW)
    file = folder.parent / f"{folder.name}.b"
    content = bytearray(file.read_bytes()[: max(1, end)])
    content[at % len(content)] = byte
    file.write_bytes(content)
    if try_to_restore(folder, file) is None:
        with contextlib.suppress(FileNotFoundError):
            assert (folder / "house" / "enrollment" / "Anna" / "1.jpg").read_bytes() == CONTENT


def test_an_unfit_file_is_not_overwritten_by_a_backup(tmp_path: Path) -> None:
    enrollment, models, _ = a_house(tmp_path / "house")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BackupError):
        back_up(enrollment, models, tmp_path / "pipe", NOW)
