"""The family's model as the service has it, and how it fares, as it is told."""

import shutil
from pathlib import Path

import pytest

from facerec_mqtt.artifact import FamilyModel, load_current
from facerec_mqtt.config import Settings
from facerec_mqtt.errors import CommandError
from facerec_mqtt.model_desk import ModelDesk, model_state
from facerec_mqtt.recognition import Recognizer
from facerec_mqtt.records import Person
from tests.fixtures_service import Home


@pytest.fixture(scope="module")
def model(rebuilt: Home) -> FamilyModel:
    found = load_current(rebuilt.models)
    assert found is not None
    return found


def test_a_model_in_use_tells_what_its_rebuild_has_made(model: FamilyModel) -> None:
    state = model_state(model, None, None)
    assert (state.status, state.progress, state.people) == ("ready", None, ("anna", "tom"))
    assert state.message is not None
    assert state.message.startswith(f"Model {model.version} knows Anna, Tom; ")


def test_a_failed_rebuild_tells_why_while_the_model_before_it_stays_in_use(model: FamilyModel) -> None:
    state = model_state(model, None, "No photo can be used.")
    assert (state.status, state.message, state.version) == ("failed", "No photo can be used.", model.version)


def test_a_rebuild_that_runs_tells_how_far_it_is_with_or_without_a_model(model: FamilyModel) -> None:
    assert model_state(None, 40, None).status == "training"
    state = model_state(model, 40, None)
    assert (state.status, state.progress, state.people) == ("training", 40, ("anna", "tom"))


def test_without_a_model_there_is_nothing_to_tell() -> None:
    state = model_state(None, None, None)
    assert (state.status, state.version, state.people, state.report, state.message) == (
        "missing",
        None,
        (),
        None,
        None,
    )


def test_a_model_whose_report_says_less_is_told_of_all_the_same() -> None:
    report = {
        "version": "20261124T193715Z-8175",
        "people": ["anna"],
        "details": {"anna": {"name": "Anna"}},
        "photos": [{"file": "Anna/1.jpg", "used": True, "reason": None}],
    }
    people = (Person("anna", "Anna"),)
    early = FamilyModel("20261124T193715Z-8175", "", "", "", people, {}, report)
    state = model_state(early, None, None)
    assert state.message == "Model 20261124T193715Z-8175 knows Anna; 1 of 1 photos were used."


def test_another_model_on_disk_is_taken_over_once_and_a_folder_that_goes_changes_nothing(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    desk = ModelDesk(Settings(model_dir=home.models), None)
    nobody = Recognizer.load(None)
    family = desk.newer(nobody)
    assert family is not None
    assert family.model is not None
    assert desk.version == family.model.version == home.report["version"]
    assert desk.newer(family) is None
    shutil.rmtree(home.models)
    for _ in range(2):
        assert desk.newer(family) is None
    assert desk.version == home.report["version"]
    assert desk.fault is not None
    assert desk.fault.startswith(f'The model folder "{home.models}" is gone')
    assert caplog.messages == [desk.fault]
    assert desk.state(family.model).status == "failed"


def test_of_two_rebuilds_at_once_the_second_is_refused(tmp_path: Path) -> None:
    desk = ModelDesk(Settings(enrollment_dir=tmp_path / "enrollment", model_dir=tmp_path / "models"), None)
    desk.rebuild(force=False)
    try:
        assert desk.has_moved()
        assert not desk.has_moved()
        assert (desk.state(None).status, desk.state(None).progress) == ("training", 0)
        with pytest.raises(CommandError, match="already running"):
            desk.rebuild(force=False)
    finally:
        desk.stop()
