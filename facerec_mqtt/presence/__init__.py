"""Faces over time: tracks, votes, visits, who is present, and pictures for review."""

from facerec_mqtt.presence.explanation import Explanation, announcement
from facerec_mqtt.presence.resume import last_seen, of_people, to_resume
from facerec_mqtt.presence.review import KeptLooks, Review, ScorePoint, picture_path
from facerec_mqtt.presence.state import Presence
from facerec_mqtt.presence.state_file import StateFile, remove_person, state_files
from facerec_mqtt.presence.tracks.tracking import SettledFaces
from facerec_mqtt.presence.tracks.votes import Judge
from facerec_mqtt.presence.visits import Visits, new_visit_id

__all__ = [
    "Explanation",
    "Judge",
    "KeptLooks",
    "Presence",
    "Review",
    "ScorePoint",
    "SettledFaces",
    "StateFile",
    "Visits",
    "announcement",
    "last_seen",
    "new_visit_id",
    "of_people",
    "picture_path",
    "remove_person",
    "state_files",
    "to_resume",
]
