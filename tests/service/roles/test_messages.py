"""Questions and answers come back as they were, and nothing else is taken for one."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_mqtt.core.records import Identification, Person, PersonKind, PooledEmbedding
from facerec_mqtt.service.house.package import Stamp
from facerec_mqtt.service.roles.messages import (
    MAX_ANSWER_BYTES,
    MAX_QUESTION_BYTES,
    Answer,
    HouseModel,
    MessageError,
    Question,
)
from tests.support.pattern_world import face
from tests.support.role_boxes import vectors_of

QUESTION = Question((face(1), face(2)), (PooledEmbedding(vectors_of([1])[0], 3, 1.5),), 0.2)
WHO = Identification("anna", 0.9, 0.4, None, "anna")
NOBODY = Identification(None, 0.1, 0.0, "below threshold", "tom")
MODEL = HouseModel(
    "20261123T100411Z-3f2a",
    Stamp(order=3, node="hall"),
    (Person("anna", "Anna"), Person("jose", "José", PersonKind.VISITOR)),
)
ANSWER = Answer((WHO, NOBODY), vectors_of([1, 2]), (NOBODY,), MODEL)


def test_a_question_loses_nothing() -> None:
    read = Question.decode(QUESTION.encode())
    assert all(np.array_equal(one, other) for one, other in zip(read.faces, QUESTION.faces, strict=True))
    [visit] = read.visits
    assert np.array_equal(visit.vector, QUESTION.visits[0].vector)
    assert (visit.frames, visit.differing, read.min_margin) == (3, 1.5, 0.2)
    hello = Question.decode(Question().encode())
    assert (hello.faces, hello.visits) == ((), ())


def test_an_answer_loses_nothing() -> None:
    read = Answer.decode(ANSWER.encode(), QUESTION)
    assert (read.faces, read.visits, read.model) == (ANSWER.faces, ANSWER.visits, MODEL)
    assert np.array_equal(read.embeddings, ANSWER.embeddings)


def with_head(payload: bytes, change: Callable[[dict[str, object]], object]) -> bytes:
    end = 4 + int.from_bytes(payload[:4], "big")
    head = json.loads(payload[4:end])
    change(head)
    text = json.dumps(head).encode()
    return len(text).to_bytes(4, "big") + text + payload[end:]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xff\xff\xff",
        QUESTION.encode()[:-1],
        QUESTION.encode() + b"x",
        bytes(MAX_QUESTION_BYTES + 1),
        with_head(QUESTION.encode(), lambda head: head.update(form=2)),
        with_head(QUESTION.encode(), lambda head: head.update(more=1)),
        with_head(QUESTION.encode(), lambda head: head.update(min_margin=float("nan"))),
        # A picture of another size, and a damaged one.
        QUESTION.encode().replace(b"IHDR\0\0\0p", b"IHDR\0\1\0p", 1),
        QUESTION.encode().replace(b"IDAT", b"XDAT", 1),
    ],
)
def test_what_is_no_question_is_refused(payload: bytes) -> None:
    with pytest.raises(MessageError):
        Question.decode(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        ANSWER.encode()[:-1],
        bytes(MAX_ANSWER_BYTES + 1),
        Answer((WHO,), vectors_of([1]), (NOBODY,)).encode(),
        Answer((WHO, NOBODY), vectors_of([1, 2]) * 2, (NOBODY,)).encode(),
        Answer((WHO, NOBODY), vectors_of([1, 2]) * np.float32("nan"), (NOBODY,)).encode(),
        with_head(ANSWER.encode(), lambda head: head.update(form=2)),
        with_head(ANSWER.encode(), lambda head: head["faces"][0].update(person="No slug")),  # type: ignore[index]
        with_head(ANSWER.encode(), lambda head: head["faces"][0].update(score=2)),  # type: ignore[index]
    ],
)
def test_what_is_no_answer_to_the_question_is_refused(payload: bytes) -> None:
    with pytest.raises(MessageError):
        Answer.decode(payload, QUESTION)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 3000), st.integers(1, 255))
def test_damage_is_refused_and_never_anything_worse(junk: bytes, place: int, change: int) -> None:
    question, answer = bytearray(QUESTION.encode()), bytearray(ANSWER.encode())
    for damaged in (question, answer):
        damaged[place % len(damaged)] ^= change
    for payload in (junk, bytes(question)):
        try:
            Question.decode(payload)
        except MessageError:
            continue
    for payload in (junk, bytes(answer)):
        try:
            Answer.decode(payload, QUESTION)
        except MessageError:
            continue
