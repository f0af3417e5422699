"""Would more photos help? How many pictures are recognised with a template of one, two, four ... photos.

Only the templates are made again, since this takes no time; the classifier, which adds a little to what
templates recognise, is left out. The curve shows where it rises, not where the model stands.
"""

import numpy as np

from facerec_mqtt.recognition import Curve, Family, Gallery, Scores, template
from facerec_mqtt.training.fit import TrainingSet

_DRAWS = 8
_JUDGED = 0.25
_LEAST_MOMENTS = 4


def learning_curves(training_set: TrainingSet, family: Family) -> tuple[Curve, ...]:
    """Measure each person's curve. The same photos give the same curves.

    Args:
        training_set: all used photos; those of one moment are never on both sides.
        family: the model that was made of them.

    Returns:
        A curve for each person, empty where there are too few moments to take any away.
    """
    clean = np.asarray(training_set.vectors[:, 0], np.float32)
    faces = Gallery.of(clean, family.normaliser)
    everybody = family.gallery.compared(faces)
    return tuple(
        _curve(row, training_set, faces, everybody, family) for row in range(len(training_set.people))
    )


def _curve(row: int, training_set: TrainingSet, faces: Gallery, everybody: Scores, family: Family) -> Curve:
    own, moments = np.flatnonzero(training_set.labels == row), training_set.moments
    there = np.unique(moments[own])
    if len(there) < _LEAST_MOMENTS:
        return ()
    to_beat = np.delete(everybody, row, axis=1).max(axis=1, initial=family.calibration.threshold)
    rng = np.random.default_rng(row)
    shares: dict[int, list[float]] = {}
    for _ in range(_DRAWS):
        judged_moments = rng.permutation(there)[: max(1, round(_JUDGED * len(there)))]
        judged = own[np.isin(moments[own], judged_moments)]
        learnt = rng.permutation(own[~np.isin(moments[own], judged_moments)])
        count = 1
        while count <= len(learnt):
            learnt_template = template(faces.templates[learnt[:count]])[None]
            scores = Gallery.of(learnt_template, family.normaliser).compared(faces.only(judged))[:, 0]
            shares.setdefault(count, []).append(float(np.mean(scores >= to_beat[judged])))
            count *= 2
    # What only some of the draws have enough photos for would compare different pictures.
    return tuple((count, float(np.mean(each))) for count, each in shares.items() if len(each) == _DRAWS)
