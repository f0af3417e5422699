"""How large a message may be."""

import pytest

from facerec_mqtt.mqtt.size_limit import MIN_GUESS_BYTES, SizeLimit, packet_bytes


@pytest.mark.parametrize(
    ("topic", "payload_bytes", "size"),
    [("a/b", 0, 2 + 2 + 3 + 2 + 1), ("a/b", 119, 2 + 8 + 119), ("a/b", 120, 3 + 8 + 120), ("é", 0, 2 + 7)],
)
def test_the_size_is_that_of_the_whole_packet(topic: str, payload_bytes: int, size: int) -> None:
    assert packet_bytes(topic, payload_bytes) == size


def test_a_limit_that_the_broker_declares_holds() -> None:
    limit = SizeLimit()
    assert limit.bytes is None
    limit.connected(5000)
    assert limit.bytes == 5000
    limit.connected(None)
    assert limit.bytes is None


def test_two_connections_that_break_after_something_large_make_a_limit() -> None:
    limit = SizeLimit()
    assert limit.lost(20_000, certain=False)
    assert limit.bytes is None
    assert limit.lost(9_000, certain=False)
    assert limit.bytes == 8_999
    assert limit.lost(7_000, certain=False)  # from now on one is enough
    assert limit.bytes == 6_999


def test_what_the_broker_has_taken_once_is_not_suspected_for_one_broken_connection() -> None:
    limit = SizeLimit()
    for _ in range(2):
        limit.lost(20_000, certain=False)
    limit.acknowledged(8_000)
    limit.lost(None, certain=False)
    limit.lost(8_000, certain=False)
    assert limit.bytes == 19_999
    limit.lost(8_000, certain=False)
    assert limit.bytes == 7_999


def test_what_the_broker_calls_too_large_is_too_large() -> None:
    limit = SizeLimit()
    assert limit.lost(700, certain=True)
    assert limit.bytes == 699


@pytest.mark.parametrize("other", [None, MIN_GUESS_BYTES - 1])
def test_connections_that_break_for_other_reasons_make_no_limit(other: int | None) -> None:
    limit = SizeLimit()
    for largest in (20_000, other, 20_000, other):
        assert limit.lost(largest, certain=False) == (largest == 20_000)
    assert limit.bytes is None


def test_a_broker_that_declares_a_limit_is_not_suspected_of_another() -> None:
    limit = SizeLimit()
    limit.connected(50_000)
    assert not limit.lost(20_000, certain=False)
    assert not limit.lost(20_000, certain=False)
    assert limit.bytes == 50_000
