"""What the owner is told to do for each person."""

import pytest

from facerec_mqtt.reports.advice import Advice, Standing, advise


def advice(
    used: int,
    *,
    set_aside: int = 0,
    moments: int | None = None,
    tpir: float | None = 0.98,
    taken_for: tuple[str, int] | None = None,
    curve: tuple[tuple[int, float], ...] = (),
) -> Advice:
    standing = Standing("Tom", used, set_aside, used if moments is None else moments, tpir, taken_for, curve)
    return advise(standing)


def test_with_many_good_photos_nothing_needs_to_be_done() -> None:
    said = advice(25, set_aside=2)
    assert said == Advice(
        "Tom: 25 photos (2 more set aside); 98% of them would be recognised. Nothing needs to be done.",
        needed=False,
    )


def test_a_dozen_good_photos_serve_and_a_few_more_are_welcome() -> None:
    said = advice(12)
    assert not said.needed
    assert "some more, from the camera at the door" in said.text


@pytest.mark.parametrize(("used", "start"), [(1, "Tom: 1 photo."), (4, "Tom: 4 photos.")])
def test_with_few_photos_more_are_asked_for(used: int, start: str) -> None:
    said = advice(used, tpir=None)
    assert said.needed
    assert said.text.startswith(start)
    assert "Add ten or more" in said.text


def test_many_photos_of_few_moments_are_called_alike() -> None:
    said = advice(12, moments=2)
    assert said.needed
    assert "12 photos, from 2 moments only" in said.text
    assert "on other days and in other light" in said.text


def test_where_the_learning_curve_still_rises_more_photos_are_asked_for() -> None:
    said = advice(10, tpir=0.8, curve=((1, 0.4), (4, 0.6), (8, 0.72)))
    assert said.needed
    assert "with 4 of them 60% are recognised, with 8 72%" in said.text


def test_where_the_learning_curve_is_flat_other_photos_are_asked_for_and_not_more() -> None:
    said = advice(20, tpir=0.8, curve=((8, 0.8), (16, 0.81)))
    assert said.needed
    assert "More of the same kind hardly help" in said.text


def test_where_most_photos_are_not_recognised_they_may_show_somebody_else() -> None:
    assert "Look whether all show the same person" in advice(20, tpir=0.4).text


def test_somebody_who_is_taken_for_another_is_named_with_the_other() -> None:
    said = advice(25, taken_for=("Mia", 3))
    assert said.needed
    assert "3 were taken for Mia" in said.text
    assert "1 was taken for Mia" in advice(25, taken_for=("Mia", 1)).text


def test_somebody_without_a_usable_photo_is_told_so() -> None:
    assert advice(0, tpir=None).text == "Tom: no usable photo. Add ten or more."


def test_somebody_of_whom_no_photo_is_recognised_needs_it_most() -> None:
    said = advice(20, tpir=0.0)
    assert said.needed
    assert "0% of them would be recognised. Look whether all show the same person" in said.text
