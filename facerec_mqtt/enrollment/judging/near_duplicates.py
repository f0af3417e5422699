"""Photos that repeat another one, and photos that were taken at the same moment.

No limit here belongs to one backbone: how alike two photos are is compared with how alike each is to its own
worsened versions (`training.augmentation`).
"""

from collections.abc import Hashable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import Vectors
from facerec_mqtt.recognition import Scores

_SAME_MOMENT_S = 600.0
_NONE = -1


def repeats(vectors: Vectors, labels: NDArray[np.int64], sharpness: NDArray[np.float64]) -> NDArray[np.int64]:
    """Near-duplicates: photos of one person that differ by less than a slight loss of quality would.

    Args:
        vectors: (N, versions, D) float32 unit embeddings, the photo as it is first.
        labels: (N,) row of the person.
        sharpness: (N,) of the faces.

    Returns:
        (N,) the sharpest photo of those that each repeats; -1 for a photo that repeats none.
    """
    _, own_best = _own_likeness(vectors)
    repeated = np.full(len(labels), _NONE)
    for row in np.unique(labels):
        own = np.flatnonzero(labels == row)
        kept: list[int] = []
        for photo in own[np.argsort(-sharpness[own], kind="stable")]:
            repeated[photo] = _repeated(vectors, own_best, int(photo), kept)
            if repeated[photo] == _NONE:
                kept.append(int(photo))
    return repeated


def repeats_of_members(
    vectors: Vectors, strangers: NDArray[np.int64], members: NDArray[np.int64]
) -> dict[int, int]:
    """Near-duplicates of members' photos among the strangers'.

    Args:
        vectors: (N, versions, D) float32 unit embeddings, the photo as it is first.
        strangers: (S,) strangers' photos.
        members: (M,) members' photos.

    Returns:
        The member's photo that each of these strangers' repeats.
    """
    _, own_best = _own_likeness(vectors)
    found = {int(photo): _repeated(vectors, own_best, int(photo), members) for photo in strangers}
    return {photo: other for photo, other in found.items() if other != _NONE}


def moments(
    vectors: Vectors, labels: NDArray[np.int64], taken_s: Sequence[float | None], sources: Sequence[Hashable]
) -> NDArray[np.int64]:
    """Group photos by shooting moment.

    Photos of one person belong to one moment when they are of one video, when the cameras' clocks put them
    within ten minutes of each other, when they are neighbours in the order of their files and as alike as a
    photo and its worsened versions usually are, or when they are near-duplicates wherever they lie.

    Args:
        vectors: (N, versions, D) float32 unit embeddings in the order of the files.
        labels: (N,) row of the person.
        taken_s: when each was taken, where its file says so.
        sources: the file of each, of which a video has several.

    Returns:
        (N,) number of the moment.
    """
    own_middle, own_best = _own_likeness(vectors)
    moment = np.arange(len(labels))

    def join(one: int, other: int) -> None:
        moment[moment == moment[other]] = moment[one]

    for row in np.unique(labels):
        own = np.flatnonzero(labels == row)
        for place, photo in enumerate(own):
            alike = vectors[own[:place], 0] @ vectors[photo, 0]
            for other in own[:place][alike >= (own_best[own[:place]] + own_best[photo]) / 2]:
                join(int(other), int(photo))
            if place and alike[-1] >= (own_middle[own[place - 1]] + own_middle[photo]) / 2:
                join(int(own[place - 1]), int(photo))
        first_of: dict[Hashable, int] = {}
        for at in own.tolist():
            join(first_of.setdefault(sources[at], at), at)
        dated = sorted((taken, photo) for photo in map(int, own) if (taken := taken_s[photo]) is not None)
        for (before_s, one), (after_s, other) in pairwise(dated):
            if after_s - before_s <= _SAME_MOMENT_S:
                join(one, other)
    return moment


def _repeated(
    vectors: Vectors, own_best: Scores, photo: int, others: Sequence[int] | NDArray[np.int64]
) -> int:
    """Which of some others a photo is a near-duplicate of, the most alike; -1 where of none."""
    if len(others) == 0:
        return _NONE
    alike = vectors[others, 0] @ vectors[photo, 0]
    close = np.flatnonzero(alike >= (own_best[others] + own_best[photo]) / 2)
    return int(others[int(close[alike[close].argmax()])]) if len(close) else _NONE


def _own_likeness(vectors: Vectors) -> tuple[Scores, Scores]:
    """(N,) median and greatest similarity of each photo to its own worsened versions."""
    own = np.einsum("nvd,nd->nv", vectors[:, 1:], vectors[:, 0])
    return np.median(own, axis=1), own.max(axis=1)
