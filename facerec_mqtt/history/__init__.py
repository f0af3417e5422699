"""The history of visits: who came, when and where, for as many days as its owner wants."""

from facerec_mqtt.history.copying import copy_history, load_copy, prepare_copy, require_usable
from facerec_mqtt.history.errors import (
    DamagedHistoryError,
    HistoryError,
    LockedHistoryError,
    MissingHistoryError,
    NewerHistoryError,
    history_errors,
)
from facerec_mqtt.history.recorder import VisitRecorder
from facerec_mqtt.history.records import Looks, VisitFacts, VisitFilter, VisitKind, VisitRecord
from facerec_mqtt.history.removal import (
    forget_strangers,
    forget_visits,
    has_visits,
    knows_strangers,
    people_with_visits,
    visits_to_forget,
)
from facerec_mqtt.history.schema import SCHEMA_VERSION
from facerec_mqtt.history.store import FILE, MAX_PAGE, History
from facerec_mqtt.history.strangers import (
    SAME_PERSON,
    Embedding,
    GroupedEmbedding,
    Resemblance,
    StrangerGroup,
    StrangerGroups,
    Strangers,
    Suggestion,
    resemblance_to,
    suggest,
    unnamed_that_go,
)
from facerec_mqtt.history.writer import HistoryWriter

__all__ = [
    "FILE",
    "MAX_PAGE",
    "SAME_PERSON",
    "SCHEMA_VERSION",
    "DamagedHistoryError",
    "Embedding",
    "GroupedEmbedding",
    "History",
    "HistoryError",
    "HistoryWriter",
    "LockedHistoryError",
    "Looks",
    "MissingHistoryError",
    "NewerHistoryError",
    "Resemblance",
    "StrangerGroup",
    "StrangerGroups",
    "Strangers",
    "Suggestion",
    "VisitFacts",
    "VisitFilter",
    "VisitKind",
    "VisitRecord",
    "VisitRecorder",
    "copy_history",
    "forget_strangers",
    "forget_visits",
    "has_visits",
    "history_errors",
    "knows_strangers",
    "load_copy",
    "people_with_visits",
    "prepare_copy",
    "require_usable",
    "resemblance_to",
    "suggest",
    "unnamed_that_go",
    "visits_to_forget",
]
