"""`check` of a box with the role camera asks a recogniser, and knows why nobody answers."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from facerec_mqtt.service.house.work import Work
from facerec_mqtt.service.roles.keys import camera_key
from facerec_mqtt.service.roles.trying import NoAnswer, Tried, try_recogniser
from facerec_mqtt.settings import MqttSettings, Role
from tests.support.broker import Broker, run_broker
from tests.support.role_boxes import running_recogniser, settings_of

OTHER_KEY = camera_key(bytes(32)).hex()
PATIENT_S, SOON_S = 30.0, 1.0


def tried(mqtt: MqttSettings, key: str | None = None, within_s: float = SOON_S) -> Tried:
    return try_recogniser(settings_of(mqtt, Role.CAMERA, key), within_s)


def retain(broker: Broker, **boxes: Work | None) -> None:
    """Have the broker keep what these boxes would say; one of `None` has gone."""
    with broker.ear() as ear:
        for node, work in boxes.items():
            ear.say(f"facerec/box/{node}/status", "offline" if work is None else "online", retain=True)
            known = work or Work(role=Role.RECOGNISER, version="20260101T000000Z-abcd")
            ear.say(f"facerec/box/{node}/work", known.model_dump_json(), retain=True)


def test_who_answers_and_how_fast(broker: Broker) -> None:
    with running_recogniser(broker.settings(node_id="attic")) as answerer:
        found = tried(broker.settings(node_id="porch"), within_s=PATIENT_S)
        assert found.why is None
        assert found.took_ms is not None
        assert found.nodes == ("attic",)
        assert answerer.askers.recent(0.0) == ("porch",)


def test_without_an_answer_it_is_known_why(broker: Broker) -> None:
    porch = broker.settings(node_id="porch")
    retain(broker, porch=Work(role=Role.CAMERA), barn=None)
    assert tried(porch) == Tried(None, NoAnswer.NO_RECOGNISER)
    retain(broker, attic=Work(role=Role.RECOGNISER))
    assert tried(porch) == Tried(None, NoAnswer.NO_MODEL, ("attic",))
    retain(broker, attic=Work(role=Role.RECOGNISER, version="20260101T000000Z-abcd"))
    with running_recogniser(broker.settings(node_id="attic")) as answerer:
        assert tried(porch, OTHER_KEY) == Tried(None, NoAnswer.NO_REPLY, ("attic",))
        assert answerer.counts.answered == 0
        assert answerer.counts.refused > 0


def test_a_broker_that_forbids_to_ask_is_named(tmp_path: Path) -> None:
    (tmp_path / "acl").write_text("topic read #\ntopic write facerec/box/#\n")
    (tmp_path / "acl").chmod(0o644)
    for broker in run_broker(tmp_path / "broker", f"allow_anonymous true\nacl_file {tmp_path / 'acl'}\n"):
        found = tried(broker.settings(node_id="porch"), within_s=PATIENT_S)
        assert found == Tried(None, NoAnswer.MAY_NOT_ASK, topic="facerec/house/ask")


CONNACK_SHARED, CONNACK_NOT_SHARED = bytes.fromhex("20050000022a01"), bytes.fromhex("20050000022a00")


@contextmanager
def broker_that_says(connack: bytes) -> Iterator[MqttSettings]:
    """Lets everybody in with these bytes, and answers nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connected, _ = listening.accept()
                except OSError:
                    return
                with connected:
                    connected.recv(4096)
                    connected.sendall(connack)
                    while connected.recv(4096):
                        pass

        threading.Thread(target=serve, daemon=True).start()
        yield MqttSettings(host="127.0.0.1", port=listening.getsockname()[1], node_id="porch")
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("connack", "why"),
    [(CONNACK_NOT_SHARED, NoAnswer.NOT_SHARED), (CONNACK_SHARED, NoAnswer.NO_RECOGNISER)],
)
def test_a_broker_without_shared_subscriptions_is_recognised_by_its_own_words(
    connack: bytes, why: NoAnswer
) -> None:
    with broker_that_says(connack) as mqtt:
        assert tried(mqtt).why is why
