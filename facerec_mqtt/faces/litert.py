"""LiteRT's interpreter, and what LiteRT and TensorFlow write to standard error of themselves.

Those lines are of no use to anybody here, and neither library can be asked to leave them out.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

_CHATTER = re.compile(
    rb"INFO: Created TensorFlow Lite .*"
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|[IW]\d{4} \S+ +\d+ \w+\.cc:\d+\] .*"
)
_END = b"\0end\0\n"
"""Passed on by nobody: after it nothing follows."""
_first = threading.Lock()
"""Held from the first interpreter on: LiteRT writes its line once a process."""


def prepare_interpreter(
    content: bytes, threads: int, input_shape: tuple[int, ...] | None = None
) -> Interpreter:
    """Make an interpreter of a network and allocate its tensors.

    Args:
        content: a LiteRT file.
        threads: that the network may use.
        input_shape: of its first input, where it is not the file's own.

    Raises:
        ValueError: this is no LiteRT network. Or RuntimeError, or IndexError.
    """
    # Here, since processes that run no network import this module too.
    from ai_edge_litert.interpreter import Interpreter

    with without_chatter() if _first.acquire(blocking=False) else contextlib.nullcontext():
        interpreter = Interpreter(model_content=content, num_threads=threads)
        if input_shape is not None:
            interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], input_shape)
        interpreter.allocate_tensors()
    return interpreter


def is_chatter(line: bytes) -> bool:
    """Whether a line, with or without its end, is one of theirs that reports no error."""
    return _CHATTER.fullmatch(line.rstrip(b"\r\n")) is not None


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Drop their lines from standard error; all others pass at once.

    Two threads must not be in it at once unless one leaves it before the other: standard error is the
    process's.
    """
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    reading, writing = os.pipe()
    passing = threading.Thread(target=_pass_on, args=(reading, kept), name="standard error")
    try:
        passing.start()
    except RuntimeError:  # no more threads: better their lines than none at all
        for descriptor in (kept, reading, writing):
            os.close(descriptor)
        yield
        return
    os.dup2(writing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        # A child that was started meanwhile may hold the pipe open, so that it need not end.
        os.write(writing, _END)
        os.close(writing)
        passing.join()
        os.close(kept)


def _pass_on(reading: int, kept: int) -> None:
    """Copy whole lines that are no chatter."""
    with open(reading, "rb") as lines:
        for line in lines:
            rest = b"" if is_chatter(line) else line.removesuffix(_END)
            with contextlib.suppress(OSError):  # nobody reads it
                while rest:
                    rest = rest[os.write(kept, rest) :]
            if line.endswith(_END):
                return
