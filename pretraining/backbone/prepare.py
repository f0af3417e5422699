"""Pack the training pictures into one array and ask the teacher about each, once.

    python -m pretraining.backbone.prepare --data ../shared/data --out DIR

LFW's pictures are detected with YuNet and aligned; chips are aligned already; morphs are blends of
training pictures. Resumable: what is already in DIR is not done again. 15 to 30 minutes on 2 cores; 15 GB.
"""

import argparse
import csv
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.faces.alignment import TEMPLATE, similarity
from pretraining.backbone.corpus import (
    CHIP_SETS,
    CHIP_SIDE_PX,
    MAP_CELLS,
    MAP_CHANNELS,
    MAPS_FILE,
    MARGIN_PX,
    MORPHS,
    TEACHER_FILE,
    Corpus,
)
from pretraining.backbone.morph import morph
from pretraining.data import require

TEACHER_MODEL = "models/face-reidentification-retail-0095.onnx"
TEACHER_SIDE_PX = 128
# Where face-reidentification-retail-0095 wants the landmarks, in pixels of its input (Open Model Zoo).
TEACHER_TEMPLATE = TEACHER_SIDE_PX * np.array(
    [[0.31557, 0.46157], [0.68262, 0.46157], [0.50026, 0.64051], [0.34947, 0.82469], [0.65344, 0.82469]]
)
# Its maps after the last block of 16×16 cells and of 8×8 cells.
TEACHER_MAPS = ("t147", "t182")


class Teacher:
    """The Apache-2.0 network whose embeddings ours learns to give: face-reidentification-retail-0095."""

    def __init__(self, path: Path) -> None:
        """Open it in ONNX form."""
        import openvino

        core = openvino.Core()
        network = core.read_model(str(path))
        network.add_outputs(list(TEACHER_MAPS))
        network.reshape([-1, 3, TEACHER_SIDE_PX, TEACHER_SIDE_PX])
        self._run = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self._turn = similarity(TEMPLATE + np.float32(MARGIN_PX), TEACHER_TEMPLATE)

    def look(self, chips: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What it makes of aligned faces.

        Args:
            chips: (N, 128, 128, 3) uint8 BGR, the ArcFace template plus a margin of 8 px on each side.

        Returns:
            (N, 256) unit vectors and its maps, (N, 2, 64, 128); the first map by means of 2×2 cells.
        """
        side = (TEACHER_SIDE_PX, TEACHER_SIDE_PX)
        faces = np.stack([cv2.warpAffine(chip, self._turn, side) for chip in chips])
        answer = self._run(np.ascontiguousarray(faces.transpose(0, 3, 1, 2).astype(np.float32)))
        finer, coarser = (answer[name] for name in TEACHER_MAPS)
        finer = finer.reshape(len(chips), MAP_CHANNELS, MAP_CELLS, 2, MAP_CELLS, 2).mean(axis=(3, 5))
        maps = np.stack([finer, coarser], axis=1).reshape(len(chips), 2, MAP_CHANNELS, -1)
        return unit(answer[0].reshape(len(chips), -1)), maps.swapaxes(2, 3)

    def look_twice(self, chips: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same of each face and of its mirror image.

        Returns:
            (N, 256), the mean of the two vectors, a steadier opinion: they have a mean cosine of 0.917 on
            the training pictures; and (N, 2, 2, 64, 128), the maps of the face and of its mirror image.
        """
        vectors, maps = self.look(chips)
        mirrored, mirrored_maps = self.look(np.ascontiguousarray(chips[:, :, ::-1]))
        return unit(vectors + mirrored), np.stack([maps, mirrored_maps], axis=1)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows at unit length."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def align_lfw(image: NDArray[np.uint8], detector: Any) -> NDArray[np.uint8] | None:
    """Cut the face in the middle of a picture out, with its margin; `None` where there is no face.

    Args:
        image: (H, W, 3) uint8 BGR.
        detector: a `cv2.FaceDetectorYN`.
    """
    height, width = image.shape[:2]
    detector.setInputSize((width, height))
    _, faces = detector.detect(image)
    if faces is None or not len(faces):
        return None
    centres = faces[:, :2] + faces[:, 2:4] / 2
    off_centre = np.linalg.norm(centres - (width / 2, height / 2), axis=1)
    face = faces[np.argmin(off_centre - 0.25 * faces[:, 2])]
    landmarks = face[4:14].reshape(5, 2)
    turn = similarity(landmarks, TEMPLATE + np.float32(MARGIN_PX))
    return cv2.warpAffine(image, turn, (CHIP_SIDE_PX, CHIP_SIDE_PX), borderMode=cv2.BORDER_REPLICATE)


def lfw_files(lfw: Path) -> Iterator[tuple[str, int, int]]:
    """Name, person's number and fold of each LFW picture."""
    with (lfw / "folds.tsv").open(encoding="utf-8") as file:
        folds = {row["person"]: int(row["fold"]) for row in csv.DictReader(file, delimiter="\t")}
    for number, person in enumerate(sorted(folds)):
        for path in sorted((lfw / "images" / person).glob("*.jpg")):
            yield f"lfw/{person}/{path.name}", number, folds[person]


def pack(data: Path, out: Path, room: int) -> None:
    """Write chips.npy, with room for so many morphs at its end, and index.json."""
    entries = list(lfw_files(data / "lfw"))
    for chip_set in CHIP_SETS:
        paths = sorted((data / "chips" / chip_set).iterdir())
        entries += [(f"{chip_set}/{path.name}", -1, 0) for path in paths]
    detector = cv2.FaceDetectorYN.create(
        str(data / "models" / "face_detection_yunet.onnx"), "", (250, 250), score_threshold=0.4
    )
    chips = np.lib.format.open_memmap(
        out / "chips.npy.part", "w+", np.uint8, (len(entries) + room, CHIP_SIDE_PX, CHIP_SIDE_PX, 3)
    )
    kept: list[tuple[str, int, int]] = []
    for entry in entries:
        source, rest = entry[0].split("/", 1)
        path = data / ("lfw/images" if source == "lfw" else f"chips/{source}") / rest
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        chip = align_lfw(image, detector) if source == "lfw" and image is not None else image
        if chip is None or chip.shape[:2] != (CHIP_SIDE_PX, CHIP_SIDE_PX):
            print(f"left out, no face or no picture of the right size: {entry[0]}", flush=True)
            continue
        chips[len(kept)] = chip
        kept.append(entry)
        if len(kept) % 5000 == 0:
            print(f"packed {len(kept)} of {len(entries)}", flush=True)
    chips.flush()
    (out / "chips.npy.part").rename(out / "chips.npy")
    index = {key: [entry[at] for entry in kept] for at, key in enumerate(("name", "person", "fold"))}
    write_index(out, index)


def write_index(out: Path, index: dict[str, Any]) -> None:
    """Replace index.json at once."""
    part = out / "index.json.part"
    part.write_text(json.dumps(index), encoding="utf-8")
    part.replace(out / "index.json")


def blend(out: Path, count: int) -> None:
    """Put morphs of pictures that may be trained on behind what is packed, where none are yet."""
    corpus = Corpus.open(out)
    if np.any(corpus.source == MORPHS):
        return
    parents = corpus.training()
    chips = np.lib.format.open_memmap(out / "chips.npy", "r+")
    for number in range(count):
        rng = np.random.default_rng((11, number))
        first, second = rng.choice(parents, 2, replace=False)
        chips[len(corpus.name) + number] = morph(chips[first], chips[second], rng)
    chips.flush()
    index = json.loads((out / "index.json").read_text(encoding="utf-8"))
    index["name"] += [f"{MORPHS}/{number}" for number in range(count)]
    index["person"] += [-1] * count
    index["fold"] += [0] * count
    write_index(out, index)


def ask_teacher(data: Path, out: Path, batch: int = 32) -> None:
    """Write the teacher's vectors and maps; goes on where it was interrupted.

    Only pictures that may be trained on are asked about, in a fixed random order, so that training
    can begin on the first of them; the rows of the others stay zero.
    """
    corpus = Corpus.open(out)
    rows = np.random.default_rng(3).permutation(corpus.training())
    count = len(corpus.chips)
    answers = opened(out / TEACHER_FILE, (count, 256))
    maps = opened(out / MAPS_FILE, (count, 2, 2, MAP_CELLS**2, MAP_CHANNELS))
    teacher = Teacher(data / TEACHER_MODEL)
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        if answers[some].any(axis=1).all():
            continue
        vectors, maps[some] = teacher.look_twice(corpus.chips[some])
        answers[some] = vectors
        if start // batch % 50 == 0:
            maps.flush()
            answers.flush()
            print(f"taught {start + len(some)} of {len(rows)}", flush=True)
    maps.flush()
    answers.flush()


def opened(path: Path, shape: tuple[int, ...]) -> Any:
    """A float16 array on the disk, of zeros where it is new."""
    if not path.exists():
        np.lib.format.open_memmap(path, "w+", np.float16, shape).flush()
    return np.lib.format.open_memmap(path, "r+")


def main() -> None:
    """Run what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--morphs", type=int, default=60000, help="how many; a corpus that has some keeps those"
    )
    arguments = parser.parse_args()
    require(
        parser,
        arguments.data,
        "lfw/folds.tsv",
        "lfw/images",
        "models/face_detection_yunet.onnx",
        TEACHER_MODEL,
    )
    if importlib.util.find_spec("openvino") is None:
        parser.error("openvino is not installed; pip install -e '.[pretraining]' installs it")
    arguments.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    if not (arguments.out / "index.json").exists():
        pack(arguments.data, arguments.out, arguments.morphs)
    blend(arguments.out, arguments.morphs)
    ask_teacher(arguments.data, arguments.out)


if __name__ == "__main__":
    main()
