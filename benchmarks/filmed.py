"""Visits whose frames are alike, for `visits.py`: guises of one picture, as of somebody who hardly moves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from accuracy import ENROLLED, FAMILY_SIZE, FPIRS, degrade, summary
from numpy.typing import NDArray

from facerec_mqtt.core.records import AlignedFace, Image, Vectors
from facerec_mqtt.faces import Cohort, Embedder
from facerec_mqtt.presence.tracks.pooling import differing
from facerec_mqtt.recognition import Gallery, Normaliser, calibrate, template
from facerec_mqtt.recognition.error_rates import Scores

FAMILIES = 30
VOTES = 3
FILMED, FRAMES = 25, 8
"""So many pictures of each person are filmed, and frames of each."""
NOTHING = np.zeros(0, np.float32)


def embed(embedder: Embedder, faces: Sequence[Image]) -> Vectors:
    """Aligned faces to (N, D) unit rows."""
    return embedder.embed([AlignedFace(image=face, width_px=112.0, sharpness=100.0) for face in faces])


def unit(vectors: Vectors) -> Vectors:
    """Rows of any length to unit length."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def guise(face: Image, rng: np.random.Generator) -> Image:
    """The same face in another frame."""
    turn = np.asarray(
        cv2.getRotationMatrix2D((56, 56), rng.normal(0, 3), 1 + rng.normal(0, 0.03)), np.float64
    )
    turn[:, 2] += rng.normal(0, 1.5, 2)
    seen = cv2.warpAffine(face, turn, (112, 112), borderMode=cv2.BORDER_REFLECT).astype(np.float32)
    seen = np.clip(seen * (1 + rng.normal(0, 0.08)) + rng.normal(0, 6), 0, 255)
    if rng.random() < 0.5:
        seen = cv2.GaussianBlur(seen, (0, 0), abs(rng.normal()) + 0.3)
    noisy = np.clip(seen + rng.normal(0, 4, seen.shape), 0, 255).astype(np.uint8)
    coded = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 85))])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def guises(face: Image, rng: np.random.Generator) -> list[Image]:
    """One face in each of `FRAMES`."""
    return [guise(face, rng) for _ in range(FRAMES)]


@dataclass(frozen=True, slots=True, eq=False)
class Filmed:
    """Visits of one person."""

    pictures: NDArray[np.int64]
    """(V,) which of the person's pictures each is made of."""
    frames: Vectors
    """(V, 8, D)."""
    pooled: Vectors
    """(V, 6, D): of the first three frames, the first four, and so on."""
    differing: Scores
    """(V, 6)."""


def film(faces: Sequence[Image], embedder: Embedder, rng: np.random.Generator, *, spoil: bool) -> Filmed:
    """Make visits of some of somebody's pictures."""
    chosen = rng.permutation(len(faces))[:FILMED]
    frames = np.stack(
        [
            embed(embedder, [degrade(each) if spoil else each for each in guises(faces[at], rng)])
            for at in chosen
        ]
    )
    counts = range(VOTES, FRAMES + 1)
    return Filmed(
        pictures=chosen,
        frames=frames,
        pooled=unit(np.stack([frames[:, :count].sum(axis=1) for count in counts], axis=1)),
        differing=np.array(
            [[differing(visit[:count], np.ones(count, np.float32)) for count in counts] for visit in frames],
            np.float32,
        ),
    )


def visits_of_frames(
    people: dict[str, list[Image]],
    enrolled: dict[str, Vectors],
    embedder: Embedder,
    cohort: Cohort,
    *,
    spoil: bool,
) -> dict[str, Any]:
    """Shares of visits named rightly, of members, and named at all, of strangers."""
    rng, normaliser = np.random.default_rng(3), Normaliser(cohort.centres, cohort.top)
    filmed = {who: film(faces, embedder, rng, spoil=spoil) for who, faces in people.items()}
    table = (cohort.impostor_far, cohort.impostor_threshold)
    shares: dict[str, list[float]] = {}
    totals = {"visits": 0, "strangers_visits": 0}
    for _ in range(FAMILIES):
        family = sorted(rng.choice(sorted(people), FAMILY_SIZE, replace=False))
        templates = []
        for who in family:
            rest = np.delete(enrolled[who], filmed[who].pictures, axis=0)
            templates.append(template(rest[rng.permutation(len(rest))[:ENROLLED]]))
        gallery = Gallery.of(np.stack(templates), normaliser)
        found: dict[str, list[float]] = {}
        for who, visits in filmed.items():
            count = len(visits.frames)
            single = gallery.normalised(visits.frames.reshape(-1, visits.frames.shape[-1]), normaliser)
            single = single.reshape(count, FRAMES, FAMILY_SIZE)
            looks = gallery.normalised(visits.pooled.reshape(-1, visits.pooled.shape[-1]), normaliser)
            looks = looks.reshape(count, FRAMES - VOTES + 1, FAMILY_SIZE)
            kind = "members" if who in family else "strangers"
            totals["visits" if who in family else "strangers_visits"] += count
            wanted = [family.index(who)] if who in family else range(FAMILY_SIZE)
            for fpir in FPIRS:
                calibration = calibrate(fpir, FAMILY_SIZE, table, NOTHING, NOTHING)
                limits = np.vectorize(lambda n, c=calibration: c.of_visit(n).threshold)(visits.differing)
                voted = np.sort(single, axis=1)[:, FRAMES - VOTES] >= calibration.threshold
                with_third = single[:, :VOTES].min(axis=1) >= calibration.threshold
                passed = looks >= limits[..., None]
                for how, named in (
                    ("votes", voted),
                    ("votes, third frame", with_third),
                    ("pooled", passed.any(axis=1)),
                    ("pooled, third frame", passed[:, 0]),
                ):
                    name = f"{kind}, {how} at {fpir:g}"
                    found.setdefault(name, []).append(float(named[:, wanted].any(axis=1).mean()))
        for name, some in found.items():
            shares.setdefault(name, []).append(float(np.mean(some)))
    return {name: summary(each) for name, each in shares.items()} | totals
