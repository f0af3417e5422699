"""What became of each file of the enrollment folder, before anything is learnt from it."""

from dataclasses import dataclass
from typing import Any

from facerec_mqtt.advice import FEW_PHOTOS
from facerec_mqtt.rebuild_report import PhotoReport, first_reason
from facerec_mqtt.records import Person


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Whose photos can be used, and why others cannot."""

    people: tuple[Person, ...]
    """Who has a usable photo."""
    left_out: tuple[Person, ...]
    """Who has a folder but no usable photo."""
    photos: tuple[PhotoReport, ...]
    notes: tuple[str, ...]
    """Folders that are not used, each in a sentence."""

    def warnings(self) -> tuple[str, ...]:
        """What its owner should do, a sentence each."""
        said = list(self.notes)
        for person in (*self.people, *self.left_out):
            own = [photo for photo in self.photos if photo.person == person.slug]
            used = sum(photo.reason is None for photo in own)
            if used == 0:
                said.append(f"{person.name} has no usable photo{first_reason(own)}")
            elif used < FEW_PHOTOS:
                said.append(f"{person.name} has only {used} usable photo{'s' * (used > 1)}; add ten or more.")
        return tuple(said)

    def as_json(self) -> dict[str, Any]:
        """As `facerec-mqtt enroll check --json` prints it."""
        details = {}
        for person in (*self.people, *self.left_out):
            own = [photo.reason is None for photo in self.photos if photo.person == person.slug]
            details[person.slug] = {"name": person.name, "used": sum(own), "set_aside": len(own) - sum(own)}
        return {
            "people": [person.slug for person in self.people],
            "details": details,
            "photos": [photo.as_json() for photo in self.photos],
            "warnings": list(self.warnings()),
        }
