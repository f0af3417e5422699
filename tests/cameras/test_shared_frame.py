"""The picture that two processes share."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from facerec_mqtt.cameras.shared_frame import SharedFrame
from facerec_mqtt.core.records import Image

WRITER = """
import sys, numpy as np
from facerec_mqtt.cameras.shared_frame import SharedFrame
frame = SharedFrame(int(sys.argv[1]))
print("begun", flush=True)
number = 0
# Grows again and again, with smaller ones between.
while True:
    number += 1
    side = 64 + min(number, 800) - 32 * (number % 2)
    frame.write(float(number), np.full((side, 2 * side, 3), number % 251, np.uint8))
"""
HOLDER = """
import fcntl, sys
fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


def missing(*_: object) -> int:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


@pytest.fixture(params=["memfd", "file", "no memfd at all"])
def shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SharedFrame]:
    """With what the kernel has, and with what an old one or a sandbox does without."""
    if request.param == "file":
        monkeypatch.setattr(os, "memfd_create", missing)
    elif request.param == "no memfd at all":
        monkeypatch.delattr(os, "memfd_create")
    frame = SharedFrame.create()
    yield frame
    frame.close()


@contextmanager
def other_process(program: str, frame: SharedFrame) -> Iterator[subprocess.Popen[str]]:
    """A process that has the frame and has printed its first line."""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(frame.descriptor)],
        pass_fds=(frame.descriptor,),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


def picture(width: int, height: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_what_was_written_is_read(shared: SharedFrame) -> None:
    shared.write(5.0, picture(64, 48))
    found = shared.read(4.0)
    assert found is not None
    assert found[0] == 5.0
    assert np.array_equal(found[1], picture(64, 48))
    assert not found[1].flags.writeable


def test_nothing_is_read_before_the_first_picture_nor_twice(shared: SharedFrame) -> None:
    assert shared.read(0.0) is None
    shared.write(5.0, picture(64, 48))
    assert shared.read(5.0) is None


def test_the_size_may_change_at_any_time(shared: SharedFrame) -> None:
    for number, size in enumerate([(64, 48), (640, 480), (32, 16), (1280, 720)], 1):
        shared.write(number, picture(*size, number))
        found = shared.read(number - 1)
        assert found is not None
        assert np.array_equal(found[1], picture(*size, number))


def test_a_picture_outlives_the_memory_it_came_from() -> None:
    frame = SharedFrame.create()
    frame.write(5.0, picture(64, 48))
    found = frame.read(0.0)
    frame.close()
    assert found is not None
    assert np.array_equal(found[1], picture(64, 48))


def test_a_picture_is_never_torn_while_another_process_writes(shared: SharedFrame) -> None:
    newest_s, seen = 0.0, 0
    with other_process(WRITER, shared):
        while seen < 300:
            found = shared.read(newest_s)
            if found is not None:
                newest_s, image = found
                seen += 1
                assert image.shape[1] == 2 * image.shape[0]
                assert (image == int(newest_s) % 251).all()


def test_a_process_that_stops_while_it_writes_does_not_stop_the_reader(shared: SharedFrame) -> None:
    shared.write(5.0, picture(64, 48))
    with other_process(HOLDER, shared):
        assert shared.read(0.0) is None
    assert shared.read(0.0) is not None
