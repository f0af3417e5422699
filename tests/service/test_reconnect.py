"""When the broker is tried again, and what is logged of it."""

import logging

import pytest

from facerec_mqtt.mqtt.failures import Fault, Outage, address, sentence
from facerec_mqtt.service.broker.reconnect import (
    FIRST_DELAY_S,
    MAX_BREAKS,
    MAX_DELAY_S,
    REFUSED_DELAY_S,
    STEADY_S,
    ReconnectPolicy,
)
from facerec_mqtt.settings.schema import MqttSettings

BROKER = MqttSettings(host="broker", client_id="me")
WHERE = address(BROKER)
BROKE, REFUSED = Outage(Fault.BROKE), Outage(Fault.NOT_AUTHORISED)


@pytest.fixture
def attempts(caplog: pytest.LogCaptureFixture) -> ReconnectPolicy:
    caplog.set_level(logging.INFO)
    return ReconnectPolicy(BROKER)


def test_an_outage_is_logged_once_and_its_end_once(
    attempts: ReconnectPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    assert attempts.connected(0) is None
    for second in range(100, 160, 5):
        attempts.lost(BROKE, second)
    attempts.connected(160)
    assert [record.message for record in caplog.records] == [
        f"{WHERE}: connected.",
        f"{WHERE}: the connection broke. Trying again until it is back.",
        f"{WHERE}: connected again after 60 s.",
    ]


def test_a_reason_that_somebody_must_fix_is_logged_when_it_turns_up(
    attempts: ReconnectPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    for outage in (BROKE, REFUSED, REFUSED, BROKE):
        attempts.lost(outage, 0)
    reasons = [sentence(outage, BROKER) for outage in (BROKE, REFUSED)]
    assert [record.message.split(". Trying")[0] for record in caplog.records] == reasons


def test_attempts_become_rarer_up_to_a_limit(attempts: ReconnectPolicy) -> None:
    delays = [attempts.lost(BROKE, 0) for _ in range(10)]
    assert delays == sorted(delays)
    assert delays[0] == FIRST_DELAY_S
    assert delays[-1] == MAX_DELAY_S
    assert [attempts.lost(REFUSED, 0) for _ in range(5)][-1] == REFUSED_DELAY_S


def test_after_a_good_connection_the_next_attempt_follows_at_once(attempts: ReconnectPolicy) -> None:
    for _ in range(10):
        attempts.lost(BROKE, 0)
    attempts.connected(0)
    assert attempts.lost(BROKE, STEADY_S) == FIRST_DELAY_S


def test_connections_that_break_again_and_again_are_logged_once_with_the_likely_cause(
    attempts: ReconnectPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(20):
        attempts.connected(second)
        attempts.lost(BROKE, second + 1)
    said = [record.message for record in caplog.records]
    assert len([message for message in said if 'our client id "me"' in message]) == 1
    assert len(said) == 2 * MAX_BREAKS
    steady_s = attempts.connected(100)
    assert steady_s is not None
    attempts.steady(steady_s)
    assert "connected again" in caplog.records[-1].message
