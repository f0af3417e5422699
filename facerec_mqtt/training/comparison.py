"""Whether a new model is clearly worse than the one in use, judged on photos that neither has learnt from.

A model answers brilliantly about photos that it was made of. So each model is judged only on photos that were
held out from it: on those that its own rebuild held out in turn, by what that rebuild wrote into its report;
on those that came later, by what it answers now. A photo that only one of the two was judged on counts for
neither.

The comparison is paired: only photos about which the two differ count. Of these, chance would let each
model win half (McNemar's exact test). Clearly worse is what chance explains in fewer than one of twenty
cases *and* what is large enough to matter; see `compare`.

The model in use is not asked about a new photo of a moment of which it knows another photo, which would be
easier for it than for the new one; nor about new photos of a person most of whose known photos have gone:
they may be there still, under other names.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import comb
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.records import Person
from facerec_mqtt.faces import Cohort
from facerec_mqtt.recognition import NOBODY, Outcomes, SavedReport, load_current, prepare
from facerec_mqtt.training.fit import TrainingSet

LEVEL = 0.05
"""Worse by chance alone in at most this share of comparisons."""
MATTERS = 0.05
"""A model that loses a smaller share of the pictures is not clearly worse, however sure the loss is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Who a model named in one photo that it had not learnt from."""

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


class WorseCode(StrEnum):
    """In which way a model is clearly worse, as JSON has it (`worse_code`)."""

    PEOPLE_LOST = "people_lost"
    STRANGERS_NAMED = "strangers_named"
    RELATIVES_NAMED = "relatives_named"
    MEMBERS_MISSED = "members_missed"
    MEMBER_MISSED = "member_missed"


@dataclass(frozen=True, slots=True)
class Worse:
    """In which way a model is clearly worse."""

    code: WorseCode
    tally: Tally
    """The photos that show it; of no photos where people are lost."""
    people: tuple[str, ...] = ()
    """Names of those who are lost, or of the one who is missed."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A new model beside the one in use."""

    version: str
    """Of the model in use."""
    members: Tally
    """Pictures of people that both know."""
    strangers: Tally
    """Pictures of people who are not enrolled."""
    worse: Worse | None
    """In which way the new one is clearly worse; `None` when it is not."""
    relatives: Tally = Tally(0, 0, 0, 0)
    """Photos of members, judged by models without the member: relatives who are not enrolled."""


def replaces_current(comparison: Comparison | None, *, force: bool) -> bool:
    """Whether a new model is put to use: not when it is clearly worse than the one in use, unless forced.

    Args:
        comparison: `None` where no model is in use, or none that can be used.
        force: use it even when it is worse.
    """
    return force or comparison is None or comparison.worse is None


def compare(
    version: str,
    before: Mapping[str, Answer],
    after: Mapping[str, Answer],
    *,
    both_know: Mapping[str, str],
    lost_people: Collection[str] = (),
    relatives_before: Mapping[str, str | None] = {},
    relatives_after: Mapping[str, str | None] = {},
    fpir_before: float,
    fpir_after: float,
) -> Comparison:
    """Compare a new model with the one in use.

    The new one is clearly worse when

    - somebody the model in use knows still has a folder, but no usable photo any more; or
    - it names strangers that the model in use does not; or
    - it names relatives, members' photos judged without the member, that the model in use does not, and those
      of at least half of the members, two or more: a brother who has come nearer to one sister shows nothing
      about strangers; or
    - it names members less often, all together or one of them, and does not name fewer strangers for it.

    The last three are judged at `LEVEL` (for a single member, divided by their number) and have to reach
    `MATTERS`. Where the owner has stated another FPIR, what follows from it is no fault: naming fewer
    members at a stricter one, more strangers at a looser one.

    Args:
        version: of the model in use.
        before: its answers, by file; see `Answer`.
        after: the new one's.
        both_know: display names of the people that both models know, by slug.
        lost_people: display names of people that the model in use knows, and the new one does not although
            they have a folder.
        relatives_before: slug of who was named in photos of members by models without the member, by file;
            `None` for nobody.
        relatives_after: the same of the new one.
        fpir_before: share of strangers' visits that may be named, as stated for the model in use.
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
    relatives, is_common = _relatives(relatives_before, relatives_after, after, both_know)
    worse = None
    if lost_people:
        worse = Worse(WorseCode.PEOPLE_LOST, tally([]), tuple(sorted(lost_people)))
    elif fpir_after <= fpir_before and strangers.is_worse(LEVEL):
        worse = Worse(WorseCode.STRANGERS_NAMED, strangers)
    elif fpir_after <= fpir_before and is_common and relatives.is_worse(LEVEL):
        worse = Worse(WorseCode.RELATIVES_NAMED, relatives)
    elif fpir_after >= fpir_before and not strangers.is_better():
        if members.is_worse(LEVEL):
            worse = Worse(WorseCode.MEMBERS_MISSED, members)
        else:
            for slug, name in both_know.items():
                own = tally([slug])
                if own.is_worse(LEVEL / len(both_know)):
                    worse = Worse(WorseCode.MEMBER_MISSED, own, (name,))
                    break
    return Comparison(version, members, strangers, worse, relatives)


def _relatives(
    before: Mapping[str, str | None],
    after: Mapping[str, str | None],
    shown: Mapping[str, Answer],
    both_know: Mapping[str, str],
) -> tuple[Tally, bool]:
    """How two models differ on members whom they did not know, and whether that is so of most of them.

    Only who both know counts: whoever has just been enrolled is named by one alone, and rightly where a
    sister looks like that.
    """
    known = {*both_know, None}
    whose = {file: answer.true for file, answer in shown.items() if answer.true in both_know}
    pairs = {
        file: (before[file] is None, named is None)
        for file, named in after.items()
        if file in whose and file in before and {named, before[file]} <= known
    }
    balance: Counter[str | None] = Counter()
    for file, (was, now) in pairs.items():
        balance[whose[file]] += now - was
    worse_for = sum(each < 0 for each in balance.values())
    tally = Tally(
        pictures=len(pairs),
        lost=sum(was and not now for was, now in pairs.values()),
        won=sum(now and not was for was, now in pairs.values()),
        right=sum(now for _, now in pairs.values()),
    )
    return tally, worse_for >= max(2, len(balance) / 2)


def chance_of(lost: int, won: int) -> float:
    """How often chance alone loses at least as many of the pictures on which two models differ.

    The exact one-sided test of McNemar, that is, the sign test.
    """
    differ = lost + won
    return float(sum(comb(differ, number) for number in range(lost, differ + 1)) / 2**differ)


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
        outcomes: who it named in its photos when they were held out from it.
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
    known = {person.slug for person in model.people}
    report = SavedReport.of(model.report)
    shown = _shown(training_set)
    later = _later(training_set, shown, report)
    answers = family.identify(np.asarray(training_set.vectors[later, 0], np.float32), min_margin=min_margin)
    now = {
        training_set.files[photo]: Answer(shown[training_set.files[photo]], answer.person)
        for photo, answer in zip(later, answers, strict=True)
    }
    return compare(
        model.version,
        _held_out(report) | now,
        _answers(training_set.people, outcomes, shown),
        both_know={person.slug: person.name for person in training_set.people if person.slug in known},
        lost_people=[person.name for person in left_out if person.slug in known],
        relatives_before=_relatives_in(report),
        relatives_after={
            file: None if named == NOBODY else training_set.people[named].slug
            for file, true, named in zip(outcomes.files, outcomes.true, outcomes.named, strict=True)
            if true == NOBODY and shown[file] is not None
        },
        fpir_before=fpir if report.fpir is None else report.fpir,
        fpir_after=fpir,
    )


def _shown(training_set: TrainingSet) -> dict[str, str | None]:
    """Slug of the person in each photo, `None` for a stranger."""
    slugs = [*(person.slug for person in training_set.people), None]
    return {file: slugs[label] for file, label in zip(training_set.files, training_set.labels, strict=True)}


def _later(
    training_set: TrainingSet, shown: Mapping[str, str | None], report: SavedReport
) -> NDArray[np.int64]:
    """Which photos the model of this report has not seen, nor any other of their moment."""
    listed = {photo.file: photo for photo in report.photos}
    if not any(photo.used for photo in report.photos):
        return np.zeros(0, np.int64)  # what it was made of is not known
    before = Counter(report.person_in(photo) for photo in report.photos if photo.used)
    still = Counter(shown[file] for file in training_set.files if file in listed and listed[file].used)
    known = np.array([file in listed for file in training_set.files], np.bool_)
    sure = np.array([2 * still[shown[file]] >= before[shown[file]] for file in training_set.files], np.bool_)
    return np.flatnonzero(~known & sure & ~np.isin(training_set.moments, training_set.moments[known]))


def _held_out(report: SavedReport) -> dict[str, Answer]:
    """Who a model named in the photos that were held out from it."""
    people = {photo.file: report.person_in(photo) for photo in report.photos}
    return {
        each.file: Answer(each.person, each.named)
        for each in report.outcomes
        # A member's photo is there a second time, judged by a model that did not know the member.
        if each.file in people and people[each.file] == each.person
    }


def _relatives_in(report: SavedReport) -> dict[str, str | None]:
    """Who a model named in members' photos when it did not know the member."""
    people = {photo.file: report.person_in(photo) for photo in report.photos}
    return {
        each.file: each.named
        for each in report.outcomes
        if each.person is None and people.get(each.file) is not None
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
