"""Where our detector puts the landmarks, and which faces it misses, by where the pictures come from.

The truth are the landmarks that many looks of YuNet agree on (`pretraining/detector/robust.py`): mirrored,
moved, at two sizes, turned a little to both sides of upright. None of these pictures was trained on.
"""

import csv
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

import cv2
import numpy as np
from labelled import YuNet
from numpy.typing import NDArray

from facerec_mqtt.core.records import Detection, Image
from facerec_mqtt.faces.detection import FaceDetector

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pretraining.detector.prepare import Teacher
from pretraining.detector.robust import robust_landmarks, roll

TRUTH_MIN_SCORE, FOUND_MIN_IOU = 0.8, 0.5
LOOKED_AT_PX = 640
LEAST_PX = 20.0
EDGE_PX = 56
"""Black around pictures that end at the face, so that YuNet finds it; ours gets them as they are."""
SURROUNDINGS_PX = 112
CELEBRITIES_EVERY, CHIPS_EVERY = 5, 10
"""Held out: those whose name's CRC-32 is divisible by this."""
FRAMES_A_CLIP = 12
RESAMPLES = 500
NAMES = ("right eye", "left eye", "nose", "mouth, right", "mouth, left")
BINS = {
    "tilt, degrees": ("tilt", (0, 10, 20, 90)),
    "yaw, nose off the middle in eye distances": ("yaw", (0, 0.2, 0.4, 2)),
    "size, px": ("size", (20, 50, 100, 1000)),
}


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a picture, by YuNet, and what ours made of it."""

    found: bool
    away: NDArray[np.float64] | None
    """(5, 2) where ours puts the landmarks from where they are, in eye distances, in the face's own upright
    frame: to the right as seen and down. `None` where ours did not find it or YuNet's looks disagree."""
    tilt: float
    yaw: float
    size: float


@dataclass(frozen=True, slots=True)
class Set:
    """Pictures of one kind."""

    name: str
    paths: list[Path]
    edge_px: int = 0
    surrounded: bool = False
    one_face: bool = False
    """Whether only the face in the middle counts."""


def sets(data: Path, identities: Path, most: int) -> list[Set]:
    """What there is to look at, at most so many pictures of each."""
    with (data / "lfw/folds.tsv").open(encoding="utf-8") as table:
        eighth = [row["person"] for row in csv.DictReader(table, delimiter="\t") if row["fold"] == "8"]
    tight = sorted((identities / "families/photos").glob("*/*/*.jpg"))
    photos = [
        path
        for path in (identities / "celebrities/photos").glob("*/*.jpg")
        if crc32(path.parent.name.encode()) % CELEBRITIES_EVERY == 0
    ]
    chips = [path for path in data.glob("chips/*/*.webp") if crc32(path.name.encode()) % CHIPS_EVERY == 0]
    found = [
        Set("LFW fold 8", [path for who in eighth for path in (data / "lfw/images" / who).glob("*.jpg")]),
        Set("raw photos, held out", photos),
        Set("families, closely cut", tight, EDGE_PX, one_face=True),
        Set("families, padded", tight, EDGE_PX, surrounded=True, one_face=True),
        Set("chips, held out", chips, EDGE_PX, one_face=True),
    ]
    draw = random.Random(1)
    for each in found:
        each.paths.sort()
        draw.shuffle(each.paths)
        del each.paths[most:]
    found.append(Set("video", sorted((data / "video").glob("*.mkv"))))
    return [each for each in found if each.paths]


def images(some: Set) -> Iterator[Image]:
    """The pictures, no larger than they are looked at; of clips some frames."""
    for path in some.paths:
        if path.suffix != ".mkv":
            image = cv2.imread(str(path))
            scale = min(1.0, LOOKED_AT_PX / max(image.shape[:2]))
            yield (
                cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                if scale < 1
                else image
            )
            continue
        clip = cv2.VideoCapture(str(path))
        count = int(clip.get(cv2.CAP_PROP_FRAME_COUNT)) or 200
        for number in range(count):
            good, frame = clip.read()
            if not good:
                break
            if number % max(1, count // FRAMES_A_CLIP) == 0:
                yield frame
        clip.release()


def look(some: Set, detector: FaceDetector, yunet: YuNet, teacher: Teacher) -> list[Face]:
    """All faces that YuNet is sure of in the pictures of a set."""
    faces: list[Face] = []
    for image in images(some):
        edge = some.edge_px
        shown = cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_CONSTANT) if edge else image
        seen = yunet.find(shown)
        seen = seen[(seen[:, 14] >= TRUTH_MIN_SCORE) & (np.sqrt(seen[:, 2] * seen[:, 3]) >= LEAST_PX)].copy()
        seen[:, :2] -= edge
        seen[:, 4:14] -= edge
        if some.one_face and len(seen):
            off = seen[:, :2] + seen[:, 2:4] / 2 - np.array(image.shape[1::-1]) / 2
            seen = seen[[np.argmin(np.linalg.norm(off, axis=1))]]
        shift, given = 0, image
        if some.surrounded:
            shift, given = SURROUNDINGS_PX, in_surroundings(image)
        ours = detector.detect(given)
        faces += [judged(face, image, ours, shift, teacher) for face in seen]
    return faces


def in_surroundings(image: Image) -> Image:
    """A closely cut picture as a photo would have it: a blurred reflection of it all around."""
    px = SURROUNDINGS_PX
    around = cv2.GaussianBlur(cv2.copyMakeBorder(image, px, px, px, px, cv2.BORDER_REFLECT), (0, 0), 8)
    around[px:-px, px:-px] = image
    return np.asarray(around, np.uint8)


def judged(
    face: NDArray[np.float32], image: Image, ours: Sequence[Detection], shift: int, teacher: Teacher
) -> Face:
    """One face; `shift` is what our boxes are further right and down."""
    best = max(ours, key=lambda found: overlap(face, found, shift), default=None)
    found = best is not None and overlap(face, best, shift) >= FOUND_MIN_IOU
    agreed = robust_landmarks(teacher, image, face)
    points = face[4:14].reshape(5, 2) if agreed is None else agreed.points
    middle, across = (points[0] + points[1]) / 2, points[1] - points[0]
    eyes = max(1e-3, float(np.linalg.norm(across)))
    axes = np.stack([across, (-across[1], across[0])]) / eyes
    nose = (points[2] - middle) @ axes[0] / eyes
    away = None
    if found and best is not None and agreed is not None:
        away = (best.landmarks - shift - points) @ axes.T / eyes
    size = float(np.sqrt(face[2] * face[3]))
    return Face(found, away, abs(roll(points)), abs(float(nose)), size)


def overlap(face: NDArray[np.float32], detection: Detection, shift: int = 0) -> float:
    """Intersection over union of YuNet's box and ours."""
    x_min, y_min, x_max, y_max = (side - shift for side in detection.box)
    width = min(face[0] + face[2], x_max) - max(face[0], x_min)
    height = min(face[1] + face[3], y_max) - max(face[1], y_min)
    shared = max(0.0, float(width)) * max(0.0, float(height))
    return shared / max(1e-6, float(face[2] * face[3]) + (x_max - x_min) * (y_max - y_min) - shared)


def figures_of(faces: Sequence[Face]) -> dict[str, Any]:
    """Recall, error and bias."""
    away = np.array([face.away for face in faces if face.away is not None]).reshape(-1, 5, 2)
    errors = np.linalg.norm(away, axis=2).mean(axis=1)
    rng = np.random.default_rng(1)
    means = errors[rng.integers(0, max(1, len(errors)), (RESAMPLES, len(errors)))].mean(axis=1)
    bias = away.mean(axis=0)
    return {
        "faces": len(faces),
        "found": sum(face.found for face in faces),
        "landmarks": len(away),
        "error": round(float(errors.mean()), 4),
        "error_interval": [round(float(edge), 4) for edge in np.quantile(means, (0.025, 0.975))],
        "bias_sd": round(float(away.std(axis=0).max() / np.sqrt(max(1, len(away)))), 4),
        "bias": {name: [round(float(x), 3) for x in row] for name, row in zip(NAMES, bias, strict=True)},
        "bias_most": round(float(np.abs(bias).max()), 4),
    }


def by_bin(faces: Sequence[Face]) -> dict[str, dict[str, list[int]]]:
    """Found and all, by tilt, yaw and size."""
    tables: dict[str, dict[str, list[int]]] = {}
    for name, (what, edges) in BINS.items():
        tables[name] = {}
        for low, high in pairwise(edges):
            some = [face for face in faces if low <= getattr(face, what) < high]
            tables[name][f"{low}-{high}"] = [sum(face.found for face in some), len(some)]
    return tables


def measure(
    detector: FaceDetector, yunet_path: Path, data: Path, identities: Path, most: int
) -> dict[str, Any]:
    """All sets."""
    yunet, teacher = YuNet.load(yunet_path, 0.6), Teacher.load(yunet_path)
    results: dict[str, Any] = {}
    for some in sets(data, identities, most):
        faces = look(some, detector, yunet, teacher)
        if not any(face.away is not None for face in faces):
            continue
        results[some.name] = figures_of(faces)
        if some.name.startswith("raw"):
            results[some.name]["recall_by"] = by_bin(faces)
    return results


def show(results: dict[str, Any]) -> None:
    """Print the tables."""
    print(
        f"{'landmarks, in eye distances':26} error   95 %              n     most bias (sd)   dx / dy of each"
    )
    for name, row in results.items():
        low, high = row["error_interval"]
        across, down = ([each[axis] for each in row["bias"].values()] for axis in (0, 1))
        print(
            f"{name:26} {row['error']:.4f}  [{low:.4f}, {high:.4f}] {row['landmarks']:5}  "
            f"{row['bias_most']:.3f} ({row['bias_sd']:.3f})  {across} / {down}"
        )
    print("recall against YuNet's faces of score 0.8 and 20 px or more")
    for name, row in results.items():
        found, count = row["found"], row["faces"]
        print(f"{name:26} {found / count:.4f}  {interval(found, count)} {count:5}")
        for bin_name, table in row.get("recall_by", {}).items():
            cells = [f"{edges}: {hits / max(1, n):.3f} (n = {n})" for edges, (hits, n) in table.items()]
            print(f"    {bin_name}: " + ", ".join(cells))


def interval(found: int, count: int) -> str:
    """Wilson's 95 % interval of a share."""
    share, z = found / max(1, count), 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return f"[{middle - reach:.4f}, {middle + reach:.4f}]"
