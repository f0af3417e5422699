"""Error rates of open-set recognition, and the thresholds that keep them.

Words, after ISO/IEC 19795-1: a *genuine* score compares a person with their own template, an
*impostor* score with another's. Against a gallery of several people, a stranger's *search* score is
the best over all of them.

- FAR: share of impostor comparisons at or above the threshold.
- FRR: share of genuine comparisons below it.
- FPIR: share of searches by people who are not enrolled that come out as somebody.
- TPIR: share of searches by people who are enrolled that come out as that person.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
NOBODY = -1
"""Stands for a row of nobody enrolled."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What a model says of pictures that it has not learnt from."""

    files: tuple[str, ...]
    """Where the N pictures are: `Anna/001.jpg`."""
    true: NDArray[np.int64]
    """(N,) row of the person who is in each; `NOBODY` for a stranger."""
    scores: Scores
    """(N, P) calibrated scores against each person, [0, 1]; 0.5 is the threshold."""
    named: NDArray[np.int64]
    """(N,) row of the person who was named; `NOBODY` where nobody was."""


def far(impostor: Scores, threshold: float) -> float:
    """False accept rate: share of (N,) impostor scores at or above the threshold; NaN without any."""
    return float(np.mean(np.asarray(impostor) >= threshold)) if len(impostor) else float("nan")


def frr(genuine: Scores, threshold: float) -> float:
    """False reject rate: share of (N,) genuine scores below the threshold; NaN without any."""
    return float(np.mean(np.asarray(genuine) < threshold)) if len(genuine) else float("nan")


def fpir(named: Sequence[str | None]) -> float:
    """False positive identification rate.

    Args:
        named: what was answered for each picture of people who are not enrolled; `None` is nobody.

    Returns:
        Share of them that were given a name; NaN without any.
    """
    return sum(name is not None for name in named) / len(named) if named else float("nan")


def tpir(named: Sequence[str | None], true: Sequence[str]) -> float:
    """True positive identification rate.

    Args:
        named: what was answered for each picture of people who are enrolled; `None` is nobody.
        true: who is in each of them.

    Returns:
        Share of them that were given their own name; NaN without any.
    """
    if len(named) != len(true):
        raise ValueError(f"There are {len(named)} answers to {len(true)} pictures; they must be as many.")
    right = sum(answer == truth for answer, truth in zip(named, true, strict=True))
    return right / len(true) if true else float("nan")


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
