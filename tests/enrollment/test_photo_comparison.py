"""Near-duplicates, shooting moments, and mislabelled photos."""

import numpy as np
import pytest

from facerec_mqtt.core.records import Vectors
from facerec_mqtt.enrollment.judging.near_duplicates import moments, repeats
from facerec_mqtt.enrollment.judging.photo_comparison import MislabelledPhoto, mislabelled_photos
from facerec_mqtt.recognition.calibration import Normaliser
from tests.support.pattern_world import DIMENSIONS, pattern, pattern_cohort

COHORT = pattern_cohort()
TABLE = COHORT.impostor_far, COHORT.impostor_threshold


def unit(vectors: np.ndarray) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def photos(*people: int, seed: int = 0) -> Vectors:
    """A photo of each of these people, (N, D), none like another one."""
    rng = np.random.default_rng(seed)
    return unit(np.stack([pattern(who).ravel() + rng.normal(0, 0.5, DIMENSIONS) for who in people]))


def with_versions(clean: Vectors) -> Vectors:
    """The same, each with four versions that are worse and worse: (N, 5, D)."""
    rng = np.random.default_rng(9)
    spread = np.array([0.1, 0.3, 0.5, 0.7])[:, None] / np.sqrt(DIMENSIONS)
    worse = clean[:, None] + rng.normal(size=(len(clean), 4, DIMENSIONS)) * spread
    return unit(np.concatenate([clean[:, None], worse], axis=1))


def nearly(photo: Vectors, distance: float, seed: int = 5) -> Vectors:
    away = np.random.default_rng(seed).normal(0, distance / np.sqrt(DIMENSIONS), DIMENSIONS)
    return unit(photo + away)


def find_mislabelled(vectors: Vectors, labels: list[int]) -> tuple[MislabelledPhoto, ...]:
    normaliser = Normaliser(COHORT.centres, COHORT.top)
    return mislabelled_photos(vectors, np.array(labels), max(labels) + 1, normaliser, TABLE)


def test_of_near_duplicates_the_sharpest_is_kept() -> None:
    clean = photos(1, 1, 1)
    clean[2] = nearly(clean[0], 0.05)
    labels = np.zeros(3, np.int64)
    assert repeats(with_versions(clean), labels, np.array([50.0, 50.0, 90.0])).tolist() == [2, -1, -1]
    assert repeats(with_versions(clean), labels, np.array([90.0, 50.0, 50.0])).tolist() == [-1, -1, 0]


def test_the_same_photo_in_two_folders_is_no_near_duplicate() -> None:
    clean = np.repeat(photos(1), 2, axis=0)
    assert repeats(with_versions(clean), np.array([0, 1]), np.ones(2)).tolist() == [-1, -1]


def test_different_photos_of_one_person_are_no_near_duplicates() -> None:
    clean = photos(*[1] * 12)
    assert (repeats(with_versions(clean), np.zeros(12, np.int64), np.ones(12)) == -1).all()


def test_no_photos_give_nothing() -> None:
    none = np.zeros((0, 5, DIMENSIONS), np.float32)
    nobody = np.zeros(0, np.int64)
    assert len(repeats(none, nobody, np.zeros(0))) == 0
    assert len(moments(none, nobody, [], [])) == 0
    assert mislabelled_photos(none[:, 0], nobody, 2, Normaliser(COHORT.centres, COHORT.top), TABLE) == ()


def test_neighbouring_files_that_are_alike_are_one_moment_and_others_are_not() -> None:
    clean = photos(1, 1, 1, 1)
    clean[1] = nearly(clean[0], 0.25)  # as unlike as a worsened version
    clean[3] = nearly(clean[0], 0.25, seed=6)  # as unlike, but files lie between
    moment = moments(with_versions(clean), np.zeros(4, np.int64), [None] * 4, range(4))
    assert moment[0] == moment[1]
    assert len(set(moment.tolist())) == 3


def test_near_duplicates_are_one_moment_wherever_they_lie() -> None:
    clean = photos(1, 1, 1)
    clean[2] = nearly(clean[0], 0.05)
    moment = moments(with_versions(clean), np.zeros(3, np.int64), [None] * 3, range(3))
    assert moment[0] == moment[2] != moment[1]


def test_photos_within_ten_minutes_are_one_moment_and_an_hour_apart_are_two() -> None:
    clean = photos(1, 1, 1, 1, 2)
    taken = [0.0, 3600.0, 300.0, None, 60.0]
    moment = moments(with_versions(clean), np.array([0, 0, 0, 0, 1]), taken, range(5))
    assert moment[0] == moment[2]
    assert len(set(moment.tolist())) == 4


def test_a_photo_in_the_folder_of_another_member_is_found_and_who_it_is_like() -> None:
    vectors = photos(*[1] * 10, *[2] * 10, 2)
    labels = [0] * 10 + [1] * 10 + [0]
    assert find_mislabelled(vectors, labels) == (MislabelledPhoto(20, 1),)


def test_two_photos_that_were_exchanged_are_both_found() -> None:
    vectors = photos(*[1] * 5, 2, *[2] * 5, 1)
    assert find_mislabelled(vectors, [0] * 6 + [1] * 6) == (MislabelledPhoto(5, 1), MislabelledPhoto(11, 0))


def test_a_photo_of_nobody_enrolled_is_found() -> None:
    vectors = photos(*[1] * 10, *[2] * 10, 3)
    assert find_mislabelled(vectors, [0] * 10 + [1] * 10 + [0]) == (MislabelledPhoto(20, None),)


@pytest.mark.parametrize("people", [1, 3])
def test_good_photos_are_left_alone(people: int) -> None:
    vectors = photos(*np.repeat(np.arange(people), 20))
    assert find_mislabelled(vectors, np.repeat(np.arange(people), 20).tolist()) == ()


def test_of_few_photos_that_disagree_none_is_rejected() -> None:
    assert find_mislabelled(photos(1, 1, 3), [0, 0, 0]) == ()
    assert find_mislabelled(photos(1, 1, 1, 3, 4, 5), [0] * 6) == ()


def test_strangers_are_not_judged() -> None:
    vectors = photos(*[1] * 6, 50, 51, 52, 1)
    labels = np.array([0] * 6 + [1] * 4)
    assert mislabelled_photos(vectors, labels, 1, Normaliser(COHORT.centres, COHORT.top), TABLE) == ()
