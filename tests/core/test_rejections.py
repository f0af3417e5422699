from dataclasses import fields
from typing import Any

import pytest

from facerec_mqtt.core.rejections import Place, Rejection, RejectionCode, Remark, RemarkCode

# One value for each piece of data that a code may carry.
EVERYTHING: dict[str, Any] = {
    "width_px": 20.4,
    "height_px": 10.0,
    "needed_px": 24.0,
    "limit_px": 30000.0,
    "found_mp": 100.0,
    "limit_mp": 64.0,
    "found_mb": 100.0,
    "limit_mb": 80.0,
    "found_minutes": 95.2,
    "limit_minutes": 30.0,
    "count": 3,
    "file": "Anna/001.jpg",
    "name": "Bert",
    "own": "Anna",
    "format": "GIF",
    "detail": "Permission denied",
}


def test_each_code_has_a_sentence() -> None:
    assert {*EVERYTHING, "code"} == {each.name for each in fields(Rejection)}
    sentences = [Rejection(code=code, **EVERYTHING).sentence for code in RejectionCode]
    assert all(sentence.endswith(".") for sentence in sentences)
    assert len({*sentences}) == len(sentences)


def test_a_sentence_holds_the_data() -> None:
    small = Rejection(code=RejectionCode.FACE_TOO_SMALL, width_px=20.4, needed_px=24.0)
    assert small.sentence == "The face is only 20 pixels wide, and 24 are the least."
    assert small.data == {"width_px": 20.4, "needed_px": 24.0}


def test_a_rejection_without_the_data_of_its_sentence_is_refused() -> None:
    with pytest.raises(ValueError, match="needed_px"):
        Rejection(code=RejectionCode.FACE_TOO_SMALL, width_px=20.4)


def test_each_remark_has_a_sentence() -> None:
    sentences = [Remark(code=code, count=2, place=Place.LEFT, name="Anna").sentence for code in RemarkCode]
    assert all(sentence.endswith(".") for sentence in sentences)
    assert len({*sentences}) == len(sentences)


def test_a_remark_without_the_data_of_its_sentence_is_refused() -> None:
    with pytest.raises(ValueError, match="name"):
        Remark(code=RemarkCode.TAKEN_FOR)
