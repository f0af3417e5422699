"""Forgetting a person; `steps` says in which order, and why nothing is lost wherever it is interrupted."""

from facerec_mqtt.enrollment.forget.likeness import Likeness
from facerec_mqtt.enrollment.forget.set_aside import SetAside
from facerec_mqtt.enrollment.forget.steps import forget

__all__ = ["Likeness", "SetAside", "forget"]
