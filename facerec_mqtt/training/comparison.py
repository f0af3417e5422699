"""Whether a new model is clearly worse than the one in use, judged on pictures that neither has learnt from.

A model answers brilliantly about photos that it was made of. So each model is asked only about pictures
that were held out from it: about those that its own rebuild held out in turn, what that rebuild wrote
down; about those that came later, what it says now. A picture that only one of the two was asked about
counts for neither.

The comparison is paired: only pictures about which the two differ say anything. Of these, chance would
let each model win half (McNemar's exact test). Clearly worse is what chance explains in fewer than one of
twenty cases *and* what is large enough to matter; see `compare`.

What the model in use said of its own photos when they were held out from it stands in its report. About
photos that have come since it is asked now, since it has never seen them; except about those of a moment
that it knows another photo of, which would be easier for it than for the new one, and about a folder where
most of what it knew has gone: that may be there still, under other names.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.records import Person
from facerec_mqtt.faces.embedding import Cohort
from facerec_mqtt.recognition.error_rates import Outcomes
from facerec_mqtt.recognition.model_store import load_current
from facerec_mqtt.recognition.recognizer import prepare
from facerec_mqtt.training.fit import TrainingSet

LEVEL = 0.05
"""Worse by chance alone in at most this share of comparisons."""
MATTERS = 0.05
"""A model that loses a smaller share of the pictures is not clearly worse, however sure the loss is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said of one picture that it had not learnt from."""

    true: str | None
    """Slug of the person in it; `None` for somebody who is not enrolled."""
    named: str | None
    """Slug of the person who was named; `None` where nobody was."""

    @property
    def right(self) -> bool:
        """Whether that person was named, or nobody where nobody is enrolled."""
        return self.true == self.named


@dataclass(frozen=True, slots=True)
class Tally:
    """How two models differ on the same pictures."""

    pictures: int
    lost: int
    """Pictures about which the model before is right and the new one is not."""
    won: int
    """Pictures about which the new one is right and the model before is not."""
    right: int
    """Pictures about which the new one is right."""

    @property
    def right_before(self) -> int:
        """Pictures about which the model before is right."""
        return self.right + self.lost - self.won

    def is_worse(self, level: float) -> bool:
        """Whether the new one loses more than chance explains at this level, and enough to matter."""
        matters = self.lost - self.won >= MATTERS * self.pictures
        return self.lost > self.won and matters and chance_of(self.lost, self.won) < level

    def is_better(self) -> bool:
        """Whether the model before is worse, by the same rule."""
        return Tally(self.pictures, self.won, self.lost, self.right_before).is_worse(LEVEL)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A new model beside the one in use."""

    version: str
    """Of the model in use."""
    members: Tally
    """Pictures of people whom both know."""
    strangers: Tally
    """Pictures of people who are not enrolled."""
    worse: str | None
    """In which way the new one is clearly worse, in a sentence; `None` when it is not."""


def compare(
    version: str,
    before: Mapping[str, Answer],
    after: Mapping[str, Answer],
    *,
    both_know: Mapping[str, str],
    lost_people: Collection[str] = (),
    fpir_before: float,
    fpir_after: float,
) -> Comparison:
    """Compare a new model with the one in use.

    The new one is clearly worse when

    - somebody whom the model in use knows still has a folder, but no usable photo any more; or
    - it names strangers whom the model in use does not; or
    - it names members less often, all together or one of them, and does not name fewer strangers for it.

    The last two are judged at `LEVEL` (for a single member, divided by their number) and have to reach
    `MATTERS`. Where the owner has stated another FPIR, what follows from it is no fault: naming fewer
    members at a stricter one, more strangers at a looser one.

    Args:
        version: of the model in use.
        before: its answers, by file; see `Answer`.
        after: the new one's.
        both_know: display names of the people whom both models know, by slug.
        lost_people: display names of people whom the model in use knows, and the new one does not although
            they have a folder.
        fpir_before: share of strangers who may be taken for somebody, as stated for the model in use.
        fpir_after: as stated for the new one.
    """
    shared = [file for file in after if file in before and before[file].true == after[file].true]

    def tally(wanted: Collection[str | None]) -> Tally:
        pairs = [(before[file].right, after[file].right) for file in shared if after[file].true in wanted]
        return Tally(
            pictures=len(pairs),
            lost=sum(was and not now for was, now in pairs),
            won=sum(now and not was for was, now in pairs),
            right=sum(now for _, now in pairs),
        )

    members, strangers = tally(both_know), tally([None])
    worse = None
    if lost_people:
        names = " and ".join(sorted(lost_people))
        worse = f"{names} would not be known any more, having a folder but no usable photo."
    elif fpir_after <= fpir_before and strangers.is_worse(LEVEL):
        worse = (
            f"Of {strangers.pictures} strangers' pictures it gives a name to"
            f" {strangers.pictures - strangers.right}, and the model {version} to"
            f" {strangers.pictures - strangers.right_before}."
        )
    elif fpir_after >= fpir_before and not strangers.is_better():
        if members.is_worse(LEVEL):
            worse = _fewer(members, "the family's photos", version)
        else:
            for slug, name in both_know.items():
                own = tally([slug])
                if own.is_worse(LEVEL / len(both_know)):
                    worse = _fewer(own, f"{name}'s photos", version)
                    break
    return Comparison(version, members, strangers, worse)


def chance_of(lost: int, won: int) -> float:
    """How often chance alone loses at least as many of the pictures on which two models differ.

    The exact one-sided test of McNemar, that is, the sign test.
    """
    differ = lost + won
    return float(sum(comb(differ, number) for number in range(lost, differ + 1)) / 2**differ)


def _fewer(tally: Tally, what: str, version: str) -> str:
    return (
        f"Of {tally.pictures} of {what} that neither model had learnt from it recognises {tally.right},"
        f" and the model {version} {tally.right_before}."
    )


def compare_with_current(
    model_dir: Path,
    training_set: TrainingSet,
    outcomes: Outcomes,
    left_out: Sequence[Person],
    *,
    backbone_digest: str,
    cohort: Cohort,
    min_margin: float,
    fpir: float,
) -> Comparison | None:
    """Compare a new model with the one in use.

    Args:
        model_dir: where the model in use is.
        training_set: what the new one is made of.
        outcomes: what was said of its photos when they were held out from it.
        left_out: who has a folder, but no usable photo.
        backbone_digest: of the backbone that the photos were embedded with.
        cohort: of the backbone's scores.
        min_margin: the least lead over the runner-up, [0, 1].
        fpir: the stated share of strangers.

    Returns:
        `None` where there is no model in use, or none that can be used with these networks: then
        whatever is new is better.
    """
    try:
        model = load_current(model_dir)
        if model is None:
            return None
        family = prepare(model, backbone_digest, cohort)
    except ModelError:
        return None
    shown = _shown(training_set)
    later = _later(training_set, model.report)
    said = family.identify(np.asarray(training_set.vectors[later, 0], np.float32), min_margin=min_margin)
    now = {
        training_set.files[photo]: Answer(shown[training_set.files[photo]], identification.person)
        for photo, identification in zip(later, said, strict=True)
    }
    return compare(
        model.version,
        _held_out(model.report) | now,
        _answers(training_set.people, outcomes, shown),
        both_know={person.slug: person.name for person in training_set.people if person in model.people},
        lost_people=[person.name for person in left_out if person in model.people],
        fpir_before=float(model.report.get("fpir", fpir)),
        fpir_after=fpir,
    )


def _shown(training_set: TrainingSet) -> dict[str, str | None]:
    """Slug of the person in each photo, `None` for a stranger."""
    slugs = [*(person.slug for person in training_set.people), None]
    return {file: slugs[label] for file, label in zip(training_set.files, training_set.labels, strict=True)}


def _later(training_set: TrainingSet, report: Mapping[str, Any]) -> NDArray[np.int64]:
    """Which photos the model of this report has not seen, nor any other of their moment."""
    listed = {photo["file"]: bool(photo["used"]) for photo in report.get("photos", ())}
    if not any(listed.values()):
        return np.zeros(0, np.int64)  # what it was made of is not known
    before = Counter(_folder(file) for file, used in listed.items() if used)
    still = Counter(_folder(file) for file in training_set.files if listed.get(file))
    known = np.array([file in listed for file in training_set.files], np.bool_)
    sure = np.array(
        [2 * still[folder] >= before[folder] for folder in map(_folder, training_set.files)], np.bool_
    )
    return np.flatnonzero(~known & sure & ~np.isin(training_set.moments, training_set.moments[known]))


def _folder(file: str) -> str:
    return file.split("/")[0]


def _held_out(report: Mapping[str, Any]) -> dict[str, Answer]:
    """What a model said of photos that were held out from it, as its report has it."""
    folders = {entry["name"]: slug for slug, entry in report.get("details", {}).items()}
    return {
        each["file"]: Answer(each["person"], each["named"])
        for each in report.get("outcomes", ())
        # A member's photo is there a second time, judged by a model that did not know the member.
        if folders.get(_folder(each["file"])) == each["person"]
    }


def _answers(
    people: Sequence[Person], outcomes: Outcomes, shown: Mapping[str, str | None]
) -> dict[str, Answer]:
    slugs = [*(person.slug for person in people), None]  # NOBODY, -1, is the last
    return {
        file: Answer(slugs[true], slugs[named])
        for file, true, named in zip(outcomes.files, outcomes.true, outcomes.named, strict=True)
        if slugs[true] == shown[file]
    }
