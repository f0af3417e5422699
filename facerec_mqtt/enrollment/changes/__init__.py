"""Changes of the enrollment folder that its owner asks for: photos added, moved, deleted and restored."""

from facerec_mqtt.enrollment.changes.assignment import (
    UnknownPersonError,
    Whose,
    assign_visits,
    pictures_for_review,
    pictures_of_visits,
    place_of,
)
from facerec_mqtt.enrollment.changes.command import AssignmentController, UnknownVisitError
from facerec_mqtt.enrollment.changes.photos import (
    Contents,
    add_photo,
    listed_photos,
    move_photo,
    photo_name,
    set_marks,
)
from facerec_mqtt.enrollment.changes.renaming import rename_in_model, rename_person
from facerec_mqtt.enrollment.changes.trash import empty_trash, restore_photo, throw_away

__all__ = [
    "AssignmentController",
    "Contents",
    "UnknownPersonError",
    "UnknownVisitError",
    "Whose",
    "add_photo",
    "assign_visits",
    "empty_trash",
    "listed_photos",
    "move_photo",
    "photo_name",
    "pictures_for_review",
    "pictures_of_visits",
    "place_of",
    "rename_in_model",
    "rename_person",
    "restore_photo",
    "set_marks",
    "throw_away",
]
