"""A process that answers arrays with arrays, and what becomes of it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facerec_mqtt.core.array_process import ArrayProcess, Arrays
from facerec_mqtt.core.errors import FacerecError

DOUBLING = """
import os
from facerec_mqtt.core.array_process import serve

def prepare():
    print("a library says something")
    {prepared}

    def answer(arrays, progress):
        progress(0.5)
        {asked}
        return {{name: 2 * array for name, array in arrays.items()}}

    return answer

serve(prepare)
"""
PATIENCE_S = 60.0


def script(folder: Path, *, prepared: str = "pass", asked: str = "pass") -> str:
    path = folder / "script.py"
    path.write_text(DOUBLING.format(prepared=prepared, asked=asked))
    return str(path)


def test_arrays_are_answered_one_after_the_other_and_progress_comes_before(tmp_path: Path) -> None:
    shares: list[float] = []
    with ArrayProcess(script(tmp_path)) as process:
        for size in (0, 3, 100_000):
            asked: Arrays = {"one": np.arange(size), "other": np.full((size, 2), 0.5, np.float32)}
            answer = process.ask(asked, shares.append)
            assert sorted(answer) == ["one", "other"]
            assert np.array_equal(answer["one"], 2 * asked["one"])
            assert answer["other"].dtype == np.float32
    assert shares == [0.5] * 3


@pytest.mark.parametrize(
    ("prepared", "asked", "kind", "text"),
    [
        ("pass", "os.kill(os.getpid(), 9)", FacerecError, "signal 9"),
        ("pass", "raise ValueError('odd')", FacerecError, "odd"),
        ("pass", "raise MemoryError", MemoryError, "MemoryError"),
        ("raise ImportError('lib.so: failed to map segment')", "pass", MemoryError, "failed to map"),
        ("""raise RuntimeError("can't start new thread")""", "pass", RuntimeError, "new thread"),
    ],
)
def test_why_it_has_ended_is_said(
    tmp_path: Path, prepared: str, asked: str, kind: type[Exception], text: str
) -> None:
    with ArrayProcess(script(tmp_path, prepared=prepared, asked=asked)) as process:
        with pytest.raises(kind, match=text):
            process.ask({"one": np.arange(3)})
        with pytest.raises(kind, match=text):
            process.ask({"one": np.arange(3)})


def test_it_ends_with_the_process_that_started_it_even_in_the_middle_of_an_import(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    writes = f"open({str(note)!r}, 'w').write(str(os.getpid()))"
    slow = script(tmp_path, prepared=f"{writes}; __import__('time').sleep(600)")
    program = (
        "import sys, time\n"
        "from facerec_mqtt.core.array_process import ArrayProcess\n"
        f"with ArrayProcess({slow!r}):\n    time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    wait_until(lambda: note.exists() and note.read_text() != "")
    child = int(note.read_text())
    assert is_running(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not is_running(child))


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
