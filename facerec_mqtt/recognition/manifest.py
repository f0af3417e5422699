"""The manifest of a version of the model: who it knows, what it was made with, and what its files hold."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.files import read_plain
from facerec_mqtt.core.records import Person, PersonKind
from facerec_mqtt.recognition.model_paths import ARRAYS, MAX_FILE_BYTES, REPORT, ModelPaths
from facerec_mqtt.settings import Slug, first_problem

FORMAT: Literal[1] = 1
"""Raised when an older program could not read a model any more."""


class _Entry(BaseModel):
    # A newer program may add a key without raising the format; going back to an older one must be possible.
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", populate_by_name=True)


class _Member(_Entry):
    slug: Slug
    name: str
    kind: PersonKind = PersonKind.FAMILY
    """Versions before there were known visitors do not say it."""


class _Digests(_Entry):
    """SHA-256 of the other files, in hexadecimal digits."""

    arrays: str = Field(alias="model.npz")
    report: str = Field(alias="report.json")


class _Members(_Entry):
    people: tuple[_Member, ...]


class Manifest(_Members):
    """What a version is, as its `manifest.json` has it."""

    format: Literal[1] = FORMAT
    version: str
    created: str
    """ISO 8601, UTC."""
    backbone: str
    """SHA-256 of the backbone that its embeddings were made with."""
    cohort: str
    """SHA-256 of the cohort that its scores were normalised against."""
    files: _Digests

    @classmethod
    def make(
        cls,
        version: str,
        created: str,
        backbone: str,
        cohort: str,
        people: tuple[Person, ...],
        contents: Mapping[str, bytes],
    ) -> "Manifest":
        """Make the manifest of a version that is to be written.

        Args:
            version: its name.
            created: ISO 8601, UTC.
            backbone: SHA-256 of the backbone.
            cohort: SHA-256 of the cohort.
            people: in the order of the arrays' rows.
            contents: of its files, by their names.
        """
        return cls(
            version=version,
            created=created,
            backbone=backbone,
            cohort=cohort,
            people=tuple(_Member(slug=person.slug, name=person.name, kind=person.kind) for person in people),
            files=_Digests.model_validate({name: _digest(contents[name]) for name in (ARRAYS, REPORT)}),
        )

    def encode(self) -> bytes:
        """Make the content of `manifest.json`."""
        return self.model_dump_json(by_alias=True, indent=1).encode()

    @property
    def members(self) -> tuple[Person, ...]:
        """Who the version knows, in the order of the arrays' rows."""
        return _people(self)

    def damaged(self, contents: Mapping[str, bytes]) -> str | None:
        """Name the first file that is not what was saved; `None` where all are."""
        digests = {ARRAYS: self.files.arrays, REPORT: self.files.report}
        return next((name for name, digest in digests.items() if _digest(contents[name]) != digest), None)


def parse_manifest(content: bytes, place: str) -> Manifest:
    """Read a manifest.

    Args:
        content: of `manifest.json`.
        place: what the version is called in errors.

    Raises:
        ModelError: it is of another format.
        ValueError: it is damaged.
    """
    value = json.loads(content)
    found = value.get("format") if isinstance(value, dict) else None
    if found != FORMAT:
        raise ModelError(
            f"The model {place} has format {repr(found)[:40]}, and this program reads {FORMAT};"
            " run facerec-mqtt rebuild."
        )
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None


def members(model_dir: Path, version: str) -> tuple[Person, ...] | None:
    """Read who a version knows, whatever format the rest is of; `None` where that cannot be read."""
    try:
        content = read_plain(ModelPaths(model_dir).manifest(version), MAX_FILE_BYTES)
        return _people(_Members.model_validate_json(content))
    except (OSError, ValueError):
        return None


def texts(model_dir: Path, version: str) -> tuple[str, ...] | None:
    """Read the texts of a version, its manifest and reports; `None` where one of them cannot be read."""
    try:
        files = sorted(ModelPaths(model_dir).version(version).iterdir())
        return tuple(read_plain(path, MAX_FILE_BYTES).decode() for path in files if path.name != ARRAYS)
    except (OSError, ValueError):
        return None


def _people(manifest: _Members) -> tuple[Person, ...]:
    return tuple(Person(entry.slug, entry.name, entry.kind) for entry in manifest.people)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
