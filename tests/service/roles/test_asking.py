"""A box asks, recognisers answer: on a real broker, with lines that break and people who lie."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from facerec_mqtt.core.records import PooledEmbedding
from facerec_mqtt.service.house.package import Stamp
from facerec_mqtt.service.roles.asking import Asker, bound
from facerec_mqtt.service.roles.keys import (
    camera_key,
    new_private_key,
    private_key,
    public_half,
    seal,
    shared_key,
)
from facerec_mqtt.service.roles.messages import MAX_ANSWER_BYTES, Answer, HouseModel, Question
from tests.support.broker import Broker, wait_until
from tests.support.faulty_line import FaultyLine
from tests.support.house_boxes import pattern_recognizer
from tests.support.pattern_world import face
from tests.support.role_boxes import (
    KEY,
    aligned,
    family_of_patterns,
    model_of_patterns,
    running_asker,
    running_recogniser,
    vectors_of,
)

ASK = "facerec/house/ask"
ANSWERS = "facerec/box/porch/answers"
ANNA_AND_A_STRANGER = Question((face(0, 50), face(9, 50)))


@pytest.fixture
def asker(broker: Broker) -> Iterator[Asker]:
    with running_asker(broker.settings(node_id="porch")) as asker:
        yield asker


def is_answered(asker: Asker) -> bool:
    return asker.ask(ANNA_AND_A_STRANGER) is not None


def test_names_and_scores_are_those_of_one_box_and_no_embedding_is_given_away(
    broker: Broker, asker: Asker
) -> None:
    one_box = family_of_patterns()
    with running_recogniser(broker.settings(node_id="attic")):
        wait_until(lambda: asker.model is not None, "nobody has answered")
        answer = asker.ask(ANNA_AND_A_STRANGER)
        assert answer is not None
        alone = one_box.identify([aligned(0, 50), aligned(9, 50)], min_margin=0.1)
        assert answer.faces == tuple(who for who, _ in alone)
        assert [who.person for who in answer.faces] == ["anna", None]
        plain = np.stack([vector for _, vector in alone])
        assert np.abs(answer.embeddings @ answer.embeddings.T - plain @ plain.T).max() < 1e-5
        assert np.abs((answer.embeddings * plain).sum(axis=1)).max() < 0.6
        visits = (PooledEmbedding(answer.embeddings[0], 3, 2.0),)
        judged = asker.ask(Question(visits=visits))
        assert judged is not None
        expected = one_box.identify_visit(PooledEmbedding(plain[0], 3, 2.0), min_margin=0.1)
        assert judged.visits[0].score == pytest.approx(expected.score, abs=1e-5)
        assert judged.visits[0].person == "anna"
    assert asker.model == model_of_patterns()


def test_a_recogniser_that_dies_or_hangs_costs_nothing_and_without_any_it_is_said_until_one_is_back(
    broker: Broker, asker: Asker
) -> None:
    with ExitStack() as stack:
        lines = [stack.enter_context(FaultyLine(broker.port)) for _ in range(2)]
        for number, line in enumerate(lines):
            mqtt = broker.settings(port=line.port, node_id=f"attic{number}", keepalive_s=5)
            stack.enter_context(running_recogniser(mqtt))
        wait_until(lambda: is_answered(asker), "nobody has answered")
        # Frozen, as a machine that hangs: the broker still gives it every second question.
        lines[0].swallow()
        repeated = asker.counts.repeated
        assert sum(is_answered(asker) for _ in range(6)) >= 5
        assert asker.counts.repeated > repeated
        lines[0].restore()
        lines[0].cut()
        wait_until(lambda: is_answered(asker), "the other does not answer")
        lines[1].cut()
        wait_until(lambda: is_answered(asker) is asker.silent is False or asker.silent, "it does not notice")
        wait_until(lambda: asker.reported, "it is not reported")
        lines[1].restore()
        wait_until(lambda: not asker.silent, "it does not notice that one is back")
        assert is_answered(asker)
        assert not asker.reported


def test_one_that_stops_leaves_no_question_unanswered(broker: Broker, asker: Asker) -> None:
    done = threading.Event()

    def ask_on() -> int:
        asked = 0
        while not done.is_set():
            assert is_answered(asker)
            asked += 1
        return asked

    with running_recogniser(broker.settings(node_id="attic")) as stays:
        wait_until(lambda: is_answered(asker), "nobody has answered")
        unanswered = asker.counts.unanswered
        with running_recogniser(broker.settings(node_id="barn")) as leaves, ThreadPoolExecutor(3) as pool:
            asking = [pool.submit(ask_on) for _ in range(3)]
            wait_until(lambda: leaves.counts.answered >= 5, "it is not asked")
            leaves.stop()
            before = stays.counts.answered
            wait_until(lambda: stays.counts.answered >= before + 5, "the other is not asked")
            done.set()
            assert all(each.result() > 0 for each in asking)
    assert asker.counts.unanswered == unanswered


# --- People who lie


def answering(broker: Broker, answers: Callable[[bytes, bytes], list[bytes]]) -> Client:
    """A client that answers whatever is asked.

    Args:
        broker: where.
        answers: makes the payloads, of the correlation and the question.
    """
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    subscribed = threading.Event()

    def on_message(_client: Client, _user: object, message: MQTTMessage) -> None:
        correlation = message.properties.CorrelationData  # type: ignore[union-attr]
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.CorrelationData = correlation
        for payload in answers(correlation, bytes(message.payload)):
            client.publish(ANSWERS, payload, properties=properties)

    client.on_message = on_message
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    client.subscribe(ASK)
    assert subscribed.wait(10)
    return client


def test_only_what_was_made_with_the_key_for_this_question_is_an_answer(broker: Broker, asker: Asker) -> None:
    right = Answer(tuple(family_of_patterns().identify([aligned(0)], min_margin=0.1)[0][:1]), vectors_of([0]))

    def lies(correlation: bytes, question: bytes) -> list[bytes]:
        to = bound(ANSWERS, ASK, correlation)
        key = shared_key(private_key(bytes.fromhex(KEY)), question[:32])
        thief = shared_key(new_private_key(), camera_key(bytes.fromhex(KEY)))
        return [
            b"",
            question,
            bytes(MAX_ANSWER_BYTES + 1),
            seal(bytes(32), right.encode(), to),
            seal(thief, right.encode(), to),
            seal(key, right.encode(), bound(ANSWERS, ASK, b"another")),
            seal(key, right.encode(), to),
            seal(key, right.encode(), to),
        ]

    client = answering(broker, lies)
    try:
        wait_until(lambda: asker.ask(Question((face(0),))) is not None, "the right one is not taken")
        # What comes twice, late, or without a question is none.
        before = asker.counts.ignored
        client.publish(ANSWERS, b"x", retain=True)
        wait_until(lambda: asker.counts.ignored > before, "it is taken")
    finally:
        client.disconnect()
        client.loop_stop()
    assert asker.counts.answered == 1
    assert asker.model is None


def test_a_recogniser_goes_on_after_whatever_is_no_question(broker: Broker, asker: Asker) -> None:
    with running_recogniser(broker.settings(node_id="attic")) as answerer:
        wait_until(lambda: is_answered(asker), "nobody has answered")
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        private = new_private_key()
        key, public = shared_key(private, camera_key(bytes.fromhex(KEY))), public_half(private)
        for reply_to, payload in (
            (None, b""),
            (ANSWERS, b"x"),
            (ANSWERS, bytes(3_000_000)),
            (ANSWERS, public + seal(bytes(32), Question().encode(), bound(ASK, ANSWERS, b"12"))),
            (ANSWERS, bytes(32) + seal(key, Question().encode(), bound(ASK, ANSWERS, b"12"))),
            (ANSWERS, public + seal(key, b"no question", bound(ASK, ANSWERS, b"12"))),
            ("facerec/command/rebuild", public + seal(key, Question().encode(), bound(ASK, ANSWERS, b"12"))),
        ):
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.CorrelationData = b"12"
            if reply_to is not None:
                properties.ResponseTopic = reply_to
            client.publish(ASK, payload, properties=properties)
        wait_until(lambda: answerer.counts.refused == 7, "something else came of it")
        client.disconnect()
        client.loop_stop()
        assert is_answered(asker)


def test_a_box_with_another_key_gets_no_answer(broker: Broker) -> None:
    with (
        running_recogniser(broker.settings(node_id="attic")) as answerer,
        running_asker(broker.settings(node_id="porch"), key="cd" * 32) as asker,
    ):
        wait_until(lambda: answerer.counts.refused > 0, "it was not asked")
        assert asker.ask(Question()) is None
        assert asker.model is None


def test_an_older_model_does_not_take_the_place_of_a_newer_one(broker: Broker, asker: Asker) -> None:
    new, old = model_of_patterns(order=5), HouseModel("20200101T000000Z-0000", Stamp(order=4, node="hall"))
    with running_recogniser(broker.settings(node_id="attic"), model=new):
        wait_until(lambda: asker.model == new, "it was not heard")
    with running_recogniser(broker.settings(node_id="barn"), pattern_recognizer(), old):
        answered = asker.counts.answered
        asker._wake.set()
        wait_until(lambda: asker.counts.answered > answered, "nobody has answered")
    assert asker.model == new
