"""LiteRT's own line on standard error is held back, and nothing else."""

import os
import subprocess
import sys

from tests.support.paths import ROOT

# A thread writes as libraries and as our log do, from before the first interpreter until after the last.
PROGRAM = """
import logging, os, sys, threading
from facerec_mqtt.faces import Embedder, FaceDetector
logging.basicConfig(stream=sys.stderr, format="%(message)s")
ready, done = threading.Event(), threading.Event()
def write():
    number = 0
    while not done.is_set() and number < 1000:
        os.write(2, b"line %d\\n" % number)
        logging.warning("line %d", number + 1)
        number += 2
        ready.set()
    print("lines", number)
writer = threading.Thread(target=write)
writer.start()
ready.wait()
FaceDetector.load()
Embedder.load()
done.set()
writer.join()
print("afterwards", file=sys.stderr)
"""


def test_of_what_is_written_while_networks_are_opened_their_own_line_alone_is_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, cwd=ROOT
    )
    written = int(done.stdout.removeprefix("lines "))
    assert written > 0
    expected = [f"line {number}" for number in range(written)]
    # Where the filter ends, a line that is written straight on may overtake one that still passes through.
    assert sorted(done.stderr.splitlines()) == sorted([*expected, "afterwards"])


def test_networks_open_where_standard_error_is_closed() -> None:
    program = (
        "import os; os.close(2); from facerec_mqtt.faces import Embedder; print(Embedder.load().dimensions)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ,
    )
    assert done.stdout == "256\n"
