"""The new model beside the one in use, on pictures that neither has learnt from; see `comparison`.

What the model in use said of its own photos when they were held out from it stands in its report. About
photos that have come since it is asked now, since it has never seen them; except about those of a moment
that it knows another photo of, which would be easier for it than for the new one, and about a folder where
most of what it knew has gone: that may be there still, under other names.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.artifact import load_current
from facerec_mqtt.comparison import Answer, Comparison, compare
from facerec_mqtt.embedding import Cohort
from facerec_mqtt.errors import ModelError
from facerec_mqtt.evaluation import Outcomes
from facerec_mqtt.learning import Lesson
from facerec_mqtt.recognition import prepare
from facerec_mqtt.records import Person


def compare_with_current(
    model_dir: Path,
    lesson: Lesson,
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
        lesson: what the new one is made of.
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
    shown = _shown(lesson)
    later = _later(lesson, model.report)
    said = family.identify(np.asarray(lesson.vectors[later, 0], np.float32), min_margin=min_margin)
    now = {
        lesson.files[photo]: Answer(shown[lesson.files[photo]], identification.person)
        for photo, identification in zip(later, said, strict=True)
    }
    return compare(
        model.version,
        _held_out(model.report) | now,
        _answers(lesson.people, outcomes, shown),
        both_know={person.slug: person.name for person in lesson.people if person in model.people},
        lost_people=[person.name for person in left_out if person in model.people],
        fpir_before=float(model.report.get("fpir", fpir)),
        fpir_after=fpir,
    )


def _shown(lesson: Lesson) -> dict[str, str | None]:
    """Slug of the person in each photo, `None` for a stranger."""
    slugs = [*(person.slug for person in lesson.people), None]
    return {file: slugs[label] for file, label in zip(lesson.files, lesson.labels, strict=True)}


def _later(lesson: Lesson, report: Mapping[str, Any]) -> NDArray[np.int64]:
    """Which photos the model of this report has not seen, nor any other of their moment."""
    listed = {photo["file"]: bool(photo["used"]) for photo in report.get("photos", ())}
    if not any(listed.values()):
        return np.zeros(0, np.int64)  # what it was made of is not known
    before = Counter(_folder(file) for file, used in listed.items() if used)
    still = Counter(_folder(file) for file in lesson.files if listed.get(file))
    known = np.array([file in listed for file in lesson.files], np.bool_)
    sure = np.array([2 * still[folder] >= before[folder] for folder in map(_folder, lesson.files)], np.bool_)
    return np.flatnonzero(~known & sure & ~np.isin(lesson.moments, lesson.moments[known]))


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
