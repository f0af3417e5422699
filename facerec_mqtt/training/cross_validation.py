"""How well a family's model performs on photos that it has not learnt from.

Whole models are made for it, each as the one that is kept:

- *Members.* Each person's photos are divided into `PARTS` by shooting moment, and a model that has
  learnt from the other parts judges each. Photos of one moment are never on both sides, since
  near-duplicates make any model look good.
- *Strangers' pictures.* They are divided likewise, and each part is judged by a model without it.
- *Members as strangers.* One after the other is left out of the model, photos, template, classifier
  output, and is then a stranger to it. Of more than `MOST_LEFT_OUT` members several are left out at once.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.recognition import NOBODY, Family, Outcomes
from facerec_mqtt.training.fit import TrainingSet

PARTS = 4
MOST_LEFT_OUT = 5
AT_ONCE = 2
"""Models that are made at the same time: one learns while the other is calibrated."""
Fitter = Callable[[TrainingSet], Family]
"""Makes a model of photos."""


def cross_validate(
    training_set: TrainingSet,
    fit: Fitter,
    *,
    min_margin: float,
    progress: Callable[[float], None] = lambda _share: None,
) -> Outcomes:
    """Judge every photo by models that have not learnt from it.

    Args:
        training_set: all used photos.
        fit: makes each of the models; is called by several threads.
        min_margin: the least lead over the runner-up, [0, 1].
        progress: called with the share that is done, [0, 1].

    Returns:
        A row for each member's photo, except of those with one shooting moment only, for each stranger's
        picture, and once more for each member's photo, with nobody as the truth, where there is another
        member to be taken for. A person unknown to the model has score 0 in it.
    """
    part = training_set.parts(PARTS)
    people = len(training_set.people)
    rounds = [(part == number, training_set.labels) for number in range(PARTS)]
    if people > 1:
        nobody = np.full(len(training_set.labels), people)
        groups = np.array_split(np.arange(people), min(people, MOST_LEFT_OUT))
        rounds += [(np.isin(training_set.labels, group), nobody) for group in groups]
    rounds = [(judged, labels) for judged, labels in rounds if judged.any()]

    def judge(judged: NDArray[np.bool_], labels: NDArray[np.int64]) -> Outcomes:
        family = fit(training_set.only(~judged))
        return _judge(training_set, judged, labels, family, min_margin)

    outcomes = []
    with ThreadPoolExecutor(AT_ONCE, "judging") as pool:
        for done, future in enumerate([pool.submit(judge, *each) for each in rounds]):
            outcomes.append(future.result())
            progress((done + 1) / len(rounds))
    return _joined(outcomes, people)


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
