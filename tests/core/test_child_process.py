"""The messages of child processes: what is read, what is refused, and in how much memory."""

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_mqtt.core.child_process import LineBuffer, MessageError, child_environment, from_line, to_line


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Hat:
    TYPE: ClassVar[str] = "hat"
    size: int
    weight_kg: float
    owner: str | None
    colour: Colour
    new: bool


@dataclass(frozen=True, slots=True)
class Nothing:
    TYPE: ClassVar[str] = "nothing"


HAT = Hat(58, 0.25, None, Colour.RED, new=True)
LINE = (
    b'{"v": 1, "type": "hat", "size": 58, "weight_kg": 0.25, "owner": null, "colour": "red", "new": true}\n'
)


def test_a_message_is_a_line_and_back() -> None:
    assert to_line(HAT) == LINE
    assert from_line(LINE, Nothing, Hat) == HAT
    assert from_line(to_line(Nothing()), Nothing, Hat) == Nothing()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"v": 1', b'"v": 2'),
        (b'"v": 1, ', b""),
        (b'"hat"', b'"cap"'),
        (b'"hat"', b"[]"),
        (b"58", b"58.0"),
        (b"58", b"true"),
        (b"58", b'"58"'),
        (b"0.25", b"NaN"),
        (b"0.25", b"1e999"),
        (b"0.25", b"1" + 400 * b"0"),
        (b"null", b"7"),
        (b'"red"', b'"blue"'),
        (b'"new": true', b'"new": 1'),
        (b', "new": true', b""),
        (b"true}", b'true, "more": 1}'),
        (b"}", b""),
        (LINE, b""),
        (LINE, b"[" * 100_000),
    ],
)
def test_what_is_not_exactly_a_message_is_refused_and_not_repeated(old: bytes, new: bytes) -> None:
    with pytest.raises(MessageError) as caught:
        from_line(LINE.replace(old, new), Nothing, Hat)
    assert "blue" not in str(caught.value)


def test_a_message_that_is_not_expected_is_refused() -> None:
    with pytest.raises(MessageError):
        from_line(LINE, Nothing)


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_message_or_refused(line: bytes) -> None:
    with pytest.raises(MessageError):
        from_line(line, Nothing, Hat)


@given(st.lists(st.binary(max_size=12), max_size=12))
def test_lines_are_the_same_however_they_are_cut(pieces: list[bytes]) -> None:
    buffer = LineBuffer(100_000)
    lines = [line for piece in pieces for line in buffer.feed(piece)]
    assert lines == b"".join(pieces).split(b"\n")[:-1]


def test_of_a_line_that_is_too_long_the_beginning_is_given_once_and_the_next_line_whole() -> None:
    buffer = LineBuffer(4)
    given_lines = [line for piece in (b"ab", b"cdef", b"ghi" * 9, b"j\nok\n") for line in buffer.feed(piece)]
    assert given_lines == [b"abcd", b"ok"]


def test_a_child_gets_what_it_needs_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUPERVISOR_TOKEN", "FACEREC_MQTT__PASSWORD", "HTTPS_PROXY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("LC_TIME", "nb_NO")
    environment = child_environment(OMP_NUM_THREADS="1")
    assert "s3cret" not in environment.values()
    assert environment["LC_TIME"] == "nb_NO"
    assert environment["PATH"] == os.environ["PATH"]
    assert environment["OMP_NUM_THREADS"] == "1"
