"""Scores over time and pictures of visits, for the owner to look at."""

from facerec_mqtt.presence.review.collector import (
    MOST_PICTURES,
    MOST_SCORES,
    DoubtfulVisit,
    Kind,
    ScorePoint,
    Shot,
    VisitCollector,
    VisitLooks,
)
from facerec_mqtt.presence.review.folder import KeptPicture, ReviewFolder, kept_pictures, picture_path
from facerec_mqtt.presence.review.review import KeptLooks, Review

__all__ = [
    "MOST_PICTURES",
    "MOST_SCORES",
    "DoubtfulVisit",
    "KeptLooks",
    "KeptPicture",
    "Kind",
    "Review",
    "ReviewFolder",
    "ScorePoint",
    "Shot",
    "VisitCollector",
    "VisitLooks",
    "kept_pictures",
    "picture_path",
]
