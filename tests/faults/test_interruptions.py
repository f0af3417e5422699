"""Whatever ends a rebuild, and whenever: the old model goes on working, and the next rebuild clears away."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from facerec_mqtt.recognition.model_store import current_version, load_current, versions
from tests.support.paths import ROOT
from tests.support.pattern_world import write_photos
from tests.support.patterns_rebuild import contents, identify, rebuild_patterns


@pytest.fixture
def enrollment(tmp_path: Path) -> Path:
    """Photos of Anna, from which `old` was made; two more have come since."""
    folder = tmp_path / "enrollment"
    write_photos(folder / "Anna", 1, 5)
    return folder


@pytest.fixture
def old(enrollment: Path, tmp_path: Path) -> Path:
    """A model folder with as many versions as are kept, so that the next rebuild deletes one too."""
    models = tmp_path / "old"
    for _ in range(3):
        rebuild_patterns(enrollment, models)
    write_photos(enrollment / "Anna", 1, 2, first=5)
    return models


def test_a_rebuild_that_is_killed_at_any_moment_leaves_a_model_that_works_and_the_next_one_clears_away(
    enrollment: Path, old: Path, tmp_path: Path
) -> None:
    kept, before = versions(old), contents(enrollment)
    ended = subprocess.run(
        [sys.executable, "-m", "tests.support.killed_rebuilds", enrollment, old, tmp_path / "work", "200"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    moments = ended.stdout.splitlines()
    # A version's folder and files, the cache, `current`, and the oldest version that goes.
    assert len(moments) > 10, moments
    assert moments[-1].endswith(" ended")
    switched = []
    for folder in sorted((tmp_path / "work").iterdir(), key=lambda path: int(path.name)):
        moment = moments[int(folder.name) - 1]
        current = current_version(folder)
        switched.append(current != kept[-1])
        assert current in versions(folder), moment
        for version in versions(folder):
            assert (folder / "versions" / version / "manifest.json").is_file(), moment
        assert identify(folder, 1, 100).person == "anna", moment
        assert identify(folder, 2, 100).person is None, moment
        report = rebuild_patterns(enrollment, folder)
        assert current_version(folder) == report.version
        assert not list(folder.rglob(".unfinished-*")), moment
        assert len(versions(folder)) == 3, moment
        assert identify(folder, 1, 100).person == "anna", moment
        shutil.rmtree(folder)
    # From one moment on it is the new model that is in use, and never the old one again.
    assert switched == sorted(switched)
    assert not switched[0]
    assert switched[-1]
    assert contents(enrollment) == before


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.9])
def test_a_disk_that_is_full_sooner_or_later_is_reported_in_one_sentence_and_the_old_model_stays(
    share: float, enrollment: Path, old: Path
) -> None:
    kept = versions(old)
    limit_bytes = int(share * max(path.stat().st_size for path in old.rglob("*") if path.is_file()))
    # The system refuses to let any file grow beyond this, as it does on a full disk.
    program = (
        "import pathlib, resource, signal, sys\n"
        "from facerec_mqtt.core.errors import ModelError\n"
        "from tests.support.patterns_rebuild import rebuild_patterns\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}))\n"
        "try:\n    rebuild_patterns(*map(pathlib.Path, sys.argv[1:]))\n"
        "except ModelError as error:\n    sys.exit(str(error))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, enrollment, old],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "cannot be written" in ended.stderr
    assert "stays in use" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert versions(old) == kept
    assert current_version(old) == kept[-1]
    assert load_current(old) is not None
    assert rebuild_patterns(enrollment, old).version == current_version(old)
    assert not list(old.rglob(".unfinished-*"))


def test_a_disk_without_any_room_left_keeps_the_old_model_until_there_is_enough(
    enrollment: Path, old: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    # A namespace of its own, so that nobody else sees the mounted disk and it goes with its process.
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size=2m tmpfs '{disk}'"
    if shutil.which("unshare") is None or subprocess.run([*command, mount], capture_output=True).returncode:
        pytest.skip("no disk of its own can be mounted here")
    run = f"{mount} && exec '{sys.executable}' -m tests.support.full_disk '{enrollment}' '{old}' '{disk}'"
    ended = subprocess.run([*command, run], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout.splitlines()
    assert said[-1] == "succeeded"
    assert len(said) > 2
    assert all("No space left on device" in line and "stays in use" in line for line in said[:-1])
