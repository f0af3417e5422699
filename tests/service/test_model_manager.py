"""The family's model as the service has it, and how it fares, as it is told."""

import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from facerec_mqtt.core.child_process import from_line
from facerec_mqtt.core.errors import CommandError
from facerec_mqtt.core.records import Person
from facerec_mqtt.recognition.model_store import FamilyModel, load_current
from facerec_mqtt.recognition.recognizer import Recognizer
from facerec_mqtt.service.model_manager import ModelManager, model_state
from facerec_mqtt.service.rebuild_process import RebuildFailed, RebuildProcess, RebuildRequest
from facerec_mqtt.settings.schema import Settings, load_settings
from tests.support.broker import wait_until
from tests.support.service import Home, children_of, command_line
from tests.support.strange_children import replace_children


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
    home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = ModelManager(Settings(model_dir=home.models))
    nobody = Recognizer.load(None)
    family = desk.newer(nobody)
    assert family is not None
    assert family.model is not None
    assert desk.version == family.model.version == home.report["version"]
    assert desk.newer(family) is None
    home.models.rename(tmp_path / "elsewhere")
    for _ in range(2):
        assert desk.newer(family) is None
    assert desk.version == home.report["version"]
    assert desk.fault is not None
    assert desk.fault.startswith(f'The model folder "{home.models}" is gone')
    assert caplog.messages == [desk.fault]
    assert desk.state(family.model).status == "failed"
    (tmp_path / "elsewhere").rename(home.models)
    assert desk.newer(family) is None
    assert desk.fault is None
    assert desk.state(family.model).status == "ready"


def test_every_stage_and_per_cent_is_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Mock(stage=None, percent=0, seconds_left=None)
    monkeypatch.setattr("facerec_mqtt.service.model_manager.RebuildProcess", Mock(return_value=process))
    desk = ModelManager(Settings(enrollment_dir=tmp_path / "enrollment", model_dir=tmp_path / "models"))
    desk.rebuild(force=False)
    for stage, percent in [(None, 0), ("Looking", 0), ("Looking", 70), ("Training", 70)]:
        process.stage, process.percent = stage, percent
        assert desk.has_moved()
        assert not desk.has_moved()
        assert (desk.state(None).stage, desk.state(None).progress) == (stage, percent)


def test_of_two_rebuilds_at_once_the_second_is_refused(tmp_path: Path) -> None:
    desk = ModelManager(Settings(enrollment_dir=tmp_path / "enrollment", model_dir=tmp_path / "models"))
    desk.rebuild(force=False)
    try:
        assert desk.state(None).status == "training"
        with pytest.raises(CommandError, match="already running"):
            desk.rebuild(force=False)
    finally:
        desk.stop()


@pytest.mark.parametrize(
    ("in_file", "in_environment"),
    [
        (
            {"FACEREC_MQTT__PASSWORD": "c4n4ry", "FACEREC_MQTT__TLS_CA": "ca.pem"},
            {"FACEREC_MQTT__USERNAME": "us", "FACEREC_MQTT__TLS": "true"},
        ),
        (
            {"FACEREC_MQTT__USERNAME": "us", "FACEREC_MQTT__TLS_KEY": "key.pem"},
            {
                "FACEREC_MQTT__PASSWORD": "c4n4ry",
                "FACEREC_MQTT__TLS": "true",
                "FACEREC_MQTT__TLS_CERTIFICATE": "crt.pem",
            },
        ),
        ({"FACEREC_MQTT__USERNAME": "us"}, {"FACEREC_MQTT": '{"password": "c4n4ry"}'}),
        (
            {"FACEREC_CAMERAS": '[{"name": "a"}]', "FACEREC_MQTT__PORT": "x7"},
            {
                "FACEREC_CAMERAS": '[{"name": "a", "url": "rtsp://h/", "password": "c4n4ry"}]',
                "FACEREC_MQTT__PORT": "1883",
            },
        ),
    ],
)
def test_a_rebuild_has_what_it_needs_and_no_password_wherever_the_settings_stand(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    in_file: dict[str, str],
    in_environment: dict[str, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "enrollment").mkdir()
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in in_file.items()))
    for name, value in in_environment.items():
        monkeypatch.setenv(name, value)
    before = set(children_of(os.getpid()))
    rebuild = RebuildProcess(load_settings(), force=False)
    rebuild.start()
    try:
        [child] = set(children_of(os.getpid())) - before
        environment = Path(f"/proc/{child}/environ")
        wait_until(environment.read_bytes, "it does not begin")
        assert "rebuild" in command_line(child).split()
        assert b"FACEREC_" not in environment.read_bytes()
        wait_until(rebuild.poll, "it does not end")
    finally:
        rebuild.stop()
    result = rebuild.poll()
    assert isinstance(result, RebuildFailed)
    assert result.message.startswith('The enrollment folder "enrollment" holds nobody')


def test_a_rebuild_gets_how_the_service_recognises(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEREC_RECOGNITION__FPIR", "0.0001")
    monkeypatch.setenv("FACEREC_RECOGNITION__MIN_MARGIN", "0.25")
    replace_children(
        monkeypatch,
        tmp_path,
        "send(json.dumps({'v': 1, 'type': 'failed', 'message': sys.stdin.readline()}) + '\\n')",
    )
    rebuild = RebuildProcess(load_settings(), force=True)
    rebuild.start()
    wait_until(rebuild.poll, "it does not end")
    answer = rebuild.poll()
    assert isinstance(answer, RebuildFailed)
    assert from_line(answer.message.encode(), RebuildRequest) == RebuildRequest(
        "enrollment", "models", fpir=0.0001, min_margin=0.25, force=True
    )
