"""Error rates of open-set recognition, and the thresholds that keep them.

Terms of ISO/IEC 19795-1: a *genuine* score compares a person with their own template, an *impostor* score
with another's. Against a gallery of several people, a stranger's *search* score is the best over all of
them.

- FAR: share of impostor comparisons at or above the threshold.
- FPIR: share of searches by people who are not enrolled that come out as somebody.
- TPIR: share of searches by people who are enrolled that come out as that person.
"""

from dataclasses import dataclass
from math import exp, lgamma, log, log1p

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
NOBODY = -1
"""Stands for a row of nobody enrolled."""
Curve = tuple[tuple[int, float], ...]
"""A learning curve: number of photos, rising, and the share of pictures that is recognised with so many."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Who a model names in pictures that it has not learnt from, with the scores."""

    files: tuple[str, ...]
    """Where the N pictures are: `Anna/001.jpg`."""
    true: NDArray[np.int64]
    """(N,) row of the person who is in each; `NOBODY` for a stranger."""
    scores: Scores
    """(N, P) calibrated scores against each person, [0, 1]; 0.5 is the threshold."""
    named: NDArray[np.int64]
    """(N,) row of the person who was named; `NOBODY` where nobody was."""


def far_for_fpir(fpir_wanted: float, people: int) -> float:
    """False accept rate of one comparison at which a search over several people has the stated FPIR.

    A stranger is compared with everybody enrolled; taking the comparisons for independent,
    FPIR = 1 - (1 - FAR)^people. They are not quite, so the true FPIR is a little lower.
    """
    if not 0 < fpir_wanted < 1:
        raise ValueError(f"An FPIR of {fpir_wanted} is not between 0 and 1.")
    return float(-np.expm1(np.log1p(-fpir_wanted) / max(people, 1)))


def threshold_at(impostor: Scores, rate: float) -> float:
    """Least threshold that lets at most the stated share of (N,) impostor scores through.

    With N below 1 / rate that is just above the greatest score.
    """
    ordered = np.sort(np.asarray(impostor, np.float32))[::-1]
    allowed = int(np.floor(rate * len(ordered) + 1e-9))
    if allowed == len(ordered):
        return float(ordered[-1])
    return float(np.nextafter(ordered[allowed], np.float32(np.inf)))


@dataclass(frozen=True, slots=True)
class Confusable:
    """The two people who are the hardest to tell apart."""

    first: int
    """Row of the one whose pictures resemble the other more."""
    second: int
    """Row of the other."""
    confused: int
    """Pictures of either that were given the other's name."""
    pictures: int
    """Pictures of either."""
    score: float
    """What the most similar twentieth of the first one's pictures reach against the second, [0, 1]."""


def genuine_scores(outcomes: Outcomes) -> Scores:
    """Scores of the enrolled people's pictures against themselves, (n,)."""
    own = np.flatnonzero(outcomes.true != NOBODY)
    return outcomes.scores[own, outcomes.true[own]]


def impostor_scores(outcomes: Outcomes) -> Scores:
    """Best score over everybody of each picture of somebody who is not enrolled, (n,)."""
    return np.asarray(outcomes.scores[outcomes.true == NOBODY].max(axis=1, initial=0.0), np.float32)


def tpir_of(outcomes: Outcomes, row: int | None = None) -> float:
    """True positive identification rate of one person, or of all pictures; NaN without any."""
    own = outcomes.true != NOBODY if row is None else outcomes.true == row
    return float(np.mean((outcomes.named == outcomes.true)[own])) if own.any() else float("nan")


def fpir_of(outcomes: Outcomes) -> float:
    """False positive identification rate; NaN without a picture of somebody who is not enrolled."""
    others = outcomes.true == NOBODY
    return float(np.mean(outcomes.named[others] != NOBODY)) if others.any() else float("nan")


def chance_of_named(named: int, pictures: int, rate: float) -> float:
    """How often a model that keeps a rate names at least so many of the strangers' pictures by chance."""
    whole = lgamma(pictures + 1)
    fewer = (
        exp(whole - lgamma(k + 1) - lgamma(pictures - k + 1) + k * log(rate) + (pictures - k) * log1p(-rate))
        for k in range(named)
    )
    return max(0.0, 1 - sum(fewer))


def confusion(outcomes: Outcomes) -> NDArray[np.int64]:
    """Who was taken for who else.

    Returns:
        (P + 1, P + 1) number of pictures: a row for who is in them, a column for who was named, the last
        of each for nobody.
    """
    people = outcomes.scores.shape[1]
    counts = np.zeros((people + 1, people + 1), np.int64)
    np.add.at(counts, (outcomes.true, outcomes.named), 1)  # NOBODY, -1, is the last
    return counts


def most_confusable(outcomes: Outcomes) -> Confusable | None:
    """The two who were most often taken for each other, or who are most similar where none was.

    Returns:
        `None` where no two people have pictures, or nobody resembles anybody else at all.
    """
    counts = confusion(outcomes)
    best: Confusable | None = None
    for first in range(outcomes.scores.shape[1]):
        own = outcomes.scores[outcomes.true == first]
        for second in range(outcomes.scores.shape[1]):
            if first == second or len(own) == 0 or not np.any(outcomes.true == second):
                continue
            found = Confusable(
                first=first,
                second=second,
                confused=int(counts[first, second] + counts[second, first]),
                pictures=int(np.isin(outcomes.true, (first, second)).sum()),
                score=float(np.quantile(own[:, second], 0.95)),
            )
            if best is None or (found.confused, found.score) > (best.confused, best.score):
                best = found
    return best if best is not None and best.confused + best.score > 0 else None


def trade_off(outcomes: Outcomes) -> tuple[Scores, Scores]:
    """How many strangers would be named, and how many members missed, at every threshold.

    Returns:
        (K,) FPIR, falling, and (K,) share of the enrolled people's pictures that are not given their own
        name, rising; empty without genuine or without impostor scores.
    """
    own = np.flatnonzero(outcomes.true != NOBODY)
    genuine, impostor = genuine_scores(outcomes), impostor_scores(outcomes)
    if not len(genuine) or not len(impostor):
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    # Somebody who resembles another more is missed at any threshold.
    genuine = np.where(genuine >= outcomes.scores[own].max(axis=1), genuine, -np.inf)
    thresholds = np.unique(np.concatenate([genuine[np.isfinite(genuine)], impostor, [0.5]]))
    named = 1 - np.searchsorted(np.sort(impostor), thresholds) / len(impostor)
    missed = np.searchsorted(np.sort(genuine), thresholds) / len(genuine)
    return named.astype(np.float32), missed.astype(np.float32)
