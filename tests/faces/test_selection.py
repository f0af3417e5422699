"""The faces of a picture, and which of them it is about."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.records import Detection, Image
from facerec_mqtt.core.rejections import Place, Rejection, RejectionCode
from facerec_mqtt.faces.alignment import TEMPLATE
from facerec_mqtt.faces.selection import MIN_STILL_FACE_PX, FaceLimits, choose, find_faces, select_face
from tests.support.pattern_world import PatternDetector, picture_of


def a_face(x_min: float, y_min: float, width_px: float) -> Detection:
    landmarks = np.zeros((5, 2), np.float32)
    return Detection((x_min, y_min, x_min + width_px, y_min + width_px), landmarks, 0.9)


def test_only_in_a_close_crop_a_face_is_looked_at_again_with_surroundings() -> None:
    class BetterWithSurroundings(PatternDetector):
        """Is five pixels off with a face that touches the border."""

        def detect(self, image: Image) -> tuple[Detection, ...]:
            return tuple(
                found if min(found.box) > 1 else replace(found, landmarks=found.landmarks + 5)
                for found in super().detect(image)
            )

    crop = np.ascontiguousarray(np.where(picture_of(1) == 110, 111, picture_of(1))[20:132, 20:132])
    whole = cv2.copyMakeBorder(picture_of(1), 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=(110, 110, 110))
    for picture, where, looks in ((crop, TEMPLATE, 2), (np.asarray(whole, np.uint8), TEMPLATE + 60, 1)):
        detector = BetterWithSurroundings()
        (found,) = find_faces(detector, picture)
        assert found.landmarks == pytest.approx(where, abs=2)
        assert detector.looked_at == looks


def test_the_clearly_largest_face_is_meant() -> None:
    canvas = np.zeros((400, 600, 3), np.uint8)
    large, small = a_face(200, 100, 150), a_face(20, 20, 40)
    assert choose([small, large], canvas) is large
    assert choose([large], canvas) is large
    assert choose([a_face(100, 100, 120), a_face(380, 100, 120)], canvas) is None


def test_of_two_faces_the_one_in_the_middle_may_be_meant() -> None:
    canvas = np.zeros((400, 600, 3), np.uint8)
    middle, corner = a_face(230, 130, 140), a_face(0, 0, 120)
    assert choose([corner, middle], canvas) is middle


def selected(image: Image, min_sharpness: float = 0.0) -> Rejection | Place:
    """Where the selected face is, or why there is none."""
    found = select_face(PatternDetector().detect(image), image, FaceLimits(min_sharpness))
    return found if isinstance(found, Rejection) else found.place


def test_a_single_face_is_selected_with_its_place() -> None:
    assert selected(picture_of(1)) is Place.MIDDLE
    wide = np.zeros((152, 600, 3), np.uint8)
    wide[:, :152] = picture_of(1)
    assert selected(wide) is Place.LEFT
    assert selected(np.ascontiguousarray(wide[:, ::-1])) is Place.RIGHT


def test_a_picture_without_one_face_that_stands_out_is_rejected() -> None:
    assert selected(picture_of()) == Rejection(code=RejectionCode.NO_FACE)
    assert selected(picture_of(1, 2)) == Rejection(code=RejectionCode.SEVERAL_FACES, count=2)


def test_a_small_face_is_rejected_with_its_width() -> None:
    rejection = selected(picture_of(1, scale=0.18))
    assert isinstance(rejection, Rejection)
    assert (rejection.code, rejection.needed_px) == (RejectionCode.FACE_TOO_SMALL, MIN_STILL_FACE_PX)
    assert rejection.width_px == pytest.approx(20, abs=1)


def test_a_blurred_face_is_rejected_only_where_sharpness_is_asked_for() -> None:
    blurred = np.asarray(cv2.GaussianBlur(picture_of(1, scale=2.0), (0, 0), 12), np.uint8)
    assert selected(blurred, min_sharpness=6.0) == Rejection(code=RejectionCode.BLURRED)
    assert selected(blurred) is Place.MIDDLE
