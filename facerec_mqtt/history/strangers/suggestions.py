"""Who a group of strangers may be: somebody enrolled whom the model did not name. A suggestion, no more."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from facerec_mqtt.core.records import Person
from facerec_mqtt.faces import Cohort
from facerec_mqtt.history.strangers.tables import StrangerGroup
from facerec_mqtt.recognition import FamilyModel, prepare, template

LEAST_SCORE = 0.2
"""Below it a resemblance is not worth a word; 0.5 is the threshold for a name."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Somebody enrolled whom a group resembles."""

    person: Person
    score: float
    """Calibrated, [0, 1]; 0.5 is the threshold for a name."""


def suggest(groups: Iterable[StrangerGroup], model: FamilyModel, cohort: Cohort) -> dict[str, Suggestion]:
    """Find out whom groups of strangers resemble.

    Args:
        groups: what their visits look like to other networks than the model's is ignored.
        model: of the family.
        cohort: the shipped one.

    Returns:
        By the group's id; those that resemble nobody are missing.

    Raises:
        ModelError: the model was made with another cohort, or its arrays do not fit together.
    """
    known = {
        group.stranger_id: template(vectors)
        for group in groups
        if (vectors := group.embeddings.get(model.backbone_digest)) is not None
    }
    if not known:
        return {}
    scores = prepare(model, model.backbone_digest, cohort).scores(np.stack([*known.values()]))
    return {
        stranger_id: Suggestion(model.people[int(row.argmax())], float(row.max()))
        for stranger_id, row in zip(known, scores, strict=True)
        if row.max() >= LEAST_SCORE
    }
