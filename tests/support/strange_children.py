"""Child processes of the service that run a program of the test in place of ours."""

from pathlib import Path

import pytest


def replace_children(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Make each reader and each rebuild that is started from now on run this program.

    Args:
        monkeypatch: of the test.
        folder: of the test; the program is put there as a package of our name, which Python finds first.
        program: `send(text)` writes to where the service listens.
    """
    package = folder / "strange" / "facerec_mqtt"
    (package / "cameras").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "cameras" / "__init__.py").touch()
    beginning = """
import json, os, sys, time
output = {}
def send(data):
    data = data.encode() if isinstance(data, str) else data
    while data:
        data = data[os.write(output, data):]
"""
    (package / "__main__.py").write_text(beginning.format("1") + program)
    (package / "cameras" / "reader.py").write_text(beginning.format("int(sys.argv[1])") + program)
    monkeypatch.setenv("PYTHONPATH", str(folder / "strange"))
