"""Groups of strangers: visits without a name that are one person."""

from facerec_mqtt.history.strangers.grouping import SAME_PERSON, StrangerGroups
from facerec_mqtt.history.strangers.suggestions import Suggestion, suggest
from facerec_mqtt.history.strangers.tables import Embedding, GroupedEmbedding, StrangerGroup, Strangers

__all__ = [
    "SAME_PERSON",
    "Embedding",
    "GroupedEmbedding",
    "StrangerGroup",
    "StrangerGroups",
    "Strangers",
    "Suggestion",
    "suggest",
]
