"""Faces over time: identifications of single frames to one decision a visit."""

from facerec_mqtt.visits.decision import Visits, new_visit_id
from facerec_mqtt.visits.explanation import Explanation

__all__ = ["Explanation", "Visits", "new_visit_id"]
