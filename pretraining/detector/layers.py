"""Train the second network's last two layers again, on what its convolutions give: a tenth of the time.

    python -m pretraining.detector.layers --work DIR --start REFINER.tflite --out FILE

For when there is no time for `refiner.py`. Cut-outs and their mirror images go through the convolutions
once and are kept (`features_*.npz`, so the next run begins with them); the layers behind then learn by
passes over all.
"""

import argparse
from pathlib import Path

import cv2
import keras
import numpy as np

from pretraining.detector.refiner import (
    AGAIN_RATE,
    BATCH,
    Cutter,
    RefinerModel,
    build,
    export_refiner,
    flipped,
)
from pretraining.detector.reread import reread

SHARD = 2048  # cut-outs that are kept at once
HELD_OUT_SHARDS = 1


def features_of(network: keras.Model, cutter: Cutter, work: Path, shards: int) -> list[Path]:
    """Draw cut-outs and keep what the convolutions say of them and of their mirror images."""
    trunk = keras.Model(network.inputs, network.get_layer("dense").input)
    paths = [work / f"features_{number:03}.npz" for number in range(shards)]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        rng = np.random.default_rng((cutter.seed, 9, number))
        cuts = [cutter.cut(rng) for _ in range(SHARD)]
        cuts += [flipped(*cut) for cut in cuts]
        seen = [
            np.asarray(
                trunk(
                    np.stack([image for image, _ in cuts[first : first + BATCH]]).astype(np.float32) / 127.5
                    - 1
                )
            )
            for first in range(0, len(cuts), BATCH)
        ]
        answers = np.stack([answer for _, answer in cuts]).astype(np.float32)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, features=np.concatenate(seen).astype(np.float16), answers=answers)
        partial.rename(path)
        print(f"{path.name}: {len(cuts)} cut-outs", flush=True)
    return paths


def learn(network: keras.Model, paths: list[Path], passes: int) -> None:
    """Train the layers behind the convolutions, in place; the first shard judges."""
    shards = [np.load(path) for path in paths]
    features = np.concatenate([shard["features"] for shard in shards]).astype(np.float32)
    answers = np.concatenate([shard["answers"] for shard in shards])
    judging = HELD_OUT_SHARDS * 2 * SHARD
    tail_input = keras.Input(features.shape[1:])
    tail = RefinerModel(tail_input, network.get_layer("answer")(network.get_layer("dense")(tail_input)))
    steps = passes * ((len(features) - judging) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(AGAIN_RATE, steps, alpha=0.005)
    tail.compile(optimizer=keras.optimizers.AdamW(rate, weight_decay=1e-3, clipnorm=10.0), jit_compile=False)
    judge(tail, features[:judging], answers[:judging])
    rng = np.random.default_rng(1)
    average = [np.array(weight) for weight in tail.get_weights()]
    step = 0
    for number in range(passes):
        losses = []
        order = judging + rng.permutation(len(features) - judging)
        for first in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[first : first + BATCH]
            losses.append(float(tail.train_on_batch(features[rows], answers[rows])))
            step += 1
            if step % 5 == 0:
                share = min(0.98, step / (step + 50))
                for mean, weight in zip(average, tail.get_weights(), strict=True):
                    mean += (1 - share) * (weight - mean)
        print(f"pass {number + 1}, loss {np.mean(losses):.4f}", flush=True)
    tail.set_weights(average)
    judge(tail, features[:judging], answers[:judging])


def judge(tail: keras.Model, features: np.ndarray, answers: np.ndarray) -> None:
    """Print how far the landmarks are off, and how well faces are told from the rest."""
    given = np.asarray(tail(features))
    face = answers[:, 0] > 0
    away = (given[face, 5:] - answers[face, 5:]).reshape(-1, 5, 2)
    eyes = np.linalg.norm(answers[face, 5:7] - answers[face, 7:9], axis=1)
    error = np.median(np.linalg.norm(away, axis=2).mean(axis=1) / eyes)
    wrong = np.mean((given[:, 0] > 0) != face)
    print(f"unseen cut-outs: landmarks {error:.4f} of the eyes' distance (median), taken wrongly {wrong:.4f}")


def main() -> None:
    """Draw, learn, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--start", type=Path, required=True, help="an exported network")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=12)
    parser.add_argument("--passes", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    keras.utils.set_random_seed(arguments.seed)
    network = build()
    reread(arguments.start, network)
    cutter = Cutter.load(arguments.work, arguments.seed)
    learn(network, features_of(network, cutter, arguments.work, arguments.shards), arguments.passes)
    export_refiner(network, arguments.out)


if __name__ == "__main__":
    main()
