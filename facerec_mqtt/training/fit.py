"""Fit a family's model to embeddings: templates, the classifier and the threshold.

One way from photos to a model, for the one that is kept and for those that only judge it
(`cross_validation`): what holds for these holds for that.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import Person, Vectors
from facerec_mqtt.faces import Cohort
from facerec_mqtt.recognition import (
    Calibration,
    Classifier,
    Family,
    Gallery,
    Normaliser,
    Scores,
    calibrate,
    far_for_fpir,
    interpolate,
    near,
    odds_of_strangers,
    score_at,
    template,
)
from facerec_mqtt.training.classifier_trainer import Lesson
from facerec_mqtt.training.own_strangers import unmistakable

_EARLY_STOP_PARTS = 5
_MIN_FOR_EARLY_STOP = 10
_MAX_STRANGERS = 500
_STRANGER_PARTS = 4
_SYNTHETIC = 6000


class Trainer(Protocol):
    """Trains classifiers; `classifier_trainer.ClassifierTrainer` is one."""

    def __call__(
        self,
        vectors: Vectors,
        nobody: Vectors,
        lessons: Sequence[Lesson],
        progress: Callable[[float], None],
    ) -> Sequence[Classifier]:
        """As `ClassifierTrainer`; may be called by a thread of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """All used photos as embeddings, with who they show."""

    people: tuple[Person, ...]
    """Whose rows the labels are."""
    files: tuple[str, ...]
    """`Anna/001.jpg`: of N photos."""
    vectors: Vectors
    """(N, versions, D) float32 unit embeddings, the photo as it is first."""
    labels: NDArray[np.int64]
    """(N,) row of the person; the number of people for a stranger."""
    moments: NDArray[np.int64]
    """(N,) photos with the same number were taken at the same moment."""

    def clean(self, row: int) -> Vectors:
        """(n, D) the photos of one person as they are."""
        return np.asarray(self.vectors[self.labels == row, 0], np.float32)

    def moments_of(self, row: int) -> int:
        """From how many different moments the photos of one person are."""
        return len(np.unique(self.moments[self.labels == row]))

    def only(self, kept: NDArray[np.bool_]) -> "TrainingSet":
        """The same of these (N,) photos alone; people without any are not in it."""
        rows = [row for row in range(len(self.people)) if np.any(kept & (self.labels == row))]
        renumbered = np.full(len(self.people) + 1, len(rows))
        renumbered[rows] = np.arange(len(rows))
        return TrainingSet(
            people=tuple(self.people[row] for row in rows),
            files=tuple(file for file, wanted in zip(self.files, kept, strict=True) if wanted),
            vectors=self.vectors[kept],
            labels=renumbered[self.labels[kept]],
            moments=self.moments[kept],
        )

    def parts(self, count: int) -> NDArray[np.int64]:
        """Divide the photos into parts of about equal size, each moment and each person's share whole.

        Strangers' pictures are divided in the order of their files, as those of one stranger are mostly
        beside each other.

        Returns:
            (N,) number of the part; -1 for the photos of somebody with one moment only, who cannot be
            in two parts.
        """
        part = np.full(len(self.labels), -1)
        for row in range(len(self.people)):
            own = np.flatnonzero(self.labels == row)
            moments, sizes = np.unique(self.moments[own], return_counts=True)
            if len(moments) < 2:
                continue
            filled = np.zeros(min(count, len(moments)))
            # The largest moment first, each to the part that has least.
            for moment, size in sorted(zip(moments, sizes, strict=True), key=lambda pair: -pair[1]):
                emptiest = int(filled.argmin())
                filled[emptiest] += size
                part[own[self.moments[own] == moment]] = emptiest
        strangers = np.flatnonzero(self.labels == len(self.people))
        moments, first = np.unique(self.moments[strangers], return_index=True)
        in_order = moments[np.argsort(first)]
        if len(in_order) > 1:
            for number, some in enumerate(np.array_split(in_order, count)):
                part[strangers[np.isin(self.moments[strangers], some)]] = number
        return part


def fit(
    training_set: TrainingSet,
    cohort: Cohort,
    fpir: float,
    train: Trainer,
    seen: Vectors | None = None,
    *,
    kept: Sequence[NDArray[np.bool_]] | None = None,
    progress: Callable[[float], None] = lambda _share: None,
) -> tuple[Family, ...]:
    """Fit models to usable photos, all at once, since what trains them learns them in the time of two.

    Args:
        training_set: with at least one photo of each person.
        cohort: of the backbone's scores.
        fpir: share of strangers' visits that may be taken for somebody's, (0, 1).
        train: trains the classifiers, beside the rest.
        seen: (N, D) unit embeddings of strangers whom the house's cameras have seen, the last one first;
            those who cannot be a member are added to the cohort. `None` without any.
        kept: (N,) of each model, from which photos it is made; `None` makes one of all.
        progress: called with the share that is done, [0, 1], maybe by another thread.
    """
    if kept is None:
        kept = [np.ones(len(training_set.labels), np.bool_)]
    lessons = [_lesson(training_set, photos) for photos in kept]
    vectors = training_set.vectors.reshape(-1, training_set.vectors.shape[-1])
    with ThreadPoolExecutor(1, "training") as pool:
        training = pool.submit(train, vectors, cohort.centres, lessons, progress)
        drafts = [_draft(training_set.only(photos), cohort, fpir, seen) for photos in kept]
        classifiers = training.result()
    return tuple(draft.with_classifier(each) for draft, each in zip(drafts, classifiers, strict=True))


def _lesson(training_set: TrainingSet, kept: NDArray[np.bool_]) -> Lesson:
    """What the classifier of these (N,) photos learns: rows of the table of all photos' versions."""
    some, versions = training_set.only(kept), training_set.vectors.shape[1]
    rows = np.flatnonzero(kept)[:, None] * versions + np.arange(versions)
    return Lesson(
        rows=rows.ravel(),
        labels=np.repeat(some.labels, versions),
        held_out=np.repeat(_held_out(some), versions),
        people=len(some.people),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Draft:
    """A model that lacks its classifier."""

    people: tuple[Person, ...]
    gallery: Gallery
    calibration: Calibration
    normaliser: Normaliser
    strangers: Vectors
    """(S, D) synthetic ones who come near the threshold."""
    normalised: Scores
    """(S, P) of these."""

    def with_classifier(self, classifier: Classifier) -> Family:
        odds = odds_of_strangers(self.normalised, classifier.probabilities(self.strangers)[:, :-1])
        calibration = replace(self.calibration, strangers_odds=odds)
        return Family(self.people, self.gallery, classifier, calibration, self.normaliser)


def _draft(training_set: TrainingSet, cohort: Cohort, fpir: float, seen: Vectors | None) -> _Draft:
    """Make templates, cohort and threshold."""
    people = len(training_set.people)
    templates = np.stack([template(training_set.clean(row)) for row in range(people)])
    strangers = _spaced(training_set.clean(people), _MAX_STRANGERS)
    plain = Normaliser(cohort.centres, cohort.top)
    table = (cohort.impostor_far, cohort.impostor_threshold)
    members = training_set.vectors[training_set.labels < people, 0]
    own = [strangers]
    if seen is not None:
        own.append(unmistakable(seen, members, templates, plain, score_at(table, far_for_fpir(fpir, people))))
    normaliser = plain.extended(np.concatenate(own))
    gallery = Gallery.of(templates, normaliser)
    calibration = calibrate(
        fpir,
        people,
        table,
        strangers=_score_strangers(templates, strangers, plain),
        members=_score_members(training_set, gallery, normaliser),
    )
    synthetic = interpolate(members, cohort.centres, _SYNTHETIC)
    normalised = gallery.normalised(synthetic, normaliser)
    come_near = near(calibration.threshold, normalised)
    return _Draft(
        people=training_set.people,
        gallery=gallery,
        calibration=calibration,
        normaliser=normaliser,
        strangers=synthetic[come_near],
        normalised=normalised[come_near],
    )


def _held_out(training_set: TrainingSet) -> NDArray[np.bool_]:
    """(N,) true for the moments that say which state of the classifier is kept."""
    part = training_set.parts(_EARLY_STOP_PARTS)
    many = np.bincount(training_set.labels, minlength=len(training_set.people) + 1) >= _MIN_FOR_EARLY_STOP
    return np.asarray((part == 0) & many[training_set.labels])


def _spaced(vectors: Vectors, most: int) -> Vectors:
    """At most so many rows, evenly taken."""
    return vectors[np.linspace(0, len(vectors) - 1, min(len(vectors), most)).round().astype(np.int64)]


def _score_strangers(templates: Vectors, strangers: Vectors, normaliser: Normaliser) -> Scores:
    """Best score of each stranger's picture, normalised without the quarter of the pictures it is in.

    The pictures are in the order of their names, so that those of one stranger are mostly in one part.
    """
    scored = []
    for judged in np.array_split(np.arange(len(strangers)), _STRANGER_PARTS):
        others = normaliser.extended(np.delete(strangers, judged, axis=0))
        scores = Gallery.of(templates, others).normalised(strangers[judged], others)
        scored.append(scores.max(axis=1, initial=-np.inf))
    return np.concatenate(scored)


def _score_members(training_set: TrainingSet, gallery: Gallery, normaliser: Normaliser) -> Scores:
    """Median score of each member's photos against each other member."""
    people: Sequence[int] = range(len(gallery.templates))
    scored = []
    for row in people:
        middle = np.median(gallery.normalised(training_set.clean(row), normaliser), axis=0)
        scored.append(np.delete(middle, row))
    return np.concatenate(scored).astype(np.float32)
