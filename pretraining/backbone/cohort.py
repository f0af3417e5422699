"""Make the cohort that scores are normalised against, and the impostor thresholds, for a backbone.

    python -m pretraining.backbone.cohort --data DIR --identities DIR --work DIR

Faces are found and cut by the package's own detector (`faces.py`), so it must be the one that will ship.
Centres are spherical k-means of many people's embeddings, and a centre of fewer than three pictures
is dropped, so that no single picture's embedding is shipped. Thresholds are measured on people who are
neither trained on nor used for validation: LFW's selection fold, and a tenth of the families and celebrities.
"""

import argparse
import multiprocessing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import AlignedFace, Vectors
from facerec_mqtt.faces.embedding import BACKBONE_FILE, COHORT_FILE, Embedder
from facerec_mqtt.recognition.calibration import Gallery, Normaliser, Scores, template
from pretraining.backbone.faces import Faces, cut_faces
from pretraining.data import require

CROWDED = 60
"""How many of the centres are thinned; chosen on training pictures of children, clean and degraded."""
TEMPLATE_PICTURES = 5
"""Enrolled pictures in each template of the impostor comparisons, at most."""
TAIL_FAR = 1e-3
"""Below this false accept rate thresholds are extrapolated from an exponential tail."""
WEIGHTS = {"families": 0.5, "lfw": 0.25, "celebrities": 0.25}
"""How much each set counts in the thresholds."""


def embed_all(backbone: Path, faces: Faces, jobs: int) -> Vectors:
    """Embed all faces: (N, 256) unit rows."""
    parts = np.array_split(np.arange(len(faces.images)), 4 * jobs)
    with multiprocessing.Pool(jobs, _open, (backbone,)) as pool:
        return np.concatenate(pool.map(_embed, [faces.images[part] for part in parts], chunksize=1))


def _open(backbone: Path) -> None:
    global _embedder  # one a process
    _embedder = Embedder.load(backbone)


def _embed(images: NDArray[np.uint8]) -> Vectors:
    return _embedder.embed([AlignedFace(image=image, width_px=112.0, sharpness=100.0) for image in images])


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


def impostor_scores(
    vectors: Vectors, person: NDArray[np.str_], household: NDArray[np.str_], normaliser: Normaliser
) -> Scores:
    """Normalised scores of every picture against the template of everybody of another household."""
    whose, row = np.unique(person, return_inverse=True)
    enrolled = np.flatnonzero(np.bincount(row) >= 2)
    templates = np.stack([template(vectors[row == who][:TEMPLATE_PICTURES]) for who in enrolled])
    at_home = np.array([household[person == whose[who]][0] for who in enrolled])
    scores = Gallery.of(templates, normaliser).normalised(vectors, normaliser)
    return scores[household[:, None] != at_home[None]]


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


def main() -> None:
    """Write cohort.npz beside the backbone it belongs to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--identities", type=Path, default=Path("../identities"))
    parser.add_argument("--work", type=Path, default=Path("../cohort_run"), help="cut faces are kept here")
    parser.add_argument(
        "--out", type=Path, default=Path("facerec_mqtt/faces/weights"), help="has the backbone"
    )
    parser.add_argument("--pictures", type=int, default=10000)
    parser.add_argument("--centres", type=int, default=1024)
    parser.add_argument("--top", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    require(parser, arguments.data, "lfw/folds.tsv", "chips")
    for needed in (arguments.identities / "families_raw", arguments.out / BACKBONE_FILE):
        if not needed.exists():
            parser.error(f"{needed} is not there; see pretraining/README.md for how it is made")
    rng = np.random.default_rng(4)
    faces = cut_faces(
        arguments.data, arguments.identities, arguments.work, arguments.pictures, arguments.jobs
    )
    vectors = embed_all(arguments.out / BACKBONE_FILE, faces, arguments.jobs)
    chosen = ~faces.for_thresholds
    if chosen.sum() < arguments.centres:
        parser.error(f"{chosen.sum()} faces were found for {arguments.centres} --centres; take fewer")
    centres = spherical_k_means(vectors[chosen], arguments.centres, rng)
    centres = thin_young(centres, vectors[chosen & faces.young]).astype(np.float16)
    unit = centres.astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    normaliser = Normaliser(unit, arguments.top)
    scores = {}
    for kind in WEIGHTS:
        some = faces.for_thresholds & (faces.kind == kind)
        found = impostor_scores(vectors[some], faces.person[some], faces.household[some], normaliser)
        at = thresholds(found, np.array([1e-2, 1e-3, 1e-4])).round(2)
        print(f"{kind}: {some.sum()} pictures, {len(found):,} impostor comparisons, thresholds {at}")
        scores[kind] = found
    rates = np.logspace(-1, -5, 41).astype(np.float32)
    table = thresholds(weighed(scores, rng), rates)
    part = arguments.out / "cohort.part.npz"
    np.savez_compressed(
        part,
        centres=centres,
        top=arguments.top,
        impostor_far=rates,
        impostor_threshold=table,
    )
    part.replace(arguments.out / COHORT_FILE)
    print(f"{len(centres)} centres of {chosen.sum()} pictures; threshold at 0.1 %: {table[20]:.2f}")


def weighed(scores: dict[str, Scores], rng: np.random.Generator, count: int = 2_000_000) -> Scores:
    """So many of the sets' scores, each set as often as its weight says."""
    return np.concatenate([rng.choice(scores[kind], int(weight * count)) for kind, weight in WEIGHTS.items()])


if __name__ == "__main__":
    main()
