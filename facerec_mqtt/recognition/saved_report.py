"""What a model's report says that the program itself reads back, parsed.

The report of a rebuild (`reports.rebuild_report`) is kept as `report.json` beside the model. Models that were
made by other versions of this program lack keys or have more: what is missing is not known, and what is
not read here is ignored.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError


class _Saved(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class SavedPhoto(_Saved):
    """What became of one file."""

    file: str
    """`Anna/001.jpg`."""
    used: bool
    folder: str | None = None
    """`Anna`; older reports lack it."""


class SavedOutcome(_Saved):
    """Who the model named in a photo that was held out from it."""

    file: str
    person: str | None
    """Slug of the person in it; `None` where the model that judged it did not know the person."""
    named: str | None


class SavedPerson(_Saved):
    """Somebody who has a folder."""

    name: str


class SavedReport(_Saved):
    """What a rebuild found."""

    details: Mapping[str, SavedPerson] = {}
    """By slug."""
    photos: Sequence[SavedPhoto] = ()
    outcomes: Sequence[SavedOutcome] = ()
    fpir: float | None = None
    """The stated share of strangers who may be taken for somebody."""

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> Self:
        """Parse a report; one that makes no sense is an empty one, since it only informs."""
        try:
            return cls.model_validate(report)
        except ValidationError:
            return cls()

    def person_in(self, photo: SavedPhoto) -> str | None:
        """Slug of whose folder a photo is in; `None` for strangers."""
        folder = photo.file.split("/")[0] if photo.folder is None else photo.folder
        return next((slug for slug, person in self.details.items() if person.name == folder), None)
