"""The enrollment folder: reading it, adding to it, rebuilding the model from it, forgetting a person.

`rebuild` and `forget` are imported by their paths, since they bring in what trains; the service does not.
"""

from facerec_mqtt.enrollment.capture import CaptureController, capture
from facerec_mqtt.enrollment.folder import EnrollmentFolder, Photo, read_enrollment_folder
from facerec_mqtt.enrollment.owners import everybody_in, folders_in, folders_of_visitors, is_of_somebody
from facerec_mqtt.enrollment.person_file import FILE as PERSON_FILE
from facerec_mqtt.enrollment.traces import (
    RESTORE_STAGE,
    Places,
    Traces,
    find_remainders_in_state,
    find_remaining_visits,
    find_traces,
    mentions,
    require_nothing_left,
)

__all__ = [
    "PERSON_FILE",
    "RESTORE_STAGE",
    "CaptureController",
    "EnrollmentFolder",
    "Photo",
    "Places",
    "Traces",
    "capture",
    "everybody_in",
    "find_remainders_in_state",
    "find_remaining_visits",
    "find_traces",
    "folders_in",
    "folders_of_visitors",
    "is_of_somebody",
    "mentions",
    "read_enrollment_folder",
    "require_nothing_left",
]
