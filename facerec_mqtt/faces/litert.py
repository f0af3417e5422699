"""LiteRT's interpreter, without the line that it writes to standard error when the first one is made."""

import contextlib
import os
import re
import threading
from collections.abc import Iterator

from ai_edge_litert.interpreter import Interpreter

_CHATTER = re.compile(rb"^INFO: Created TensorFlow Lite [^\n]*\n", re.MULTILINE)
_PIPE_BYTES = 65536
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
    quiet = _without_chatter() if _first.acquire(blocking=False) else contextlib.nullcontext()
    with quiet:
        interpreter = Interpreter(model_content=content, num_threads=threads)
        if input_shape is not None:
            interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], input_shape)
        interpreter.allocate_tensors()
    return interpreter


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back what is written to standard error meanwhile, and write it afterwards but for the chatter."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)  # what does not fit is lost, and nobody waits for whom we wait for
    os.dup2(writing, 2)
    os.close(writing)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        with contextlib.suppress(OSError):  # nothing was written, or nobody reads it
            held = _CHATTER.sub(b"", os.read(reading, _PIPE_BYTES))
            while held:
                held = held[os.write(kept, held) :]
        os.close(reading)
        os.close(kept)
