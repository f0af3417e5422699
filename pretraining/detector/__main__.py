"""`python -m pretraining.detector`: prepare, train both networks, export."""

import argparse
from pathlib import Path

import cv2

from pretraining.data import require
from pretraining.detector.export import export
from pretraining.detector.mistakes import collect
from pretraining.detector.prepare import prepare
from pretraining.detector.refiner import train_refiner
from pretraining.detector.rendered import render
from pretraining.detector.train import train


def main() -> None:
    """All of it; what is in the work folder already is not done again."""
    parser = argparse.ArgumentParser(prog="python -m pretraining.detector", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--work", type=Path, default=Path("../detector_run"), help="labels, pictures, checkpoint"
    )
    parser.add_argument("--out", type=Path, default=Path("facerec_mqtt/faces/weights/detector.tflite"))
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--refiner-minutes", type=float, default=40)
    parser.add_argument("--start", type=Path, help="folder of exported networks to go on from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="that compose scenes")
    arguments = parser.parse_args()
    require(
        parser, arguments.data, "models/face_detection_yunet.onnx", "lfw/folds.tsv", "chips", "backgrounds"
    )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    if not (arguments.work / "rendered.faces.npz").exists():
        render(arguments.work / "rendered", arguments.seed)
    prepare(arguments.data, arguments.work, arguments.work / "rendered")
    first, second = (
        arguments.start / name if arguments.start else None for name in ("detector.tflite", "refiner.tflite")
    )
    network = train(arguments.work, arguments.minutes, arguments.seed, arguments.threads, first)
    export(network, arguments.out)
    if not (arguments.work / "mistakes.npz").exists():
        collect(arguments.work, arguments.out)
    refiner = arguments.out.with_name("refiner.tflite")
    train_refiner(arguments.work, arguments.refiner_minutes, arguments.seed, refiner, second)


if __name__ == "__main__":
    main()
