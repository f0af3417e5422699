"""How well a network tells people apart who are not trained on, nor what reported figures come from.

    python -m pretraining.backbone.judge NETWORK.npz... --corpus DIR

Share of the pairs of one person that pass where 1 % and 0.1 % of the pairs of two people do, by plain cosine,
for each set of known people that are kept for choosing: LFW's fold 7 and every tenth household of the others;
clean, and as cameras spoil pictures. `--teachers` adds both teachers and the targets, where those were asked.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pretraining.backbone.corpus import (
    MARGIN_PX,
    SECOND_FILE,
    SELECTION_FOLD,
    TARGET_FILE,
    TEACHER_FILE,
    Corpus,
)
from pretraining.backbone.fuse import embed
from pretraining.backbone.network import load
from pretraining.backbone.refit import spoil

RATES = (1e-2, 1e-3)
Rows = NDArray[np.float32]


def accepted(vectors: Rows, person: NDArray[np.int32]) -> list[float]:
    """True accept rate at each of `RATES`, over all pairs, each person with a pair weighing alike."""
    similarity = vectors @ vectors.T
    first, second = np.triu_indices(len(vectors), 1)
    scores, same = similarity[first, second], person[first] == person[second]
    limits = np.quantile(scores[~same], [1 - rate for rate in RATES])
    whose = person[first][same]
    weight = 1 / np.bincount(whose)[whose]
    return [float(weight[scores[same] >= limit].sum() / weight.sum()) for limit in limits]


def kept(corpus: Corpus) -> dict[str, NDArray[np.int64]]:
    """The pictures of each set that recipes are compared on."""
    sets = {"lfw fold 7": np.flatnonzero(corpus.fold == SELECTION_FOLD)}
    known = corpus.validation & (corpus.person >= 0) & (corpus.source != "lfw")
    for source in np.unique(corpus.source[known]):
        sets[str(source)] = np.flatnonzero(known & (corpus.source == source))
    return sets


def spoilt(corpus: Corpus, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The same chips as `refit.spoil` leaves them."""
    chips = corpus.chips[rows].copy()
    inner = slice(MARGIN_PX, -MARGIN_PX)
    for chip in chips:
        chip[inner, inner] = spoil(np.ascontiguousarray(chip[inner, inner]))
    return chips


def main() -> None:
    """Print a line for each network and set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("networks", type=Path, nargs="*")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--teachers", action="store_true")
    arguments = parser.parse_args()
    for needed in (arguments.corpus / "index.json", *arguments.networks):
        if not needed.is_file():
            parser.error(f"{needed} is not there; prepare makes --corpus, and train networks")
    cv2.setNumThreads(1)
    corpus = Corpus.open(arguments.corpus)
    sets = kept(corpus)
    if arguments.teachers:
        for file in (TEACHER_FILE, SECOND_FILE, TARGET_FILE):
            answers = np.load(arguments.corpus / file, mmap_mode="r")
            for name, rows in sets.items():
                asked = rows[answers[rows].any(axis=1)]
                if len(asked):
                    rates = accepted(answers[asked].astype(np.float32), corpus.person[asked])
                    print(f"{file} {name} n={len(asked)}: " + " ".join(f"{rate:.3f}" for rate in rates))
    for path in arguments.networks:
        network = load(path).eval()
        for name, rows in sets.items():
            clean = accepted(embed(network, corpus.chips, rows), corpus.person[rows])
            chips = spoilt(corpus, rows)
            poor = accepted(embed(network, chips, np.arange(len(rows))), corpus.person[rows])
            figures = " ".join(f"{rate:.3f}" for rate in (*clean, *poor))
            print(f"{path} {name} n={len(rows)}: {figures}", flush=True)


if __name__ == "__main__":
    main()
