"""What a rebuild would make of the enrollment folder: `enroll check`."""

from dataclasses import dataclass
from typing import Any

from facerec_mqtt.core.records import Person
from facerec_mqtt.enrollment.reports.advice import FEW_PHOTOS
from facerec_mqtt.enrollment.reports.photo_report import PhotoReport, photos_of
from facerec_mqtt.enrollment.reports.sentences import few_photos, no_usable_photo


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Whose photos can be used, and why others cannot."""

    people: tuple[Person, ...]
    """Who has a usable photo."""
    left_out: tuple[Person, ...]
    """Who has a folder but no usable photo."""
    photos: tuple[PhotoReport, ...]
    notes: tuple[str, ...]
    """Folders that are not used, and strangers who resemble a member, each in a sentence."""

    def warnings(self) -> tuple[str, ...]:
        """What its owner should do, a sentence each."""
        warnings = list(self.notes)
        for person in (*self.people, *self.left_out):
            own = photos_of(person.slug, self.photos)
            used = sum(photo.used for photo in own)
            if used == 0:
                warnings.append(f"{person.name} has no usable photo{no_usable_photo(own)}")
            elif used < FEW_PHOTOS:
                warnings.append(few_photos(person.name, used))
        return tuple(warnings)

    def as_json(self) -> dict[str, Any]:
        """As `facerec-mqtt enroll check --json` prints it."""
        details = {}
        for person in (*self.people, *self.left_out):
            used = [photo.used for photo in photos_of(person.slug, self.photos)]
            details[person.slug] = {
                "name": person.name,
                "used": sum(used),
                "set_aside": len(used) - sum(used),
            }
        return {
            "people": [person.slug for person in self.people],
            "details": details,
            "photos": [photo.as_json() for photo in self.photos],
            "warnings": list(self.warnings()),
        }
