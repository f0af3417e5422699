r"""Pack the training pictures into one array and ask the teacher about each, once.

    python -m pretraining.backbone.prepare --data ../shared/data --out DIR

LFW's pictures are detected with YuNet and aligned; chips are aligned already; morphs are blends of
training pictures. Resumable: what is already in DIR is not done again. 15 to 30 minutes on 2 cores; 15 GB.

For a stage that learns identities (`identities.py`):

    python -m pretraining.backbone.prepare --data ../shared/data --out DIR --people families=DIR \
        --people celebrities=DIR --second fr_feature.onnx --morphs 0 --no-maps

`--people` takes chips in a folder a person, or a folder a family of such folders. Of these a tenth, by the
CRC-32 of the family's or the person's folder, is for judging and not trained on. The teachers are asked about
known people first, and `--minutes` ends the asking: a stage learns from what has been answered.
"""

import argparse
import csv
import importlib.util
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.faces.alignment import FACE_SIDE_PX, TEMPLATE, similarity
from pretraining.backbone.corpus import (
    CHIP_SETS,
    CHIP_SIDE_PX,
    MAP_CELLS,
    MAP_CHANNELS,
    MAPS_FILE,
    MARGIN_PX,
    MORPHS,
    SECOND_FILE,
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
SECOND_DIMENSIONS = 512
ASKED_AT_ONCE = 32


class Teacher:
    """The Apache-2.0 network whose embeddings ours learns to give: face-reidentification-retail-0095."""

    def __init__(self, path: Path, *, maps: bool = True) -> None:
        """Open it in ONNX form, with its inner maps or without."""
        self._maps = TEACHER_MAPS if maps else ()
        self._run = compiled(path, TEACHER_SIDE_PX, self._maps)
        self._turn = similarity(TEMPLATE + np.float32(MARGIN_PX), TEACHER_TEMPLATE)

    def look(self, chips: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What it makes of aligned faces.

        Args:
            chips: (N, 128, 128, 3) uint8 BGR, the ArcFace template plus a margin of 8 px on each side.

        Returns:
            (N, 256) unit vectors and its maps, (N, 2, 64, 128), the first map by means of 2×2 cells; (N, 0)
            where maps are not wanted.
        """
        side = (TEACHER_SIDE_PX, TEACHER_SIDE_PX)
        faces = np.stack([cv2.warpAffine(chip, self._turn, side) for chip in chips])
        answer = self._run(np.ascontiguousarray(faces.transpose(0, 3, 1, 2).astype(np.float32)))
        if not self._maps:
            return unit(answer[0].reshape(len(chips), -1)), np.zeros((len(chips), 0), np.float32)
        finer, coarser = (answer[name] for name in self._maps)
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


class Second:
    """A second teacher, of ArcFace's form: (1, 3, 112, 112), (BGR - 127.5) / 128, to 512 numbers."""

    def __init__(self, path: Path) -> None:
        """Open it in ONNX form."""
        self._run = compiled(path, FACE_SIDE_PX, ())

    def look(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What it makes of faces: chips, as `Teacher.look` takes them, to (N, 512) unit vectors."""
        inner = slice(MARGIN_PX, -MARGIN_PX)
        planes = (chips[:, inner, inner].transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 128
        return unit(self._run(np.ascontiguousarray(planes))[0].reshape(len(chips), -1))

    def look_twice(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The same of each face and of its mirror image."""
        return unit(self.look(chips) + self.look(chips[:, :, ::-1]))


def compiled(path: Path, side_px: int, more: Iterable[str]) -> Any:
    """An ONNX network for any number of pictures, with these inner values beside its answer."""
    import openvino

    core = openvino.Core()
    network = core.read_model(str(path))
    network.add_outputs(list(more))
    network.reshape([-1, 3, side_px, side_px])
    return core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


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


def people_files(folder: Path, name: str, first: int) -> Iterator[tuple[str, int, int]]:
    """Name, person's number from `first` on, and 0 for the fold, of each chip of known people."""
    people = sorted({path.parent for path in folder.rglob("*.webp")})
    for number, person in enumerate(people, first):
        for path in sorted(person.glob("*.webp")):
            yield f"{name}/{path.relative_to(folder).as_posix()}", number, 0


def pack(data: Path, out: Path, people: dict[str, Path], room: int) -> None:
    """Write chips.npy, with room for so many morphs at its end, and index.json."""
    entries = list(lfw_files(data / "lfw"))
    for name, folder in people.items():
        entries += people_files(folder, name, max(person for _, person, _ in entries) + 1)
    for chip_set in CHIP_SETS:
        paths = sorted((data / "chips" / chip_set).iterdir())
        entries += [(f"{chip_set}/{path.name}", -1, 0) for path in paths]
    folders = {"lfw": data / "lfw" / "images"} | {each: data / "chips" / each for each in CHIP_SETS} | people
    detector = cv2.FaceDetectorYN.create(
        str(data / "models" / "face_detection_yunet.onnx"), "", (250, 250), score_threshold=0.4
    )
    chips = np.lib.format.open_memmap(
        out / "chips.npy.part", "w+", np.uint8, (len(entries) + room, CHIP_SIDE_PX, CHIP_SIDE_PX, 3)
    )
    kept: list[tuple[str, int, int]] = []
    for entry in entries:
        source, rest = entry[0].split("/", 1)
        image = cv2.imread(str(folders[source] / rest), cv2.IMREAD_COLOR)
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


def ask(corpus: Corpus, answers: Any, minutes: float, answer: Callable[[NDArray[np.int64]], None]) -> None:
    """Ask a teacher about pictures that may be trained on, and known people who are for judging.

    Goes on where it was interrupted. In a fixed random order, known people first, so that training can
    begin on the first of them; the rows of the others stay zero.

    Args:
        corpus: the pictures.
        answers: (N, D) its vectors so far.
        minutes: when to stop; 0 is never.
        answer: asks about some rows and writes down all that is wanted.
    """
    started_s = time.monotonic()
    known = (corpus.person >= 0) & (corpus.source != "lfw")
    rows = np.union1d(corpus.training(), np.flatnonzero(known))
    rows = np.random.default_rng(3).permutation(rows)
    rows = rows[np.argsort(corpus.person[rows] < 0, kind="stable")]
    for start in range(0, len(rows), ASKED_AT_ONCE):
        some = rows[start : start + ASKED_AT_ONCE]
        if minutes and time.monotonic() - started_s > 60 * minutes:
            break
        if answers[some].any(axis=1).all():
            continue
        answer(some)
        if start // ASKED_AT_ONCE % 50 == 0:
            answers.flush()
            print(f"taught {start + len(some)} of {len(rows)}", flush=True)
    answers.flush()


def ask_teacher(data: Path, out: Path, minutes: float, *, with_maps: bool, once: bool) -> None:
    """Write the teacher's vectors and maps."""
    corpus = Corpus.open(out)
    answers = opened(out / TEACHER_FILE, (len(corpus.chips), 256))
    shape = (len(corpus.chips), 2, 2, MAP_CELLS**2, MAP_CHANNELS)
    maps = opened(out / MAPS_FILE, shape) if with_maps else None
    teacher = Teacher(data / TEACHER_MODEL, maps=with_maps)

    def answer(some: NDArray[np.int64]) -> None:
        chips = corpus.chips[some]
        if once:
            answers[some] = teacher.look(chips)[0]
            return
        vectors, seen = teacher.look_twice(chips)
        if maps is not None:
            maps[some] = seen
        answers[some] = vectors

    ask(corpus, answers, minutes, answer)


def ask_second(model: Path, out: Path, minutes: float, *, once: bool) -> None:
    """Write the second teacher's vectors."""
    corpus = Corpus.open(out)
    answers = opened(out / SECOND_FILE, (len(corpus.chips), SECOND_DIMENSIONS))
    second = Second(model)

    def answer(some: NDArray[np.int64]) -> None:
        chips = corpus.chips[some]
        answers[some] = second.look(chips) if once else second.look_twice(chips)

    ask(corpus, answers, minutes, answer)


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
    parser.add_argument(
        "--people", action="append", default=[], metavar="NAME=DIR", help="chips of known people, of one set"
    )
    parser.add_argument("--second", type=Path, help="a second teacher, in ONNX form, to be asked too")
    parser.add_argument("--no-maps", action="store_true", help="leave out the teacher's inner maps")
    parser.add_argument(
        "--once", action="store_true", help="ask about faces alone, not their mirror images; without maps"
    )
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="how long to ask each teacher; 0: to the end"
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
    people = {name: Path(folder) for name, _, folder in (each.partition("=") for each in arguments.people)}
    for needed in (*people.values(), *([arguments.second] if arguments.second else [])):
        if not needed.exists():
            parser.error(f"{needed} is not there; --people takes NAME=DIR, --second a network")
    if importlib.util.find_spec("openvino") is None:
        parser.error("openvino is not installed; pip install -e '.[pretraining]' installs it")
    arguments.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    if not (arguments.out / "index.json").exists():
        pack(arguments.data, arguments.out, people, arguments.morphs)
    blend(arguments.out, arguments.morphs)
    with_maps = not (arguments.no_maps or arguments.once)
    ask_teacher(arguments.data, arguments.out, arguments.minutes, with_maps=with_maps, once=arguments.once)
    if arguments.second:
        ask_second(arguments.second, arguments.out, arguments.minutes, once=arguments.once)


if __name__ == "__main__":
    main()
