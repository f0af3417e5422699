"""Forgetting somebody: nobody else is lost to the model, whatever has become of their photos."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.enrollment.traces import find_traces
from facerec_mqtt.recognition.model_store import load_current, versions
from tests.support import killed_forgets
from tests.support.forget import TOM, files_in, leave_anna_alone
from tests.support.pattern_world import write_photos


@pytest.mark.parametrize("with_photos", [True, False])
def test_others_that_only_the_model_knows_are_not_lost(family: Path, with_photos: bool) -> None:
    where = killed_forgets.places(family)
    shutil.rmtree(where.enrollment / "Tom")
    if not with_photos:
        shutil.rmtree(where.enrollment / "Anna")
    before = files_in(family)
    with pytest.raises(
        EnrollmentError, match="the model in use also knows Tom, whose photos are not"
    ) as caught:
        find_traces(where, "Anna")
    way_out = "run facerec-mqtt rebuild first" if with_photos else f'delete the folder "{where.models}"'
    assert way_out in str(caught.value)
    assert f'"{where.enrollment}"' in str(caught.value)
    assert files_in(family) == before


def write_eve(data: Path) -> None:
    """Let the model in use know a third one, Eve."""
    write_photos(data / "enrollment" / "Eve", 3, 6)
    killed_forgets.make_model(data)


def test_one_of_several_whose_photos_are_not_there_is_not_lost(family: Path) -> None:
    where = killed_forgets.places(family)
    write_eve(family)
    shutil.rmtree(where.enrollment / "Eve")
    before = files_in(family)
    with pytest.raises(EnrollmentError, match="also knows Eve, whose photos are not in"):
        find_traces(where, "Anna")
    assert files_in(family) == before
    killed_forgets.make_model(family, force=False)  # the way out that it names
    killed_forgets.forget_anna(family)
    model = load_current(where.models)
    assert model is not None
    assert model.people == (TOM,)


def test_somebody_without_a_usable_photo_is_not_lost(family: Path) -> None:
    where = killed_forgets.places(family)
    write_eve(family)
    for photo in (where.enrollment / "Eve").iterdir():
        photo.unlink()
    before = files_in(where.enrollment)
    with pytest.raises(EnrollmentError) as caught:
        killed_forgets.forget_anna(family)
    assert str(caught.value) == (
        "Anna is not forgotten and nothing was removed, since no model can be made without Anna: Eve would be"
        " left out, having no usable photo: none is to be seen in the folder. Add some, or, if Eve"
        " is to be removed too, remove that folder and rebuild first."
    )
    assert files_in(where.enrollment) == before
    model = load_current(where.models)
    assert model is not None
    assert {person.name for person in model.people} == {"Anna", "Eve", "Tom"}


def test_somebody_whose_folder_no_rebuild_uses_is_not_lost(family: Path, tmp_path: Path) -> None:
    where = killed_forgets.places(family)
    write_eve(family)
    shutil.move(where.enrollment / "Eve", tmp_path / "elsewhere")
    (where.enrollment / "Eve").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EnrollmentError, match=r"eve would be left out.*it is a link out of the enrollment"):
        killed_forgets.forget_anna(family)
    model = load_current(where.models)
    assert model is not None
    assert {person.name for person in model.people} == {"Anna", "Eve", "Tom"}


def test_what_a_disk_or_a_storage_box_leaves_is_nobodys(family: Path, forbid: Callable[[Path], None]) -> None:
    where = killed_forgets.places(family)
    leave_anna_alone(family)
    for name in ("lost+found", "@eaDir"):
        (where.enrollment / name).mkdir()
    forbid(where.enrollment / "lost+found")
    assert find_traces(where, "Anna").others == ()
    killed_forgets.forget_anna(family)
    assert versions(where.models) == ()


@pytest.mark.parametrize("name", ["Anna", "Tom"])
def test_a_folder_of_photos_that_may_not_be_read_is_named(
    family: Path, forbid: Callable[[Path], None], name: str
) -> None:
    where = killed_forgets.places(family)
    forbid(where.enrollment / "Tom")
    with pytest.raises(EnrollmentError, match=r'since ".*/Tom" cannot be read \(Permission denied\)'):
        find_traces(where, name)


def test_a_damaged_model_may_know_others(family: Path) -> None:
    where = killed_forgets.places(family)
    shutil.rmtree(where.enrollment / "Tom")
    model = load_current(where.models)
    assert model is not None
    (where.models / "versions" / model.version / "manifest.json").write_text("{")
    with pytest.raises(EnrollmentError, match="cannot be read and may also know Tom"):
        find_traces(where, "Anna")
