"""What a rebuild made of the enrollment folder: one typed value from the rebuild to all who show it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facerec_mqtt.core.records import Person
from facerec_mqtt.enrollment.reports.advice import FEW_PHOTOS, Advice, Nearest, Standing, advise
from facerec_mqtt.enrollment.reports.photo_report import PhotoReport, photos_of
from facerec_mqtt.enrollment.reports.sentences import (
    few_photos,
    many_strangers_named,
    no_usable_photo,
    why_worse,
)
from facerec_mqtt.enrollment.reports.summary import model_sentence
from facerec_mqtt.recognition import NOBODY, Curve, Outcomes, chance_of_named, fpir_of, most_confusable
from facerec_mqtt.training import LEVEL, Comparison, Tally, replaces_current

_LOW_TPIR = 0.6
# With fewer named, and less far over what was asked for, it may be chance.
_MANY_NAMED, _FAR_OVER = 3, 3
_CLOSEST = 0.95
"""Of somebody's photos, this quantile says how near they come to another person."""


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What a rebuild made of the enrollment folder."""

    version: str
    people: tuple[Person, ...]
    """Who the model knows."""
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
    """Who models that had not learnt from a photo named in it; see `training.cross_validation`."""
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
    own_strangers: int = 0
    """How many the cohort was extended by: from `_strangers`, and whom the cameras have seen."""

    @property
    def switched(self) -> bool:
        """Whether the new model was put to use."""
        return replaces_current(self.comparison, force=self.forced)

    @property
    def not_used_because(self) -> str | None:
        """Why the new model was not put to use; `None` when it was."""
        return None if self.comparison is None or self.switched else why_worse(self.comparison)

    @property
    def measured_fpir(self) -> float | None:
        """Share of strangers' pictures that would be given a name; `None` where there are none."""
        return _rounded(fpir_of(self.outcomes))

    @property
    def named_strangers(self) -> tuple[tuple[str, Person], ...]:
        """Strangers' pictures that would be given a name, with whose it would be."""
        strangers = {photo.file for photo in self.photos if photo.person is None}
        return tuple(
            (file, self.people[row])
            for file, row in zip(self.outcomes.files, self.outcomes.named, strict=True)
            if row != NOBODY and file in strangers
        )

    @property
    def message(self) -> str:
        """The rebuild in one sentence, for whoever asked for it by MQTT."""
        if self.comparison is not None and not self.switched:
            return (
                f"Model {self.version} is kept but not used, being clearly worse than"
                f" {self.comparison.version}, which stays in use. {self.not_used_because}"
                ' Send {"force": true} to use it all the same.'
            )
        names = ", ".join(person.name for person in self.people)
        used = sum(photo.used for photo in self.photos)
        return model_sentence(self.version, names, used, len(self.photos), self.many_strangers)

    def advice(self) -> tuple[Advice, ...]:
        """What would make the model better, for each of `people`."""
        return tuple(advise(self._standing(row)) for row in range(len(self.people)))

    def warnings(self) -> tuple[str, ...]:
        """What its owner should know, a sentence each."""
        warnings = list(self.general_notes())
        if not self.switched:
            warnings.append(f"This model is kept but not used, being clearly worse. {self.not_used_because}")
        for person in self.people:
            used = self._count(person, used=True)
            if used < FEW_PHOTOS:
                warnings.append(few_photos(person.name, used))
            elif self.tpir.get(person.slug, 1.0) < _LOW_TPIR:
                warnings.append(
                    f"{person.name} would be recognised in only {self.tpir[person.slug]:.0%} of the"
                    " photos; add sharper and more varied ones, and check whether all show the same person."
                )
        return tuple(warnings)

    def general_notes(self) -> tuple[str, ...]:
        """What its owner should know that concerns nobody in the model, a sentence each."""
        return (
            *self.notes,
            *(
                f"{person.name} was left out, having no usable photo"
                f"{no_usable_photo(photos_of(person.slug, self.photos))} Add some, ten or more, and rebuild."
                for person in self.left_out
            ),
            *filter(None, [self.many_strangers]),
        )

    @property
    def many_strangers(self) -> str | None:
        """What to do where far more strangers would be named than were asked for, beyond chance."""
        answers = self.outcomes.named[self.outcomes.true == NOBODY]
        named, count = int(np.sum(answers != NOBODY)), len(answers)
        far_over = named >= _MANY_NAMED and named > _FAR_OVER * self.fpir * count
        if not far_over or chance_of_named(named, count, self.fpir) >= LEVEL:
            return None
        return many_strangers_named(named, count, self.fpir)

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
            "measured_fpir": self.measured_fpir,
            "own_strangers": self.own_strangers,
            "many_strangers": self.many_strangers,
            "switched": self.switched,
            "not_used_because": self.not_used_because,
            "compared_with": None if self.comparison is None else _comparison_as_json(self.comparison),
            "advice": [
                {"person": person.slug, "text": each.text, "needed": each.needed, "code": each.step}
                for person, each in zip(self.people, self.advice(), strict=True)
            ],
            "nearest": {
                person.slug: {"person": near.slug, "would_be_named": near.named, "photos": near.photos}
                for row, person in enumerate(self.people)
                if (near := self._nearest(row)) is not None
            },
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
            rejected=self._count(person, used=False),
            moments=self.moments.get(person.slug, used),
            tpir=self.tpir.get(person.slug),
            taken_for=(self.people[most[0][0]].name, most[0][1]) if most else None,
            curve=self.curves[row] if self.curves else (),
            nearest=self._nearest(row),
        )

    def _nearest(self, row: int) -> Nearest | None:
        """Who of the others somebody comes nearest to, by models that did not know the person."""
        own = {photo.file for photo in photos_of(self.people[row].slug, self.photos)}
        is_own = np.array([file in own for file in self.outcomes.files], np.bool_)
        as_stranger = is_own & (self.outcomes.true == NOBODY)
        if not as_stranger.any() or len(self.people) < 2:
            return None
        likeness = np.quantile(self.outcomes.scores[as_stranger], _CLOSEST, axis=0)
        likeness[row] = -1.0
        other = self.people[int(likeness.argmax())]
        named = int(np.sum(self.outcomes.named[as_stranger] != NOBODY))
        return Nearest(other.name, other.slug, named, int(as_stranger.sum()))

    def _count(self, person: Person, *, used: bool) -> int:
        return sum(photo.used == used for photo in photos_of(person.slug, self.photos))


def outcomes_as_json(people: Sequence[Person], outcomes: Outcomes) -> dict[str, Any]:
    """Who was named in each picture, and which two people are the hardest to tell apart."""
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

    worse = comparison.worse
    return {
        "version": comparison.version,
        "members": counted(comparison.members),
        "strangers": counted(comparison.strangers),
        "relatives": counted(comparison.relatives),
        "worse": why_worse(comparison),
        "worse_code": None if worse is None else worse.code,
        "worse_people": [] if worse is None else list(worse.people),
        "worse_tally": None if worse is None else counted(worse.tally),
    }


def _rounded(rate: float | None) -> float | None:
    return None if rate is None or math.isnan(rate) else round(rate, 4)
