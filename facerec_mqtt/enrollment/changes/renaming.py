"""Calling somebody otherwise: the folder, entities and visits stay what they are."""

from pathlib import Path

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.slugs import SlugError, person_name, slug
from facerec_mqtt.enrollment.owners import everybody_in, owner_name
from facerec_mqtt.enrollment.person_file import read_person_file, write_person_file


def rename_person(enrollment_dir: Path, folder: Path, name: str) -> None:
    """Give somebody another display name.

    Args:
        enrollment_dir: the enrollment folder.
        folder: the person's.
        name: the new one.

    Raises:
        EnrollmentError: the name cannot be a person's or is somebody else's, or what is said beside the
            photos cannot be read.
        OSError: it cannot be written; the old name holds.
    """
    try:
        clean = person_name(name)
    except SlugError as error:
        raise EnrollmentError(str(error)) from None
    everybody = everybody_in(enrollment_dir)
    own = everybody[folder].slug
    for other in everybody.values():
        if other.slug != own and slug(clean) in (other.slug, slug(other.name)):
            raise EnrollmentError(
                f'"{other.name}" is enrolled already, and "{clean}" would be taken for the same; choose'
                " another name."
            )
    kept = None if clean == owner_name(folder) else clean
    write_person_file(folder, read_person_file(folder).model_copy(update={"name": kept}))
