"""Which pictures of one occasion show somebody else than they were taken of."""

import pytest

from facerec_mqtt.enrollment.judging.photo_comparison import unlike_the_person
from tests.support.pattern_world import pattern_cohort
from tests.support.role_boxes import vectors_of

ANNA, PASSER = 0, 7


@pytest.mark.parametrize("own", [[], [ANNA] * 2, [ANNA] * 6])
def test_who_passed_is_told_from_the_person_by_the_other_photos_or_by_the_majority(own: list[int]) -> None:
    taken = [ANNA, ANNA, PASSER, ANNA, PASSER, ANNA, ANNA]
    odd = unlike_the_person(vectors_of(taken), vectors_of([ANNA, *own])[1:], pattern_cohort())
    assert odd.tolist() == [who is PASSER for who in taken]


def test_an_occasion_that_shows_somebody_else_alone_is_told_by_the_other_photos() -> None:
    passers, cohort = vectors_of([PASSER] * 5), pattern_cohort()
    assert unlike_the_person(passers, vectors_of([ANNA] * 4), cohort).all()
    assert not unlike_the_person(passers, passers[:0], cohort).any()
    assert len(unlike_the_person(passers[:0], passers, cohort)) == 0
