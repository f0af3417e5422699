"""The family's model as the service has it, and its published state."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from facerec_mqtt.core.child_process import from_line
from facerec_mqtt.core.errors import CommandError
from facerec_mqtt.core.records import Person
from facerec_mqtt.maintenance.backup import back_up, restore
from facerec_mqtt.recognition.model_paths import ModelPaths
from facerec_mqtt.recognition.model_store import FamilyModel, delete_all_models, load_current
from facerec_mqtt.recognition.recognizer import Recognizer
from facerec_mqtt.service.model_manager import ModelManager, model_state
from facerec_mqtt.service.rebuild_process import (
    RebuildDone,
    RebuildFailed,
    RebuildProcess,
    RebuildRequest,
    RebuildResult,
)
from facerec_mqtt.settings.loading import load_settings
from facerec_mqtt.settings.schema import RecognitionSettings, Settings
from tests.support.broker import wait_until
from tests.support.service import Home, children_of, command_line
from tests.support.strange_children import replace_children


@pytest.fixture(scope="module")
def model(rebuilt: Home) -> FamilyModel:
    found = load_current(rebuilt.models)
    assert found is not None
    return found


def test_the_state_of_a_model_in_use_says_what_its_rebuild_has_made(model: FamilyModel) -> None:
    state = model_state(model, None, None)
    assert (state.status, state.progress, state.people) == ("ready", None, ("anna", "tom"))
    assert state.message is not None
    assert state.message.startswith(f"Model {model.version} knows Anna, Tom; ")


def test_a_failed_rebuild_gives_the_reason_while_the_model_before_it_stays_in_use(model: FamilyModel) -> None:
    state = model_state(model, None, "No photo can be used.")
    assert (state.status, state.message, state.version) == ("failed", "No photo can be used.", model.version)


def test_a_rebuild_that_runs_shows_its_progress_with_or_without_a_model(model: FamilyModel) -> None:
    assert model_state(None, 40, None).status == "training"
    state = model_state(model, 40, None)
    assert (state.status, state.progress, state.people) == ("training", 40, ("anna", "tom"))


def test_without_a_model_its_state_is_missing() -> None:
    state = model_state(None, None, None)
    assert (state.status, state.version, state.people, state.report, state.message) == (
        "missing",
        None,
        (),
        None,
        None,
    )


def test_a_model_whose_report_says_less_has_a_message_all_the_same() -> None:
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


def manager_of(models: Path) -> ModelManager:
    settings = Settings(
        enrollment_dir=models / "enrollment", model_dir=models, recognition=RecognitionSettings(fpir=0.01)
    )
    return ModelManager(settings, Recognizer.load(None))


def test_another_model_on_disk_is_loaded_once_and_a_folder_that_goes_changes_nothing(
    home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = manager_of(home.models)
    assert (manager.people, manager.version) == (None, None)
    newer = manager.newer()
    assert newer is not None
    assert manager.model is None
    manager.use()
    assert manager.recognizer is newer
    assert manager.version == home.report["version"]
    assert manager.people == (Person("anna", "Anna"), Person("tom", "Tom"))
    assert manager.newer() is None
    home.models.rename(tmp_path / "elsewhere")
    for _ in range(2):
        assert manager.newer() is None
    assert manager.version == home.report["version"]
    assert manager.fault is not None
    assert caplog.messages == [manager.fault]
    assert manager.state().status == "failed"
    (tmp_path / "elsewhere").rename(home.models)
    assert manager.newer() is None
    assert manager.fault is None
    assert manager.state().status == "ready"


def test_a_model_that_was_made_for_another_share_of_strangers_is_used_and_that_is_said(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    stated = RecognitionSettings(fpir=0.02)
    manager = ModelManager(Settings(model_dir=home.models, recognition=stated), Recognizer.load(None))
    newer = manager.newer()
    assert newer is not None
    manager.use()
    assert manager.state().status == "ready"
    (line,) = caplog.messages
    assert "made to let 1 % of strangers' visits through" in line
    assert "FACEREC_RECOGNITION__FPIR asks for 2 %" in line


def test_a_model_that_a_restore_puts_in_place_is_loaded_while_the_service_runs(
    home: Home, tmp_path: Path
) -> None:
    back_up(home.enrollment, home.models, tmp_path / "backup", datetime.now(UTC))
    manager = manager_of(tmp_path / "new")
    assert manager.newer() is None
    restore(tmp_path / "photos", tmp_path / "new", tmp_path / "backup", merge=False)
    newer = manager.newer()
    assert newer is not None
    manager.use()
    assert manager.version == home.report["version"]
    restore(tmp_path / "photos", tmp_path / "new", tmp_path / "backup", merge=False)
    assert manager.newer() is None


def test_nobody_can_tell_who_is_enrolled_where_no_model_was_loaded_yet(home: Home) -> None:
    (ModelPaths(home.models).version(home.report["version"]) / "model.npz").write_bytes(b"half")
    manager = manager_of(home.models)
    assert manager.newer() is None
    assert manager.people is None
    assert manager.fault is not None
    assert manager.state().status == "failed"
    assert manager_of(home.models / "nowhere").newer() is None


def test_where_the_last_person_was_forgotten_nobody_is_enrolled(home: Home) -> None:
    delete_all_models(home.models)
    manager = manager_of(home.models)
    newer = manager.newer()
    assert newer is not None
    manager.use()
    assert (manager.people, manager.version) == ((), None)
    assert manager.newer() is None
    assert manager.state().status == "missing"


def test_the_progress_of_a_rebuild_is_reported_stage_by_stage(home: Home) -> None:
    manager = ModelManager(
        Settings(enrollment_dir=home.enrollment, model_dir=home.models), Recognizer.load(None)
    )
    reported: list[tuple[str | None, int | None]] = []
    results: list[RebuildResult] = []

    def has_ended() -> bool:
        if manager.has_moved():
            state = manager.state()
            assert state.status == "training"
            reported.append((state.stage, state.progress))
        result = manager.ended()
        results.extend([] if result is None else [result])
        return bool(results)

    manager.rebuild(force=True)
    try:
        wait_until(has_ended, "the rebuild does not end")
    finally:
        manager.stop()
    assert isinstance(results[0], RebuildDone)
    assert reported[0] == (None, 0)
    assert len(set(reported)) == len(reported)
    assert len({stage for stage, _ in reported}) > 2
    assert manager.ended() is None


def test_of_two_rebuilds_at_once_the_second_is_refused(tmp_path: Path) -> None:
    manager = manager_of(tmp_path / "models")
    manager.rebuild(force=False)
    try:
        assert manager.state().status == "training"
        with pytest.raises(CommandError, match="already running"):
            manager.rebuild(force=False)
    finally:
        manager.stop()


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


def test_a_rebuild_is_given_how_the_service_recognises(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
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
