"""A box with a camera and no model, and two recognisers: three services as processes, on one broker."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from facerec_mqtt.core.records import Image, PresenceChange, Sighting
from facerec_mqtt.history import FILE
from facerec_mqtt.presence import Visits
from facerec_mqtt.recognition import Recognition, Recognizer, load_current, versions
from facerec_mqtt.service.roles.messages import HouseModel
from facerec_mqtt.service.roles.remote import NoAnswerError, RemoteRecognizer, judge_by
from facerec_mqtt.settings import RecognitionSettings
from tests.support.broker import Broker, Message
from tests.support.house_boxes import HOUSE
from tests.support.role_boxes import CAMERA_KEY, KEY, running_asker, running_recogniser
from tests.support.service import FILM_FPS, Home, RunningService, frames_of, program, run_program
from tests.support.service_runs import camera, is_event

PORCH = "facerec/box/porch/model/state"


def says(status: str, message: Message) -> bool:
    return message.topic == PORCH and json.loads(message.payload)["status"] == status


def test_a_camera_box_has_no_model_names_whoever_comes_and_outlives_any_recogniser(
    broker: Broker, home: Home, annas_film: Path, tmp_path: Path
) -> None:
    def box(node: str, role: str, models: Path, **settings: str) -> RunningService:
        environment = home.environment(
            **{
                "FACEREC_MODEL_DIR": str(models),
                "FACEREC_ENROLLMENT_DIR": str(tmp_path / "none"),
                "FACEREC_HOUSE__NAME": HOUSE,
                "FACEREC_MQTT__NODE_ID": node,
            }
            | settings
        )
        environment |= broker.environment()
        return RunningService(environment, tmp_path / f"{node}.log", program("run", "--role", role))

    attic = box("attic", "recogniser", home.models, FACEREC_HOUSE__KEY=KEY)
    barn = box("barn", "recogniser", tmp_path / "barn", FACEREC_HOUSE__KEY=KEY)
    cameras = json.dumps([camera(annas_film, name="porch")])
    porch = box(
        "porch", "camera", tmp_path / "porch", FACEREC_HOUSE__CAMERA_KEY=CAMERA_KEY, FACEREC_CAMERAS=cameras
    )
    with broker.ear() as ear, attic, porch:
        first = ear.wait(lambda m: is_event(m, "arrived", "anna"))
        version = json.loads(first.payload)["model"]
        assert version == load_current(home.models).version  # type: ignore[union-attr]
        ear.wait(lambda m: m.topic == "facerec/box/attic/work" and b'"porch"' in m.payload)
        ear.wait(lambda m: m.topic == "facerec/box/porch/work" and b'"attic"' in m.payload)
        shown = run_program("status", "--json", environment=porch.environment)
        assert shown.returncode == 0
        status = json.loads(shown.stdout)
        assert (status["node"], status["role"], status["recognisers"]) == ("porch", "camera", ["attic"])
        assert [(box["node"], box["role"], box["asked_by"]) for box in status["boxes"]] == [
            ("attic", "recogniser", ["porch"])
        ]
        said = {"visit_id": json.loads(first.payload)["visit_id"], "person": "tom"}
        ear.say("facerec/box/porch/command/assign", json.dumps(said))
        answer = json.loads(ear.wait_for("facerec/box/porch/command/result").payload)
        assert (answer["command"], answer["ok"]) == ("assign", False)
        asked = run_program("check", environment={**porch.environment, "FACEREC_HOUSE__ROLE": "camera"})
        assert "ok      recogniser: attic answered in " in asked.stdout
        assert "rebuild" not in asked.stdout  # which a camera box never does
        with barn:
            ear.wait(lambda m: m.topic == "facerec/box/barn/holds" and version.encode() in m.payload)
            # What it loads a second later; that it answers, only its answers show.
            attic.terminate()
            count = len(ear.messages)
            ear.wait(lambda m: is_event(m, "arrived", "anna") and m in ear.messages[count:])
        # It was killed, and there is none any more.
        count = len(ear.messages)
        ear.wait(lambda m: says("failed", m) and m in ear.messages[count:])
        with attic:
            count = len(ear.messages)
            ear.wait(lambda m: says("ready", m) and m in ear.messages[count:])
            ear.wait(lambda m: is_event(m, "arrived", "anna") and m in ear.messages[count:])
            assert porch.terminate() == 0
        departures = [m for m in ear.messages if is_event(m, "departed", "anna")]
        assert {json.loads(m.payload)["reason"] for m in departures} <= {"unseen"}
        assert not any(is_event(m, "stranger") for m in ear.messages)
    assert versions(tmp_path / "porch") == ()
    with closing(sqlite3.connect(tmp_path / "porch" / FILE)) as history:
        [[visits]] = history.execute("SELECT count(*) FROM visits")
        [[embeddings]] = history.execute("SELECT count(*) FROM embeddings")
    assert visits > 0
    assert embeddings == 0
    log = porch.log
    assert log.count("No recogniser of the house") == 1
    assert "answers again" in log


def test_names_and_scores_are_those_of_one_box_on_the_same_film(
    broker: Broker, rebuilt: Home, annas_film: Path
) -> None:
    settings, door = RecognitionSettings(), "door"
    one_box = Recognizer.from_settings(settings, load_current(rebuilt.models))
    assert one_box.model is not None
    model = HouseModel(one_box.model.version, people=one_box.model.people)
    alone, shared = Visits(settings), Visits(settings)

    def seen(at_s: float, found: Sequence[Recognition]) -> list[Sighting]:
        return [
            Sighting(door, at_s, each.detection, each.identification, each.face, each.embedding)
            for each in found
        ]

    def asked(at_s: float, image: Image) -> tuple[PresenceChange, ...]:
        while True:
            try:
                sightings = seen(at_s, porch.recognise(image, min_face_px=40))
                judge = judge_by(porch, shared.copy_of(door), sightings, 0.1) if sightings else None
            except NoAnswerError:  # a busy machine
                continue
            return shared.observe(door, at_s, sightings, judge)

    named: list[str | None] = []
    with (
        running_recogniser(broker.settings(node_id="attic"), one_box, model),
        running_asker(broker.settings(node_id="porch")) as asker,
    ):
        porch = RemoteRecognizer.load(settings, asker).with_model(model)
        for number, image in enumerate(frames_of(annas_film)):
            at_s = number / FILM_FPS
            judge = partial(one_box.identify_visit, min_margin=0.1)
            changes = alone.observe(door, at_s, seen(at_s, one_box.recognise(image, min_face_px=40)), judge)
            others = asked(at_s, image)
            assert [(one.kind, one.person, one.votes) for one in changes] == [
                (other.kind, other.person, other.votes) for other in others
            ]
            for one, other in zip(alone.in_view(door), shared.in_view(door), strict=True):
                mine, theirs = one.sighting.identification, other.sighting.identification
                assert theirs == replace(mine, score=theirs.score, margin=theirs.margin)
                assert (theirs.score, theirs.margin) == pytest.approx((mine.score, mine.margin), abs=1e-5)
                named.append(theirs.person)
    assert named.count("anna") > 10


@pytest.mark.parametrize(
    ("role", "settings", "word"),
    [
        ("camera", {}, "FACEREC_HOUSE__NAME"),
        ("camera", {"FACEREC_HOUSE__NAME": HOUSE}, "FACEREC_HOUSE__CAMERA_KEY"),
        ("recogniser", {"FACEREC_HOUSE__NAME": HOUSE}, "FACEREC_HOUSE__KEY"),
        ("recogniser", {"FACEREC_HOUSE__NAME": HOUSE, "FACEREC_MQTT__PROTOCOL": "3.1.1"}, "MQTT 5"),
        (
            "recogniser",
            {
                "FACEREC_HOUSE__NAME": HOUSE,
                "FACEREC_HOUSE__KEY": KEY,
                "FACEREC_CAMERAS": '[{"name":"a","url":"0"}]',
            },
            "FACEREC_CAMERAS",
        ),
    ],
)
def test_what_a_role_lacks_is_said_in_one_sentence(
    role: str, settings: dict[str, str], word: str, tmp_path: Path
) -> None:
    done = run_program("run", "--role", role, environment=settings, folder=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert word in done.stderr
    assert KEY not in done.stderr


def test_the_camera_key_is_printed_alone_and_needs_the_key_of_the_house(tmp_path: Path) -> None:
    done = run_program("camera-key", environment={"FACEREC_HOUSE__KEY": KEY}, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{CAMERA_KEY}\n")
    without = run_program("camera-key", folder=tmp_path)
    assert (without.returncode, without.stdout) == (1, "")
    assert "FACEREC_HOUSE__KEY" in without.stderr
