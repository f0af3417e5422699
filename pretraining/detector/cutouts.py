"""Faces with what surrounds them, cut out and packed, with landmarks that many looks agree on.

    python -m pretraining.detector.cutouts --data ../shared/data --identities ../identities --work DIR

`identities` is what `extract.py` of the data makes, and `families_raw` beside its folders the training
families' pictures as they are. Goes on where it was stopped, 250 pictures at a time; a quarter of an hour on
two cores.
"""

import argparse
import csv
import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pretraining.detector.prepare import Teacher, is_held_out
from pretraining.detector.robust import robust_landmarks

FACE_PX = 64.0  # of the upright face (root of its box's area) in a cut-out
SIDE_PX = 176  # of a cut-out
LOOKED_AT_PX = 640  # longer side at which the teacher searches a picture
LEAST_PX = 20.0  # of a face that is kept
MIN_SCORE = 0.8
SHARD = 250
DARK_PX = 56  # around a picture that ends at the face, for the teacher to find it
CHIPS_EVERY = {"dfdc": 3, "utk": 7, "aaf": 5, "celeba": 15}
MOST = {"lfw": 2, "celebrities": 3, "families": 1, "chips": 1}
"""Faces of one picture, the largest first."""
KINDS = tuple(MOST)
CELEBRITIES_HELD_OUT_EVERY = 5


@dataclass(frozen=True, slots=True, eq=False)
class Cutouts:
    """What `pack` left of one kind of picture."""

    images: np.ndarray
    """(N, 176, 176, 3) uint8 BGR."""
    points: np.ndarray
    """(N, 5, 2) float32 px of the cut-out."""
    boxes: np.ndarray
    """(N, 4) float32 centre x, y, width, height of the box of the face held upright, px of the cut-out."""
    inside: np.ndarray
    """(N, 4) float32 left, top, right, bottom: the part that is picture."""

    @classmethod
    def load(cls, work: Path, kind: str) -> "Cutouts":
        """All that is there already."""
        shards = [np.load(path) for path in sorted(work.glob(f"cutouts_{kind}_*.npz"))]
        return cls(
            *(
                np.concatenate([shard[name] for shard in shards])
                for name in ("images", "points", "boxes", "inside")
            )
        )


def cut_out(image: np.ndarray, points: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, ...]:
    """One face with its surroundings: picture, landmarks, box and what of it is inside, as in `Cutouts`."""
    size = float(np.sqrt(box[2] * box[3]))
    scale, centre = FACE_PX / size, box[:2] + box[2:4] / 2
    while scale < 0.5:
        image = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
        points, centre, scale = (points + 0.5) / 2 - 0.5, (centre + 0.5) / 2 - 0.5, 2 * scale
        box = box / 2
    shift = (SIDE_PX - 1) / 2 - scale * centre
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    cut = cv2.warpAffine(image, matrix, (SIDE_PX, SIDE_PX), borderMode=cv2.BORDER_REPLICATE)
    height, width = image.shape[:2]
    inside = np.concatenate([shift - 0.5 * scale, (width - 0.5, height - 0.5) * np.full(2, scale) + shift])
    inside = np.clip(inside, 0, SIDE_PX - 1)
    placed = np.concatenate([np.full(2, (SIDE_PX - 1) / 2), box[2:4] * scale])
    return (
        cut,
        (points * scale + shift).astype(np.float32),
        placed.astype(np.float32),
        inside.astype(np.float32),
    )


def files(data: Path, identities: Path, kind: str) -> list[Path]:
    """The pictures of one kind that may be learnt from, in an order of chance."""
    if kind == "lfw":
        with (data / "lfw/folds.tsv").open() as table:
            people = [row["person"] for row in csv.DictReader(table, delimiter="\t") if int(row["fold"]) < 8]
        found = [path for person in people for path in (data / "lfw/images" / person).glob("*.jpg")]
    elif kind == "celebrities":
        people = (identities / "celebrities/photos").iterdir()
        people = [each for each in people if not is_held_out(each.name, CELEBRITIES_HELD_OUT_EVERY)]
        found = [path for person in people for path in person.glob("*.jpg")]
    elif kind == "families":
        found = list((identities / "families_raw").glob("*/*/*.jpg"))
    else:
        found = []
        for folder, every in CHIPS_EVERY.items():
            paths = sorted((data / "chips" / folder).glob("*.webp"))
            young = [folder == "utk" and int(path.name.split("_")[0]) < 4 for path in paths]
            found += [path for i, path in enumerate(paths) if i % every == 0 or young[i]]
        found = [path for path in found if not is_held_out(path.name, 10)]
    return random.Random(1).sample(sorted(found), len(found))


def faces_in(teacher: Teacher, image: np.ndarray, kind: str) -> Iterator[tuple[np.ndarray, ...]]:
    """Cut-outs of a picture's faces."""
    edge = DARK_PX if kind in ("families", "chips") else 0
    scale = min(1.0, LOOKED_AT_PX / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    shown = cv2.copyMakeBorder(small, edge, edge, edge, edge, cv2.BORDER_CONSTANT)
    found = teacher.find(shown)
    found[:, :2] -= edge
    found[:, 4:14] -= edge
    size = np.sqrt(found[:, 2] * found[:, 3])
    found = found[(found[:, 14] >= MIN_SCORE) & (size >= LEAST_PX)]
    middle = np.array(small.shape[1::-1]) / 2
    if edge:
        off = np.linalg.norm(found[:, :2] + found[:, 2:4] / 2 - middle, axis=1) - 0.3 * found[:, 2]
        order = np.argsort(off)
    else:
        order = np.argsort(-found[:, 2])
    for face in found[order[: MOST[kind]]]:
        agreed = robust_landmarks(teacher, small, face)
        if agreed is not None:
            ratio = image.shape[1] / small.shape[1]
            box = agreed.box * ratio
            yield cut_out(image, (agreed.points + 0.5) * ratio - 0.5, box)


def pack(job: tuple[Path, Path, Path, str, int]) -> None:
    """One shard."""
    data, identities, work, kind, number = job
    path = work / f"cutouts_{kind}_{number:03}.npz"
    paths = files(data, identities, kind)[number * SHARD : (number + 1) * SHARD]
    if path.exists() or not paths:
        return
    cv2.setNumThreads(1)
    teacher = Teacher.load(data / "models/face_detection_yunet.onnx")
    rows = []
    for each in paths:
        image = cv2.imread(str(each))
        if image is not None:
            rows += faces_in(teacher, image, kind)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(
            file,
            **{
                name: np.stack(column)
                for name, column in zip(
                    ("images", "points", "boxes", "inside"), zip(*rows, strict=True), strict=True
                )
            },
        )
    partial.rename(path)
    print(f"{path.name}: {len(rows)} faces of {len(paths)} pictures", flush=True)


def main() -> None:
    """Pack what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--identities", type=Path, default=Path("../identities"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    jobs = [
        (arguments.data, arguments.identities, arguments.work, kind, number)
        for number in range(32)
        for kind in MOST
    ]
    with multiprocessing.Pool(arguments.jobs) as pool:
        pool.map(pack, jobs, chunksize=1)


if __name__ == "__main__":
    main()
