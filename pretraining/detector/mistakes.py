"""Where the first network sees faces that are none: what the second must learn to refuse."""

from pathlib import Path

import numpy as np

from facerec_mqtt.faces import FaceDetector
from pretraining.detector.prepare import overlap
from pretraining.detector.scenes import Source

LFW_EVERY = 2  # of the training pictures that are searched
MIN_SCORE = 0.25  # of a proposal


def collect(work: Path, detector_path: Path) -> None:
    """Search training pictures and write `mistakes.npz`: source, picture, x, y, width, height."""
    detector = FaceDetector.load(detector_path, min_score=MIN_SCORE)
    rows = []
    for number, (name, every) in enumerate((("backgrounds", 1), ("lfw", LFW_EVERY))):
        source = Source.load(work, name)
        for index in range(0, len(source.faces), every):
            faces = source.faces[index]
            for proposal in detector.propose(np.asarray(source.pictures[index])):
                box = np.concatenate([proposal[1:3], proposal[3:5] - proposal[1:3]])
                if len(faces) == 0 or overlap(box, faces[:, :4]).max() < 0.25:
                    rows.append([number, index, *box])
    np.savez(work / "mistakes.npz", mistakes=np.array(rows, np.float32).reshape(-1, 6))
    print(f"mistakes of the first network: {len(rows)}", flush=True)
