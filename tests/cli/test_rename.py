"""Calling somebody otherwise: entities and visits go by the slug, which stays."""

from pathlib import Path

import pytest

from facerec_mqtt.cli.main import main
from facerec_mqtt.core.records import Person
from facerec_mqtt.enrollment.folder import read_enrollment_folder
from facerec_mqtt.recognition.model_store import load_current, rebuilding, save_model, versions
from tests.support.models import a_model


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("Anna", "José Núñez"):
        (tmp_path / "enrollment" / name).mkdir(parents=True)
    for minute in range(3):
        save_model(tmp_path / "models", a_model(minute), page="a page")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rename(where: Path, old: str, new: str) -> int:
    folders = ["--enrollment", str(where / "enrollment"), "--model-dir", str(where / "models")]
    return main(["rename", old, new, *folders])


def people_of(where: Path) -> set[Person]:
    return set(read_enrollment_folder(where / "enrollment").people)


def test_folder_and_model_have_the_new_name_and_the_old_slug(where: Path) -> None:
    before = versions(where / "models")
    assert rename(where, "jose nunez", "Pepe") == 0
    assert rename(where, "Pepe", "Pepito") == 0
    expected = {Person("anna", "Anna"), Person("jose_nunez", "Pepito")}
    assert people_of(where) == expected
    model = load_current(where / "models")
    assert model is not None
    assert set(model.people) == expected
    assert (model.arrays["templates"] == a_model(2).arrays["templates"]).all()
    assert versions(where / "models")[:2] == before[:2]
    assert len(versions(where / "models")) == 3
    assert (where / "enrollment" / "José Núñez").is_dir()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Tom", "Pepe", "known are: Anna, José Núñez"),
        ("Anna", "JOSÉ NÚÑEZ", "enrolled already"),
        ("Anna", "../x", "../x"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    where: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    assert rename(where, old, new) == 1
    assert said in capsys.readouterr().err
    assert people_of(where) == {Person("anna", "Anna"), Person("jose_nunez", "José Núñez")}


def test_while_a_rebuild_runs_the_folder_is_renamed_and_the_model_later(
    where: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with rebuilding(where / "models"):
        assert rename(where, "Anna", "Annie") == 0
    assert "next rebuild" in capsys.readouterr().out
    assert Person("anna", "Annie") in people_of(where)
    model = load_current(where / "models")
    assert model is not None
    assert Person("anna", "Anna") in model.people
