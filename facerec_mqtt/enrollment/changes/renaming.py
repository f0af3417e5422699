"""Calling somebody otherwise: the folder, entities and visits stay what they are."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.slugs import SlugError, person_name, slug
from facerec_mqtt.enrollment.owners import everybody_in, owner_name
from facerec_mqtt.enrollment.person_file import read_person_file, write_person_file
from facerec_mqtt.recognition import (
    VERSIONS_KEPT,
    delete_version,
    load_current,
    new_version,
    page_of,
    rebuilding,
    save_model,
    versions,
)


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


def rename_in_model(model_dir: Path, person: str, name: str) -> bool:
    """Put a new display name into the model in use, which is otherwise as it was.

    Args:
        model_dir: where the models are.
        person: the slug.
        name: the new name.

    Returns:
        Whether the model in use knows the person, and has the name now.

    Raises:
        ModelError: a rebuild is running, or the model cannot be read or written; it is as it was.
    """
    with rebuilding(model_dir):
        model = load_current(model_dir)
        if model is None or person not in {each.slug for each in model.people}:
            return False
        before, page = model.version, page_of(model_dir, model.version)
        people = tuple(replace(each, name=name) if each.slug == person else each for each in model.people)
        if people == model.people:
            return True
        version = new_version(datetime.now(UTC), versions(model_dir))
        text = page.read_text(encoding="utf-8") if page.is_file() else None
        save_model(
            model_dir, replace(model, version=version, people=people), page=text, keep=VERSIONS_KEPT + 1
        )
        # It is the same but for the name; kept beside the new one it would cost an older one its place.
        with contextlib.suppress(OSError):
            delete_version(model_dir, before)
    return True
