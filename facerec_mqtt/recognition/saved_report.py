"""What a model's report says that the program itself reads back, parsed; by it, the way back to a version.

The report of a rebuild (`enrollment.reports`) is kept as `report.json` beside the model. Models that were
made by other versions of this program lack keys or have more: what is missing is not known, and what is
not read here is ignored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.records import Person
from facerec_mqtt.recognition.model_store import (
    FamilyModel,
    current_version,
    load_version,
    rebuilding,
    use_version,
    versions,
)
from facerec_mqtt.recognition.recognizer import Recognizer


class _Saved(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class SavedPhoto(_Saved):
    """What became of one file."""

    file: str
    """`Anna/001.jpg`."""
    used: bool
    folder: str | None = None
    """`Anna`; older reports lack it."""
    reason: str | None = None
    reason_code: str | None = None
    duplicate_of: str | None = None
    note: str | None = None


class SavedOutcome(_Saved):
    """Who the model named in a photo that was held out from it."""

    file: str
    person: str | None
    """Slug of the person in it; `None` where the model that judged it did not know the person."""
    named: str | None


class SavedPerson(_Saved):
    """Somebody who has a folder."""

    name: str
    used: int | None = None
    """Photos that the model was made of."""
    tpir: float | None = None
    """Share of the photos that a model which had not learnt from them names."""


class SavedTally(_Saved):
    """How two models did on the same photos."""

    pictures: int
    right: int
    """About which the new one is right."""
    right_before: int
    """About which the one before is."""


class SavedComparison(_Saved):
    """The model beside the one that was in use when it was made."""

    version: str
    """Of the one in use."""
    worse_code: str | None = None
    """In which way it is clearly worse."""
    worse_people: Sequence[str] = ()
    """Names of those who are lost, or of the one who is missed."""
    worse_tally: SavedTally | None = None
    """Of the photos that show it; older reports lack it."""


class SavedReport(_Saved):
    """What a rebuild found."""

    details: Mapping[str, SavedPerson] = {}
    """By slug."""
    photos: Sequence[SavedPhoto] = ()
    outcomes: Sequence[SavedOutcome] = ()
    fpir: float | None = None
    """The stated share of strangers' visits that may be taken for somebody's."""
    many_strangers: str | None = None
    """What to do, where it names far more strangers than that."""
    compared_with: SavedComparison | None = None
    """`None` where no other was in use."""

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> Self:
        """Parse a report; one that makes no sense is an empty one, since it only informs."""
        try:
            return cls.model_validate(report)
        except ValidationError:
            return cls()

    @property
    def recognised(self) -> float | None:
        """Share of all of the family's photos that it names without having learnt from them."""
        own = [each for each in self.outcomes if each.person is not None]
        return sum(each.named == each.person for each in own) / len(own) if own else None

    def person_in(self, photo: SavedPhoto) -> str | None:
        """Slug of whose folder a photo is in; `None` for strangers."""
        folder = photo.file.split("/")[0] if photo.folder is None else photo.folder
        return next((slug for slug, person in self.details.items() if person.name == folder), None)


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """A version of the model that is kept."""

    version: str
    current: bool
    people: tuple[Person, ...]
    """Who it knows; empty where it cannot be read."""
    created: str | None
    """ISO 8601, UTC; `None` where it cannot be read."""
    tpir: float | None
    """Share of a person's photos that it names without having learnt from them, on average of all people."""
    fpir: float | None
    """Share of strangers' photos that it would name."""
    reason: str | None
    """Why it is not in use though it was made, or why it cannot be read, in one sentence."""
    report: SavedReport = field(default_factory=SavedReport)
    """What its rebuild found."""

    @property
    def recognised(self) -> float | None:
        """Share of the family's photos that it names without having learnt from them, as in the report."""
        share = self.report.recognised
        return self.tpir if share is None else share


def kept_versions(model_dir: Path) -> tuple[KeptVersion, ...]:
    """What is kept, the newest first.

    Raises:
        ModelError: `current` cannot be read.
    """
    current = current_version(model_dir)
    return tuple(_kept(model_dir, version, current) for version in reversed(versions(model_dir)))


def roll_back(model_dir: Path, version: str | None) -> FamilyModel:
    """Switch to another version that is kept; a running service follows within seconds.

    Args:
        model_dir: where the models are.
        version: which one; `None` is the last one that was made before the current one and was switched to.

    Returns:
        The model that is in use from now on.

    Raises:
        ModelError: there is no such version, or it cannot be used; the current one stays in use.
    """
    if not versions(model_dir):
        raise ModelError(f'There is no model in "{model_dir}"; make one with "facerec-mqtt rebuild".')
    with rebuilding(model_dir):
        chosen = _version_before(model_dir) if version is None else version
        if chosen not in versions(model_dir):
            raise ModelError(
                f'There is no model version "{chosen}" in "{model_dir}"; there are:'
                f" {', '.join(versions(model_dir))}."
            )
        model = load_version(model_dir, chosen)
        # What the service could not use is not switched to.
        Recognizer.load(model)
        use_version(model_dir, chosen)
    return model


def _kept(model_dir: Path, version: str, current: str | None) -> KeptVersion:
    is_current = version == current
    try:
        model = load_version(model_dir, version)
    except ModelError as error:
        return KeptVersion(version, is_current, (), None, None, None, str(error))
    reason = None if is_current else model.report.get("not_used_because")
    tpir, fpir = model.report.get("tpir"), model.report.get("measured_fpir")
    report = SavedReport.of(model.report)
    return KeptVersion(version, is_current, model.people, model.created, tpir, fpir, reason, report)


def _version_before(model_dir: Path) -> str:
    """The last version before the current one that was good enough to be switched to.

    Raises:
        ModelError: there is none.
    """
    kept = kept_versions(model_dir)
    current = next((each.version for each in kept if each.current), "")
    for each in kept:
        if each.version < current and each.reason is None:
            return each.version
    raise ModelError(
        f'No older model in "{model_dir}" can be gone back to; "facerec-mqtt models list" shows what is kept.'
    )
