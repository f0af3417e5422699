"""One face through the backbone, against Keras' `predict` of MobileNetV2 at 224×224.

    python benchmarks/backbone_speed.py [--threads 2]

Both run alternately in one process and the medians are compared, so that a busy machine slows both.
Ours is timed as the service runs it: with the mirror image, the preprocessing and the unit length.
"""

import argparse
import json
import time
from collections.abc import Callable

import keras
import numpy as np

from facerec_mqtt.core.records import AlignedFace
from facerec_mqtt.faces import Embedder

ROUNDS = 15
FACES_A_ROUND = 20


def milliseconds(action: Callable[[], object], times: int) -> float:
    """Mean duration of one call."""
    start = time.perf_counter()
    for _ in range(times):
        action()
    return 1000 * (time.perf_counter() - start) / times


def main() -> None:
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    threads = parser.parse_args().threads
    rng = np.random.default_rng(0)
    face = AlignedFace(rng.integers(0, 256, (112, 112, 3), dtype=np.uint8), 112.0, 100.0)
    embedder = Embedder.load(threads=threads)
    network = keras.applications.MobileNetV2(weights=None)
    picture = rng.random((1, 224, 224, 3), np.float32)
    embedder.embed([face])
    network.predict(picture, verbose=0)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(milliseconds(lambda: embedder.embed([face]), FACES_A_ROUND))
        theirs.append(milliseconds(lambda: network.predict(picture, verbose=0), 1))
    result = {
        "backbone_ms": round(float(np.median(ours)), 2),
        "keras_predict_ms": round(float(np.median(theirs)), 1),
        "ratio": round(float(np.median(theirs) / np.median(ours)), 1),
        "threads": threads,
        "rounds": ROUNDS,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
