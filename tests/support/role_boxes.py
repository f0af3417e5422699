"""Recognisers and a box that asks them, in the world of patterns, on a real broker."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from facerec_mqtt.core.records import FACE_SIDE_PX, AlignedFace, Vectors
from facerec_mqtt.recognition import Recognizer, load_current
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.house.package import Stamp
from facerec_mqtt.service.roles.answering import Answerer
from facerec_mqtt.service.roles.asking import Asker
from facerec_mqtt.service.roles.keys import camera_key
from facerec_mqtt.service.roles.messages import HouseModel
from facerec_mqtt.settings import HouseSettings, MqttSettings, Role, Settings
from tests.support.house_boxes import HOUSE, pattern_recognizer
from tests.support.pattern_world import PatternBackbone, face, write_photos
from tests.support.patterns_rebuild import rebuild_patterns

KEY = "ab" * 32
CAMERA_KEY = camera_key(bytes.fromhex(KEY)).hex()
FAMILY = ("Anna", "Tom")
"""Of the patterns 0 and 1."""


def aligned(person: int, picture: int = 0) -> AlignedFace:
    return AlignedFace(face(person, picture), float(FACE_SIDE_PX), 100.0)


def vectors_of(people: Sequence[int]) -> Vectors:
    """Embeddings of different pictures of these patterns."""
    return PatternBackbone().embed([aligned(person, 100 + n) for n, person in enumerate(people)])


@cache
def family_of_patterns() -> Recognizer:
    """What knows Anna and Tom."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for number, person in enumerate(FAMILY):
            write_photos(folder / "photos" / person, number, 6)
        rebuild_patterns(folder / "photos", folder / "models")
        return pattern_recognizer().with_model(load_current(folder / "models"))


def model_of_patterns(order: int = 1) -> HouseModel:
    model = family_of_patterns().model
    assert model is not None
    return HouseModel(model.version, Stamp(order=order, node="hall"), model.people)


def settings_of(mqtt: MqttSettings, role: Role, key: str | None = None) -> Settings:
    """Of a box with a role."""
    if role is Role.CAMERA:
        house = HouseSettings(name=HOUSE, role=role, camera_key=SecretStr(key or CAMERA_KEY))
    else:
        house = HouseSettings(name=HOUSE, role=role, key=SecretStr(key or KEY))
    return Settings(mqtt=mqtt, house=house)


@contextlib.contextmanager
def running_asker(mqtt: MqttSettings, key: str | None = None) -> Iterator[Asker]:
    """A box that asks."""
    publisher = Publisher(mqtt, Settings().privacy, cameras=[], house=HOUSE)
    asker = Asker(settings_of(mqtt, Role.CAMERA, key), publisher)
    publisher.start()
    asker.start()
    try:
        yield asker
    finally:
        asker.stop()
        publisher.stop(0.5)


@contextlib.contextmanager
def running_recogniser(
    mqtt: MqttSettings, recognizer: Recognizer | None = None, model: HouseModel | None = None
) -> Iterator[Answerer]:
    """A box that answers."""
    publisher = Publisher(mqtt, Settings().privacy, cameras=[], house=HOUSE)
    answerer = Answerer(settings_of(mqtt, Role.RECOGNISER), publisher)
    answerer.use(recognizer or family_of_patterns(), model or model_of_patterns())
    publisher.start()
    try:
        yield answerer
    finally:
        answerer.stop()
        publisher.stop(0.5)
