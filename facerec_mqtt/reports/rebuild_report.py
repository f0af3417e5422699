"""What a rebuild made of the enrollment folder: for its owner to read, and for programs."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facerec_mqtt.core.records import Person
from facerec_mqtt.recognition.error_rates import NOBODY, Curve, Outcomes, fpir_of, most_confusable
from facerec_mqtt.reports.advice import FEW_PHOTOS, Advice, Standing, advise
from facerec_mqtt.training.comparison import Comparison, Tally

_LOW_TPIR = 0.6
# With fewer named, and less far over what was asked for, it may be chance.
_MANY_NAMED, _FAR_OVER = 3, 3
# What a reason is about, by what it says; the first that fits.
_KINDS = (
    ("near-duplicate", "near-duplicate"),
    ("looks more like", "looks like another"),
    ("does not look like", "unlike the others"),
    ("No face", "no face"),
    ("faces, none of them", "several faces"),
    ("pixels wide", "face too small"),
    ("blurred", "blurred"),
)
_OTHER_KIND = "unusable file"


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
    moments: Mapping[str, int] = field(default_factory=dict)
    """For each slug: from how many different moments the used photos are."""
    curves: tuple[Curve, ...] = ()
    """For each of `people`: its learning curve; empty where there are too few photos."""
    comparison: Comparison | None = None
    """With the model that was in use; `None` where there was none, or none that could be used."""
    forced: bool = False
    """Whether the new model is used even when it is worse."""

    @property
    def not_used_because(self) -> str | None:
        """Why the new model was not switched to; `None` when it was."""
        return None if self.comparison is None or self.forced else self.comparison.worse

    def advice(self) -> tuple[Advice, ...]:
        """What would make the model better, for each of `people`."""
        return tuple(advise(self._standing(row)) for row in range(len(self.people)))

    def warnings(self) -> tuple[str, ...]:
        """What its owner should know, a sentence each."""
        said = list(self.general_notes())
        if self.not_used_because is not None:
            said.append(f"This model is kept but not used, being clearly worse. {self.not_used_because}")
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

    def general_notes(self) -> tuple[str, ...]:
        """What its owner should know that concerns nobody in the model, a sentence each."""
        return (
            *self.notes,
            *(
                f"{person.name} was left out, having no usable photo"
                f"{self._first_reason(person)} Add some, ten or more, and rebuild."
                for person in self.left_out
            ),
            *self._strangers_note(),
        )

    def _strangers_note(self) -> tuple[str, ...]:
        """What to do where far more strangers would be named than were asked for; not for one or two."""
        answers = self.outcomes.named[self.outcomes.true == NOBODY]
        named = int(np.sum(answers != NOBODY))
        if named < _MANY_NAMED or named <= _FAR_OVER * self.fpir * len(answers):
            return ()
        return (
            f"Of {len(answers)} strangers' faces {named} would be given a name, far more than the"
            f" {self.fpir:.1%} that were asked for; put pictures of twenty people who are not family, best"
            " from your own cameras, into _strangers, and look whether a member is there.",
        )

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
            "measured_fpir": _rounded(fpir_of(self.outcomes)),
            "switched": self.not_used_because is None,
            "not_used_because": self.not_used_because,
            "compared_with": None if self.comparison is None else _comparison_as_json(self.comparison),
            "advice": [
                {"person": person.slug, "text": each.text, "needed": each.needed}
                for person, each in zip(self.people, self.advice(), strict=True)
            ],
            "notes": list(self.general_notes()),
            **outcomes_as_json(self.people, self.outcomes),
            "learning_curve": {
                person.slug: [[count, round(share, 4)] for count, share in curve]
                for person, curve in zip(self.people, self.curves, strict=False)
            },
            "seconds": round(self.seconds, 2),
        }

    def _standing(self, row: int) -> Standing:
        person = self.people[row]
        used = self._count(person, used=True)
        taken = self.outcomes.named[self.outcomes.true == row]
        others = Counter(int(other) for other in taken if other not in (row, NOBODY))
        most = others.most_common(1)
        return Standing(
            name=person.name,
            used=used,
            set_aside=self._count(person, used=False),
            moments=self.moments.get(person.slug, used),
            tpir=self.tpir.get(person.slug),
            taken_for=(self.people[most[0][0]].name, most[0][1]) if most else None,
            curve=self.curves[row] if self.curves else (),
        )

    def _count(self, person: Person, *, used: bool) -> int:
        return sum(photo.person == person.slug and (photo.reason is None) == used for photo in self.photos)

    def _first_reason(self, person: Person) -> str:
        return first_reason([photo for photo in self.photos if photo.person == person.slug])


def first_reason(photos: Sequence[PhotoReport], notes: Sequence[str] = ()) -> str:
    """The rest of a sentence that says why none of a person's photos can be used, and what else was noted."""
    why = ": none is to be seen in the folder."
    if photos:
        why = f": of {len(photos)}, the first is {photos[0].file}. {photos[0].reason}"
    return " ".join([why, *notes])


def kind_of(reason: str) -> str:
    """What a photo was set aside for, in two or three words."""
    return next((kind for words, kind in _KINDS if words in reason), _OTHER_KIND)


def outcomes_as_json(people: Sequence[Person], outcomes: Outcomes) -> dict[str, Any]:
    """What was said of each picture, and whom it shows are the hardest to tell apart."""
    slugs = [*(person.slug for person in people), None]  # NOBODY, -1, is the last
    pair = most_confusable(outcomes)
    return {
        "confusable": None
        if pair is None
        else {
            "people": [slugs[pair.first], slugs[pair.second]],
            "confused": pair.confused,
            "pictures": pair.pictures,
            "score": round(pair.score, 4),
        },
        "outcomes": [
            {
                "file": file,
                "person": slugs[true],
                "named": slugs[named],
                "scores": [round(float(score), 4) for score in scores],
            }
            for file, true, named, scores in zip(
                outcomes.files, outcomes.true, outcomes.named, outcomes.scores, strict=True
            )
        ],
    }


def _comparison_as_json(comparison: Comparison) -> dict[str, Any]:
    def counted(tally: Tally) -> dict[str, int]:
        return {"pictures": tally.pictures, "right": tally.right, "right_before": tally.right_before}

    return {
        "version": comparison.version,
        "members": counted(comparison.members),
        "strangers": counted(comparison.strangers),
        "worse": comparison.worse,
    }


def _rounded(rate: float | None) -> float | None:
    return None if rate is None or math.isnan(rate) else round(rate, 4)
