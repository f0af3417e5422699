"""How the family's model fares, as it is told."""

import pytest

from facerec_mqtt.artifact import FamilyModel, load_current
from facerec_mqtt.model_state import model_state
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
