"""Training sets in the world of patterns."""

import numpy as np

from facerec_mqtt.core.records import Person, Vectors
from facerec_mqtt.recognition.recognizer import Family
from facerec_mqtt.training.fit import TrainingSet, fit
from tests.support.pattern_world import DIMENSIONS, closest_classifier, pattern, pattern_cohort

NAMES = ("Anna", "Mia", "Tom")


def unit(vectors: np.ndarray) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def a_training_set(counts: tuple[int, ...], strangers: int = 0, photos_a_moment: int = 1) -> TrainingSet:
    """Photos of that many people; those of one moment are the same but for a trace of noise."""
    rng = np.random.default_rng(3)
    vectors, labels, moments, files = [], [], [], []
    for row, count in enumerate((*counts, strangers)):
        for number in range(count):
            stranger = row == len(counts)
            who = 500 + number // 2 if stranger else row
            if number % photos_a_moment == 0:
                moment = pattern(who).ravel() + rng.normal(0, 0.5, DIMENSIONS)
            vectors.append(moment + rng.normal(0, 0.02, (2, DIMENSIONS)))
            labels.append(row)
            moments.append(100 * row + number // photos_a_moment)
            files.append(f"{'_strangers' if stranger else NAMES[row]}/{number:03}.jpg")
    people = tuple(Person(name.lower(), name) for name in NAMES[: len(counts)])
    return TrainingSet(people, tuple(files), unit(np.array(vectors)), np.array(labels), np.array(moments))


def fit_patterns(training_set: TrainingSet) -> Family:
    (family,) = fit(training_set, pattern_cohort(), 0.01, closest_classifier)
    return family
