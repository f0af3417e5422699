"""The model on disk: whole, checked, private."""

import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.recognition.model_store import (
    current_version,
    load_current,
    new_version,
    rebuilding,
    save_model,
    versions,
)
from tests.support.models import NOON, a_model
from tests.support.paths import ROOT


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    saved = a_model()
    save_model(tmp_path, saved)
    loaded = load_current(tmp_path)
    assert loaded is not None
    assert (loaded.version, loaded.people, loaded.created) == (saved.version, saved.people, saved.created)
    assert (loaded.backbone_digest, loaded.cohort_digest) == (saved.backbone_digest, saved.cohort_digest)
    assert loaded.report == saved.report
    assert np.array_equal(loaded.arrays["templates"], saved.arrays["templates"])
    assert current_version(tmp_path) == saved.version


def test_where_no_model_was_ever_made_there_is_none(tmp_path: Path) -> None:
    assert load_current(tmp_path) is None
    assert load_current(tmp_path / "missing") is None
    assert versions(tmp_path) == ()


def test_the_last_three_versions_stay(tmp_path: Path) -> None:
    models = [a_model(minute) for minute in range(5)]
    for model in models:
        save_model(tmp_path, model)
    assert versions(tmp_path) == tuple(model.version for model in models[-3:])
    assert current_version(tmp_path) == models[-1].version


def test_a_version_sorts_behind_those_before_it_even_when_the_clock_was_put_back() -> None:
    first = new_version(NOON)
    second = new_version(NOON, [first])
    third = new_version(NOON - timedelta(days=400), [second, first])
    assert first < second < third
    assert first.startswith("20261123T120000Z-")
    assert new_version(NOON + timedelta(hours=1), [first]).startswith("20261123T130000Z-")


def test_a_version_that_is_not_switched_to_is_kept_beside_the_current_one(tmp_path: Path) -> None:
    first = a_model()
    save_model(tmp_path, first)
    for minute in range(1, 5):
        save_model(tmp_path, a_model(minute), switch=False)
    assert current_version(tmp_path) == first.version
    assert load_current(tmp_path) is not None


def test_everything_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    model_dir = tmp_path / "models"
    with rebuilding(model_dir):
        save_model(model_dir, a_model())
    for path in [model_dir, *model_dir.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def break_array(folder: Path) -> None:
    content = bytearray((folder / "model.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.npz").write_bytes(bytes(content))


def cut_array(folder: Path) -> None:
    (folder / "model.npz").write_bytes((folder / "model.npz").read_bytes()[:100])


def break_report(folder: Path) -> None:
    (folder / "report.json").write_text("{}")


def break_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("not JSON at all")


def foreign_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('["something", "else"]')


def newer_manifest(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))


def bare_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"format": 1}')


def lose_array(folder: Path) -> None:
    (folder / "model.npz").unlink()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (break_array, "damaged"),
        (cut_array, "damaged"),
        (break_report, "damaged"),
        (break_manifest, "damaged or is not a model"),
        (foreign_manifest, "format None"),
        (newer_manifest, "format 99"),
        (bare_manifest, "damaged or is not a model"),
        (lose_array, "cannot be read"),
        (shutil.rmtree, "cannot be read"),
    ],
)
def test_a_damaged_or_foreign_version_is_reported_in_one_sentence(
    damage: Callable[[Path], None], sentence: str, tmp_path: Path
) -> None:
    model = a_model()
    save_model(tmp_path, model)
    damage(tmp_path / "versions" / model.version)
    with pytest.raises(ModelError, match=sentence) as caught:
        load_current(tmp_path)
    assert model.version in str(caught.value)
    assert "run facerec-mqtt rebuild" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"../../etc", b"\xff\xfe\x00", b"20261123T120000Z-3f2a/..", b"x" * 9999]
)
def test_a_pointer_to_nowhere_is_refused(content: bytes, tmp_path: Path) -> None:
    save_model(tmp_path, a_model())
    (tmp_path / "current").write_bytes(content)
    with pytest.raises(ModelError, match="names no model version"):
        load_current(tmp_path)


def test_arrays_that_are_not_finite_numbers_are_refused(tmp_path: Path) -> None:
    model = a_model()
    model.arrays["templates"][0, 0] = np.nan
    save_model(tmp_path, model)
    with pytest.raises(ModelError, match="finite"):
        load_current(tmp_path)


def test_two_rebuilds_at_once_are_one_too_many(tmp_path: Path) -> None:
    with rebuilding(tmp_path), pytest.raises(ModelError, match="already running"), rebuilding(tmp_path):
        pass
    with rebuilding(tmp_path):
        pass


def test_what_a_killed_rebuild_left_is_cleared_away_and_nothing_else(tmp_path: Path) -> None:
    model = a_model()
    save_model(tmp_path, model)
    half = tmp_path / "versions" / ".unfinished-abc"
    half.mkdir()
    (half / "model.npz").write_bytes(b"half")
    (tmp_path / ".unfinished-current").write_text("half")
    (tmp_path / "mine.txt").write_text("keep")
    with rebuilding(tmp_path):
        assert not half.exists()
        assert not (tmp_path / ".unfinished-current").exists()
    assert (tmp_path / "mine.txt").exists()
    assert current_version(tmp_path) == model.version


def test_a_folder_that_cannot_be_made_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match="cannot be written"), rebuilding(tmp_path / "file"):
        pass
    with pytest.raises(ModelError, match="cannot be written"):
        save_model(tmp_path / "file" / "models", a_model())


def test_a_disk_that_takes_no_more_leaves_the_old_model_in_use(tmp_path: Path) -> None:
    old = a_model()
    save_model(tmp_path, old)
    # The system refuses files above this size as it refuses any on a full disk.
    program = (
        "import resource, signal, sys, pathlib, numpy as np\n"
        "from tests.support.models import a_model\n"
        "from facerec_mqtt.recognition.model_store import save_model\n"
        "from facerec_mqtt.core.errors import ModelError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n    save_model(pathlib.Path(sys.argv[1]), a_model(1))\n"
        "except ModelError as error:\n    print(error)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert "cannot be written" in ended.stdout
    assert "stays in use" in ended.stdout
    loaded = load_current(tmp_path)
    assert loaded is not None
    assert loaded.version == old.version
    assert versions(tmp_path) == (old.version,)
    assert not list((tmp_path / "versions").glob(".unfinished-*"))
