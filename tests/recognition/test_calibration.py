"""Scores that mean the same for everybody, and where the line is drawn."""

import numpy as np
import pytest

from facerec_mqtt.core.records import Vectors
from facerec_mqtt.recognition.calibration import (
    Calibration,
    Gallery,
    Normaliser,
    calibrate,
    interpolate,
    template,
    templates_without_each,
)

DIMENSIONS = 64


def unit(vectors: np.ndarray) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def some_people(count: int, seed: int, likeness: float = 0.0) -> Vectors:
    """People; the more alike, the more all of them resemble one face."""
    common = np.random.default_rng(999).normal(size=DIMENSIONS)
    return unit(np.random.default_rng(seed).normal(size=(count, DIMENSIONS)) + likeness * common)


def pictures(person: Vectors, count: int, seed: int = 0) -> Vectors:
    noise = np.random.default_rng(seed).normal(size=(count, DIMENSIONS)) * 0.6 / np.sqrt(DIMENSIONS)
    return unit(person + noise)


COHORT = np.concatenate([some_people(150, 1), some_people(150, 2, likeness=1.5)])
FAR = np.array([0.1, 0.01, 0.001], np.float32)
THRESHOLD = np.array([-1.0, 1.0, 3.0], np.float32)


def test_one_threshold_holds_for_people_who_resemble_each_other_and_for_those_who_do_not() -> None:
    normaliser = Normaliser(COHORT, 20)
    shares, cosines = [], []
    for likeness in (0.0, 1.5):
        gallery = Gallery.of(some_people(20, 3, likeness), normaliser)
        strangers = some_people(500, 4, likeness)
        shares.append(float(np.mean(gallery.normalised(strangers, normaliser) >= 1.5)))
        cosines.append(float(np.mean(strangers @ gallery.templates.T >= 0.3)))
    assert cosines[1] > 20 * max(cosines[0], 0.001)
    assert shares[1] < 5 * max(shares[0], 0.01)


def test_a_face_scores_high_for_its_own_person_and_low_for_others() -> None:
    normaliser = Normaliser(COHORT, 20)
    people = some_people(3, 5)
    gallery = Gallery.of(people, normaliser)
    scores = gallery.normalised(pictures(people[1], 30), normaliser)
    assert scores.shape == (30, 3)
    assert np.all(scores.argmax(axis=1) == 1)
    assert scores[:, 1].min() > 2 > scores[:, [0, 2]].max()


def test_a_visit_asks_for_more_with_every_picture_that_differs() -> None:
    alone = Calibration(3.0, 0.5, 0.0)
    looks = [alone.of_visit(differing).threshold for differing in (1.0, 1.5, 3.0, 5.0)]
    assert alone.threshold < looks[0] < looks[1] < looks[2] < looks[3] < alone.threshold + 2
    assert alone.of_visit(1000.0).threshold == alone.of_visit(100.0).threshold
    assert alone.of_visit(3.0).scores(np.array([looks[2]], np.float32)) == pytest.approx(0.5)


def test_no_faces_have_no_scores() -> None:
    normaliser = Normaliser(COHORT, 20)
    gallery = Gallery.of(some_people(2, 5), normaliser)
    assert gallery.normalised(np.zeros((0, DIMENSIONS), np.float32), normaliser).shape == (0, 2)


def test_a_cohort_smaller_than_its_top_still_normalises() -> None:
    normaliser = Normaliser(COHORT[:5], 20)
    gallery = Gallery.of(some_people(2, 5), normaliser)
    assert np.isfinite(gallery.normalised(some_people(3, 6), normaliser)).all()
    alone = Normaliser(COHORT[:1], 20)
    assert np.isfinite(Gallery.of(some_people(2, 5), alone).normalised(some_people(3, 6), alone)).all()


def test_a_template_does_not_follow_one_wrong_picture() -> None:
    anna, tom = some_people(2, 7)
    right = template(pictures(anna, 19))
    disturbed = template(np.concatenate([pictures(anna, 19), tom[None]]))
    assert float(right @ disturbed) > 0.999
    assert np.linalg.norm(disturbed) == pytest.approx(1.0, abs=1e-5)


def test_one_picture_is_a_template() -> None:
    anna = some_people(1, 7)
    assert template(anna) == pytest.approx(anna[0], abs=1e-6)


TABLE = (FAR, THRESHOLD)
NONE = np.zeros(0, np.float32)


@pytest.mark.parametrize("count", [2, 9, 40])
def test_templates_without_each_picture_are_those_of_the_others(count: int) -> None:
    photos = pictures(some_people(1, 5)[0], count)
    others = templates_without_each(photos)
    for at in range(count):
        assert others[at] == pytest.approx(template(np.delete(photos, at, axis=0)), abs=1e-5)


def test_the_threshold_is_read_from_the_table() -> None:
    assert calibrate(0.01, 1, TABLE, NONE, NONE).threshold == pytest.approx(1.0)
    turned = (FAR[::-1], THRESHOLD[::-1])
    assert calibrate(0.01, 1, turned, NONE, NONE).threshold == pytest.approx(1.0)


def test_more_people_and_a_lower_rate_need_more() -> None:
    alone = calibrate(0.01, 1, TABLE, NONE, NONE).threshold
    assert calibrate(0.01, 5, TABLE, NONE, NONE).threshold > alone
    assert calibrate(0.002, 1, TABLE, NONE, NONE).threshold > alone
    assert calibrate(0.05, 1, TABLE, NONE, NONE).threshold < alone


def test_strangers_who_come_near_make_it_stricter_and_others_never_laxer() -> None:
    rng = np.random.default_rng(0)
    near = rng.normal(2, 1, 60).astype(np.float32)
    far_off = rng.normal(-9, 1, 60).astype(np.float32)
    assert calibrate(0.01, 1, TABLE, near, NONE).threshold > 3.5
    assert calibrate(0.01, 1, TABLE, near[:3], NONE).threshold < 3.0
    assert calibrate(0.01, 1, TABLE, far_off, NONE).threshold == pytest.approx(1.0)


def test_members_who_are_all_alike_make_it_stricter_and_twins_among_six_do_not() -> None:
    alike = np.full(30, 3.0, np.float32)
    twins = np.full(30, -4.0, np.float32)
    twins[:2] = 9.0
    alone = calibrate(0.01, 6, TABLE, NONE, NONE).threshold
    assert calibrate(0.01, 6, TABLE, NONE, alike).threshold > alone
    assert calibrate(0.01, 6, TABLE, NONE, twins).threshold == alone


def test_a_score_of_a_half_is_the_threshold_and_nine_tenths_are_ten_times_rarer() -> None:
    calibration = calibrate(0.01, 1, TABLE, NONE, NONE)
    scores = calibration.scores(np.array([-50.0, 0.9, 1.0, 1.1, 3.0, 50.0], np.float32))
    assert scores[2] == pytest.approx(0.5)
    assert scores[4] == pytest.approx(0.9, abs=1e-3)
    assert np.all(np.diff(scores) > 0)
    assert scores[0] >= 0
    assert scores[-1] <= 1


def test_the_classifiers_odds_count_relative_to_those_of_strangers() -> None:
    normalised = np.array([[2.0, 2.0, 2.0]], np.float32)
    probabilities = np.array([[0.5, 0.9, 0.1]], np.float32)
    neutral, liked, disliked = Calibration(1.0, 0.5, 0.0).evidence(normalised, probabilities)[0]
    assert neutral == pytest.approx(2.0, abs=1e-5)
    assert disliked < neutral < liked
    sceptical = Calibration(1.0, 0.5, 2.0).evidence(normalised, probabilities)[0]
    assert np.all(sceptical < [neutral, liked, disliked])
    certain = Calibration(1.0, 0.5, 0.0).evidence(normalised, np.array([[0.0, 1.0, 0.5]], np.float32))
    assert np.isfinite(certain).all()


def test_faces_between_a_member_and_a_stranger_resemble_both() -> None:
    anna = some_people(1, 5)
    faces = interpolate(pictures(anna[0], 5), COHORT, 200)
    assert faces.shape == (200, DIMENSIONS)
    assert np.linalg.norm(faces, axis=1) == pytest.approx(1.0, abs=1e-5)
    likeness = faces @ anna[0]
    assert likeness.min() < 0.3 < likeness.max()
    assert np.array_equal(faces, interpolate(pictures(anna[0], 5), COHORT, 200))


def test_scores_of_a_calibration_keep_their_shape() -> None:
    assert Calibration(1.0, 0.5, 0.0).scores(np.zeros((4, 3), np.float32)).shape == (4, 3)
