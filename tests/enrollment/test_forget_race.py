"""Forgetting somebody while something else happens to photos and models."""

import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from facerec_mqtt.core.errors import EnrollmentError, ModelError
from facerec_mqtt.enrollment.forget import forget
from facerec_mqtt.enrollment.traces import Kind, find_remainders, find_traces
from facerec_mqtt.recognition.model_store import load_current, rebuilding, versions
from tests.support import killed_forgets
from tests.support.forget import ANNA, TOM, files_in
from tests.support.paths import ROOT
from tests.support.pattern_world import write_photos

REBUILD = (
    "import pathlib, sys\n"
    "from tests.support.killed_forgets import make_model\n"
    "make_model(pathlib.Path(sys.argv[1]))\n"
)


def rebuild_in_a_process(data: Path) -> None:
    subprocess.run([sys.executable, "-c", REBUILD, data], check=True, cwd=ROOT)


def names_of_versions(data: Path) -> set[str]:
    where = killed_forgets.places(data)
    return {
        path.parent.name
        for path in where.models.glob("versions/*/*")
        if path.suffix == ".json" and b"anna" in path.read_bytes().lower()
    }


@pytest.mark.parametrize("known_before", [True, False])
def test_a_rebuild_that_ends_while_the_question_is_open_leaves_nothing(
    family: Path, known_before: bool
) -> None:
    where = killed_forgets.places(family)
    if not known_before:
        shutil.rmtree(where.models)
        shutil.move(where.enrollment / "Anna", family / "Anna")
        killed_forgets.make_model(family)
        shutil.move(family / "Anna", where.enrollment / "Anna")
    asked_about = find_traces(where, "Anna")
    assert asked_about.in_use == known_before
    rebuild_in_a_process(family)
    model = load_current(where.models)
    assert model is not None
    assert ANNA in model.people
    killed_forgets.forget_anna(family)
    model = load_current(where.models)
    assert model is not None
    assert model.people == (TOM,)
    assert names_of_versions(family) == set()
    assert find_remainders(where, ANNA) == ()


def test_while_a_rebuild_runs_nothing_is_removed(family: Path) -> None:
    where = killed_forgets.places(family)
    before = files_in(family)
    with rebuilding(where.models), pytest.raises(ModelError, match="already running"):
        killed_forgets.forget_anna(family)
    assert files_in(family) == before


def test_while_somebody_is_forgotten_no_rebuild_runs_and_none_has_read_the_photos_before(
    family: Path,
) -> None:
    where = killed_forgets.places(family)

    def make_model(must_know: Collection[str]) -> None:
        with pytest.raises(ModelError, match="already running"):
            killed_forgets.make_model(family)
        killed_forgets.make_model(family, must_know, is_locked=True)

    forget(where, "Anna", make_model, killed_forgets.recognizer)
    assert names_of_versions(family) == set()


def test_what_came_back_in_the_meantime_is_named(family: Path) -> None:
    where = killed_forgets.places(family)

    def make_model(must_know: Collection[str]) -> None:
        killed_forgets.make_model(family, must_know, is_locked=True)
        write_photos(where.enrollment / "Anna", 1, 1)  # as by a capture

    with pytest.raises(EnrollmentError, match="Anna is not forgotten: photos in") as caught:
        forget(where, "Anna", make_model, killed_forgets.recognizer)
    assert f'"{where.enrollment / "Anna"}"' in str(caught.value)
    killed_forgets.forget_anna(family)
    assert find_remainders(where, ANNA) == ()


def test_each_kind_of_what_is_left_is_found(family: Path) -> None:
    where = killed_forgets.places(family)
    assert {each.kind for each in find_remainders(where, ANNA)} == {Kind.PHOTOS, Kind.MODEL_IN_USE}
    killed_forgets.make_model(family)
    (where.models / "versions" / ".unfinished-1").mkdir()
    left = [each.kind for each in find_remainders(where, ANNA)]
    assert set(left) == {Kind.PHOTOS, Kind.MODEL_IN_USE, Kind.VERSION, Kind.UNFINISHED}
    assert left.count(Kind.PHOTOS) == 2


def test_a_photo_of_somebody_else_that_is_called_after_the_person_stays(family: Path) -> None:
    where = killed_forgets.places(family)
    photo = next((where.enrollment / "Tom").iterdir())
    photo.rename(photo.with_name("Anna and Tom.png"))
    killed_forgets.make_model(family)
    killed_forgets.forget_anna(family)
    assert len(list((where.enrollment / "Tom").iterdir())) == 6
    assert len(versions(where.models)) >= 1
