"""`forget` as its user gives it: what it asks, and what the service, the broker and Home Assistant lose."""

import json
import os
import pty
import shutil
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.records import Person
from facerec_mqtt.enrollment.traces import mentions
from facerec_mqtt.history import FILE, Embedding, History, has_visits
from facerec_mqtt.mqtt.removal import remove_person_from_broker
from facerec_mqtt.recognition import load_current
from facerec_mqtt.rendering import FAMILY, Pose, render_frame
from tests.support.broker import PATIENCE_S, Broker, wait_until
from tests.support.forget import ANNA, files_in
from tests.support.service import Home, RunningService, clean_environment, program, run_program
from tests.support.traces import secrets_of, traces_of
from tests.support.visits import STRANGER, read


@pytest.fixture
def own_home(home: Home) -> Home:
    """The rendered family, photos and models to be changed."""
    enrollment = home.models.parent / "enrollment"
    shutil.copytree(home.enrollment, enrollment)
    return Home(enrollment, home.models, home.report)


def forget_command(home: Home, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = home.environment() | environment
    return run_program("forget", "Anna", *options, environment=settings, folder=home.models.parent)


def naming_anna(kept: dict[str, bytes]) -> list[str]:
    return [topic for topic, payload in kept.items() if b"anna" in (topic.encode() + payload).lower()]


def test_without_a_terminal_and_without_yes_nothing_is_removed(own_home: Home) -> None:
    done = forget_command(own_home)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "facerec-mqtt: Nothing was removed: Anna is only forgotten after a question or with --yes."
    )
    assert len(list((own_home.enrollment / "Anna").iterdir())) == 8


def test_a_dry_run_shows_which_visits_without_a_name_would_go(own_home: Home) -> None:
    model = load_current(own_home.models)
    assert model is not None
    anna, tom = (model.arrays["templates"][row] for row in (0, 1))
    with closing(History.open(own_home.models / FILE)) as history:
        for visit_id, vector in (("likeanna", anna), ("liketom", tom)):
            history.put(replace(STRANGER, visit_id=visit_id), Embedding(vector, model.backbone_digest))
    done = forget_command(own_home, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "one visit without a name that probably is Anna" in done.stdout
    assert "likeanna" in done.stdout
    assert "liketom" not in done.stdout
    assert len(list((own_home.enrollment / "Anna").iterdir())) == 8
    assert len(read(own_home.models / FILE)) == 2


@pytest.mark.parametrize("answer", [b"no\n", b"\x04"], ids=["no", "the end of the input"])
def test_on_a_terminal_it_asks_and_takes_no_for_an_answer(own_home: Home, answer: bytes) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        program("forget", "Anna"),
        env=clean_environment(**own_home.environment()),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=own_home.models.parent,
    ) as asking:
        os.write(ours, answer)
        said, describe_error = asking.communicate(timeout=PATIENCE_S)
    os.close(ours)
    os.close(theirs)
    assert (asking.returncode, describe_error) == (1, "")
    assert "Anna: 8 pictures in 1 folders, 1 versions of the model" in said
    assert said.rstrip().endswith("Nothing was removed.")
    assert len(list((own_home.enrollment / "Anna").iterdir())) == 8


def test_a_rebuild_that_ends_while_the_question_is_open_leaves_no_model_that_knows_the_person(
    own_home: Home,
) -> None:
    data = own_home.models.parent
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        program("forget", "Anna"),
        env=clean_environment(**own_home.environment(FACEREC_MQTT__PORT="1")),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=data,
    ) as asking:
        assert asking.stdout is not None
        question = b""
        while b"Type yes" not in question:
            question += asking.stdout.read(1)
        made = run_program("rebuild", "--force", environment=own_home.environment())
        assert made.returncode == 0, made.stderr
        secrets = secrets_of(data, own_home.enrollment)
        os.write(ours, b"yes\n")
        answer, errors = asking.communicate(timeout=600)
    os.close(ours)
    os.close(theirs)
    assert asking.returncode == 0, errors
    assert b"Anna is forgotten on this machine." in answer
    assert traces_of(data, secrets) == []


def test_yes_does_not_lose_the_others_when_their_photos_are_not_there(own_home: Home, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    before = files_in(own_home.models)
    for folder, reason in (("nowhere", "cannot be read"), ("empty", "the model in use also knows Tom")):
        done = forget_command(own_home, "--yes", "--enrollment", str(tmp_path / folder))
        assert done.returncode == 1
        assert reason in done.stderr
        assert str(tmp_path / folder) in done.stderr
    assert files_in(own_home.models) == before


def assert_only_ids_wait(models: Path) -> None:
    """Nothing is left of Anna but ids: Home Assistant was not seen to start, and may have been away."""
    assert traces_of(models.parent, [b"anna"]) == ["models/memory-home.json"]
    state = json.loads((models / "memory-home.json").read_bytes())
    waiting = {key: state["announced"].pop(key) for key in [*state["announced"]] if "anna" in key}
    assert waiting
    assert not any("name" in part for part in waiting.values())
    assert "anna" not in json.dumps(state)


def test_the_running_service_forgets_with_the_command(own_home: Home, broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    cv2.imwrite(
        str(tmp_path / "frames" / "1.jpg"), render_frame([(FAMILY["Anna"], Pose(320, 150, 110))], seed=1)
    )
    data = own_home.models.parent
    settings = own_home.environment(
        {"name": "front_door", "url": str(tmp_path / "frames"), "fps": 5}, **broker.environment()
    ) | {"FACEREC_PRIVACY__RETAIN_IMAGES": "true", "FACEREC_RECOGNITION__MOTION": "false"}
    secrets = secrets_of(data, own_home.enrollment)
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        ear.wait(lambda m: m.topic.endswith("/event") and b'"anna"' in m.payload, PATIENCE_S)
        assert naming_anna(broker.retained())
        wait_until(lambda: has_visits(own_home.models, Person("anna", "Anna")))
        done = forget_command(own_home, "--yes", **broker.environment())
        assert done.returncode == 0, done.stderr
        assert "The running service has removed the person from MQTT and Home Assistant." in done.stdout
        ear.wait(lambda m: m.topic.endswith("/event") and b'"departed"' in m.payload, PATIENCE_S)
        assert naming_anna(broker.retained()) == []
        assert service.terminate() == 0
    assert naming_anna(broker.retained()) == []
    assert_only_ids_wait(own_home.models)
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        ear.wait_for("facerec/status", b"online", timeout_s=PATIENCE_S)
        ear.say("homeassistant/status", "online")
        wait_until(lambda: traces_of(data, secrets) == [])
        assert service.terminate() == 0
    assert traces_of(data, secrets) == []


def test_the_last_one_is_forgotten_by_the_running_service_too(
    own_home: Home, broker: Broker, tmp_path: Path
) -> None:
    shutil.rmtree(own_home.enrollment / "Tom")
    made = run_program("rebuild", "--force", environment=own_home.environment())
    assert made.returncode == 0, made.stderr
    (tmp_path / "frames").mkdir()
    cv2.imwrite(str(tmp_path / "frames" / "1.jpg"), np.zeros((240, 320, 3), np.uint8))
    settings = own_home.environment(
        {"name": "front_door", "url": str(tmp_path / "frames")}, **broker.environment()
    )
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        ear.wait_for("facerec/person/anna/state", timeout_s=PATIENCE_S)
        done = forget_command(own_home, "--yes", **broker.environment())
        assert done.returncode == 0, done.stderr
        states = [json.loads(m.payload) for m in ear.on("facerec/model/state")]
        assert (states[-1]["status"], states[-1]["people"]) == ("missing", [])
        assert naming_anna(broker.retained()) == []
        assert service.terminate() == 0
    assert_only_ids_wait(own_home.models)


def test_without_a_running_service_the_command_tidies_the_broker_itself(
    own_home: Home, broker: Broker, tmp_path: Path
) -> None:
    settings = own_home.environment(
        {"name": "front_door", "url": str(own_home.enrollment / "Anna"), "fps": 5}, **broker.environment()
    )
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        ear.wait_for("facerec/person/anna/state", timeout_s=PATIENCE_S)
        assert service.terminate() == 0
    assert naming_anna(broker.retained())
    with broker.ear("homeassistant/#") as ear:
        done = forget_command(own_home, "--yes", **broker.environment())
        assert done.returncode == 0, done.stderr
        ear.settle()
        said = [json.loads(m.payload)["components"] for m in ear.messages if not m.retained]
    assert {"platform": "binary_sensor"} in [parts.get("person_anna") for parts in said]
    assert "person_anna" not in said[-1]
    assert "person_tom" in said[-1]
    kept = broker.retained()
    assert naming_anna(kept) == []
    assert "facerec/person/tom/state" in kept


def test_a_broker_that_is_not_there_is_cleaned_by_the_service_when_it_is(
    own_home: Home, broker: Broker, tmp_path: Path
) -> None:
    settings = own_home.environment(
        {"name": "front_door", "url": str(own_home.enrollment / "Tom"), "fps": 5}, **broker.environment()
    )
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        ear.wait_for("facerec/person/anna/state", timeout_s=PATIENCE_S)
        assert service.terminate() == 0
    done = forget_command(own_home, "--yes", FACEREC_MQTT__PORT="1")
    assert done.returncode == 0, done.stderr
    assert "nothing answers there" in done.stdout
    assert "is removed when the service next connects; until then its state" in done.stdout
    memory = own_home.models / "memory-home.json"
    assert traces_of(own_home.models.parent, [b"anna"]) == [str(memory.relative_to(own_home.models.parent))]
    assert naming_anna(broker.retained())
    with broker.ear() as ear, RunningService(settings, tmp_path / "log") as service:
        ear.wait(lambda m: m.topic == "facerec/person/anna/state" and not m.payload, PATIENCE_S)
        assert service.terminate() == 0
    assert naming_anna(broker.retained()) == []
    assert b'"anna"' not in memory.read_bytes()


def test_where_no_service_was_and_no_broker_is_the_rest_is_done(own_home: Home) -> None:
    done = forget_command(own_home, "--yes", FACEREC_MQTT__PORT="1")
    assert done.returncode == 0, done.stderr
    assert "nothing answers there" in done.stdout
    assert "empty such topics by hand" in done.stdout
    assert traces_of(own_home.models.parent, [b"anna"]) == []


def test_a_broker_that_keeps_nothing_is_left_as_it_is(broker: Broker) -> None:
    with broker.ear() as ear:
        ear.say("facerec/person/tom/state", '{"name":"Tom"}', retain=True)
        said = remove_person_from_broker(broker.settings(), "anna", lambda text: mentions(text, ANNA))
    assert "kept 0 topics" in said
    assert list(broker.retained()) == ["facerec/person/tom/state"]
