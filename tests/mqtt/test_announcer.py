"""What is announced to Home Assistant, and what is removed there."""

import json
from typing import Any

import pytest

from facerec_mqtt.core.records import Person
from facerec_mqtt.mqtt.home_assistant import Announcements, components_of, discovery_payload
from facerec_mqtt.settings.schema import MqttSettings

CAMERAS = [("front_door", "Front door"), ("garden", "Garden")]
PEOPLE = [Person("anna", "Anna"), Person("jose_nunez", "José Núñez")]


def message(cameras: int = 2, people: int = 2) -> dict[str, Any]:
    return discovery_payload(MqttSettings(), CAMERAS[:cameras], PEOPLE[:people], "1.2.3")[1]


def parts(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = message["components"]
    return found


def announced(*messages: dict[str, Any]) -> Announcements:
    announcements = Announcements("facerec")
    for one in messages:
        announcements.announce(one)
    return announcements


def test_what_has_gone_is_announced_whole_once_more_and_then_named_by_its_platform_alone() -> None:
    announcements = announced(message(), message(1, 1))
    assert announcements.gone
    whole = parts(announcements.whole())
    assert set(whole) == set(parts(message()))
    assert whole["person_jose_nunez"] == parts(message())["person_jose_nunez"]
    removal = parts(announcements.removal())
    assert removal["person_jose_nunez"] == {"platform": "binary_sensor"}
    assert removal["person_jose_nunez_arrived"] == {"platform": "device_automation"}
    assert removal["person_anna"] == whole["person_anna"]
    assert set(removal) == set(whole)
    assert announcements.present() == message(1, 1)
    assert announcements.orphans() == {
        "facerec/person/jose_nunez/state",
        "facerec/person/jose_nunez/face",
        "facerec/camera/garden/status",
        "facerec/camera/garden/state",
        "facerec/camera/garden/face",
        "facerec/camera/garden/enabled/state",
    }


def test_where_nothing_has_gone_there_is_nothing_to_remove() -> None:
    announcements = announced(message(1, 1), message())
    assert not announcements.gone
    assert announcements.whole() == announcements.removal() == message()
    assert announcements.orphans() == set()


def test_what_an_earlier_run_has_announced_is_known() -> None:
    announcements = Announcements("facerec")
    announcements.recall(announced(message()).announced)
    assert not announcements.made
    announcements.announce(message(1, 1))
    assert set(announcements.announced) == set(parts(message()))
    assert not announcements.recall(parts(message()))


def test_what_has_gone_is_known_of_until_it_is_forgotten_or_back() -> None:
    announcements = announced(message(), message(2, 1), message(1, 2))
    assert set(announcements.announced) == set(parts(message()))
    assert "person_jose_nunez" not in {
        key for key, part in parts(announcements.removal()).items() if len(part) == 1
    }
    announcements.removed(confirmed=True)
    assert not announcements.gone
    assert announcements.announced == parts(message(1, 2))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"components":1}',
        b'{"components":{"x":1,"y":{"platform":1}}}',
        b'{"components":{"x":{"platform":"sensor","n":1e999},"y":{"platform":"sensor","n":NaN}}}',
        b'{"components":{"x":{"platform":"sensor","name":"\\ud800"},"\\ud800":{"platform":"sensor"}}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_announcement_is_not_taken_for_one(payload: bytes) -> None:
    assert components_of(payload) == {}


def test_an_announcement_of_another_version_breaks_nothing() -> None:
    strange = {"x": {"platform": "sensor", "state_topic": 3}, "y": {"platform": "event"}}
    announcements = announced(message())
    assert announcements.recall(components_of(json.dumps({"components": strange}).encode()))
    assert parts(announcements.removal())["x"] == {"platform": "sensor"}
    assert announcements.orphans() == set()


def test_no_more_is_remembered_than_a_large_home_needs() -> None:
    announcements = announced(message())
    long = {f"x{number}": {"platform": "sensor", "name": "x" * 1000} for number in range(1000)}
    assert not announcements.recall(long)
    assert announcements.announced == parts(message())
    assert announcements.recall(dict(list(long.items())[:100]))


@pytest.mark.parametrize(
    "topic", ["facerec/#", "facerec/+/state", "facerec/a\x01", "facerec/" + "a" * 70_000, "b/c"]
)
def test_only_topics_like_ours_are_emptied(topic: str) -> None:
    announcements = announced(message())
    assert announcements.recall({"x": {"platform": "sensor", "state_topic": topic}})
    assert announcements.orphans() == set()


def test_what_may_not_be_removed_yet_is_removed_at_the_next_start_and_not_before() -> None:
    announcements = announced(message(), message(2, 1))
    announcements.removed(confirmed=False)
    assert not announcements.gone
    assert announcements.whole() == announcements.removal() == message(2, 1)
    assert "person_jose_nunez" in announcements.announced
    assert "person_jose_nunez_arrived" not in announcements.announced  # kept nowhere but in memory
    announcements.announce(message(1, 1))
    assert "person_jose_nunez" not in parts(announcements.whole())
    announcements.removed(confirmed=True)
    announcements.repeat()
    assert parts(announcements.removal())["person_jose_nunez"] == {"platform": "binary_sensor"}
    assert announcements.orphans() == set()
    announcements.removed(confirmed=True)
    assert announcements.announced == parts(message(1, 1))


def test_somebody_who_is_back_is_not_removed() -> None:
    announcements = announced(message(), message(2, 1))
    announcements.removed(confirmed=False)
    announcements.announce(message())
    announcements.repeat()
    assert not announcements.gone
    assert announcements.whole() == message()
