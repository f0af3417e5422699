"""Whether a visit without a name probably is somebody who is to be forgotten.

Judged by the normalised score that names people (AS-norm, `recognition.calibration`) against the person's
template, with the shipped cohort alone, as groups of strangers are; a plain cosine takes a neighbour's visit
in twenty, and a relative's in five, for the person's. Who resembles somebody else who is enrolled more is
more likely that one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import Vectors
from facerec_mqtt.recognition import FamilyModel, Gallery, Normaliser

PROBABLY = 2.0
"""Normalised score from which on a visit probably is the person. Chosen on one half of the families that are
kept for judging; on the other half, visits of three pictures, 0.998 of the person's own reach it (of poor
pictures 0.987), of relatives' 0.009 (0.012), of other people's 0.0011 (0.0014)."""


@dataclass(frozen=True, slots=True, eq=False)
class Resemblance:
    """What somebody looks like, beside all others who are enrolled."""

    own: Vectors
    """(n, D) float32 templates of the person; empty where nothing is known."""
    others: Vectors
    """(m, D) float32 templates of the others."""
    normaliser: Normaliser
    """The shipped cohort alone."""
    network: str
    """SHA-256 of the backbone that made them, in hex."""

    def fit(self, vectors: Vectors, least: float = PROBABLY) -> NDArray[np.bool_]:
        """Which faces probably are the person's.

        Args:
            vectors: (N, D) float32 unit embeddings of this network.
            least: normalised score from which on.
        """
        if not len(self.own) or not len(vectors):
            return np.zeros(len(vectors), np.bool_)
        faces = Gallery.of(vectors, self.normaliser)
        own = self._best(self.own, faces)
        is_own = own >= least
        return is_own if not len(self.others) else is_own & (own >= self._best(self.others, faces))

    def _best(self, templates: Vectors, faces: Gallery) -> NDArray[np.float32]:
        scores = Gallery.of(templates, self.normaliser).compared(faces)
        return np.asarray(scores.max(axis=1), np.float32)


def resemblance_to(
    person: str, models: Sequence[FamilyModel], normaliser: Normaliser, network: str
) -> Resemblance:
    """What models know of somebody.

    Args:
        person: the slug.
        models: of the family, the one that knows the others last; those of other networks are ignored.
        normaliser: the shipped cohort alone.
        network: SHA-256 of the backbone that made the cohort, in hex.
    """
    own: list[NDArray[np.float32]] = []
    others: list[NDArray[np.float32]] = []
    for model in models:
        templates = model.arrays.get("templates", np.zeros((0, 0), np.float32))
        if model.backbone_digest == network and len(templates) == len(model.people):
            rows = dict(zip((each.slug for each in model.people), templates, strict=True))
            own += [rows.pop(person)] if person in rows else []
            others = [*rows.values()]
    shape = (-1, normaliser.centres.shape[1])
    return Resemblance(
        np.array(own, np.float32).reshape(shape),
        np.array(others, np.float32).reshape(shape),
        normaliser,
        network,
    )


def unnamed_that_go(count: int, name: str) -> str:
    """How many visits without a name would be deleted with somebody, and why, as part of a sentence."""
    if count == 0:
        return "no visit without a name"
    visits, are, faces = f"{count} visits", "are", "their faces resemble"
    if count == 1:
        visits, are, faces = "one visit", "is", "its face resembles"
    return (
        f"{visits} without a name that probably {are} {name}, since {faces} {name} more"
        " than anybody else who is enrolled"
    )
