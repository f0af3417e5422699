"""The embeddings of one face's frames, put together: what they have in common is the person.

Light, turn and blur of a frame are chance, and average out, as far as the frames differ: those of
one second share theirs. Pure; times are arguments.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import PooledEmbedding, Sighting
from facerec_mqtt.recognition import unit

MOST_FRAMES = 32
"""Kept of one face. Of more, one of the two that are most alike goes, so that what differs stays."""
FITTING = 0.3
"""Frames less similar to what the others have in common do not show the same face, or show it too badly."""
CHANGED_FRAMES = 3
"""So many frames in a row that do not fit are somebody else, who has taken the place."""
SAME_PERSON = 0.55
"""Median similarity of two entirely different pictures of one person: 0.56 in the training families that are
kept for thresholds, 0.64 in LFW's fold 7, of poor pictures 0.47 and 0.56."""
_LEAST_WEIGHT = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    at_s: float
    vector: NDArray[np.float32]
    weight: float


class Pool:
    """The embedded frames of one face, or of one visit."""

    def __init__(self) -> None:
        self._frames: list[_Frame] = []
        self._looked: tuple[float, PooledEmbedding, frozenset[float]] | None = None
        """Since when was looked at last, and what was found; of the frames that there are."""

    def add(self, sighting: Sighting) -> None:
        """Take in a frame; ignored where its face was not embedded."""
        if sighting.embedding is not None:
            self._add(_Frame(sighting.captured_at_s, sighting.embedding, weight(sighting)))

    def extend(self, other: "Pool") -> None:
        """Take in the frames of a face that turns out to be the same."""
        for frame in other._frames:
            self._add(frame)

    def _add(self, frame: _Frame) -> None:
        self._looked = None
        self._frames.append(frame)
        if len(self._frames) > MOST_FRAMES:
            del self._frames[_most_redundant(self._frames)]

    def pooled(self, since_s: float = -math.inf) -> PooledEmbedding | None:
        """What the frames from a moment on say together; `None` without any."""
        looked = self._look(since_s)
        return None if looked is None else looked[1]

    def fitting(self, since_s: float) -> frozenset[float]:
        """When the frames from a moment on were captured, without those that are left out."""
        looked = self._look(since_s)
        return frozenset() if looked is None else looked[2]

    def _look(self, since_s: float) -> tuple[float, PooledEmbedding, frozenset[float]] | None:
        if self._looked is None or self._looked[0] != since_s:
            frames = [frame for frame in self._frames if frame.at_s >= since_s]
            if not frames:
                return None
            vectors, weights, fitting = _fitting(frames)
            pooled = PooledEmbedding(_mean(vectors, weights), len(vectors), differing(vectors, weights))
            self._looked = since_s, pooled, fitting
        return self._looked

    def has_changed(self) -> bool:
        """Whether the newest frames show another face than those before."""
        before, newest = self._frames[:-CHANGED_FRAMES], self._frames[-CHANGED_FRAMES:]
        if not before:
            return False
        vectors, weights, _ = _fitting(before)
        middle = _mean(vectors, weights)
        return all(float(frame.vector @ middle) < FITTING for frame in newest)

    def keep_newest(self) -> float:
        """Forget the face that was there before.

        Returns:
            Since when the newest is there; minus infinity where no frame was embedded.
        """
        self._looked = None
        del self._frames[:-CHANGED_FRAMES]
        return self._frames[0].at_s if self._frames else -math.inf


def weight(sighting: Sighting) -> float:
    """How much a frame counts: small and blurred faces less. (0, 1]."""
    return max(sighting.face.quality, _LEAST_WEIGHT)


def _fitting(
    frames: Sequence[_Frame],
) -> tuple[NDArray[np.float32], NDArray[np.float32], frozenset[float]]:
    """Of the frames that fit what all have in common, of all where none does: vectors, weights, captures."""
    vectors = np.stack([frame.vector for frame in frames])
    weights = np.array([frame.weight for frame in frames], np.float32)
    fitting = vectors @ _mean(vectors, weights) >= FITTING
    if not fitting.any():
        fitting[:] = True
    at_s = frozenset(frame.at_s for frame, fits in zip(frames, fitting, strict=True) if fits)
    return vectors[fitting], weights[fitting], at_s


def _mean(vectors: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    return unit(weights @ vectors)


def differing(vectors: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    """As how many entirely different pictures of the person frames count.

    What two frames have in common beyond what two different pictures of a person have is chance that they
    share, and that no number of them averages out: n / (1 + (n - 1) * share), as of correlated observations.

    Args:
        vectors: (N, D) unit rows, N > 0.
        weights: (N,), above 0.
    """
    count = float(weights.sum() ** 2 / (weights**2).sum())
    if count < 1.001:
        return 1.0
    # Of unit rows, the squared length of the mean is 1 / count + (1 - 1 / count) * mean similarity.
    length = float(np.linalg.norm(weights @ vectors) / weights.sum()) ** 2
    alike = (count * length - 1) / (count - 1)
    shared = min(max((alike - SAME_PERSON) / (1 - SAME_PERSON), 0.0), 1.0)
    return count / (1 + (count - 1) * shared)


def _most_redundant(frames: Sequence[_Frame]) -> int:
    """Which frame, not of the newest, says least of its own: the poorer of the two that are most alike."""
    older = len(frames) - CHANGED_FRAMES
    vectors = np.stack([frame.vector for frame in frames])
    similarity = vectors[:older] @ vectors.T
    np.fill_diagonal(similarity, -1.0)
    one, other = divmod(int(similarity.argmax()), len(frames))
    return other if other < older and frames[other].weight < frames[one].weight else one
