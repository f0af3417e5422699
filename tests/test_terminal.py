"""What a rebuild shows on a terminal."""

import os
import pty
import subprocess
import sys

import pytest

PROGRAM = """
import os
from facerec_mqtt.terminal import progress_on_terminal
try:
    with progress_on_terminal() as progress:
        progress("Looking at the photos", 0.5)
        os.write(2, b"chatter of a library")
        {}
finally:
    os.write(2, b"said afterwards")
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
    assert "said afterwards" in shown
    assert ("it went wrong" in shown) is ending.startswith("raise")


def test_where_there_is_no_terminal_each_stage_is_a_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format("pass")], capture_output=True, text=True, check=True
    )
    assert done.stderr == "Looking at the photos ...\nchatter of a librarysaid afterwards"
