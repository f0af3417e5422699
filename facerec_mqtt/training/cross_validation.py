"""How well a family's model performs on photos that it has not learnt from.

Whole models are made for it, each as the one that is kept:

- *Members.* Each person's photos are divided into `PARTS` by shooting moment, and a model that has
  learnt from the other parts judges each. Photos of one moment are never on both sides, since
  near-duplicates make any model look good.
- *Strangers' pictures.* They are divided likewise, and each part is judged by a model without it.
- *Members as strangers.* One after the other is left out of the model, photos, template, classifier
  output, and is then a stranger to it. Of more than `MOST_LEFT_OUT` members several are left out at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.recognition import NOBODY, Family, Outcomes
from facerec_mqtt.training.fit import TrainingSet

PARTS = 4
MOST_LEFT_OUT = 5


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """Photos that are held out from a model, which then judges them."""

    judged: NDArray[np.bool_]
    """(N,) which."""
    labels: NDArray[np.int64]
    """(N,) who is in each photo, as this model knows people; the number of people for nobody."""


def rounds_of(training_set: TrainingSet) -> tuple[Round, ...]:
    """Divide all used photos into rounds; each wants a model of the photos that it does not judge."""
    part = training_set.parts(PARTS)
    people = len(training_set.people)
    rounds = [Round(part == number, training_set.labels) for number in range(PARTS)]
    if people > 1:
        nobody = np.full(len(training_set.labels), people)
        groups = np.array_split(np.arange(people), min(people, MOST_LEFT_OUT))
        rounds += [Round(np.isin(training_set.labels, group), nobody) for group in groups]
    return tuple(each for each in rounds if each.judged.any())


def judge_rounds(
    training_set: TrainingSet, rounds: Sequence[Round], families: Sequence[Family], *, min_margin: float
) -> Outcomes:
    """Judge every photo by a model that has not learnt from it.

    Args:
        training_set: all used photos.
        rounds: as `rounds_of` makes them.
        families: the model of each.
        min_margin: the least lead over the runner-up, [0, 1].

    Returns:
        A row for each member's photo, except of those with one shooting moment only, for each stranger's
        picture, and once more for each member's photo, with nobody as the truth, where there is another
        member to be taken for. A person unknown to the model has score 0 in it.
    """
    outcomes = [
        _judge(training_set, each.judged, each.labels, family, min_margin)
        for each, family in zip(rounds, families, strict=True)
    ]
    return _joined(outcomes, len(training_set.people))


def _judge(
    training_set: TrainingSet,
    judged: NDArray[np.bool_],
    labels: NDArray[np.int64],
    family: Family,
    min_margin: float,
) -> Outcomes:
    rows = {person.slug: row for row, person in enumerate(training_set.people)}
    columns = [rows[person.slug] for person in family.people]
    vectors = training_set.vectors[judged, 0]
    scores = np.zeros((len(vectors), len(training_set.people)), np.float32)
    scores[:, columns] = family.scores(vectors)
    named = [
        NOBODY if answer.person is None else rows[answer.person]
        for answer in family.identify(vectors, min_margin=min_margin)
    ]
    true = labels[judged]
    return Outcomes(
        files=tuple(np.array(training_set.files)[judged]),
        true=np.where(true == len(training_set.people), NOBODY, true),
        scores=scores,
        named=np.array(named, np.int64),
    )


def _joined(outcomes: Sequence[Outcomes], people: int) -> Outcomes:
    return Outcomes(
        files=tuple(str(file) for each in outcomes for file in each.files),
        true=np.concatenate([np.zeros(0, np.int64), *(each.true for each in outcomes)]),
        scores=np.concatenate([np.zeros((0, people), np.float32), *(each.scores for each in outcomes)]),
        named=np.concatenate([np.zeros(0, np.int64), *(each.named for each in outcomes)]),
    )
