"""Which enrollment photos are worth training on: mislabelled photos, and the right face of several.

No limit here belongs to one backbone: likeness to a person is read off the cohort's table.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import Vectors
from facerec_mqtt.core.rejections import Rejection, RejectionCode
from facerec_mqtt.enrollment.judging.near_duplicates import repeats, repeats_of_members
from facerec_mqtt.faces import Cohort
from facerec_mqtt.recognition import (
    Gallery,
    Normaliser,
    Scores,
    score_at,
    template,
    templates_without_each,
)
from facerec_mqtt.training import TrainingSet

# Fewer photos cannot outvote one that does not fit.
_ENOUGH_TO_JUDGE = 5
# So few photos say little of what somebody looks like.
_ENOUGH_TO_COMPARE = 3
SAME_PERSON = 0.45
"""Cosine; faces of one occasion that are less alike are of different people, see `capture_session`."""
# Of other people's photos, so many fit a person as badly as one that is rejected.
_UNLIKE_FAR = 0.05
_LIKE_ANOTHER_FAR = 0.01
# Of strangers' pictures, so many look like one member by chance.
_LIKE_A_MEMBER_FAR = 0.001
_MOST_UNLIKE = 1 / 3
# So many robust deviations below the person's usual score, a face is hardly to be recognised.
_FAR_BELOW = 3.5
_LEAST_DEVIATION = 0.1  # in usual scores: photos that are very alike say little of how others differ
# In units of the normalised scores: so far ahead of the photo's other faces one clearly fits.
_CLEAR_LEAD = 1.0
_ENOUGH_TO_OVERRULE = 3


def compare_photos(
    candidates: TrainingSet, sharpness: NDArray[np.float64], cohort: Cohort
) -> tuple[dict[int, Rejection], dict[int, str]]:
    """Compare the photos with each other.

    Args:
        candidates: all photos with a usable face.
        sharpness: (N,) of the faces.
        cohort: of the backbone's scores.

    Returns:
        Why photos are rejected, and who strangers' photos that are used resemble; both by their place.
    """
    vectors, labels, files = candidates.vectors, candidates.labels, candidates.files
    names = [person.name for person in candidates.people]
    normaliser = Normaliser(cohort.centres, cohort.top)
    table = cohort.impostor_far, cohort.impostor_threshold
    repeated = repeats(vectors, labels, sharpness)
    rejections = {
        at: Rejection(code=RejectionCode.DUPLICATE_OF, file=files[other])
        for at, other in enumerate(repeated)
        if other >= 0
    }
    single = np.flatnonzero(repeated < 0)
    for mislabelled in mislabelled_photos(vectors[single, 0], labels[single], len(names), normaliser, table):
        at = int(single[mislabelled.photo])
        own = names[labels[at]]
        rejections[at] = (
            Rejection(code=RejectionCode.UNLIKE_THE_OTHERS, own=own)
            if mislabelled.like is None
            else Rejection(code=RejectionCode.LOOKS_LIKE_ANOTHER, name=names[mislabelled.like], own=own)
        )
    kept = np.array([at not in rejections for at in range(len(labels))], np.bool_)
    strangers = np.flatnonzero(kept & (labels == len(names)))
    members = np.flatnonzero(kept & (labels < len(names)))
    for at, other in repeats_of_members(vectors, strangers, members).items():
        rejections[at] = Rejection(code=RejectionCode.DUPLICATE_OF_MEMBER, file=files[other])
        kept[at] = False
    left = np.flatnonzero(kept)
    alike = lookalikes(vectors[left, 0], labels[left], len(names), normaliser, table)
    return rejections, {int(left[photo]): names[row] for photo, row in alike.items()}


@dataclass(frozen=True, slots=True, eq=False)
class GroupPhoto:
    """A member's photo that shows several faces."""

    label: int
    """Row of the person whose folder it is in."""
    faces: Vectors
    """(F, D) float32 unit embeddings of those that it may be about."""
    has_largest: bool
    """Whether the first one is so much the largest that it is taken unless another one fits better."""


def choose_faces(
    vectors: Vectors, labels: NDArray[np.int64], groups: Sequence[GroupPhoto], cohort: Cohort
) -> dict[int, int | None]:
    """Choose of each group photo the face that fits the person's photos of one face.

    Args:
        vectors: (N, D) float32 unit embeddings of the photos that show one face.
        labels: (N,) row of the person.
        groups: photos that show several.
        cohort: of the backbone's scores.

    Returns:
        By the group photo's place: which of its faces to take, or `None` where it shows nobody like the
        person. Where the person's photos do not say, it is missing.
    """
    normaliser = Normaliser(cohort.centres, cohort.top)
    table = cohort.impostor_far, cohort.impostor_threshold
    chosen: dict[int, int | None] = {}
    for row in {group.label for group in groups}:
        own = vectors[labels == row]
        if len(own) == 0:
            continue
        least, fits = score_at(table, _UNLIKE_FAR), score_at(table, _LIKE_ANOTHER_FAR)
        if len(own) >= _ENOUGH_TO_JUDGE:
            alone, everything = np.zeros(len(own), np.int64), np.ones(len(own), np.bool_)
            faces = Gallery.of(own, normaliser)
            usual = _scores(faces, alone, np.arange(len(own)), everything, 1, normaliser)[:, 0]
            least = max(least, _far_below(usual))
        gallery = Gallery.of(template(own)[None], normaliser)
        for at, group in enumerate(groups):
            if group.label != row or len(group.faces) == 0:
                continue
            scores = gallery.normalised(group.faces, normaliser)[:, 0]
            best = int(scores.argmax())
            lead = scores[best] - np.max(np.delete(scores, best), initial=-np.inf)
            if scores[best] >= max(least, fits) and lead >= _CLEAR_LEAD:
                if not group.has_largest or (best > 0 and len(own) >= _ENOUGH_TO_OVERRULE):
                    chosen[at] = best
            elif scores[best] < least and len(own) >= _ENOUGH_TO_JUDGE and group.has_largest:
                chosen[at] = None
    return chosen


@dataclass(frozen=True, slots=True)
class MislabelledPhoto:
    """A photo that is not like the others of its folder."""

    photo: int
    like: int | None
    """Row of the person it resembles instead; `None` when nobody enrolled."""


def mislabelled_photos(
    vectors: Vectors,
    labels: NDArray[np.int64],
    people: int,
    normaliser: Normaliser,
    table: tuple[Scores, Scores],
) -> tuple[MislabelledPhoto, ...]:
    """Photos that are probably in a wrong person's folder.

    Each is compared with the others of its folder and with the other people. Of somebody whose photos
    disagree by more than a third none is rejected for being unlike the others: which are right cannot be
    known then.

    Args:
        vectors: (N, D) float32 unit embeddings.
        labels: (N,) row of the person; others than 0 to `people` - 1 are not judged.
        people: how many there are.
        normaliser: what scores are normalised with.
        table: (K,) false accept rates and (K,) the normalised scores that let them through.
    """
    unlike, like_another = score_at(table, _UNLIKE_FAR), score_at(table, _LIKE_ANOTHER_FAR)
    recognised = score_at(table, _LIKE_A_MEMBER_FAR)
    faces = Gallery.of(vectors, normaliser)
    found: dict[int, MislabelledPhoto] = {}
    # Templates are spoilt by the very photos that are searched for, so the second pass is without them.
    for _ in range(2):
        trusted = np.array([photo not in found for photo in range(len(labels))])
        found = {}
        for row in range(people):
            own = np.flatnonzero(labels == row)
            if len(own) < 2:
                continue
            scores = _scores(faces, labels, own, trusted, people, normaliser)
            mine = scores[np.arange(len(own)), row]
            scores[:, row] = -np.inf
            other, best = scores.max(axis=1), scores.argmax(axis=1)
            elsewhere = (other >= like_another) & (other > mine) & (mine < like_another)
            faint = mine < min(recognised, _far_below(mine))
            nowhere = ((mine < unlike) | faint) & ~elsewhere & (len(own) >= _ENOUGH_TO_JUDGE)
            if np.mean(elsewhere | nowhere) > _MOST_UNLIKE:
                nowhere[:] = False
            for place in np.flatnonzero(elsewhere | nowhere):
                like = int(best[place]) if elsewhere[place] else None
                found[int(own[place])] = MislabelledPhoto(int(own[place]), like)
    return tuple(found[photo] for photo in sorted(found))


def unlike_the_person(new: Vectors, own: Vectors, cohort: Cohort) -> NDArray[np.bool_]:
    """Which pictures of one occasion show somebody else than they were taken of.

    They are compared with the person's other photos as `mislabelled_photos` does, whatever share of them is
    odd; where there are hardly any, with those of the person who is seen most in them.

    Args:
        new: (N, D) float32 unit embeddings of the pictures.
        own: (M, D) float32 unit embeddings of the person's other photos.
        cohort: of the backbone's scores.

    Returns:
        (N,) whether each does.
    """
    if not len(new):
        return np.zeros(0, np.bool_)
    normaliser = Normaliser(cohort.centres, cohort.top)
    table = cohort.impostor_far, cohort.impostor_threshold
    known = own
    if len(own) < _ENOUGH_TO_COMPARE:
        groups = linked(new, SAME_PERSON)
        known = np.concatenate([own, new[groups == np.bincount(groups).argmax()]])
    usual = _without_each(Gallery.of(known, normaliser), normaliser)
    faint = min(score_at(table, _LIKE_A_MEMBER_FAR), _far_below(usual))
    scores = Gallery.of(template(known)[None], normaliser).normalised(new, normaliser)[:, 0]
    return np.asarray((scores < score_at(table, _UNLIKE_FAR)) | (scores < faint), np.bool_)


def linked(vectors: Vectors, same: float) -> NDArray[np.int64]:
    """Group faces: those that are alike, and those that are alike to these.

    Args:
        vectors: (N, D) float32 unit embeddings.
        same: cosine from which on two are alike.

    Returns:
        (N,) the group of each, from 0 to N - 1.
    """
    groups = np.arange(len(vectors))
    for one, other in np.argwhere(np.triu(vectors @ vectors.T >= same, 1)):
        groups[groups == groups[other]] = groups[one]
    return groups


def _far_below(scores: Scores) -> float:
    """The score below which a photo is far below the person's usual one, whatever a few outliers score."""
    usual = np.median(scores)
    deviation = 1.4826 * np.median(np.abs(scores - usual))
    return float(usual - _FAR_BELOW * max(deviation, _LEAST_DEVIATION * abs(usual)))


def lookalikes(
    vectors: Vectors,
    labels: NDArray[np.int64],
    people: int,
    normaliser: Normaliser,
    table: tuple[Scores, Scores],
) -> dict[int, int]:
    """Strangers' photos that resemble a member: that may be who it is, or somebody who looks alike.

    Args:
        vectors: (N, D) float32 unit embeddings, of members without mislabelled photos.
        labels: (N,) row of the person; strangers have `people`.
        people: how many there are.
        normaliser: what scores are normalised with.
        table: (K,) false accept rates and (K,) the normalised scores that let them through.

    Returns:
        Row of the member that each of these photos resembles.
    """
    strangers = np.flatnonzero(labels == people)
    if len(strangers) == 0 or not np.any(labels < people):
        return {}
    everything = np.ones(len(labels), np.bool_)
    scores = _scores(Gallery.of(vectors, normaliser), labels, strangers, everything, people, normaliser)
    found = np.flatnonzero(scores.max(axis=1) >= score_at(table, _LIKE_A_MEMBER_FAR))
    return {int(strangers[place]): int(scores[place].argmax()) for place in found}


def _scores(
    faces: Gallery,
    labels: NDArray[np.int64],
    judged: NDArray[np.int64],
    trusted: NDArray[np.bool_],
    people: int,
    normaliser: Normaliser,
) -> Scores:
    """(n, people) normalised scores of photos, all of one folder, against templates without each."""
    scores = np.full((len(judged), people), -np.inf, np.float32)
    for row in range(people):
        learnt = np.flatnonzero((labels == row) & trusted)
        if len(learnt) == 0:
            continue
        whole = Gallery.of(template(faces.templates[learnt])[None], normaliser)
        scores[:, row] = whole.compared(faces.only(judged))[:, 0]
        if labels[judged[0]] == row:
            own = np.isin(judged, learnt)
            scores[own, row] = _without_each(faces.only(learnt), normaliser)[np.isin(learnt, judged)]
    return scores


def _without_each(photos: Gallery, normaliser: Normaliser) -> Scores:
    """(N,) score of each of a person's photos against the others; -inf where there are none."""
    if len(photos.templates) == 1:
        return np.full(1, -np.inf, np.float32)
    others = Gallery.of(templates_without_each(photos.templates), normaliser)
    return others.compared(photos).diagonal()
