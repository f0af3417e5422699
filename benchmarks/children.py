"""How well two photos of one child are told for one, and two children apart.

    python benchmarks/children.py --families DIR [--chips DIR] [--backbone FILE --cohort FILE] [--json]

DIR has folders FAMILY/PERSON of pictures, as `accuracy.py --families` takes them. Nobody says how old the
people in them are: who looks younger than 13 is told by a ridge regression from our own embeddings, learnt
from the chips of UTKFace, whose names begin with the age; how often that is right is measured on every
tenth of them. Doubtful pictures count neither as a child's nor as a grown-up's.

All pairs of pictures by AS-norm, at the score that lets 1 of 1,000 pairs of two people through. Intervals
are 95 %, from resampling families.
"""

import argparse
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from labelled import CHIP_MARGIN_PX, read_families, read_if_any
from numpy.typing import NDArray

from facerec_mqtt.core.records import AlignedFace, Image, Vectors
from facerec_mqtt.faces import Embedder, FaceDetector, load_cohort
from facerec_mqtt.recognition import Gallery, Normaliser
from facerec_mqtt.recognition.error_rates import threshold_at

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
GROWN_YEARS = 13
CHILD, GROWN = 0.6, 0.3
"""From this answer on a picture is a child's, and up to this a grown-up's."""
LEARNT_FROM = 2000
"""Chips of each of the two."""
FAR = 1e-3
RESAMPLES = 1000
Marks = NDArray[np.bool_]


class Age:
    """Whether a face looks like a child's, by its embedding."""

    def __init__(self, vectors: Vectors, child: NDArray[np.bool_]) -> None:
        weight = np.where(child, 0.5 / child.mean(), 0.5 / (1 - child.mean()))[:, None]
        inputs = np.hstack([vectors, np.ones((len(vectors), 1))])
        left = (inputs * weight).T @ inputs + np.eye(inputs.shape[1])
        self._answer = np.linalg.solve(left, (inputs * weight).T @ child)

    def of(self, vectors: Vectors) -> NDArray[np.float64]:
        """About 1 for children and 0 for others: (N, D) to (N,)."""
        return np.asarray(vectors @ self._answer[:-1] + self._answer[-1])


def chips(folder: Path) -> tuple[list[Path], list[Path]]:
    """Chips to learn ages from, half of them children's, and every tenth, to be asked about."""
    paths = [path for path in sorted(folder.glob("*")) if path.name.split("_")[0].isdigit()]
    held = [path for path in paths if zlib.crc32(path.name.encode()) % 10 == 0]
    others = [path for path in paths if zlib.crc32(path.name.encode()) % 10]
    order = np.random.default_rng(1).permutation(len(others))
    chosen = {True: 0, False: 0}
    learnt = []
    for row in order:
        young = years(others[row]) < GROWN_YEARS
        chosen[young] += 1
        if chosen[young] <= LEARNT_FROM:
            learnt.append(others[row])
    return learnt, held


def years(path: Path) -> int:
    """The age that a chip's name begins with."""
    return int(path.name.split("_")[0])


def faces_of(paths: Sequence[Path]) -> list[Image]:
    """The aligned faces of chips."""
    inner = slice(CHIP_MARGIN_PX, -CHIP_MARGIN_PX)
    found = [read_if_any(path) for path in paths]
    return [np.ascontiguousarray(image[inner, inner]) for image in found if image is not None]


def share(passed: Marks, wanted: Marks, family: NDArray[np.int64]) -> dict[str, object]:
    """How many of the wanted pairs pass: (N, N) each; and the interval by resampling families."""
    first, second = np.nonzero(np.triu(wanted, 1))
    count = int(family.max()) + 1
    tables = []
    for some in (passed[first, second], np.ones(len(first), np.bool_)):
        table = np.zeros((count, count))
        np.add.at(table, (family[first[some]], family[second[some]]), 1)
        tables.append(table)
    hits, pairs = tables
    if not pairs.sum():
        return {"pairs": 0}
    rng = np.random.default_rng(3)
    drawn = []
    for _ in range(RESAMPLES):
        often = np.bincount(rng.integers(0, count, count), minlength=count).astype(float)
        weight = np.outer(often, often)
        np.fill_diagonal(weight, often)
        if (pairs * weight).sum():
            drawn.append((hits * weight).sum() / (pairs * weight).sum())
    edges = [round(float(edge), 4) for edge in np.quantile(drawn, (0.025, 0.975))]
    return {"share": round(float(hits.sum() / pairs.sum()), 4), "interval": edges, "pairs": len(first)}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", type=Path, required=True)
    parser.add_argument("--chips", type=Path, default=DATA / "chips" / "utk")
    parser.add_argument("--backbone", type=Path, help="a LiteRT file in place of the shipped one")
    parser.add_argument("--cohort", type=Path, help="the cohort that belongs to it")
    parser.add_argument("--json", action="store_true", help="the figures as the last line")
    arguments = parser.parse_args()
    for folder in (arguments.families, arguments.chips):
        if not folder.is_dir():
            parser.error(f"{folder} is no folder")
    cv2.setNumThreads(1)
    embedder = Embedder.load(arguments.backbone) if arguments.backbone else Embedder.load()
    cohort = load_cohort(arguments.cohort)
    normaliser = Normaliser(cohort.centres, cohort.top)

    def embed(faces: Sequence[Image]) -> Vectors:
        return embedder.embed([AlignedFace(image=face, width_px=112.0, sharpness=100.0) for face in faces])

    learnt, held = chips(arguments.chips)
    age = Age(embed(faces_of(learnt)), np.array([years(path) < GROWN_YEARS for path in learnt]))
    answer, known = age.of(embed(faces_of(held))), np.array([years(path) for path in held])
    figures: dict[str, object] = {
        "chips_of_children_told": round(float((answer >= CHILD)[known < GROWN_YEARS].mean()), 4),
        "chips_of_adults_told_for_children": round(float((answer >= CHILD)[known >= 20].mean()), 4),
    }
    faces, names = read_families(arguments.families, FaceDetector.load(min_score=0.4).detect)
    vectors = embed(faces)
    person = np.unique(names, return_inverse=True)[1]
    family = np.unique([name.split("/")[0] for name in names], return_inverse=True)[1]
    looks = age.of(vectors)
    child, grown = looks >= CHILD, looks <= GROWN
    scores = Gallery.of(vectors, normaliser).normalised(vectors, normaliser)
    same, kin = person[:, None] == person[None], family[:, None] == family[None]
    passed = scores >= threshold_at(scores[np.triu(~same, 1)], FAR)
    children, both = child[:, None] & child[None], child[:, None] & grown[None]
    figures |= {
        "pictures_of_children": int(child.sum()),
        "one_child": share(passed, same & children, family),
        "one_person_as_child_and_grown": share(passed, same & (both | both.T), family),
        "one_grown_up": share(passed, same & grown[:, None] & grown[None], family),
        "two_children_of_one_family": share(passed, ~same & kin & children, family),
        "two_children_of_two_families": share(passed, ~kin & children, family),
        "child_and_relative": share(passed, ~same & kin & (both | both.T), family),
    }
    for name, figure in figures.items():
        print(f"{name.replace('_', ' '):<36} {figure}")
    if arguments.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
