"""What is said about a person beside their photos: `.facerec.json` in their folder.

    {"name": "Anna Smith", "use": ["IMG_2041.jpg", "2019/7.jpg"]}

Both may be missing, and so may the file. The folder's own name stays what entities and visits go by, so that
somebody who is called otherwise from now on keeps them.
"""

import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.files import UnfitFileError, read_plain, replace_file
from facerec_mqtt.core.slugs import MAX_NAME_CHARACTERS, SlugError, person_name

FILE = ".facerec.json"
_MAX_BYTES = 2**20


class PersonFile(BaseModel):
    """What the file says."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    name: Annotated[str, StringConstraints(max_length=MAX_NAME_CHARACTERS)] | None = None
    """What the person is called; `None` where that is the folder's name."""
    use: frozenset[Annotated[str, StringConstraints(max_length=4096)]] = frozenset()
    """Photos that are used although they would be rejected, by their paths in the folder."""


def read_person_file(folder: Path) -> PersonFile:
    """Read what is said about the person whose folder it is; nothing, where there is no file.

    Raises:
        EnrollmentError: the file is damaged or cannot be read.
    """
    path = folder / FILE
    try:
        return PersonFile.model_validate_json(read_plain(path, _MAX_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return PersonFile()
    except (OSError, UnfitFileError, ValidationError):
        raise EnrollmentError(
            f'"{path}" cannot be read as what this program writes; correct or delete it.'
        ) from None


def display_name(folder: Path) -> str | None:
    """What the person is called whose folder it is; `None` where no usable name is given."""
    try:
        name = read_person_file(folder).name
        return None if name is None else person_name(name)
    except (EnrollmentError, SlugError):
        return None


def photos_to_use(folder: Path) -> frozenset[str]:
    """Photos that are used although they would be rejected, by their paths in the folder."""
    try:
        return read_person_file(folder).use
    except EnrollmentError:
        return frozenset()


def write_person_file(folder: Path, content: PersonFile) -> None:
    """Write what is said about a person; where that is nothing, there is no file.

    Raises:
        OSError: it cannot be written; what was there before is untouched.
    """
    path = folder / FILE
    if content == PersonFile():
        path.unlink(missing_ok=True)
    else:
        said = content.model_dump(mode="json", exclude_defaults=True)
        if "use" in said:
            said["use"].sort()
        replace_file(path, json.dumps(said, ensure_ascii=False, indent=1).encode() + b"\n")
