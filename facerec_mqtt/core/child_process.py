"""The protocol between the service and its child processes: one JSON message a line; and their environment.

A message is a dataclass with a `TYPE`, and stands on a line as `{"v": 1, "type": "frame", ...}`. What comes
from a child is parsed strictly, since a library in it may write anything at any time.
"""

import dataclasses
import functools
import json
import math
import os
import threading
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, ClassVar, Protocol, TypeVar, Union

VERSION = 1
# What a child may need: where programs, libraries and temporary files are, language and time zone, Python's
# own settings, certificates to trust, how many threads to use. No proxies, since cameras are at home, a
# rebuild needs no network, and a proxy's address can hold a password.
_PASSED_ON = frozenset(
    (
        *("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TZDIR", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_CACHE_HOME", "MPLCONFIGDIR", "CUDA_VISIBLE_DEVICES"),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
        *(
            "TF_NUM_INTRAOP_THREADS",
            "TF_NUM_INTEROP_THREADS",
            "TF_ENABLE_ONEDNN_OPTS",
            "TF_CPP_MIN_LOG_LEVEL",
        ),
    )
)
_PASSED_ON_PREFIXES = ("LC_", "PYTHON")


class Message(Protocol):
    """A frozen dataclass of numbers, texts, booleans and enums."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    TYPE: ClassVar[str]


M = TypeVar("M", bound=Message)


class MessageError(ValueError):
    """A line is no message of those expected. Its text holds nothing of the line."""


def to_line(message: Message) -> bytes:
    """Write a message as one line, which ends in a newline."""
    return json.dumps({"v": VERSION, "type": message.TYPE} | dataclasses.asdict(message)).encode() + b"\n"


def from_line(line: bytes, *kinds: type[M]) -> M:
    """Read what `to_line` wrote.

    Args:
        line: with or without its newline.
        kinds: the messages that may come.

    Raises:
        MessageError: the line is none of them, or has a field too many, too few or of another type.
    """
    try:
        content = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MessageError("not a line of JSON") from error
    if not isinstance(content, dict) or content.pop("v", None) != VERSION:
        raise MessageError(f"not a message of version {VERSION}")
    name = content.pop("type", None)
    kind = next((kind for kind in kinds if name == kind.TYPE), None)
    if kind is None:
        raise MessageError("a message of a type that is not expected")
    fields = _fields(kind)
    if content.keys() != fields.keys():
        raise MessageError(f"the fields of {kind.TYPE} are not {', '.join(fields)}")
    values = {name: _checked(content[name], allowed, name) for name, allowed in fields.items()}
    return kind(**values)


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


@functools.cache
def _fields(kind: type[Message]) -> Mapping[str, tuple[type, ...]]:
    """The types that each field may have."""
    hints = typing.get_type_hints(kind)
    fields = {}
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        is_union = typing.get_origin(hint) in (Union, types.UnionType)
        fields[field.name] = typing.get_args(hint) if is_union else (hint,)
    return fields


def _checked(value: object, allowed: tuple[type, ...], name: str) -> object:
    for kind in allowed:
        if issubclass(kind, Enum) and isinstance(value, str):
            try:
                return kind(value)
            except ValueError:
                continue
        # An int is a float, and True is neither.
        if kind is float and type(value) in (int, float):
            try:
                number = float(value)  # type: ignore[arg-type]
            except OverflowError:
                continue
            if math.isfinite(number):
                return number
        elif type(value) is kind:
            return value
    raise MessageError(f"the field {name} has a value that is not allowed")


class LineBuffer:
    """Makes lines of what comes in pieces, in bounded memory.

    Args:
        limit: bytes that are kept of a line; the rest of a longer one is dropped.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._skips = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take some bytes; returns the lines that they complete, of one that is too long the beginning."""
        if self._skips:
            _, newline, data = data.partition(b"\n")
            if not newline:
                return []
            self._skips = False
        *lines, rest = (self._rest + data).split(b"\n")
        if len(rest) > self._limit:
            lines.append(rest)
            rest, self._skips = b"", True
        self._rest = rest
        return [line[: self._limit] for line in lines]


def child_environment(**own: str) -> dict[str, str]:
    """The environment for a child process: a few of our variables, none of which can hold a secret.

    Args:
        own: set for the child whatever ours says.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    } | own


def when_input_ends(then: Callable[[], None]) -> None:
    """In a child: call `then` once standard input ends, as it does with the service, however that ended."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        then()

    threading.Thread(target=wait, name="parent", daemon=True).start()
