"""What is left of a person in files, for the tests of `forget`."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def traces_of(data: Path, words: Iterable[bytes]) -> list[str]:
    """Where in a folder, in names and contents, any of these bytes stand; letters of any case."""
    found = []
    for path in sorted(data.rglob("*")):
        text = os.fsencode(path.relative_to(data)) + (b"\n" + path.read_bytes() if path.is_file() else b"")
        if any(word.lower() in text.lower() for word in words):
            found.append(str(path.relative_to(data)))
    return found


def secrets_of(data: Path, enrollment: Path) -> list[bytes]:
    """Anna's name, her pictures, and her embeddings as the model and the cache hold them."""
    pictures = [
        path.read_bytes() for path in enrollment.rglob("*") if path.is_file() and "Anna" in path.parts
    ]
    vectors = []
    for version in (data / "models" / "versions").iterdir():
        people = [each["slug"] for each in json.loads((version / "manifest.json").read_bytes())["people"]]
        if "anna" in people:
            vectors.append(np.load(version / "model.npz")["templates"][people.index("anna")].tobytes())
    return [b"anna", *pictures, *vectors]
