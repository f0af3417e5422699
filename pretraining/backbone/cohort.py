"""Make the cohort that scores are normalised against, and the impostor thresholds, for a backbone.

    python -m pretraining.backbone.cohort --corpus DIR --out facerec_mqtt/faces/weights

Centres are spherical k-means of many people's embeddings, and a centre of fewer than three pictures
is dropped, so that no single picture's embedding is shipped. Thresholds are measured on LFW's
selection fold, which is neither trained on nor used for validation.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import AlignedFace, Vectors
from facerec_mqtt.faces import Embedder
from facerec_mqtt.faces.embedding import BACKBONE_FILE, COHORT_FILE
from facerec_mqtt.recognition import Gallery, Normaliser, Scores, template
from pretraining.backbone.corpus import MARGIN_PX, SELECTION_FOLD, Corpus

SHARES = {"utk": 0.35, "aaf": 0.25, "celeba": 0.2, "lfw": 0.15, "dfdc": 0.05}
"""How much of the cohort each set gives; the young are taken first from "utk"."""
CROWDED = 60
"""How many of the centres are thinned; chosen on training pictures of children, clean and degraded."""
TEMPLATE_PICTURES = 5
"""Enrolled pictures in each template of the impostor comparisons, at most."""
TAIL_FAR = 1e-3
"""Below this false accept rate thresholds are extrapolated from an exponential tail."""


def embed_rows(embedder: Embedder, corpus: Corpus, rows: NDArray[np.int64]) -> Vectors:
    """Embed pictures of the corpus: (N,) rows to (N, 256) unit vectors."""
    inner = slice(MARGIN_PX, -MARGIN_PX)
    vectors = []
    for row in rows:
        face = np.ascontiguousarray(corpus.chips[row][inner, inner])
        vectors.append(embedder.embed([AlignedFace(image=face, width_px=112.0, sharpness=100.0)]))
        if len(vectors) % 1000 == 0:
            print(f"embedded {len(vectors)} of {len(rows)}", flush=True)
    return np.concatenate(vectors)


def spherical_k_means(vectors: Vectors, count: int, rng: np.random.Generator, rounds: int = 25) -> Vectors:
    """Centres of unit vectors by cosine.

    Returns:
        (M, 256) unit rows, M at most `count`: clusters of fewer than three are dropped.
    """
    centres = vectors[rng.choice(len(vectors), count, replace=False)]
    nearest = np.zeros(len(vectors), np.int64)
    for _ in range(rounds):
        nearest = np.argmax(vectors @ centres.T, axis=1)
        total = np.zeros_like(centres)
        np.add.at(total, nearest, vectors)
        length = np.linalg.norm(total, axis=1, keepdims=True)
        centres = np.where(length > 0, total / np.maximum(length, 1e-9), centres)
    return centres[np.bincount(nearest, minlength=count) >= 3]


def thin_young(centres: Vectors, young: Vectors) -> Vectors:
    """Drop two of three of the centres that are most like small children.

    To a face network these lie so close together that the nearest ones push even another picture of
    the same child below the threshold; without any of them every child passes for every other.

    Args:
        centres: (M, 256) unit rows.
        young: (N, 256) embeddings of children under ten.
    """
    order = np.argsort(-(centres @ young.mean(axis=0)))
    kept = np.concatenate([order[:CROWDED][1::3], order[CROWDED:]])
    return centres[np.sort(kept)]


def impostor_scores(vectors: Vectors, person: NDArray[np.int32], normaliser: Normaliser) -> Scores:
    """Normalised scores of every picture against the template of every other person."""
    enrolled = np.flatnonzero(np.bincount(person) >= 2)
    templates = np.stack([template(vectors[person == who][:TEMPLATE_PICTURES]) for who in enrolled])
    scores = Gallery.of(templates, normaliser).normalised(vectors, normaliser)
    return scores[person[:, None] != enrolled[None]]


def thresholds(scores: Scores, rates: Scores) -> Scores:
    """The score that lets each share of the impostors through.

    Quantiles as long as there are enough comparisons; below `TAIL_FAR` the exponential tail that
    the scores above it have (peaks over threshold).
    """
    start = np.quantile(scores, 1 - TAIL_FAR)
    excess = float(np.mean(scores[scores > start] - start))
    measured = np.quantile(scores, 1 - rates)
    tail = start + excess * np.log(TAIL_FAR / rates)
    return np.where(rates >= TAIL_FAR, measured, tail).astype(np.float32)


def choose(corpus: Corpus, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Pick the pictures whose embeddings the cohort is made of."""
    training = corpus.training()
    chosen = []
    for source, share in SHARES.items():
        rows = rng.permutation(training[corpus.source[training] == source])
        if source == "utk":
            age = np.array([int(corpus.name[row].split("/")[1].split("_")[0]) for row in rows])
            young = np.flatnonzero(age < 20)[: int(0.4 * share * count)]
            rows = np.concatenate([rows[young], np.delete(rows, young)])
        chosen.append(rows[: int(share * count)])
    return np.sort(np.concatenate(chosen))


def main() -> None:
    """Write cohort.npz beside the backbone it belongs to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="what prepare left")
    parser.add_argument("--out", type=Path, required=True, help="folder with the backbone")
    parser.add_argument("--pictures", type=int, default=12000)
    parser.add_argument("--centres", type=int, default=1024)
    parser.add_argument("--top", type=int, default=30)
    arguments = parser.parse_args()
    for needed in (arguments.corpus / "index.json", arguments.out / BACKBONE_FILE):
        if not needed.is_file():
            parser.error(
                f"{needed} is not there; prepare makes --corpus, and export puts the backbone into --out"
            )
    rng = np.random.default_rng(4)
    corpus = Corpus.open(arguments.corpus)
    embedder = Embedder.load(arguments.out / BACKBONE_FILE)
    selection = np.flatnonzero(corpus.fold == SELECTION_FOLD)
    chosen = choose(corpus, arguments.pictures, rng)
    if len(chosen) < arguments.centres:
        parser.error(f"--corpus gives {len(chosen)} pictures for {arguments.centres} --centres; take fewer")
    vectors = embed_rows(embedder, corpus, chosen)
    ages = [
        corpus.name[row].split("/")[1].split("_")[0] if corpus.source[row] == "utk" else "" for row in chosen
    ]
    young = np.array([age.isdigit() and int(age) < 10 for age in ages])
    centres = thin_young(spherical_k_means(vectors, arguments.centres, rng), vectors[young]).astype(
        np.float16
    )
    held = embed_rows(embedder, corpus, selection)
    unit = centres.astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    scores = impostor_scores(held, corpus.person[selection], Normaliser(unit, arguments.top))
    rates = np.logspace(-1, -5, 41).astype(np.float32)
    part = arguments.out / "cohort.part.npz"
    np.savez_compressed(
        part,
        centres=centres,
        top=arguments.top,
        impostor_far=rates,
        impostor_threshold=thresholds(scores, rates),
    )
    part.replace(arguments.out / COHORT_FILE)
    print(f"{len(centres)} centres of {len(vectors)} pictures; {len(scores):,} impostor comparisons")


if __name__ == "__main__":
    main()
