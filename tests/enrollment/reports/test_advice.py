"""The next step for each person."""

import pytest

from facerec_mqtt.enrollment.reports.advice import Advice, Standing, Step, advise


def advice(
    used: int,
    *,
    rejected: int = 0,
    moments: int | None = None,
    tpir: float | None = 0.98,
    taken_for: tuple[str, int] | None = None,
    curve: tuple[tuple[int, float], ...] = (),
) -> Advice:
    standing = Standing("Tom", used, rejected, used if moments is None else moments, tpir, taken_for, curve)
    return advise(standing)


def test_with_many_good_photos_nothing_needs_to_be_done() -> None:
    given = advice(25, rejected=2)
    assert (given.step, given.needed) == (Step.NOTHING, False)
    assert given.text == (
        "Tom: 25 photos (2 more rejected); 98% of them would be recognised. Nothing needs to be done."
    )


def test_a_dozen_good_photos_serve_and_a_few_more_are_welcome() -> None:
    given = advice(12)
    assert (given.step, given.needed) == (Step.ADD_SOME_IF_AT_HAND, False)


@pytest.mark.parametrize(("used", "start"), [(1, "Tom: 1 photo."), (4, "Tom: 4 photos.")])
def test_with_few_photos_more_are_asked_for(used: int, start: str) -> None:
    given = advice(used, tpir=None)
    assert (given.step, given.needed) == (Step.ADD_PHOTOS, True)
    assert given.text.startswith(start)


def test_many_photos_of_few_moments_are_called_alike() -> None:
    given = advice(12, moments=2)
    assert (given.step, given.needed) == (Step.ADD_OTHER_MOMENTS, True)
    assert "12 photos, from 2 moments only" in given.text


def test_where_the_learning_curve_still_rises_more_photos_are_asked_for() -> None:
    given = advice(10, tpir=0.8, curve=((1, 0.4), (4, 0.6), (8, 0.72)))
    assert (given.step, given.needed) == (Step.ADD_AS_MANY_AGAIN, True)
    assert "with 4 of them 60% are recognised, with 8 72%" in given.text


def test_where_the_learning_curve_is_flat_other_photos_are_asked_for_and_not_more() -> None:
    given = advice(20, tpir=0.8, curve=((8, 0.8), (16, 0.81)))
    assert (given.step, given.needed) == (Step.ADD_ANOTHER_KIND, True)


@pytest.mark.parametrize("tpir", [0.0, 0.4])
def test_where_most_photos_are_not_recognised_they_may_show_somebody_else(tpir: float) -> None:
    given = advice(20, tpir=tpir)
    assert (given.step, given.needed) == (Step.CHECK_WHO_IS_SHOWN, True)
    assert f"{tpir:.0%} of them would be recognised" in given.text


def test_somebody_who_is_taken_for_another_is_named_with_the_other() -> None:
    given = advice(25, taken_for=("Mia", 3))
    assert (given.step, given.needed) == (Step.NOTHING, True)
    assert "3 were taken for Mia" in given.text
    assert "1 was taken for Mia" in advice(25, taken_for=("Mia", 1)).text


def test_somebody_without_a_usable_photo_needs_some() -> None:
    given = advice(0, tpir=None)
    assert (given.step, given.needed) == (Step.ADD_PHOTOS, True)
    assert given.text == "Tom: no usable photo. Add ten or more."


@pytest.mark.parametrize("step", Step)
def test_each_step_has_a_sentence(step: Step) -> None:
    standing = Standing("Tom", 8, 0, 8, 0.5, None, ((4, 0.4), (8, 0.5)))
    assert Advice(standing, step).text.startswith("Tom: 8 photos; 50% of them would be recognised. ")
