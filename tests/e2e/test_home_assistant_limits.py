"""A real Home Assistant that was down when somebody was removed, and one behind a broker with a limit."""

import pytest

from tests.support.broker import wait_until
from tests.support.home_assistant import ANNA, JOSE, HomeAssistant, StagedService
from tests.support.publisher import break_connection

pytestmark = pytest.mark.home_assistant

DEVICE = "binary_sensor.face_recognition_"


def test_somebody_who_was_removed_while_home_assistant_was_down_leaves_no_entity(
    home_assistant: HomeAssistant,
) -> None:
    broker = home_assistant.broker
    with StagedService(broker.settings()) as service:
        home_assistant.expect({f"{DEVICE}anna": "off", f"{DEVICE}jose_nunez": "off"})
        home_assistant.stop()
        before = service.publisher.counts.connections
        break_connection(service.publisher)
        wait_until(lambda: service.publisher.counts.connections > before and service.publisher.online)
        with broker.ear() as ear:
            service.learn([ANNA])
            ear.wait_for("homeassistant/device/home/config")
            ear.wait(lambda m: b'"person_jose_nunez":{"platform":"binary_sensor"}' in m.payload)
        home_assistant.start()
        home_assistant.expect({f"{DEVICE}anna": "off"})
        home_assistant.wait(lambda states: not [entity for entity in states if "jose" in entity])


def test_behind_a_broker_with_a_limit_all_entities_are_there_and_can_be_removed(
    home_assistant: HomeAssistant,
) -> None:
    broker = home_assistant.broker
    unlimited = broker.config
    try:
        broker.stop()
        broker.config = f"{unlimited}max_packet_size 5000\n"
        broker.start()
        with StagedService(broker.settings(), people=[ANNA, JOSE]) as service:
            states = home_assistant.expect({f"{DEVICE}anna": "off", f"{DEVICE}jose_nunez": "off"})
            assert len(states) == 20
            service.see("anna")
            home_assistant.expect({f"{DEVICE}anna": "on"})
            service.learn([ANNA])
            home_assistant.wait(lambda states: not [entity for entity in states if "jose" in entity])
    finally:
        home_assistant.forget()
        broker.stop()
        broker.config = unlimited
        broker.start()
