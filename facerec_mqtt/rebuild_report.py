"""What a rebuild made of the enrollment folder: for its owner to read, and for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facerec_mqtt.evaluation import Outcomes
from facerec_mqtt.records import Person

FEW_PHOTOS = 5

_LOW_TPIR = 0.6


@dataclass(frozen=True, slots=True)
class PhotoReport:
    """What became of one file."""

    file: str
    """`Anna/001.jpg`."""
    person: str | None
    """The person's slug; `None` for a stranger's picture or a file outside of any folder."""
    reason: str | None
    """Why it was set aside; `None` when it was used."""
    note: str | None = None
    """What its owner may want to know of one that was used."""

    def as_json(self) -> dict[str, Any]:
        """As reports list it; the note only where there is one."""
        said = {"file": self.file, "used": self.reason is None, "reason": self.reason}
        return said if self.note is None else said | {"note": self.note}


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What a rebuild made of the enrollment folder."""

    version: str
    people: tuple[Person, ...]
    """Whom the model knows."""
    left_out: tuple[Person, ...]
    """Who has a folder but no usable photo."""
    photos: tuple[PhotoReport, ...]
    notes: tuple[str, ...]
    """Folders that were not used."""
    tpir: Mapping[str, float]
    """For each slug with enough photos: the share of them that the model would name, had it not learnt
    from them."""
    fpir: float
    """The stated share of strangers who may be taken for somebody."""
    threshold: float
    """The normalised score that a face must reach."""
    outcomes: Outcomes
    """What models that had not learnt from a photo said of it; see `crossvalidation`."""
    seconds: float
    """Wall time of the whole rebuild."""

    def warnings(self) -> tuple[str, ...]:
        """What its owner should know, a sentence each."""
        said = list(self.notes)
        said += [
            f"{person.name} was left out, having no usable photo"
            f"{self._first_reason(person)} Add some, ten or more, and rebuild."
            for person in self.left_out
        ]
        for person in self.people:
            used = self._count(person, used=True)
            if used < FEW_PHOTOS:
                said.append(f"{person.name} has only {used} usable photo{'s' * (used > 1)}; add ten or more.")
            elif self.tpir.get(person.slug, 1.0) < _LOW_TPIR:
                said.append(
                    f"{person.name} would be recognised in only {self.tpir[person.slug]:.0%} of the"
                    " photos; add sharper and more varied ones, and look whether all show the same person."
                )
        return tuple(said)

    def as_json(self) -> dict[str, Any]:
        """As `facerec-mqtt rebuild --json` prints it."""
        return {
            "version": self.version,
            "people": [person.slug for person in self.people],
            "details": {
                person.slug: {
                    "name": person.name,
                    "used": self._count(person, used=True),
                    "set_aside": self._count(person, used=False),
                    "tpir": _rounded(self.tpir.get(person.slug)),
                }
                for person in (*self.people, *self.left_out)
            },
            "photos": [photo.as_json() for photo in self.photos],
            "warnings": list(self.warnings()),
            "fpir": self.fpir,
            "threshold": round(self.threshold, 4),
            "tpir": _rounded(sum(self.tpir.values()) / len(self.tpir)) if self.tpir else None,
            "seconds": round(self.seconds, 2),
        }

    def _count(self, person: Person, *, used: bool) -> int:
        return sum(photo.person == person.slug and (photo.reason is None) == used for photo in self.photos)

    def _first_reason(self, person: Person) -> str:
        return first_reason([photo for photo in self.photos if photo.person == person.slug])


def first_reason(photos: Sequence[PhotoReport]) -> str:
    """The rest of a sentence that says why none of a person's photos can be used."""
    if not photos:
        return ": the folder is empty."
    return f": of {len(photos)}, the first is {photos[0].file}. {photos[0].reason}"


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 4)
