"""A figure that is not enough never looks like the one that is needed."""

import pytest

from facerec_mqtt.core.records import score_text, short_of


@pytest.mark.parametrize(
    ("value", "needed", "digits", "text"),
    [
        (0.38, 0.5, 2, "0.38"),
        (0.4962, 0.5, 2, "0.496"),
        (0.49994, 0.5, 2, "0.4999"),
        (0.4999999, 0.5, 2, "just below 0.50"),
        (47.6, 48.0, 0, "47.6"),
        (41.2, 48.0, 0, "41"),
    ],
)
def test_what_rounding_would_make_equal_gets_more_digits(
    value: float, needed: float, digits: int, text: str
) -> None:
    assert short_of(value, needed, digits) == text


def test_a_score_that_is_enough_is_written_with_two_digits() -> None:
    assert [score_text(score) for score in (0.5, 0.504, 0.97)] == ["0.50", "0.50", "0.97"]
