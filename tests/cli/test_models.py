"""The models that are kept, and the way back to one of them, by the command line."""

import json
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facerec_mqtt.cli.main import main
from facerec_mqtt.core.records import Person
from facerec_mqtt.faces.embedding import Embedder, load_cohort
from facerec_mqtt.recognition.calibration import Calibration, Gallery, Normaliser
from facerec_mqtt.recognition.classifier import Classifier
from facerec_mqtt.recognition.model_store import (
    FamilyModel,
    current_version,
    load_current,
    new_version,
    rebuilding,
    save_model,
    use_version,
)
from facerec_mqtt.recognition.recognizer import Family, cohort_digest, family_arrays
from tests.support.broker import Broker, Message
from tests.support.service import Home, RunningService, run_program

PATIENCE_S = 300.0
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ANNA, TOM = Person("anna", "Anna"), Person("tom", "Tom")


def a_model(minute: int, people: tuple[Person, ...] = (ANNA, TOM), **report: Any) -> FamilyModel:
    """A model that the shipped networks can be used with."""
    cohort = load_cohort()
    rng = np.random.default_rng(minute)
    templates = rng.normal(size=(len(people), cohort.centres.shape[1])).astype(np.float32)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    kernel = rng.normal(size=(templates.shape[1], len(people) + 1)).astype(np.float32)
    head = Classifier((kernel,), (np.zeros(len(people) + 1, np.float32),))
    normaliser = Normaliser(cohort.centres, cohort.top)
    gallery = Gallery.of(templates, normaliser)
    family = Family(people, gallery, head, Calibration(2.0, 1.0, 0.0), normaliser)
    return FamilyModel(
        version=new_version(NOON + timedelta(minutes=minute)),
        created=(NOON + timedelta(minutes=minute)).isoformat(),
        backbone_digest=Embedder.load().digest,
        cohort_digest=cohort_digest(cohort),
        people=people,
        arrays=family_arrays(family, cohort),
        report=report,
    )


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was printed as JSON."""
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    answer = json.loads(lines[0])
    assert answer.keys() == {"models"}
    return list(answer["models"])


def models(*arguments: str, model_dir: Path) -> int:
    return main(["models", *arguments, "--model-dir", str(model_dir)])


def test_all_that_are_kept_are_listed_the_newest_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = a_model(0, (ANNA,), tpir=0.91, measured_fpir=0.0), a_model(1)
    save_model(tmp_path, first)
    save_model(tmp_path, second)
    assert models("list", "--json", model_dir=tmp_path) == 0
    assert listed(capsys) == [
        {
            "version": second.version,
            "current": True,
            "people": ["anna", "tom"],
            "created": second.created,
            "tpir": None,
            "fpir": None,
            "recognised": None,
        },
        {
            "version": first.version,
            "current": False,
            "people": ["anna"],
            "created": first.created,
            "tpir": 0.91,
            "fpir": 0.0,
            "recognised": 0.91,
        },
    ]


def test_a_version_that_was_not_switched_to_is_listed_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, worse = a_model(0), a_model(1, not_used_because="Of 40 photos it recognises 10.")
    save_model(tmp_path, good)
    save_model(tmp_path, worse, switch=False)
    assert models("list", "--json", model_dir=tmp_path) == 0
    answer = listed(capsys)
    assert [each.get("reason") for each in answer] == ["Of 40 photos it recognises 10.", None]
    assert [each["current"] for each in answer] == [False, True]
    assert models("list", model_dir=tmp_path) == 0
    shown = capsys.readouterr().out
    assert f"{worse.version} is not in use: Of 40 photos it recognises 10." in shown
    assert models("rollback", worse.version, "--json", model_dir=tmp_path) == 0
    assert "reason" not in listed(capsys)[0]


def test_a_damaged_version_is_listed_with_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = a_model(0)
    save_model(tmp_path, model)
    (tmp_path / "versions" / model.version / "model.npz").write_bytes(b"half")
    assert models("list", "--json", model_dir=tmp_path) == 0
    (answer,) = listed(capsys)
    assert answer["people"] == []
    assert "damaged" in answer["reason"]


def test_the_table_has_versions_in_full_and_times_as_the_clock_on_the_wall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TZ", "EST5")
    time.tzset()
    kept = [a_model(0), a_model(1)]
    try:
        for model in kept:
            save_model(tmp_path, model)
        assert models("list", model_dir=tmp_path) == 0
    finally:
        monkeypatch.undo()
        time.tzset()
    shown = capsys.readouterr().out
    assert all(model.version in shown for model in kept)
    assert shown.count("2026-11-23") == 2
    assert "07:00" in shown
    assert "07:01" in shown


@pytest.mark.parametrize("command", [("list",), ("rollback",)])
def test_versions_that_may_not_be_read_are_reported(
    tmp_path: Path,
    forbid: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
) -> None:
    forbid(tmp_path / "versions")
    assert models(*command, model_dir=tmp_path) == 1
    assert f"{tmp_path}/versions cannot be read (Permission denied); check its" in capsys.readouterr().err


def test_where_there_is_no_model_the_list_is_empty_and_there_is_no_way_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert models("list", "--json", model_dir=tmp_path / "none") == 0
    assert listed(capsys) == []
    assert models("list", model_dir=tmp_path / "none") == 0
    assert "There is no model" in capsys.readouterr().out
    assert models("rollback", model_dir=tmp_path / "none") == 1
    assert "There is no model" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_the_way_back_leads_to_the_last_that_was_in_use_and_then_to_the_one_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, refused, current = (
        a_model(0),
        a_model(1),
        a_model(2, not_used_because="It is worse."),
        a_model(3),
    )
    save_model(tmp_path, first)
    for model in (second, refused):
        save_model(tmp_path, model, switch=model is second)
    use_version(tmp_path, refused.version)
    use_version(tmp_path, second.version)
    save_model(tmp_path, current)
    assert models("rollback", model_dir=tmp_path) == 0
    assert second.version in capsys.readouterr().out
    assert current_version(tmp_path) == second.version
    # The first is gone, since three are kept.
    assert models("rollback", model_dir=tmp_path) == 1
    assert "No older model" in capsys.readouterr().err
    assert current_version(tmp_path) == second.version
    assert models("rollback", current.version, model_dir=tmp_path) == 0
    assert current_version(tmp_path) == current.version


@pytest.mark.parametrize("version", ["20200101T000000Z-0000", "../../etc", ""])
def test_a_version_that_is_not_there_is_refused_with_those_that_are(
    version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = a_model(0)
    save_model(tmp_path, model)
    assert models("rollback", version, model_dir=tmp_path) == 1
    said = capsys.readouterr().err
    assert f'no model version "{version}"' in said
    assert model.version in said
    assert current_version(tmp_path) == model.version


def test_a_damaged_version_and_one_of_other_networks_are_not_gone_back_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged, current = a_model(0), a_model(1)
    foreign = FamilyModel(
        new_version(NOON - timedelta(days=9)),
        "",
        "another backbone",
        current.cohort_digest,
        current.people,
        current.arrays,
        {},
    )
    for model in (foreign, damaged, current):
        save_model(tmp_path, model)
    (tmp_path / "versions" / damaged.version / "report.json").write_text("{ }")
    assert models("rollback", damaged.version, model_dir=tmp_path) == 1
    assert "damaged" in capsys.readouterr().err
    assert models("rollback", foreign.version, model_dir=tmp_path) == 1
    assert "another version of the networks" in capsys.readouterr().err
    assert current_version(tmp_path) == current.version


def test_there_is_no_way_back_while_a_rebuild_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, current = a_model(0), a_model(1)
    save_model(tmp_path, old)
    save_model(tmp_path, current)
    with rebuilding(tmp_path):
        assert models("rollback", model_dir=tmp_path) == 1
    assert "already running" in capsys.readouterr().err
    assert current_version(tmp_path) == current.version


def test_a_list_takes_no_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert models("list", "20200101T000000Z-0000", model_dir=tmp_path) == 1
    assert "takes no version" in capsys.readouterr().err


def test_a_rebuild_that_would_lose_somebody_is_reported_by_mqtt_and_used_only_when_forced(
    home: Home, film: Path, broker: Broker, tmp_path: Path
) -> None:
    enrollment = tmp_path / "enrollment"
    shutil.copytree(home.enrollment, enrollment)
    for photo in (enrollment / "Tom").iterdir():
        photo.write_text("not a picture any more")
    settings = home.environment({"name": "front_door", "url": str(film)}, **broker.environment())
    with (
        broker.ear() as ear,
        RunningService(settings | {"FACEREC_ENROLLMENT_DIR": str(enrollment)}, tmp_path / "log") as service,
    ):
        ear.wait(lambda message: in_use(message) == home.report["version"], PATIENCE_S)
        ear.say("facerec/command/rebuild", "PRESS")
        answer = json.loads(ear.wait_for("facerec/command/result", timeout_s=PATIENCE_S).payload)
        assert answer["ok"]
        assert "kept but not used" in answer["message"]
        assert "Tom would not be known any more" in answer["message"]
        assert "\n" not in answer["message"]
        assert current_version(home.models) == home.report["version"]
        assert "kept but not used" in service.log

        ear.say("facerec/command/rebuild", '{"force": true}')
        ear.wait(lambda message: in_use(message) not in (None, home.report["version"]), PATIENCE_S)
        model = load_current(home.models)
        assert model is not None
        assert model.people == (ANNA,)


def in_use(message: Message) -> str | None:
    """The version that a message of the model's state names."""
    return json.loads(message.payload)["version"] if message.topic == "facerec/model/state" else None


def test_a_running_service_follows_the_way_back(
    home: Home, film: Path, broker: Broker, tmp_path: Path
) -> None:
    first = home.report["version"]
    newer = a_model(0, (TOM,))
    newer = FamilyModel(
        new_version(datetime.now(UTC), [first]),
        newer.created,
        newer.backbone_digest,
        newer.cohort_digest,
        newer.people,
        newer.arrays,
        newer.report,
    )
    save_model(home.models, newer)
    camera = {"name": "front_door", "url": str(film)}

    with (
        broker.ear() as ear,
        RunningService(home.environment(camera, **broker.environment()), tmp_path / "log"),
    ):
        before = ear.wait(lambda message: in_use(message) == newer.version, PATIENCE_S)
        assert json.loads(before.payload)["people"] == ["tom"]
        done = run_program("models", "rollback", "--json", "--model-dir", home.models)
        assert done.returncode == 0, done.stderr
        assert [each["version"] for each in json.loads(done.stdout)["models"] if each["current"]] == [first]
        after = ear.wait(lambda message: in_use(message) == first, PATIENCE_S)
        assert json.loads(after.payload)["people"] == ["anna", "tom"]
