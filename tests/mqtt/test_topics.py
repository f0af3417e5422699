"""The topics of one service."""

import pytest

from facerec_mqtt.mqtt.topics import Topics
from facerec_mqtt.settings.schema import MqttSettings


def test_topics_are_those_of_the_settings() -> None:
    topics = Topics.of(MqttSettings(base_topic="house/facerec", node_id="barn", discovery_prefix="ha"))
    assert topics.status == "house/facerec/status"
    assert topics.camera("front_door", "event") == "house/facerec/camera/front_door/event"
    assert topics.person("jose_nunez") == "house/facerec/person/jose_nunez/state"
    assert topics.rebuild_command == "house/facerec/command/rebuild"
    assert topics.discovery == "ha/device/barn/config"
    assert topics.birth == "homeassistant/status"


@pytest.mark.parametrize(
    ("topic", "camera"),
    [
        ("facerec/camera/front_door/enabled/set", "front_door"),
        ("facerec/camera//enabled/set", ""),
        ("facerec/camera/a/b/enabled/set", None),
        ("facerec2/camera/a/enabled/set", None),
        ("camera/a/enabled/set", None),
        ("facerec/camera/a/enabled/state", None),
    ],
)
def test_the_camera_of_a_switch_is_read_from_its_topic(topic: str, camera: str | None) -> None:
    assert Topics().switched_camera(topic) == camera


def test_a_discovery_message_and_its_parts_are_distinguished_from_others() -> None:
    topics = Topics()
    assert topics.is_discovery("homeassistant/device/home/config")
    assert topics.is_discovery("homeassistant/device/home/person_anna/config")
    assert not topics.is_discovery("homeassistant/device/barn/config")
    assert topics.is_face("facerec/camera/garden/face")
    assert not topics.is_face("facerec/camera/garden/status")


def test_in_a_house_what_is_a_boxs_own_is_below_its_node_id_and_what_is_the_houses_is_not() -> None:
    topics = Topics.of(MqttSettings(node_id="barn"), "villa")
    assert topics.status == "facerec/box/barn/status"
    assert topics.rebuild_command == "facerec/box/barn/command/rebuild"
    assert topics.discovery == "homeassistant/device/barn/config"
    assert topics.of_house().discovery == "homeassistant/device/villa/config"
    assert topics.camera("front_door", "event") == "facerec/camera/front_door/event"
    assert topics.person("anna") == "facerec/person/anna/state"


@pytest.mark.parametrize(
    ("topic", "box", "person"),
    [
        ("facerec/box/barn/claims", ("barn", "claims"), None),
        ("facerec/box/barn/model/state", None, None),
        ("facerec/box/b%2F/claims", None, None),
        ("other/box/barn/claims", None, None),
        ("facerec/person/anna/state", None, "anna"),
        ("facerec/person/An+na/state", None, None),
    ],
)
def test_whose_a_topic_of_a_house_is_can_be_read_from_it(
    topic: str, box: tuple[str, str] | None, person: str | None
) -> None:
    topics = Topics(house="villa")
    assert (topics.box_of(topic), topics.person_of(topic)) == (box, person)
