"""A script of ours as a process that answers arrays with arrays.

What takes long to import does so beside the process that needs it, and its memory goes when it ends. The
script is run by its path: its package, which may itself take long to import, is not imported.
"""

import contextlib
import io
import os
import queue
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.child_process import child_environment
from facerec_mqtt.core.errors import FacerecError

Arrays = Mapping[str, NDArray[Any]]
Answer = Callable[[Arrays, Callable[[float], None]], Arrays]
"""Answers a request; may say meanwhile which share of the work is done, [0, 1]."""

_PACKAGE = Path(__file__).resolve().parents[1]
_LENGTH = struct.Struct(">Q")
_SHARE = "share done"
_SHORT_OF_MEMORY = ("MemoryError", "failed to map segment", "Unable to allocate", "bad_alloc")
_SHORT_OF_THREADS = "can't start new thread"
_END_WITHIN_S = 5.0


class ArrayProcess:
    """Runs the script while it is entered: `with ArrayProcess(...) as process`."""

    def __init__(self, script: str, **environment: str) -> None:
        """Only note what to start.

        Args:
            script: below this package, which calls `serve` in the end: "training/layers.py".
            environment: set for the process whatever ours says.
        """
        self._script = script
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._why_not: OSError | None = None

    def __enter__(self) -> Self:
        """Start the process; where the system cannot, `ask` says so."""
        try:
            # A file and no pipe, which would have to be read beside everything else.
            self._errors = tempfile.TemporaryFile()
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_PACKAGE / self._script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=child_environment(**self._environment),
                # A terminal's Ctrl-C goes to the whole group; it ends with us anyway.
                start_new_session=True,
            )
        except OSError as error:
            self._why_not = error
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        """End the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        if self._errors is not None:
            self._errors.close()

    def ask(
        self, arrays: Arrays, progress: Callable[[float], None] = lambda _share: None
    ) -> dict[str, NDArray[Any]]:
        """Have the script work on some arrays.

        Args:
            arrays: what it is asked.
            progress: called with the share that is done, [0, 1].

        Raises:
            FacerecError: the process could not be started, or has ended.
            MemoryError, RuntimeError: it has ended for lack of memory, or of threads.
        """
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise FacerecError(f"A process that the rebuild needs cannot be started: {self._why_not}.")
        try:
            _write(process.stdin, arrays)
            while True:
                answer = _read(process.stdout)
                if _SHARE not in answer:
                    return answer
                progress(float(answer[_SHARE]))
        except (OSError, EOFError) as error:
            raise self._ended(process) from error

    def _ended(self, process: subprocess.Popen[bytes]) -> Exception:
        """Why a process gives no answer any more."""
        try:
            status = process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            status = 0
        said = b""
        if self._errors is not None:
            self._errors.seek(0)
            said = self._errors.read()[-4096:]
        last = (said.decode(errors="replace").strip().splitlines() or [""])[-1][:300]
        if any(sign in last for sign in _SHORT_OF_MEMORY):
            return MemoryError(last)
        if _SHORT_OF_THREADS in last:
            return RuntimeError(last)
        ended = f"signal {-status}, possibly out of memory" if status < 0 else f"status {status}"
        return FacerecError(f"A process of the rebuild ended by {ended}. {last}".rstrip())


def serve(prepare: Callable[[], Answer]) -> None:
    """In the script: answer what is asked on standard input until that ends, as it does with whoever asks.

    Args:
        prepare: imports what takes long, and returns what answers.
    """
    output, requests = os.fdopen(os.dup(1), "wb"), queue.SimpleQueue[Arrays]()
    os.dup2(2, 1)  # whatever a library prints is no answer

    def receive() -> None:
        with os.fdopen(0, "rb") as reading, contextlib.suppress(EOFError):
            while True:
                requests.put(_read(reading))
        os._exit(0)

    try:
        threading.Thread(target=receive, name="requests", daemon=True).start()
        answer = prepare()
        while True:
            request = requests.get()
            _write(output, answer(request, lambda share: _write(output, {_SHARE: np.array(share)})))
    except BrokenPipeError:
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        # Python's own end would wait for the thread that reads.
        os._exit(1)


def _write(stream: IO[bytes], arrays: Arrays) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    stream.write(_LENGTH.pack(buffer.tell()))
    stream.write(buffer.getbuffer())
    stream.flush()


def _read(stream: IO[bytes]) -> dict[str, NDArray[Any]]:
    """Read what `_write` wrote.

    Raises:
        EOFError: there is no more, or not all of it.
    """
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)
