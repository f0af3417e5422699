"""Groups of strangers: visits without a name that are one person."""

from facerec_mqtt.history.strangers.grouping import SAME_PERSON, StrangerGroups
from facerec_mqtt.history.strangers.resemblance import Resemblance, resemblance_to, unnamed_that_go
from facerec_mqtt.history.strangers.suggestions import Suggestion, suggest
from facerec_mqtt.history.strangers.tables import Embedding, GroupedEmbedding, StrangerGroup, Strangers

__all__ = [
    "SAME_PERSON",
    "Embedding",
    "GroupedEmbedding",
    "Resemblance",
    "StrangerGroup",
    "StrangerGroups",
    "Strangers",
    "Suggestion",
    "resemblance_to",
    "suggest",
    "unnamed_that_go",
]
