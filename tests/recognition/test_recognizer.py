"""A picture in, who is in it out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.records import Vectors
from facerec_mqtt.enrollment.rebuild import rebuild
from facerec_mqtt.recognition.classifier import Classifier
from facerec_mqtt.recognition.model_store import FamilyModel, load_current
from facerec_mqtt.recognition.recognizer import Family, Recognizer, prepare
from tests.support.pattern_world import (
    PatternBackbone,
    PatternDetector,
    pattern_cohort,
    pattern_networks,
    picture_of,
    write_photos,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> FamilyModel:
    root: Path = tmp_path_factory.mktemp("family")
    write_photos(root / "enrollment" / "Anna", 1, 10)
    write_photos(root / "enrollment" / "Tom", 2, 10)
    rebuild(root / "enrollment", root / "models", load_networks=pattern_networks, cohort=pattern_cohort())
    made = load_current(root / "models")
    assert made is not None
    return made


def a_recognizer(model: FamilyModel | None) -> Recognizer:
    blank = Recognizer(
        PatternDetector(), PatternBackbone(), PatternBackbone.digest, pattern_cohort(), None, None
    )
    return blank.with_model(model)


def vectors_of(*people: int, picture: int = 50) -> Vectors:
    recognizer = a_recognizer(None)
    backbone = PatternBackbone()
    return np.concatenate(
        [
            backbone.embed(
                [
                    found.face
                    for found in recognizer.recognise(picture_of(person, picture=picture), min_face_px=1)
                ]
            )
            for person in people
        ]
    )


def test_everybody_in_a_picture_is_named_or_nobody(model: FamilyModel) -> None:
    found = a_recognizer(model).recognise(picture_of(2, 7, 1, picture=60), min_face_px=40)
    by_place = sorted(found, key=lambda each: each.detection.box[0])
    assert [each.identification.person for each in by_place] == ["tom", None, "anna"]
    for each in by_place:
        who = each.identification
        assert 0 <= who.score <= 1
        assert 0 <= who.margin <= 1
        assert (who.person is None) == (who.refusal is not None)
        assert (who.score >= 0.5) == (who.person is not None)


def test_a_picture_without_faces_gives_nothing(model: FamilyModel) -> None:
    assert a_recognizer(model).recognise(picture_of(), min_face_px=40) == ()


def test_without_a_model_everybody_is_nobody() -> None:
    (found,) = a_recognizer(None).recognise(picture_of(1), min_face_px=40)
    assert found.identification.refusal == "no model"
    assert found.identification.person is None
    assert found.identification.score == 0.0


def test_small_and_blurred_faces_are_seen_but_not_named(model: FamilyModel) -> None:
    recognizer = a_recognizer(model)
    (small,) = recognizer.recognise(picture_of(1, scale=0.5), min_face_px=80)
    assert (small.identification.person, small.identification.refusal) == (None, "face too small")
    (blurred,) = recognizer.recognise(picture_of(1), min_face_px=40, min_sharpness=1e6)
    assert (blurred.identification.person, blurred.identification.refusal) == (None, "blurred")
    (good,) = recognizer.recognise(picture_of(1), min_face_px=40, min_sharpness=1)
    assert good.identification.person == "anna"


def test_a_model_is_swapped_and_taken_away_without_touching_the_networks(model: FamilyModel) -> None:
    recognizer = a_recognizer(None)
    named = recognizer.with_model(model)
    assert named.model is model
    assert recognizer.model is None
    assert named.recognise(picture_of(1), min_face_px=40)[0].identification.person == "anna"
    again = named.with_model(None)
    assert again.recognise(picture_of(1), min_face_px=40)[0].identification.refusal == "no model"


def a_family(model: FamilyModel) -> Family:
    return prepare(model, PatternBackbone.digest, pattern_cohort())


def test_where_the_layers_and_the_templates_disagree_nobody_is_named(model: FamilyModel) -> None:
    family = a_family(model)
    (agreed,) = family.identify(vectors_of(1), min_margin=0.0)
    assert agreed.person == "anna"
    swapped = Classifier(
        kernels=(*family.head.kernels[:-1], family.head.kernels[-1][:, [1, 0, 2]]),
        biases=(*family.head.biases[:-1], family.head.biases[-1][[1, 0, 2]]),
    )
    (torn,) = replace(family, head=swapped).identify(vectors_of(1), min_margin=0.0)
    assert (torn.person, torn.refusal) == (None, "ambiguous")


def test_too_small_a_lead_names_nobody(model: FamilyModel) -> None:
    (clear,) = a_family(model).identify(vectors_of(1), min_margin=0.1)
    assert clear.person == "anna"
    (unclear,) = a_family(model).identify(vectors_of(1), min_margin=1.0)
    assert (unclear.person, unclear.refusal) == (None, "ambiguous")
    assert unclear.score == clear.score


def test_no_faces_get_no_answers(model: FamilyModel) -> None:
    assert a_family(model).identify(vectors_of(1)[:0], min_margin=0.1) == ()


def test_a_model_made_with_other_networks_asks_for_a_rebuild(model: FamilyModel) -> None:
    with pytest.raises(ModelError, match="run facerec-mqtt rebuild"):
        prepare(model, "another backbone", pattern_cohort())
    other = replace(pattern_cohort(), top=7)
    with pytest.raises(ModelError, match="run facerec-mqtt rebuild"):
        prepare(model, PatternBackbone.digest, other)


def test_a_model_whose_arrays_do_not_fit_is_refused(model: FamilyModel) -> None:
    for name in model.arrays:
        arrays = {key: array for key, array in model.arrays.items() if key != name}
        with pytest.raises(ModelError, match="rebuild"):
            a_family(replace(model, arrays=arrays))
    for name in ("templates", "calibration", "head_bias_2"):
        arrays = {**model.arrays, name: np.zeros((1, 5), np.float32)}
        with pytest.raises(ModelError, match="rebuild"):
            a_family(replace(model, arrays=arrays))
