"""What a rebuild shows on a terminal."""

import os
import pty
import subprocess
import sys

import pytest

from facerec_mqtt.cli import output as terminal
from facerec_mqtt.service.rebuild_process import RebuildProgress

PROGRAM = """
import os
from facerec_mqtt.cli.output import progress_on_terminal
try:
    with progress_on_terminal() as progress:
        progress("Looking at the photos", 0.5)
        os.write(2, b"chatter of a library")
        {}
finally:
    os.write(2, b"written afterwards")
"""


def shown_on_a_terminal(program: str) -> str:
    """Run a program of Python; returns what its standard error shows."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen([sys.executable, "-c", program], stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # so Linux says that the other end is closed
            pass
        finally:
            os.close(ours)
    process.wait()
    return shown.decode()


@pytest.mark.parametrize("ending", ["pass", "raise ValueError('it went wrong')"])
def test_a_bar_is_not_torn_by_what_libraries_write(ending: str) -> None:
    shown = shown_on_a_terminal(PROGRAM.format(ending))
    assert "Looking at the photos" in shown
    assert "50%" in shown
    assert "chatter" not in shown
    assert "written afterwards" in shown
    assert ("it went wrong" in shown) is ending.startswith("raise")


def test_where_there_is_no_terminal_each_stage_is_a_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format("pass")], capture_output=True, text=True, check=True
    )
    assert done.stderr == "Looking at the photos ...\nchatter of a librarywritten afterwards"


CHATTER = """INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1796023885.379468    1432 cudart_stub.cc:31] Could not find cuda drivers on your machine.
"""


def test_what_tensorflow_writes_of_itself_is_left_out_and_its_errors_are_not() -> None:
    error = "E0000 00:00:1796023885.379468    1432 cuda_dnn.cc:31] Cannot do it"
    program = (
        "import os, sys\n"
        "from facerec_mqtt.cli.output import progress_on_terminal\n"
        "with progress_on_terminal() as progress:\n"
        "    progress('Looking at the photos', 0.5)\n"
        f"    os.write(2, {CHATTER + error!r}.encode())\n"
        "    raise ValueError('it went wrong')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    shown = done.stderr.splitlines()
    assert shown[0] == "Looking at the photos ..."
    assert shown[1].startswith(error)
    assert done.stderr.rstrip().endswith("it went wrong")
    assert "INFO" not in done.stderr
    assert "absl" not in done.stderr


def test_the_service_gets_every_stage_and_the_time_left_by_the_stages_own_pace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    monkeypatch.setattr("facerec_mqtt.cli.output.time.monotonic", lambda: now_s)
    sent: list[object] = []
    progress = terminal.progress_messages(sent.append)
    for stage, share, seconds in [
        ("Looking", 0.0, 0.0),
        ("Looking", 0.7, 1.0),  # all photos are known
        ("Looking", 0.7001, 0.0),
        ("Training", 0.7, 0.0),
        ("Judging", 0.8, 30.0),
        ("Judging", 0.9, 20.0),
    ]:
        now_s += seconds
        progress(stage, share)
    assert sent == [
        RebuildProgress("Looking", 0, None),
        RebuildProgress("Looking", 70, 0),
        RebuildProgress("Training", 70, None),
        RebuildProgress("Judging", 80, None),
        RebuildProgress("Judging", 90, 20),
    ]
