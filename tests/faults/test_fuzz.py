"""Bytes that nobody thought of, for each parser of what comes from outside.

Every parser has two answers: a value, or its own error with one sentence. Anything else fails the test. The
examples are the same on every run.
"""

import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pillow_heif
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facerec_mqtt.core.errors import CommandError, ModelError, PictureError, SettingsError
from facerec_mqtt.core.images import MAX_PIXELS, decode_picture, taken_at
from facerec_mqtt.core.records import Person
from facerec_mqtt.core.slugs import SlugError, slug
from facerec_mqtt.enrollment.judging.photo_cache import PhotoCache
from facerec_mqtt.mqtt import payloads
from facerec_mqtt.mqtt.commands import (
    Assign,
    Capture,
    CommandIntake,
    Enable,
    Rebuild,
    Refused,
    parse_assign,
    parse_capture,
    parse_enabled,
    parse_rebuild,
)
from facerec_mqtt.mqtt.home_assistant import Announcements, components_of
from facerec_mqtt.mqtt.topics import Topics
from facerec_mqtt.presence.state_file import StateFile
from facerec_mqtt.recognition.arrays import read_arrays
from facerec_mqtt.recognition.model_store import (
    FamilyModel,
    current_version,
    load_current,
    new_version,
    save_model,
)
from facerec_mqtt.settings.loading import load_settings
from tests.support.pattern_world import pattern_networks

CAMERAS = ("front_door", "garden")

# One set of examples for everybody, and no clock: a slow machine is no failure.
EXAMPLES = settings(derandomize=True, deadline=None, max_examples=150, database=None)
FEW = settings(EXAMPLES, max_examples=50)


def mutated(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Something that was valid once: bytes put in, taken out or exchanged, and cut short."""

    def damage(seed: bytes, cuts: list[tuple[int, int, bytes]], end: int) -> bytes:
        data = bytearray(seed)
        for position, length, new in cuts:
            at = position % (len(data) + 1)
            data[at : at + length] = new
        return bytes(data[: len(data) - end % (len(data) + 1)])

    cut = st.tuples(st.integers(0, 2**20), st.integers(0, 8), st.binary(max_size=8))
    ends = st.one_of(st.just(0), st.integers(0, 2**20))
    return st.builds(damage, st.sampled_from(seeds), st.lists(cut, max_size=6), ends)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=20,
)


def anything(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Random bytes, random JSON, and damaged seeds."""
    return st.one_of(
        st.binary(max_size=5000), JSON.map(lambda value: json.dumps(value).encode()), mutated(seeds)
    )


def assert_one_sentence(error: BaseException) -> None:
    text = str(error)
    assert text.endswith(".")
    assert text.isprintable()
    assert len(text) < 600


# --- Commands

COMMANDS = [
    b"PRESS",
    b'{"force": true}',
    '{"person":"José Núñez","camera":"front_door","seconds":20}'.encode(),
    b"ON",
    b"[" * 4000,
    b'{"person":"../../etc","camera":"front_door","seconds":20}',
]


@EXAMPLES
@given(anything(COMMANDS))
def test_a_command_is_carried_out_as_it_stands_or_refused_in_one_sentence(payload: bytes) -> None:
    parsers: list[Callable[[bytes], Rebuild | Capture | Enable | Assign]] = [
        parse_rebuild,
        parse_assign,
        lambda data: parse_capture(data, CAMERAS),
        lambda data: parse_enabled("front_door", data, CAMERAS),
    ]
    for parse in parsers:
        try:
            command = parse(payload)
        except CommandError as error:
            assert_one_sentence(error)
            continue
        if isinstance(command, Capture):
            assert command.camera in CAMERAS
            assert Path("/enrollment", command.person).resolve().parent == Path("/enrollment")
            assert 1 <= command.seconds <= 120
        if isinstance(command, Assign):
            for name in (command.name, command.visitor):
                assert name is None or Path("/enrollment", name).resolve().parent == Path("/enrollment")


@EXAMPLES
@given(
    st.one_of(
        st.text(max_size=60),
        st.builds("facerec/camera/{}/enabled/set".format, st.text(max_size=30)),
        st.sampled_from([f"facerec/command/{name}" for name in ("rebuild", "capture", "assign")]),
    ),
    anything(COMMANDS),
    st.booleans(),
)
def test_whatever_comes_on_whatever_topic_is_a_command_a_refusal_or_none_of_ours(
    topic: str, payload: bytes, retained: bool
) -> None:
    taken = CommandIntake(Topics(), CAMERAS).take(topic, payload, retained, 100.0)
    assert taken is None or isinstance(taken, Rebuild | Capture | Enable | Assign | Refused)
    if retained:
        assert taken is None or isinstance(taken, Refused)
    if isinstance(taken, Refused):
        assert json.loads(payloads.encode(payloads.result(taken.command, False, taken.message)))


@EXAMPLES
@given(anything([b'{"components":{"a":{"platform":"event","state_topic":"facerec/x"}}}']))
def test_an_announcement_that_the_broker_kept_may_be_anything(payload: bytes) -> None:
    announcements = Announcements("facerec")
    announcements.announce({"components": {}})
    announcements.recall(components_of(payload))
    for message in (announcements.whole(), announcements.removal()):
        assert json.loads(payloads.encode(message))["components"] is not None
    assert all(topic.startswith("facerec/") for topic in announcements.orphans())


@EXAMPLES
@given(st.text(max_size=200))
def test_an_identifier_can_stand_in_a_topic_and_is_its_own(name: str) -> None:
    try:
        identifier = slug(name)
    except SlugError:
        return
    assert identifier.isascii()
    assert not set(identifier) & set("/+#. \\")
    assert slug(identifier) == identifier
    assert 0 < len(identifier) <= 64


# --- Pictures


def pictures() -> list[bytes]:
    image = np.random.default_rng(3).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    kinds = {".jpg": [], ".png": [], ".webp": [cv2.IMWRITE_WEBP_QUALITY, 80]}
    encoded = [cv2.imencode(ending, image, options)[1].tobytes() for ending, options in kinds.items()]
    jpeg = encoded[0]
    # An orientation that does not exist, in an EXIF block whose offsets lead out of it.
    block = b"Exif\0\0MM\0*" + (8).to_bytes(4, "big") + b"\0\xff\x01\x12\0\x03\xff\xff\xff\xff\0\x99\0\0" * 3
    exif = b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block
    progressive = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    lossless = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    return [*encoded, jpeg[:2] + exif + jpeg[2:], progressive, lossless, *pictures_of_other_kinds(image)]


def pictures_of_other_kinds(image: NDArray[np.uint8]) -> list[bytes]:
    picture = PIL.Image.fromarray(image)
    heic = io.BytesIO()
    pillow_heif.encode("RGB", picture.size, picture.tobytes(), heic, quality=50)
    found = [heic.getvalue()]
    saves: tuple[tuple[str, dict[str, Any]], ...] = (
        ("AVIF", {}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}),
    )
    for kind, options in saves:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        found.append(buffer.getvalue())
    return found


@settings(EXAMPLES, max_examples=400)
@given(mutated(pictures()) | st.binary(max_size=200))
def test_a_picture_is_decoded_or_refused_in_one_sentence(data: bytes) -> None:
    for enough_px in (None, 16):
        try:
            image = decode_picture(data, enough_px=enough_px)
        except PictureError as error:
            assert_one_sentence(error)
            continue
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert image.shape[0] * image.shape[1] <= MAX_PIXELS
    at = taken_at(data)
    assert at is None or isinstance(at, float)


# --- What lies in the model folder


def archive_of(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


ARCHIVE = archive_of(a=np.arange(6, dtype=np.float32).reshape(2, 3), b=np.array("text"), c=np.zeros((0, 4)))


@EXAMPLES
@given(st.binary(max_size=500) | mutated([ARCHIVE]))
@example(ARCHIVE)
def test_arrays_are_read_as_they_are_or_not_at_all(data: bytes) -> None:
    try:
        arrays = read_arrays(data)
    except ValueError:
        return
    assert sum(array.nbytes for array in arrays.values()) <= len(data)
    assert not any(array.dtype.hasobject for array in arrays.values())


class Trap:
    """Unpickled, it would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_what_was_written_is_read_and_what_would_execute_is_not(tmp_path: Path) -> None:
    assert np.array_equal(read_arrays(ARCHIVE)["a"], [[0, 1, 2], [3, 4, 5]])
    assert str(read_arrays(ARCHIVE)["b"]) == "text"
    by_column = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert np.array_equal(read_arrays(archive_of(a=by_column))["a"], by_column)
    trap = np.empty(1, object)
    trap[0] = Trap(tmp_path / "sprung")
    with pytest.raises(ValueError, match="Python objects"):
        read_arrays(archive_of(a=trap))
    assert not (tmp_path / "sprung").exists()
    np.load(io.BytesIO(archive_of(a=trap)), allow_pickle=True)["a"]
    assert (tmp_path / "sprung").exists(), "the trap itself does not work"


def npy_that_claims(shape: tuple[int, ...]) -> bytes:
    """A tiny array whose header says that it is gigantic."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + b"\0" * 16


def zip_of(content: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a.npy", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("bomb", "why"),
    [
        (zip_of(npy_that_claims((2**20,)) + bytes(2**22), zipfile.ZIP_DEFLATED), "compressed"),
        (zip_of(npy_that_claims((2**40,))), "not as large as it says"),
        (zip_of(npy_that_claims((2**70, 2**70))), "not as large as it says"),
        (zip_of(npy_that_claims((-2, -2))), "not as large as it says"),
    ],
    ids=["deflated", "huge", "huger than an integer", "negative"],
)
def test_an_archive_that_would_swell_is_refused_before_it_does(bomb: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_arrays(bomb)


@EXAMPLES
@given(st.binary(max_size=300) | mutated([b"20261123T100411Z-3f2a\n"]))
def test_what_names_the_current_version_leads_nowhere_else(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "current").write_bytes(content)
        try:
            version = current_version(folder)
        except ModelError as error:
            assert_one_sentence(error)
            return
    assert version is not None
    assert Path("/versions", version).resolve().parent == Path("/versions")


def a_model() -> FamilyModel:
    arrays = {"templates": np.eye(2, 8, dtype=np.float32)}
    people = (Person("anna", "Anna"), Person("tom", "Tom"))
    return FamilyModel(
        new_version(datetime(2026, 11, 23, tzinfo=UTC)), "now", "b", "c", people, arrays, {"x": 1}
    )


@FEW
@given(st.data())
def test_a_version_is_loaded_or_refused_even_where_its_digests_fit(
    data: st.DataObject,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = a_model()
        save_model(folder, model)
        version = folder / "versions" / model.version
        manifest = json.loads((version / "manifest.json").read_text())
        for file in ("model.npz", "report.json"):
            if data.draw(st.booleans()):
                (version / file).write_bytes(data.draw(anything([(version / file).read_bytes()])))
            manifest["files"][file] = hashlib.sha256((version / file).read_bytes()).hexdigest()
        if data.draw(st.booleans()):
            manifest[data.draw(st.sampled_from(sorted(manifest)))] = data.draw(JSON)
        if data.draw(st.booleans()):
            slugs = data.draw(st.sampled_from(["../anna", "anna/#", "", "anna"]) | st.text(max_size=10))
            manifest["people"] = [{"slug": slugs, "name": data.draw(st.text(max_size=10))}]
        (version / "manifest.json").write_bytes(data.draw(mutated([json.dumps(manifest).encode()])))
        try:
            loaded = load_current(folder)
        except ModelError as error:
            assert_one_sentence(error)
            return
    assert loaded is not None
    assert isinstance(loaded.report, dict)
    for person in loaded.people:
        assert slug(person.slug) == person.slug
        assert isinstance(person.name, str)


@EXAMPLES
@given(
    anything(
        [
            b'{"switched_off":["garden"],"people":{"anna":"Anna"},"last_seen":{"anna":'
            b'{"camera":"garden","epoch_s":1.5,"score":null}},"visits":[{"camera":"garden","person":"anna",'
            b'"visit_id":"01J","began_epoch_s":1.0,"last_seen_epoch_s":1.5,"score":0.9}],'
            b'"announced":{"anna":{"platform":"sensor","state_topic":"facerec/person/anna/state"}}}'
        ]
    )
)
def test_a_memory_is_recalled_or_as_none(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "memory-home.json").write_bytes(content)
        memory = StateFile(Path(name), "home").state
    for identifier in (
        *(person.slug for person in memory.people),
        *(s.camera for s in memory.last_seen.values()),
    ):
        assert slug(identifier) == identifier


@EXAMPLES
@given(st.binary(max_size=300) | mutated([ARCHIVE]) | JSON.map(lambda v: archive_of(recipe=np.array(str(v)))))
def test_a_photo_cache_is_read_or_as_none(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "photos.npz"
        path.write_bytes(content)
        assert PhotoCache.open(path, pattern_networks()).get("a" * 64) is None


# --- Settings


CANARY = "c4n4ry-p@ss"
ENV = (
    f'FACEREC_CAMERAS=\'[{{"name":"door","url":"rtsp://10.0.0.7/sub","username":"u",'
    f'"password":"{CANARY}"}}]\'\nFACEREC_MQTT__USERNAME=u\nFACEREC_MQTT__PASSWORD={CANARY}\n'
)


@EXAMPLES
@given(st.binary(max_size=300) | mutated([ENV.encode()]))
@example(ENV.encode())
def test_a_settings_file_is_read_or_refused_and_shows_no_password(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "env"
        path.write_bytes(content)
        try:
            read = load_settings(path)
        except SettingsError as error:
            said = str(error)
        else:
            said = repr(read)
    assert CANARY not in said


@EXAMPLES
@given(st.binary(max_size=300) | mutated([CANARY.encode()]))
@example(CANARY.encode())
def test_a_secrets_file_is_read_or_refused_and_not_shown(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        path, secret = Path(name) / "env", Path(name) / "secret"
        path.write_text(f"FACEREC_MQTT__USERNAME=u\nFACEREC_MQTT__PASSWORD_FILE={secret}\n")
        secret.write_bytes(content)
        try:
            said = repr(load_settings(path))
        except SettingsError as error:
            said = str(error)
            assert_one_sentence(error)
    assert CANARY not in said
