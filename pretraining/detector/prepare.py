"""Read the pictures once, ask the teacher (YuNet) for the faces in them, keep both in the work folder.

The work folder then holds, for each source, `<source>.pictures.npy` (all pictures in one array, read
memory-mapped) and `<source>.faces.npz` (what the teacher found). Nothing of it belongs in the project.
"""

import argparse
import csv
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

TEACHER_MIN_SCORE = 0.8  # above: a face to be found
IGNORE_MIN_SCORE = 0.35  # between: neither face nor background
BACKGROUND_SIDE_PX = 400
CHIP_FRAME_PX = 208  # a chip is shown to the teacher in the middle of a grey frame


@dataclass(frozen=True, slots=True)
class Teacher:
    """YuNet as `cv2.FaceDetectorYN` runs it."""

    network: cv2.FaceDetectorYN

    @classmethod
    def load(cls, path: Path) -> "Teacher":
        """Read YuNet's ONNX file."""
        return cls(cv2.FaceDetectorYN.create(str(path), "", (320, 320), IGNORE_MIN_SCORE, 0.3, 500))

    def find(self, image: np.ndarray, scale: float = 1.0) -> np.ndarray:
        """(N, 15) float32: x, y, width, height, five landmarks x, y, score; pixels of `image`."""
        if scale != 1.0:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        self.network.setInputSize((image.shape[1], image.shape[0]))
        faces = self.network.detect(image)[1]
        if faces is None:
            return np.zeros((0, 15), np.float32)
        faces = faces.copy()
        faces[:, :14] /= scale
        return faces


def is_held_out(name: str, every: int) -> bool:
    """Whether a picture is kept for validation: its name's CRC-32 is divisible by `every`."""
    return zlib.crc32(name.encode()) % every == 0


def overlap(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with (N, 4) others; x, y, width, height."""
    right = np.minimum(box[0] + box[2], boxes[:, 0] + boxes[:, 2])
    bottom = np.minimum(box[1] + box[3], boxes[:, 1] + boxes[:, 3])
    width = np.clip(right - np.maximum(box[0], boxes[:, 0]), 0, None)
    height = np.clip(bottom - np.maximum(box[1], boxes[:, 1]), 0, None)
    shared = width * height
    return shared / (box[2] * box[3] + boxes[:, 2] * boxes[:, 3] - shared + 1e-9)


def find_at_two_scales(teacher: Teacher, image: np.ndarray) -> np.ndarray:
    """The teacher's faces at the picture's own size, and the small ones that it sees only at twice that."""
    faces = list(teacher.find(image))
    for face in teacher.find(image, 2.0):
        if face[2] < 60 and (not faces or overlap(face[:4], np.stack(faces)[:, :4]).max() < 0.3):
            faces.append(face)
    return np.stack(faces) if faces else np.zeros((0, 15), np.float32)


def write(work: Path, source: str, pictures: Iterable[tuple[np.ndarray, np.ndarray]], count: int) -> None:
    """Keep pictures of one size and the faces in them.

    Args:
        work: the work folder.
        source: what the pictures are called in it.
        pictures: (H, W, 3) uint8 BGR and (N, 15) float32 faces, `count` at most.
        count: an upper limit for the number of pictures.
    """
    array: np.memmap | None = None
    faces, owners, kept = [], [], 0
    path = work / f"{source}.pictures.npy"
    for image, found in pictures:
        if array is None:
            shape = (count, *image.shape)
            array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        array[kept] = image
        faces.append(found)
        owners.append(np.full(len(found), kept))
        kept += 1
        if kept % 1000 == 0:
            print(f"{source}: {kept}", flush=True)
    if array is None:
        raise SystemExit(f"no picture for {source}; is --data right?")
    array.flush()
    np.savez(
        work / f"{source}.faces.npz",
        faces=np.concatenate(faces).astype(np.float32),
        picture=np.concatenate(owners).astype(np.int32),
        count=kept,
    )
    print(f"{source}: {kept} pictures, {sum(map(len, faces))} faces", flush=True)


def lfw(data: Path, teacher: Teacher, folds: range) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Whole LFW pictures, 250×250, of the people of some folds."""
    with (data / "lfw/folds.tsv").open() as table:
        people = [row["person"] for row in csv.DictReader(table, delimiter="\t") if int(row["fold"]) in folds]
    for person in people:
        for path in sorted((data / "lfw/images" / person).glob("*.jpg")):
            image = cv2.imread(str(path))
            yield image, find_at_two_scales(teacher, image)


def chips(data: Path, teacher: Teacher) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Aligned 128×128 faces: all of the poor ones and children, a share of the others."""
    share = {"dfdc": 1, "utk": 2, "aaf": 3, "celeba": 8}
    edge = (CHIP_FRAME_PX - 128) // 2
    for folder, every in share.items():
        paths = sorted((data / "chips" / folder).glob("*.webp"))
        young = [folder == "utk" and int(path.name.split("_")[0]) < 10 for path in paths]
        for index, path in enumerate(paths):
            if is_held_out(path.name, 10) or (index % every and not young[index]):
                continue
            image = cv2.imread(str(path))
            frame = cv2.copyMakeBorder(
                image, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=(120, 120, 120)
            )
            found = teacher.find(frame)
            found[:, :2] -= edge
            found[:, 4:14] -= edge
            if len(found) == 1 and found[0, 14] >= TEACHER_MIN_SCORE:
                yield image, found


def rendered(folder: Path, teacher: Teacher) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Frames of rendered people, 640×360, in which the teacher is sure of a face."""
    for path in sorted(folder.glob("*.jpg")):
        image = cv2.imread(str(path))
        found = teacher.find(image)
        if len(found) and found[0, 14] >= TEACHER_MIN_SCORE:
            yield image, found


def backgrounds(data: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Photos without a face, each fifth held out, made square by reflection."""
    for path in sorted((data / "backgrounds").glob("*.jpg")):
        if is_held_out(path.name, 5):
            continue
        image = cv2.imread(str(path))
        down, right = (max(0, BACKGROUND_SIDE_PX - side) for side in image.shape[:2])
        image = cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REFLECT)
        yield image[:BACKGROUND_SIDE_PX, :BACKGROUND_SIDE_PX], np.zeros((0, 15), np.float32)


def prepare(data: Path, work: Path, rendered_folder: Path) -> None:
    """Fill the work folder; what is there already is kept."""
    cv2.setNumThreads(1)
    work.mkdir(parents=True, exist_ok=True)
    teacher = Teacher.load(data / "models/face_detection_yunet.onnx")
    sources = {
        "lfw": (lfw(data, teacher, range(1, 8)), 11000),
        "chips": (chips(data, teacher), 30000),
        "backgrounds": (backgrounds(data), 1000),
        "rendered": (rendered(rendered_folder, teacher), 3000),
    }
    for source, (pictures, limit) in sources.items():
        if not (work / f"{source}.faces.npz").exists():
            write(work, source, pictures, limit)


def main() -> None:
    """`python -m pretraining.detector.prepare --data DIR --work DIR`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    prepare(arguments.data, arguments.work, arguments.work / "rendered")


if __name__ == "__main__":
    main()
