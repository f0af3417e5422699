"""What every contestant of `peers.py` does alike: enrol, then answer frame by frame while it is measured.

Needs nothing but numpy, since contestants live in environments of their own.

    python peer_<name>.py enrol WORK        reads WORK/enrollment/<Person>/*
    python peer_<name>.py recognise WORK    reads WORK/frames/*.npy, writes WORK/<name>.json
"""

import json
import re
import resource
import sys
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(H, W, 3) uint8 BGR."""
NEVER = -1e9
"""A score that passes no threshold."""
AnyFace = TypeVar("AnyFace")


@dataclass(frozen=True, slots=True)
class Face:
    """A face that was found."""

    box: tuple[float, float, float, float]
    """Left, top, right, bottom in pixels."""
    person: str | None
    """Slug, at the contestant's own threshold."""
    candidate: str | None
    """Who it resembles most."""
    score: float
    """Of the candidate; more is surer."""


Recognise = Callable[[Image], list[Face]]


def slug(name: str) -> str:
    """A person's name as ours writes it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "_", plain).strip("_")


def nearest_to_middle(
    image: Image, faces: Sequence[AnyFace], box_of: Callable[[AnyFace], tuple[float, float, float, float]]
) -> AnyFace:
    """The face that a picture is about."""
    height, width = image.shape[:2]

    def off_middle(face: AnyFace) -> float:
        left, top, right, bottom = box_of(face)
        return abs(left + right - width) + abs(top + bottom - height)

    return min(faces, key=off_middle)


def main(enrol: Callable[[Path], None], recognise: Callable[[Path], Recognise]) -> None:
    """Do what the command line says."""
    what, work = sys.argv[1], Path(sys.argv[2])
    name = Path(sys.argv[0]).stem.removeprefix("peer_")
    if what == "enrol":
        enrol(work)
    else:
        (work / f"{name}.json").write_text(
            json.dumps(measure(recognise(work), sorted((work / "frames").iterdir())))
        )


def measure(answer: Recognise, frames: Sequence[Path]) -> dict[str, Any]:
    """Show all frames, one after the other.

    Returns:
        The answers, and what they took; `first_at` is the clock at the first answer, for who started this.
    """
    answer(np.load(frames[0]))
    first_at = time.clock_gettime(time.CLOCK_MONOTONIC)
    answers, busy_s, wall_s = [], [], []
    for path in frames:
        image = np.load(path)
        wall, busy = time.perf_counter(), time.process_time()
        faces = answer(image)
        busy_s.append(time.process_time() - busy)
        wall_s.append(time.perf_counter() - wall)
        face = nearest_to_middle(image, faces, lambda found: found.box) if faces else None
        answers.append(
            [path.stem, None, None, NEVER]
            if face is None
            else [path.stem, face.person, face.candidate, face.score]
        )
    return {
        "first_at": first_at,
        "busy_s": busy_s,
        "wall_s": wall_s,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "answers": answers,
    }
