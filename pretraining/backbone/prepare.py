"""Pack the training pictures into one array and ask the teacher about each, once.

    python -m pretraining.backbone.prepare --data ../shared/data --out DIR

LFW's pictures are detected with YuNet and aligned; chips are aligned already. Resumable: what is
already in DIR is not done again. About 25 minutes on 2 cores with OpenVINO, longer without; 3.4 GB.
"""

import argparse
import csv
import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.alignment import TEMPLATE, similarity
from pretraining.backbone.corpus import CHIP_SETS, CHIP_SIDE_PX, MARGIN_PX, TEACHER_FILE, Corpus

TEACHER_SIDE_PX = 128
# Where face-reidentification-retail-0095 wants the landmarks, in pixels of its input (Open Model Zoo).
TEACHER_TEMPLATE = TEACHER_SIDE_PX * np.array(
    [[0.31557, 0.46157], [0.68262, 0.46157], [0.50026, 0.64051], [0.34947, 0.82469], [0.65344, 0.82469]]
)


class Teacher:
    """The Apache-2.0 network whose embeddings ours learns to give."""

    def __init__(self, run: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
        self._run = run

    @classmethod
    def load(cls, path: Path, threads: int = 1) -> "Teacher":
        """Open face-reidentification-retail-0095 in ONNX form.

        With OpenVINO where that is installed (10 ms a face on one core), else with onnxruntime (27 ms).
        """
        if importlib.util.find_spec("openvino") is not None:
            import openvino

            core = openvino.Core()
            core.set_property({"INFERENCE_NUM_THREADS": threads})
            network = core.read_model(str(path))
            network.reshape([-1, 3, TEACHER_SIDE_PX, TEACHER_SIDE_PX])
            compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            return cls(lambda batch: compiled(batch)[0])
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return cls(lambda batch: session.run(None, {name: batch})[0])

    def embed(self, chips: NDArray[np.uint8], margin_px: int = MARGIN_PX) -> NDArray[np.float32]:
        """Unit vectors of aligned faces.

        Args:
            chips: (N, S, S, 3) uint8 BGR, the ArcFace template plus a margin on each side.
            margin_px: that margin; 0 for 112×112 faces.

        Returns:
            (N, 256) float32.
        """
        turn = similarity(TEMPLATE + np.float32(margin_px), TEACHER_TEMPLATE)
        faces = np.stack([cv2.warpAffine(chip, turn, (TEACHER_SIDE_PX, TEACHER_SIDE_PX)) for chip in chips])
        batch = np.ascontiguousarray(faces.transpose(0, 3, 1, 2).astype(np.float32))
        vectors = self._run(batch).reshape(len(chips), -1)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def embed_both(self, chips: NDArray[np.uint8], margin_px: int = MARGIN_PX) -> NDArray[np.float32]:
        """Like `embed`: the mean of what is said of each face and of its mirror image.

        A steadier opinion: the two have a mean cosine of 0.917 on the training pictures.
        """
        vectors = self.embed(chips, margin_px) + self.embed(chips[:, :, ::-1], margin_px)
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


def pack(data: Path, out: Path) -> None:
    """Write chips.npy and index.json."""
    entries = list(lfw_files(data / "lfw"))
    for chip_set in CHIP_SETS:
        paths = sorted((data / "chips" / chip_set).iterdir())
        entries += [(f"{chip_set}/{path.name}", -1, 0) for path in paths]
    detector = cv2.FaceDetectorYN.create(
        str(data / "models" / "face_detection_yunet.onnx"), "", (250, 250), score_threshold=0.4
    )
    chips = np.lib.format.open_memmap(
        out / "chips.npy.part", "w+", np.uint8, (len(entries), CHIP_SIDE_PX, CHIP_SIDE_PX, 3)
    )
    kept: list[tuple[str, int, int]] = []
    for entry in entries:
        source, rest = entry[0].split("/", 1)
        path = data / ("lfw/images" if source == "lfw" else f"chips/{source}") / rest
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        chip = align_lfw(image, detector) if source == "lfw" else image
        if chip is None:
            print(f"no face: {entry[0]}", flush=True)
            continue
        chips[len(kept)] = chip
        kept.append(entry)
        if len(kept) % 5000 == 0:
            print(f"packed {len(kept)} of {len(entries)}", flush=True)
    chips.flush()
    (out / "chips.npy.part").rename(out / "chips.npy")
    index = {key: [entry[at] for entry in kept] for at, key in enumerate(("name", "person", "fold"))}
    (out / "index.json").write_text(json.dumps(index), encoding="utf-8")


def ask_teacher(data: Path, out: Path, batch: int = 32) -> None:
    """Write teacher.npy, (N, 256) float16; goes on where it was interrupted.

    Only pictures that may be trained on are asked about, in a fixed random order, so that training
    can begin on the first of them; the rows of the others stay zero.
    """
    corpus = Corpus.open(out)
    rows = np.random.default_rng(3).permutation(corpus.training())
    path = out / TEACHER_FILE
    if not path.exists():
        np.lib.format.open_memmap(path, "w+", np.float16, (len(corpus.chips), 256)).flush()
    answers = np.lib.format.open_memmap(path, "r+")
    teacher = Teacher.load(data / "models" / "face-reidentification-retail-0095.onnx")
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        if answers[some].any(axis=1).all():
            continue
        answers[some] = teacher.embed_both(corpus.chips[some])
        if start // batch % 50 == 0:
            answers.flush()
            print(f"taught {start + len(some)} of {len(rows)}", flush=True)
    answers.flush()


def main() -> None:
    """Run what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    if not (arguments.out / "index.json").exists():
        pack(arguments.data, arguments.out)
    ask_teacher(arguments.data, arguments.out)


if __name__ == "__main__":
    main()
