"""The model of a house travels: over a real broker, between model folders, in the world of patterns."""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from facerec_mqtt.core.records import Person
from facerec_mqtt.recognition import load_current, members, roll_back, versions
from facerec_mqtt.recognition.recognizer import Recognizer
from facerec_mqtt.service.house.confirmations import unconfirmed
from facerec_mqtt.service.house.memory import note, read_memory
from facerec_mqtt.service.house.package import Acknowledgement, parse_manifest
from tests.support.broker import Broker
from tests.support.faulty_line import FaultyLine
from tests.support.house_boxes import HouseBox, pattern_recognizer, step_until
from tests.support.pattern_world import write_photos
from tests.support.patterns_rebuild import rebuild_patterns

KEY, OTHER_KEY = "ab" * 32, "cd" * 32
MANIFEST = "facerec/house/model/manifest"
Start = Callable[..., HouseBox]


@pytest.fixture
def start(broker: Broker, tmp_path: Path) -> Iterator[Start]:
    """Starts boxes with a model folder each."""
    with ExitStack() as stack:

        def begin(node: str, key: str | None = KEY) -> HouseBox:
            line = stack.enter_context(FaultyLine(broker.port))
            box = HouseBox(node, line, broker, models=tmp_path / f"models_{node}", key=key)
            box.step()
            box.publisher.start()
            stack.callback(box.publisher.stop, 0.5)
            return box

        yield begin


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of Anna and Tom; not to be changed."""
    folder = tmp_path_factory.mktemp("patterns")
    for number, name in enumerate(("Anna", "Tom")):
        write_photos(folder / name, number, 6)
    return folder


@pytest.fixture
def enrollment(photos: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(photos, tmp_path / "enrollment"))


def acknowledged(broker: Broker, node: str) -> Acknowledgement:
    return Acknowledgement.model_validate_json(broker.retained()[f"facerec/box/{node}/holds"])


def folders(box: HouseBox) -> Path:
    return box.settings.model_dir


def people(box: HouseBox) -> list[str]:
    model = load_current(folders(box))
    return [] if model is None else [person.slug for person in model.people]


def test_what_one_box_makes_all_use_also_one_that_was_off_and_a_rollback_travels_as_well(
    broker: Broker, start: Start, enrollment: Path
) -> None:
    attic, barn = start("attic"), start("barn")
    both = [attic, barn]
    first = rebuild_patterns(enrollment, folders(barn)).version
    step_until(both, lambda: attic.version == first)
    second = rebuild_patterns(enrollment, folders(attic)).version
    step_until(both, lambda: barn.version == second)
    off = start("cellar")
    step_until([*both, off], lambda: off.version == second)
    roll_back_patterns(folders(barn), first)
    step_until([*both, off], lambda: {box.version for box in (*both, off)} == {first})
    memories = [read_memory(folders(box)) for box in (*both, off)]
    assert len(set(memories)) == 1
    assert memories[0] is not None
    assert (memories[0].stamp.order, memories[0].stamp.node) == (3, "barn")
    assert [box.models and box.models.made_by for box in (*both, off)] == ["barn", None, "barn"]
    step_until([*both, off], lambda: acknowledged(broker, "cellar").version == first)
    # What the broker has is encrypted, and only of the last model.
    kept = broker.retained()
    manifest = parse_manifest(kept[MANIFEST])
    pieces = {topic for topic in kept if topic.startswith("facerec/house/model/") and topic != MANIFEST}
    step_until([*both, off], lambda: len(pieces_of(broker)) == manifest.chunks)
    assert manifest.encrypted
    assert not any(b"anna" in kept[topic].lower() for topic in pieces)


def pieces_of(broker: Broker) -> list[str]:
    kept = broker.retained()
    return [topic for topic in kept if topic.startswith("facerec/house/model/") and topic != MANIFEST]


def roll_back_patterns(folder: Path, version: str) -> None:
    """As the command does, which loads the shipped networks first."""
    load = Recognizer.load
    try:
        Recognizer.load = classmethod(lambda _, model: pattern_recognizer().with_model(model))  # type: ignore[assignment]
        roll_back(folder, version)
    finally:
        Recognizer.load = load  # type: ignore[method-assign]


def test_an_older_model_never_takes_the_place_of_a_newer_one_and_a_broker_that_lost_it_has_it_again(
    broker: Broker, start: Start, enrollment: Path
) -> None:
    attic, barn = start("attic"), start("barn")
    rebuild_patterns(enrollment, folders(attic))
    step_until([attic, barn], lambda: barn.version == attic.version is not None)
    old = broker.retained()
    second = rebuild_patterns(enrollment, folders(attic)).version
    step_until([attic, barn], lambda: barn.version == second)
    with broker.ear() as ear:
        for topic, payload in old.items():
            if topic.startswith("facerec/house/model/"):
                ear.say(topic, payload, retain=True)
    step_until([attic, barn], lambda: parse_manifest(broker.retained()[MANIFEST]).version == second)
    assert (attic.version, barn.version) == (second, second)
    broker.kill()
    broker.start()
    step_until([attic, barn], lambda: MANIFEST in broker.retained())
    late = start("cellar")
    step_until([attic, barn, late], lambda: late.version == second)


def test_whoever_is_forgotten_at_one_box_is_gone_from_all_and_confirmed_by_those_that_are_there(
    broker: Broker, start: Start, enrollment: Path
) -> None:
    attic, barn, cellar = start("attic"), start("barn"), start("cellar")
    boxes = [attic, barn, cellar]
    for _ in range(2):
        made = rebuild_patterns(enrollment, folders(attic)).version
        step_until(boxes, lambda made=made: {box.version for box in boxes} == {made})
    assert len(versions(folders(barn))) == 2
    cellar.line.cut()
    # What the command does here, in this order.
    entry = note(folders(attic), "tom")
    shutil.rmtree(enrollment / "Tom")
    rebuild_patterns(enrollment, folders(attic))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(unconfirmed, attic.settings, entry, 5.0)
        step_until([attic, barn], asked.done)
        missing = asked.result()
    assert [(box.node, box.online, box.keeps_photos) for box in missing] == [("cellar", False, False)]
    assert people(barn) == ["anna"]
    known = [members(folders(barn), version) for version in versions(folders(barn))]
    assert known == [(Person("anna", "Anna"),)]
    cellar.line.restore()
    # Photos that lie there would bring him back.
    write_photos(cellar.settings.enrollment_dir / "Tom", 1, 1)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(unconfirmed, attic.settings, entry, 5.0)
        step_until(boxes, asked.done)
        assert [(box.node, box.keeps_photos) for box in asked.result()] == [("cellar", True)]
    assert people(cellar) == ["anna"]
    manifest = broker.retained()[MANIFEST].lower()
    assert b"tom" not in manifest
    assert b"anna" not in manifest


def test_with_another_key_or_none_a_model_is_not_used_and_the_sentence_names_the_setting(
    broker: Broker, start: Start, enrollment: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        attic, barn, cellar = start("attic"), start("barn", OTHER_KEY), start("cellar", None)
        rebuild_patterns(enrollment, folders(attic))
        step_until(
            [attic, barn, cellar],
            lambda: (
                all("holds" in " ".join(broker.retained()) for _ in "x")
                and len([record for record in caplog.records if "is not used" in record.message]) == 2
            ),
        )
    assert (barn.version, cellar.version) == (None, None)
    refusals = [record.message for record in caplog.records if "is not used" in record.message]
    assert all("FACEREC_HOUSE__KEY" in sentence for sentence in refusals)
    assert (
        len([record for record in caplog.records if "FACEREC_HOUSE__KEY is not set" in record.message]) == 1
    )
    assert KEY not in caplog.text
    assert OTHER_KEY not in repr(barn.settings)


def test_what_somebody_else_puts_on_the_broker_never_takes_the_place_of_a_good_model(
    broker: Broker, start: Start, enrollment: Path, tmp_path: Path
) -> None:
    attic, barn = start("attic", None), start("barn", None)
    made = rebuild_patterns(enrollment, folders(attic)).version
    step_until([attic, barn], lambda: barn.version == made)
    manifest = json.loads(broker.retained()[MANIFEST])
    stamp = {"order": 50, "node": "evil"}
    before = sorted(path for path in tmp_path.rglob("*") if "unfinished" not in str(path))
    with broker.ear() as ear:
        for wrong in (
            b"\xff",
            b"{}",
            b"[" * 10_000,
            json.dumps(manifest | {"stamp": stamp, "version": "../../evil"}).encode(),
            json.dumps(manifest | {"stamp": stamp, "size": 2**40}).encode(),
            json.dumps(manifest | {"stamp": {"order": 2**60, "node": "evil"}}).encode(),
            json.dumps(manifest | {"stamp": stamp, "more": 1}).encode(),
        ):
            ear.say(MANIFEST, wrong, retain=True)
            step_until([attic, barn], lambda: broker.retained()[MANIFEST][:1] == b"{" and is_ours(broker))
        # Whole, but of nothing: pieces that are there, with a digest that fits and no model in them.
        garbage = b"x" * 100
        ear.say(f"facerec/house/model/{digest(garbage)[:16]}/0", garbage, retain=True)
        ear.say("facerec/house/model/../0", garbage)
        ear.say(f"facerec/house/model/{digest(garbage)[:16]}/99999", garbage)
        evil = manifest | {"stamp": stamp, "size": 100, "chunks": 1, "digest": digest(garbage)}
        ear.say(MANIFEST, json.dumps(evil).encode(), retain=True)
        step_until([attic, barn], lambda: acknowledged(broker, "barn").problem)
    assert (attic.version, barn.version) == (made, made)
    assert sorted(path for path in tmp_path.rglob("*") if "unfinished" not in str(path)) == before
    # A change at a box of the house is newer than that, and sets the house right.
    second = rebuild_patterns(enrollment, folders(barn)).version
    step_until([attic, barn], lambda: attic.version == second)


def is_ours(broker: Broker) -> bool:
    try:
        return parse_manifest(broker.retained()[MANIFEST]).stamp.node == "attic"
    except Exception:
        return False


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
