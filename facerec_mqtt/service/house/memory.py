"""What a box remembers of the models of its house, and who was forgotten here, beside the models.

Not in files that a backup holds: what is restored is to count as a change, and to travel.
"""

import contextlib
import secrets
from pathlib import Path

from pydantic import Field, ValidationError

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.files import UnfitFileError, read_plain, replace_file
from facerec_mqtt.service.house.package import MAX_FORGOTTEN, Entry, Forgotten, Stamp, Version

_MEMORY, _NOTES = "house.state", "house.forgotten"
_MAX_BYTES = 2**18


class Memory(Entry):
    """What a box has last taken in or published."""

    stamp: Stamp = Stamp()
    version: Version | None = None
    forgotten: tuple[Forgotten, ...] = Field(default=(), max_length=MAX_FORGOTTEN)
    """By any box, the last of them; of all of them this box has nothing any more."""


class Notes(Entry):
    """People who were forgotten at this box by the command, possibly before the service was told."""

    forgotten: tuple[Forgotten, ...] = Field(default=(), max_length=MAX_FORGOTTEN)


def read_memory(model_dir: Path) -> Memory | None:
    """Read what is remembered; `None` where this box was never one of a house, or the file is damaged."""
    try:
        return Memory.model_validate_json(read_plain(model_dir / _MEMORY, _MAX_BYTES))
    except (OSError, UnfitFileError, ValidationError):
        return None


def write_memory(model_dir: Path, memory: Memory) -> None:
    """Write it.

    Raises:
        OSError: it cannot be written.
    """
    replace_file(model_dir / _MEMORY, memory.model_dump_json().encode())


def noted(model_dir: Path) -> tuple[Forgotten, ...]:
    """Who was forgotten at this box."""
    try:
        return Notes.model_validate_json(read_plain(model_dir / _NOTES, _MAX_BYTES)).forgotten
    except (OSError, UnfitFileError, ValidationError):
        return ()


def note(model_dir: Path, slug: str) -> Forgotten:
    """Note that somebody is to be forgotten by the whole house; counts once no model here knows the person.

    Args:
        model_dir: where the models are.
        slug: the person's.

    Raises:
        ModelError: it cannot be written.
    """
    before = [each for each in noted(model_dir) if not each.matches(slug)]
    entry = Forgotten.of(slug, secrets.token_hex(8))
    _write(model_dir, (*before, entry)[-MAX_FORGOTTEN:])
    return entry


def withdraw(model_dir: Path, entry: Forgotten) -> None:
    """Take a note back: the person was not forgotten."""
    with contextlib.suppress(ModelError):
        _write(model_dir, tuple(each for each in noted(model_dir) if each != entry))


def _write(model_dir: Path, entries: tuple[Forgotten, ...]) -> None:
    try:
        replace_file(model_dir / _NOTES, Notes(forgotten=entries).model_dump_json().encode())
    except OSError as error:
        raise ModelError(
            f'"{model_dir / _NOTES}" cannot be written ({error.strerror}), so that the other boxes would not'
            " forget; free some space or correct its permissions."
        ) from error
