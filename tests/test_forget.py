"""Forgetting somebody: nothing is left on the disk, on the broker or in Home Assistant's entities."""

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from facerec_mqtt.artifact import load_current, versions
from facerec_mqtt.errors import EnrollmentError
from facerec_mqtt.farewell import say_farewell
from facerec_mqtt.forget import find_traces, is_emptied, mentions
from facerec_mqtt.memory import LastSeen, Memory, MemoryFile
from facerec_mqtt.records import Person
from facerec_mqtt.rendering import FAMILY, Pose, render_frame
from tests import killed_forgets
from tests.fixtures_broker import Broker
from tests.fixtures_service import Home, RunningService, clean_environment, program, run_program
from tests.pattern_world import picture_of, write_photos

ANNA, TOM = Person("anna", "Anna"), Person("tom", "Tom")
PATIENCE_S = 120.0


def traces_of(data: Path, words: Iterable[bytes]) -> list[str]:
    """Where in a folder, in names and contents, any of these bytes stand; letters of any case."""
    found = []
    for path in sorted(data.rglob("*")):
        text = os.fsencode(path.relative_to(data)) + (b"\n" + path.read_bytes() if path.is_file() else b"")
        if any(word.lower() in text.lower() for word in words):
            found.append(str(path.relative_to(data)))
    return found


def secrets_of(data: Path, enrollment: Path) -> list[bytes]:
    """Anna's name, her pictures, and her embeddings as the model and the cache hold them."""
    pictures = [
        path.read_bytes() for path in enrollment.rglob("*") if path.is_file() and "Anna" in path.parts
    ]
    vectors = []
    for version in (data / "models" / "versions").iterdir():
        people = [each["slug"] for each in json.loads((version / "manifest.json").read_bytes())["people"]]
        if "anna" in people:
            vectors.append(np.load(version / "model.npz")["templates"][people.index("anna")].tobytes())
    return [b"anna", *pictures, *vectors]


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """Anna and Tom as patterns, with a model of Tom alone and one of both, pictures and a memory."""
    data = tmp_path / "data"
    where = killed_forgets.places(data)
    write_photos(where.enrollment / "Tom", 2, 6)
    killed_forgets.make_model(data)
    write_photos(where.enrollment / "Anna", 1, 5)
    killed_forgets.make_model(data)
    write_photos(where.enrollment / "_test" / "Anna", 1, 2, first=50)
    write_photos(where.review / "2026-11-23", 1, 2, first=60)
    cv2.imwrite(str(where.review / "2026-11-23" / "tom.png"), picture_of(2, picture=70))
    seen = {"anna": LastSeen("door", 1.0, 0.9), "tom": LastSeen("door", 2.0, 0.9)}
    MemoryFile(where.models, "home").keep(Memory(frozenset({"door"}), (ANNA, TOM), seen))
    return data


def test_of_somebody_who_is_forgotten_nothing_is_left(family: Path) -> None:
    where = killed_forgets.places(family)
    secrets = secrets_of(family, where.enrollment)
    assert len(traces_of(family, secrets)) > 8
    killed_forgets.forget_anna(family)
    assert traces_of(family, secrets) == []
    model = load_current(where.models)
    assert model is not None
    assert model.people == (TOM,)
    assert len(versions(where.models)) == 2  # the first, of Tom alone, and the new one
    assert len(list((where.enrollment / "Tom").iterdir())) == 6
    assert [path.name for path in where.review.rglob("*.png")] == ["tom.png"]
    memory = MemoryFile(where.models, "home").recall()
    assert memory == Memory(frozenset({"door"}), (TOM,), {"tom": LastSeen("door", 2.0, 0.9)})
    assert {path.name for path in where.enrollment.iterdir()} == {"Tom"}


def test_when_the_last_one_is_forgotten_no_model_stays(family: Path) -> None:
    where = killed_forgets.places(family)
    shutil.rmtree(where.enrollment / "Tom")
    secrets = secrets_of(family, where.enrollment)
    killed_forgets.forget_anna(family)
    assert traces_of(family, secrets) == []
    assert load_current(where.models) is None
    assert versions(where.models) == ()
    assert is_emptied(where.models)
    assert not is_emptied(family / "nowhere")


@pytest.mark.parametrize("others", [["tom"], []])
def test_wherever_it_is_killed_nobody_is_recognised_without_photos_and_the_next_one_completes_it(
    family: Path, others: list[str]
) -> None:
    if not others:
        shutil.rmtree(family / "enrollment" / "Tom")
    secrets = secrets_of(family, family / "enrollment")
    done = subprocess.run(
        [sys.executable, "-m", "tests.killed_forgets", family], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) > 10
    assert [line["killed"] for line in lines] == [True] * (len(lines) - 1) + [False]
    for line in lines:
        assert "anna" not in line["then"]["known"] or line["then"]["photos"] >= 5
        assert line["after"] == {"known": others, "photos": 0}
        assert traces_of(Path(line["folder"]), secrets) == []


def test_where_no_model_can_be_made_without_the_person_nothing_is_removed(family: Path) -> None:
    where = killed_forgets.places(family)
    for photo in (where.enrollment / "Tom").iterdir():
        photo.write_text("no picture")
    before = {path: path.read_bytes() for path in where.enrollment.rglob("*") if path.is_file()}
    model = load_current(where.models)
    with pytest.raises(EnrollmentError, match="Anna is not forgotten and nothing was removed"):
        killed_forgets.forget_anna(family)
    assert {path: path.read_bytes() for path in where.enrollment.rglob("*") if path.is_file()} == before
    after = load_current(where.models)
    assert model is not None
    assert after is not None
    assert after.version == model.version


def test_somebody_of_whom_there_is_no_trace_cannot_be_forgotten(family: Path) -> None:
    with pytest.raises(EnrollmentError, match=r'anybody called "Ana"; known are: Anna, Tom\.'):
        find_traces(killed_forgets.places(family), "Ana")


def test_a_person_may_be_given_by_slug_and_is_found_without_a_folder(family: Path) -> None:
    where = killed_forgets.places(family)
    shutil.rmtree(where.enrollment / "Anna")
    traces = find_traces(where, "anna")
    assert (traces.person, traces.others, len(traces.versions)) == (ANNA, ("Tom",), 1)
    killed_forgets.forget_anna(family)
    assert traces_of(family, [b"anna"]) == []


def test_a_folder_that_is_a_link_loses_the_link_and_not_what_is_behind_it(
    family: Path, tmp_path: Path
) -> None:
    where = killed_forgets.places(family)
    shutil.move(where.enrollment / "Anna", tmp_path / "album")
    (where.enrollment / "Anna").symlink_to(tmp_path / "album")
    killed_forgets.forget_anna(family)
    assert not (where.enrollment / "Anna").is_symlink()
    assert len(list((tmp_path / "album").iterdir())) == 5


def test_a_longer_name_is_not_mistaken_for_a_shorter_one() -> None:
    assert mentions('{"people": ["Anna"]}', ANNA)
    assert mentions("facerec/person/anna/state", ANNA)
    assert not mentions("Annabel, Hanna and anna_lena", ANNA)


# --- The command


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


def test_on_a_terminal_it_asks_and_takes_no_for_an_answer(own_home: Home) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        program("forget", "Anna"),
        env=clean_environment(**own_home.environment()),
        stdin=theirs,
        stdout=subprocess.PIPE,
        text=True,
        cwd=own_home.models.parent,
    ) as asking:
        os.write(ours, b"no\n")
        said, _ = asking.communicate(timeout=PATIENCE_S)
    os.close(ours)
    os.close(theirs)
    assert asking.returncode == 1
    assert "Anna: 8 pictures in 1 folders, 1 versions of the model" in said
    assert "Nothing was removed." in said
    assert len(list((own_home.enrollment / "Anna").iterdir())) == 8


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
        done = forget_command(own_home, "--yes", **broker.environment())
        assert done.returncode == 0, done.stderr
        assert "The running service has taken the person off MQTT and Home Assistant." in done.stdout
        ear.wait(lambda m: m.topic.endswith("/event") and b'"departed"' in m.payload, PATIENCE_S)
        assert naming_anna(broker.retained()) == []
        assert service.terminate() == 0
    assert naming_anna(broker.retained()) == []
    assert traces_of(data, secrets) == []


def test_the_last_one_is_forgotten_by_the_running_service_too(
    own_home: Home, broker: Broker, tmp_path: Path
) -> None:
    shutil.rmtree(own_home.enrollment / "Tom")
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
    assert traces_of(own_home.models.parent, [b"anna"]) == []


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


def test_a_broker_that_is_not_there_is_told_of_and_the_rest_is_done(own_home: Home) -> None:
    done = forget_command(own_home, "--yes", FACEREC_MQTT__PORT="1")
    assert done.returncode == 0, done.stderr
    assert "nothing answers there" in done.stdout
    assert "removed when the service next connects" in done.stdout
    assert traces_of(own_home.models.parent, [b"anna"]) == []


def test_a_broker_that_keeps_nothing_is_left_as_it_is(broker: Broker) -> None:
    with broker.ear() as ear:
        ear.say("facerec/person/tom/state", '{"name":"Tom"}', retain=True)
        said = say_farewell(broker.settings(), "anna", lambda text: mentions(text, ANNA))
    assert "kept 0 topics" in said
    assert list(broker.retained()) == ["facerec/person/tom/state"]
