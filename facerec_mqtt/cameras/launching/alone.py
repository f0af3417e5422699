"""Readers that share nothing, and what all readers are started with."""

import subprocess
import sys
from collections.abc import Callable
from typing import Protocol

from facerec_mqtt.core.child_process import child_environment


class Child(Protocol):
    """A process that was started, as much of `subprocess.Popen` as is needed."""

    pid: int

    def kill(self) -> None:
        """End it, whatever it is doing."""

    def wait(self, timeout: float) -> object:
        """Wait until it has ended; raises `subprocess.TimeoutExpired` where it does not."""


Launch = Callable[[str, str, int, int, int], Child]
"""Starts a reader, given the camera's slug and kind, and the descriptors of its standard input, its status
pipe and its shared frame; raises `OSError` where the system gives no process."""


def launch_alone(name: str, _kind: str, request: int, status: int, frame: int) -> Child:
    """Start a reader that shares nothing; a `Launch`."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "facerec_mqtt.cameras.reader", str(status), str(frame), name],
        stdin=request,
        # FFmpeg writes the address with its password there.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(status, frame),
        env=reader_environment(),
    )


def reader_environment() -> dict[str, str]:
    """The environment of a reader: quiet libraries, few threads, little memory."""
    return child_environment(
        OPENCV_LOG_LEVEL="SILENT",
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
        MALLOC_ARENA_MAX="2",
    )
