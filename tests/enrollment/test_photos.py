"""An enrollment photo, looked at once."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.records import Detection, Image
from facerec_mqtt.enrollment.photos import Networks, PhotoAnalysis, PhotoCache, examine
from facerec_mqtt.faces.alignment import TEMPLATE
from facerec_mqtt.faces.selection import choose, detect_in_crop, find_faces
from tests.support.pattern_world import (
    DIMENSIONS,
    PatternBackbone,
    PatternDetector,
    pattern_networks,
    picture_of,
)


def encode(image: Image) -> bytes:
    return bytes(cv2.imencode(".png", image)[1])


def a_face(x_min: float, y_min: float, width_px: float) -> Detection:
    landmarks = np.zeros((5, 2), np.float32)
    return Detection((x_min, y_min, x_min + width_px, y_min + width_px), landmarks, 0.9)


def test_a_photo_of_one_person_gives_their_face_and_worse_versions_of_it() -> None:
    finding = examine(encode(picture_of(1)), pattern_networks())
    assert finding.reason is None
    assert finding.vectors is not None
    assert finding.vectors.shape[1] == DIMENSIONS
    assert len(finding.vectors) > 1
    vectors = finding.vectors.astype(np.float32)
    assert (vectors[1:] @ vectors[0]).min() > 0.6
    assert (vectors[1:] @ vectors[0]).max() < 0.999


def test_the_same_photo_gives_the_same_and_another_something_else() -> None:
    first, again = (examine(encode(picture_of(1)), pattern_networks()) for _ in range(2))
    other = examine(encode(picture_of(1, picture=1)), pattern_networks())
    assert np.array_equal(first.vectors, again.vectors)  # type: ignore[arg-type]
    assert not np.array_equal(first.vectors, other.vectors)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a letter to the editor", "not a picture"),
        (encode(picture_of(1))[:-3000], "cut short"),
        (encode(picture_of()), "No face"),
        (encode(picture_of(1, 2)), "2 faces, none of them clearly the largest"),
        (encode(picture_of(1, scale=0.18)), "only 20 pixels wide"),
        (encode(np.asarray(cv2.GaussianBlur(picture_of(1, scale=2.0), (0, 0), 12), np.uint8)), "blurred"),
    ],
)
def test_an_unusable_photo_gives_the_reason(data: bytes, reason: str) -> None:
    finding = examine(data, pattern_networks())
    assert finding.vectors is None
    assert finding.reason is not None
    assert reason in finding.reason
    assert finding.reason.endswith(".")


def test_where_the_first_look_finds_nobody_a_closer_one_follows() -> None:
    class Blind(PatternDetector):
        def detect(self, image: Image) -> tuple[Detection, ...]:
            super().detect(image)
            return ()

    near = PatternDetector()
    networks = Networks(Blind(), near, PatternBackbone(), "a", "b")
    assert examine(encode(picture_of(1)), networks).reason is None
    assert near.looked_at == 1


def test_a_face_that_fills_the_picture_is_found_by_what_is_put_around_it() -> None:
    class NeedsSurroundings(PatternDetector):
        """Sees no face that touches the border."""

        def detect(self, image: Image) -> tuple[Detection, ...]:
            return tuple(found for found in super().detect(image) if min(found.box) > 1)

    detector = NeedsSurroundings()
    crop = np.ascontiguousarray(np.where(picture_of(1) == 110, 111, picture_of(1))[20:132, 20:132])
    assert detector.detect(crop) == ()
    (found,) = detect_in_crop(detector, crop)
    assert found.box == pytest.approx((0, 0, 112, 112), abs=2)
    assert found.landmarks == pytest.approx(TEMPLATE, abs=2)
    networks = Networks(detector, detector, PatternBackbone(), "a", "b")
    assert examine(encode(crop), networks).reason is None


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


def test_findings_are_remembered_for_the_same_networks_only(tmp_path: Path) -> None:
    networks = pattern_networks()
    path = tmp_path / "cache" / "photos.npz"
    cache = PhotoCache.open(path, networks)
    used = examine(encode(picture_of(1)), networks)
    cache.put("a" * 64, used)
    cache.put("b" * 64, PhotoAnalysis(None, "No face was found in it."))
    cache.put("c" * 64, PhotoAnalysis(None, "Gone."))
    cache.keep({"a" * 64, "b" * 64})
    cache.save()
    assert path.stat().st_mode & 0o077 == 0
    again = PhotoCache.open(path, networks)
    known = again.get("a" * 64)
    assert known is not None
    assert np.array_equal(known.vectors, used.vectors)  # type: ignore[arg-type]
    faceless = again.get("b" * 64)
    assert faceless is not None
    assert (faceless.vectors, faceless.reason) == (None, "No face was found in it.")
    assert again.get("c" * 64) is None
    others = Networks(PatternDetector(), PatternDetector(), PatternBackbone(), "detector", "another")
    assert PhotoCache.open(path, others).get("a" * 64) is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 something that is no archive", b"x" * 1000])
def test_a_damaged_memory_is_an_empty_one(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photos.npz"
    path.write_bytes(content)
    cache = PhotoCache.open(path, pattern_networks())
    assert cache.get("a" * 64) is None
    cache.put("a" * 64, PhotoAnalysis(None, "No face was found in it."))
    cache.save()
    assert PhotoCache.open(path, pattern_networks()).get("a" * 64) is not None


def test_of_several_faces_it_is_said_which_was_taken() -> None:
    both = picture_of(1, 2)
    large, small = picture_of(1), cv2.resize(picture_of(2), None, fx=0.5, fy=0.5)
    canvas = np.zeros((large.shape[0], large.shape[1] + small.shape[1], 3), np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    canvas[:, small.shape[1] :] = large
    finding = examine(encode(canvas), pattern_networks())
    assert finding.note == "It shows 2 faces; the largest, on the right, was taken."
    alone = examine(encode(large), pattern_networks())
    assert alone.note is None
    assert finding.vectors is not None
    assert alone.vectors is not None
    assert finding.vectors[0].astype(np.float32) @ alone.vectors[0].astype(np.float32) > 0.99
    assert examine(encode(both), pattern_networks()).note is None


def test_what_is_known_of_a_used_photo_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "photos.npz"
    cache = PhotoCache.open(path, pattern_networks())
    vectors = np.ones((7, DIMENSIONS), np.float16)
    cache.put("a" * 64, PhotoAnalysis(vectors, None, "It shows 2 faces.", 31.5, 1234.0))
    cache.put("b" * 64, PhotoAnalysis(vectors, None, None, 8.0, None))
    cache.save()
    again = PhotoCache.open(path, pattern_networks())
    known, plain = again.get("a" * 64), again.get("b" * 64)
    assert known is not None
    assert (known.reason, known.note, known.sharpness, known.taken_s) == (
        None,
        "It shows 2 faces.",
        31.5,
        1234.0,
    )
    assert plain is not None
    assert (plain.reason, plain.note, plain.taken_s) == (None, None, None)
