"""A box without a model forgets whom its house forgets, and the command hears of it."""

import logging
from pathlib import Path

import pytest

from facerec_mqtt.recognition import versions
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.house.confirmations import unconfirmed
from facerec_mqtt.service.house.memory import Memory, read_memory
from facerec_mqtt.service.house.package import Forgotten, Stamp
from facerec_mqtt.service.roles.following import Follower
from facerec_mqtt.service.roles.messages import HouseModel
from facerec_mqtt.settings import Role
from tests.support.broker import Broker, wait_until
from tests.support.house_boxes import HOUSE
from tests.support.pattern_world import write_photos
from tests.support.patterns_rebuild import rebuild_patterns
from tests.support.role_boxes import settings_of

TOM = Forgotten.of("tom", "0123456789abcdef")


def test_what_an_earlier_role_has_left_goes_and_the_command_is_told(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number, name in enumerate(("Anna", "Tom")):
        write_photos(tmp_path / "photos" / name, number, 6)
    rebuild_patterns(tmp_path / "photos", tmp_path / "models")
    settings = settings_of(broker.settings(node_id="porch"), Role.CAMERA).model_copy(
        update={"model_dir": tmp_path / "models", "enrollment_dir": tmp_path / "none"}
    )
    publisher = Publisher(settings.mqtt, settings.privacy, cameras=[], house=HOUSE)
    follower = Follower(settings, publisher)
    with caplog.at_level(logging.WARNING):
        follower.warn_of_models()
    assert str(tmp_path / "models") in caplog.text
    publisher.start()
    try:
        follower.step(None, 0.0)
        follower.step(HouseModel("20261123T100411Z-3f2a", Stamp(order=3, node="hall")), 1.0)
        holds = "facerec/box/porch/holds"
        wait_until(lambda: b'"order":3' in broker.retained().get(holds, b""), "it says nothing")
        assert versions(tmp_path / "models") != ()
        [missing] = unconfirmed(settings, TOM, within_s=0.1)
        assert missing.node == "porch"
        follower.step(HouseModel("20261123T100412Z-3f2a", Stamp(order=4, node="hall"), (), (TOM,)), 2.0)
        assert unconfirmed(settings, TOM) == ()
    finally:
        publisher.stop(0.5)
    assert versions(tmp_path / "models") == ()
    # With another role it would take the model of the house, and pass on none of its own.
    assert read_memory(tmp_path / "models") == Memory(forgotten=(TOM,))
