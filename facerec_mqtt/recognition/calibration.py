"""From embeddings to scores that mean the same for everybody, and the threshold that keeps strangers out.

*Normalisation.* A cosine alone says little: two small children are alike to a face network at
similarities that no two adults reach. So each similarity of a face to a person's template is compared
with how similar that face and that template are to the nearest of many other people (adaptive score
normalisation, AS-norm: Matejka et al., Interspeech 2017). The unit is the standard deviation of these
nearest strangers, and a constant.

*Evidence of the classifier.* It has learnt how each member looks under bad light and at low resolution, and
is added with a weight to the normalised score.

*Threshold.* The owner states how many of a thousand strangers may be taken for somebody of the family
(FPIR). The shipped table says which normalised score keeps that rate. What the rebuild itself sees, the
pictures in `_strangers` and the members against each other, can only make it stricter: pictures from
one camera at night, or rendered ones, are more alike than those that the table was made of.

*Visits.* A visit is looked at again and again, by pictures that are put together. The threshold of the first
look is a little higher than that of a picture alone, and rises with every further picture, so that all looks
together let the stated share of strangers' visits through. Most of the error is spent early: what one look
cannot decide, a later one decides with much to spare.

*Score.* The sum is mapped to [0, 1] so that 0.5 is the threshold and 0.9 what only a tenth as many
strangers reach.
"""

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import Vectors
from facerec_mqtt.recognition.error_rates import Scores, far_for_fpir

# The deviation of a few cosines is a rough guess, about 0.06 for anybody: where it comes out small by
# chance, a stranger's score comes out large. So much is always added, as a deviation of its own. Chosen on
# LFW's selection fold and training pictures of children: more of it finds more of the family in poor
# pictures, and takes more children for each other.
_UNSURE = 0.03
_TRIMMED = 0.1
_SCORE_AT_A_TENTH = 0.9
# Measured on 12 people in the wild in families of five with 20 and with 5 photos each: the weight
# with which most of them are named at the same share of strangers.
_CLASSIFIER_WEIGHT = 0.5
_MAX_ODDS = 4.0
_MOST_LOG_ODDS = 80.0
_NEAR = 1.0
_HIGH = 0.9
# So many pictures of strangers, or pairs of members, count as much as the shipped table.
_TRUST_STRANGERS = 8
_TRUST_PAIRS = 6
# What a few dozen pictures of strangers say of rarer ones is a guess: how much nearer they come than the
# table's is taken from this rate.
_TOLD_BY_FEW = 0.01
_RISE_THAT_DOUBLES = 3.0
# Chosen on visits of five different pictures, looked at after each, of people of LFW's fold 7 and of the
# families and celebrities that are kept for thresholds: with these, all looks together let as many strangers
# through as one look at one picture, at rates of 1 to 0.02 %, of clean and of poor pictures.
_RISE_OF_VISITS = 0.2
_RISE_BY_PICTURES = 0.8
_MOST_DIFFERING = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Normaliser:
    """The cohort that scores are compared with."""

    centres: Vectors
    """(M, D) unit rows."""
    top: int
    """How many of the nearest count."""

    def extended(self, strangers: Vectors) -> "Normaliser":
        """The same with more strangers: (n, D) unit rows."""
        return Normaliser(np.concatenate([self.centres, strangers]), self.top)

    def level(self, vectors: Vectors) -> tuple[Scores, Scores]:
        """How similar faces or templates are to the nearest strangers.

        Args:
            vectors: (N, D) float32 unit rows.

        Returns:
            Mean and deviation, (N,) float32 each: the standard deviation of the nearest, and what no
            number of them could tell.
        """
        similarity = vectors @ self.centres.T
        top = min(self.top, similarity.shape[1])
        nearest = np.partition(similarity, -top, axis=1)[:, -top:]
        return nearest.mean(axis=1), np.sqrt(nearest.var(axis=1) + np.float32(_UNSURE**2))


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """The people's templates, or many faces, with their levels."""

    templates: Vectors
    """(P, D) unit rows."""
    mean: Scores
    """(P,) mean similarity of each template to its nearest strangers."""
    deviation: Scores
    """(P,) its standard deviation."""

    @classmethod
    def of(cls, templates: Vectors, normaliser: Normaliser) -> "Gallery":
        """Measure the templates' levels once."""
        mean, deviation = normaliser.level(templates)
        return cls(templates, mean, deviation)

    def only(self, rows: NDArray[np.int64] | slice) -> "Gallery":
        """The same of these rows alone."""
        return Gallery(self.templates[rows], self.mean[rows], self.deviation[rows])

    def normalised(self, vectors: Vectors, normaliser: Normaliser) -> Scores:
        """AS-norm scores of faces against everybody: (N, D) -> (N, P) float32."""
        if len(vectors) == 0:
            return np.zeros((0, len(self.templates)), np.float32)
        return self.compared(Gallery.of(vectors, normaliser))

    def compared(self, faces: "Gallery") -> Scores:
        """The same for N faces whose levels are known, since they are compared again and again."""
        similarity = faces.templates @ self.templates.T
        by_face = (similarity - faces.mean[:, None]) / faces.deviation[:, None]
        by_template = (similarity - self.mean) / self.deviation
        return np.asarray((by_face + by_template) / 2, np.float32)


def template(vectors: Vectors) -> Vectors:
    """What a person looks like: the mean of their embeddings without the tenth that fits least.

    Args:
        vectors: (N, D) float32 unit rows of one person, N > 0.

    Returns:
        (D,) float32 of unit length.
    """
    middle = unit(vectors.mean(axis=0))
    dropped = int(len(vectors) * _TRIMMED)
    if dropped:
        middle = unit(vectors[np.argsort(vectors @ middle)[dropped:]].mean(axis=0))
    return middle


def templates_without_each(vectors: Vectors) -> Vectors:
    """The template of all photos but one, for each of them: `template` N times, at once.

    Args:
        vectors: (N, D) float32 unit rows of one person, N > 1.

    Returns:
        (N, D) float32 of unit length, row i without photo i.
    """
    count = len(vectors) - 1
    sums = vectors.sum(axis=0) - vectors
    dropped = int(count * _TRIMMED)
    if dropped:
        fits = unit(sums) @ vectors.T
        np.fill_diagonal(fits, np.inf)
        least = np.argpartition(fits, dropped - 1, axis=1)[:, :dropped]
        sums = sums - vectors[least].sum(axis=1)
    return unit(sums)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Where the line between the family and strangers is drawn."""

    threshold: float
    """Evidence from which on a face is somebody's, in the unit of the normalised scores."""
    scale: float
    """Evidence that multiplies the odds of the calibrated score by e."""
    strangers_odds: float
    """Log-odds by the classifier of a stranger who comes near the threshold."""

    def evidence(self, normalised: Scores, probabilities: Scores) -> Scores:
        """Add to the normalised scores how much likelier the classifier finds a face than a stranger's.

        Args:
            normalised: (N, P) against the templates.
            probabilities: (N, P) by the classifier, of each person.

        Returns:
            (N, P) float32, in the unit of the normalised scores.
        """
        odds = log_odds(probabilities) - self.strangers_odds
        return np.asarray(normalised + _CLASSIFIER_WEIGHT * odds, np.float32)

    def of_visit(self, differing: float) -> "Calibration":
        """The same for a look at a visit.

        Args:
            differing: as how many entirely different pictures its frames so far count, 1 or more.
        """
        count = min(max(differing, 1.0), _MOST_DIFFERING)
        rise = _RISE_OF_VISITS + _RISE_BY_PICTURES * float(np.log(count))
        return replace(self, threshold=self.threshold + rise)

    def scores(self, evidence: Scores) -> Scores:
        """Map evidence to [0, 1], 0.5 at the threshold; the shape stays."""
        odds = np.clip((evidence - self.threshold) / self.scale, -_MOST_LOG_ODDS, _MOST_LOG_ODDS)
        return np.asarray(1 / (1 + np.exp(-odds)), np.float32)


def interpolate(photos: Vectors, centres: Vectors, count: int) -> Vectors:
    """Synthesise strangers who resemble a member more or less: interpolated between a photo and a centre.

    Real strangers who come near the threshold are rare; the classifier's answers to synthetic ones agree with
    those to real ones.

    Args:
        photos: (N, D) unit embeddings of members' photos.
        centres: (M, D) unit centres of other people's embeddings.
        count: how many; the same every time.

    Returns:
        (count, D) float32 unit rows.
    """
    rng = np.random.default_rng(0)
    member = photos[rng.integers(len(photos), size=count)]
    other = centres[rng.integers(len(centres), size=count)]
    mixed = rng.uniform(0.1, 1.0, (count, 1)) * member + other
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), np.float32)


def log_odds(probabilities: Scores) -> Scores:
    """Log-odds of probabilities of any shape, clipped where they tell no more."""
    likely = np.clip(probabilities, 1e-6, 1 - 1e-6)
    return np.asarray(np.clip(np.log(likely / (1 - likely)), -_MAX_ODDS, _MAX_ODDS), np.float32)


def near(threshold: float, normalised: Scores) -> NDArray[np.bool_]:
    """(N,) which strangers come near a threshold, by their (N, P) normalised scores."""
    return np.asarray(np.abs(normalised.max(axis=1) - threshold) < _NEAR)


def odds_of_strangers(normalised: Scores, probabilities: Scores) -> float:
    """Median log-odds by the classifier of strangers who come near the threshold; 0 without any.

    Args:
        normalised: (N, P) of these strangers.
        probabilities: (N, P) by the classifier.
    """
    if not len(normalised):
        return 0.0
    best = normalised.argmax(axis=1)
    return float(np.median(log_odds(probabilities[np.arange(len(best)), best])))


def score_at(table: tuple[Scores, Scores], far: float) -> float:
    """Normalised score that lets a share of impostor comparisons through.

    Args:
        table: (K,) false accept rates and (K,) the scores that belong to them.
        far: the share, within the range of the table.
    """
    order = np.argsort(table[0])
    return float(np.interp(np.log(far), np.log(table[0][order]), table[1][order]))


def calibrate(
    fpir: float,
    people: int,
    table: tuple[Scores, Scores],
    strangers: Scores,
    members: Scores,
) -> Calibration:
    """Choose the threshold and the scale; the strangers' odds are left at 0.

    Args:
        fpir: share of strangers' visits that may be taken for somebody's, (0, 1).
        people: how many are enrolled.
        table: (K,) false accept rates and (K,) the normalised scores that let them through.
        strangers: (n,) best normalised score of each picture of a stranger, who must not be in the
            cohort that it was normalised against.
        members: (m,) normalised scores of members against each other, one for each ordered pair.
    """
    threshold = score_at(table, far_for_fpir(fpir, people))
    rarer = score_at(table, far_for_fpir(fpir / 10, people))
    scale = max(rarer - threshold, 0.1) / float(np.log(_SCORE_AT_A_TENTH / (1 - _SCORE_AT_A_TENTH)))
    stricter = [0.0]
    if len(strangers):
        # The strangers' own distribution, by two quantiles that a few wrong pictures do not move.
        middle, high = np.quantile(strangers, [0.5, _HIGH])
        spread = (high - middle) / NormalDist().inv_cdf(_HIGH)
        rate = max(fpir, _TOLD_BY_FEW)
        own = middle + spread * NormalDist().inv_cdf(1 - rate)
        nearer = own - score_at(table, far_for_fpir(rate, people))
        stricter.append(nearer * len(strangers) / (len(strangers) + _TRUST_STRANGERS))
    if len(members):
        # Where even half of the members pass for each other as a tenth of strangers do, all pictures
        # are alike. Twins among several members do not move the middle.
        alike = float(np.median(members) - table[1].min())
        stricter.append(alike * len(members) / (len(members) + _TRUST_PAIRS))
    rise = float(max(stricter))
    # Where strangers come nearer, members do too: their scores lie further apart above the threshold.
    return Calibration(threshold + rise, scale * (1 + rise / _RISE_THAT_DOUBLES), 0.0)


def unit(vectors: NDArray[np.float32]) -> Vectors:
    """Scale vectors, (..., D) of any length, to unit length; those of no length stay."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
