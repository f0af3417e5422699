"""An enrollment photo, analysed once."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.records import Detection, Image
from facerec_mqtt.core.rejections import Place, Rejection, RejectionCode, Remark, RemarkCode
from facerec_mqtt.enrollment.judging.photo_cache import Networks, PhotoAnalysis, PhotoCache
from facerec_mqtt.enrollment.judging.photos import analyse
from facerec_mqtt.faces.alignment import TEMPLATE
from facerec_mqtt.faces.selection import MIN_STILL_FACE_PX, detect_in_crop
from tests.support.pattern_world import (
    DIMENSIONS,
    PatternBackbone,
    PatternDetector,
    pattern_networks,
    picture_of,
)


def encode(image: Image) -> bytes:
    return bytes(cv2.imencode(".png", image)[1])


def test_a_photo_of_one_person_gives_their_face_and_worse_versions_of_it() -> None:
    analysis = analyse(encode(picture_of(1)), pattern_networks())
    assert analysis.rejection is None
    assert analysis.vectors is not None
    assert analysis.vectors.shape[1] == DIMENSIONS
    assert len(analysis.vectors) > 1
    vectors = analysis.vectors.astype(np.float32)
    assert (vectors[1:] @ vectors[0]).min() > 0.6
    assert (vectors[1:] @ vectors[0]).max() < 0.999


def test_the_same_photo_gives_the_same_and_another_something_else() -> None:
    first, again = (analyse(encode(picture_of(1)), pattern_networks()) for _ in range(2))
    other = analyse(encode(picture_of(1, picture=1)), pattern_networks())
    assert np.array_equal(first.vectors, again.vectors)  # type: ignore[arg-type]
    assert not np.array_equal(first.vectors, other.vectors)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"a letter to the editor", RejectionCode.NOT_A_PICTURE),
        (encode(picture_of(1))[:-3000], RejectionCode.CUT_SHORT),
        (encode(picture_of()), RejectionCode.NO_FACE),
        (encode(picture_of(1, 2)), RejectionCode.SEVERAL_FACES),
        (encode(picture_of(1, scale=0.18)), RejectionCode.FACE_TOO_SMALL),
        (
            encode(np.asarray(cv2.GaussianBlur(picture_of(1, scale=2.0), (0, 0), 12), np.uint8)),
            RejectionCode.BLURRED,
        ),
    ],
)
def test_an_unusable_photo_gives_the_reason(data: bytes, code: RejectionCode) -> None:
    analysis = analyse(data, pattern_networks())
    assert analysis.vectors is None
    assert analysis.rejection is not None
    assert analysis.rejection.code is code


def test_a_rejection_has_its_numbers() -> None:
    several = analyse(encode(picture_of(1, 2)), pattern_networks()).rejection
    assert several == Rejection(code=RejectionCode.SEVERAL_FACES, count=2)
    small = analyse(encode(picture_of(1, scale=0.18)), pattern_networks()).rejection
    assert small is not None
    assert small.width_px == pytest.approx(20, abs=1)
    assert small.needed_px == MIN_STILL_FACE_PX


def test_where_the_first_look_finds_nobody_a_closer_one_follows() -> None:
    class Blind(PatternDetector):
        def detect(self, image: Image) -> tuple[Detection, ...]:
            super().detect(image)
            return ()

    near = PatternDetector()
    networks = Networks(Blind(), near, PatternBackbone(), "a", "b")
    assert analyse(encode(picture_of(1)), networks).rejection is None
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
    assert analyse(encode(crop), networks).rejection is None


def test_analyses_are_cached_for_the_same_networks_only(tmp_path: Path) -> None:
    networks = pattern_networks()
    path = tmp_path / "cache" / "photos.npz"
    cache = PhotoCache.open(path, networks)
    used = analyse(encode(picture_of(1)), networks)
    cache.put("a" * 64, used)
    cache.put("b" * 64, PhotoAnalysis(None, Rejection(code=RejectionCode.NO_FACE)))
    cache.put("c" * 64, PhotoAnalysis(None, Rejection(code=RejectionCode.BLURRED)))
    cache.keep({"a" * 64, "b" * 64})
    cache.save()
    assert path.stat().st_mode & 0o077 == 0
    again = PhotoCache.open(path, networks)
    (known,) = again.get("a" * 64) or (None,)
    assert known is not None
    assert np.array_equal(known.vectors, used.vectors)  # type: ignore[arg-type]
    (faceless,) = again.get("b" * 64) or (None,)
    assert faceless is not None
    assert (faceless.vectors, faceless.rejection) == (None, Rejection(code=RejectionCode.NO_FACE))
    assert again.get("c" * 64) is None
    others = Networks(PatternDetector(), PatternDetector(), PatternBackbone(), "detector", "another")
    assert PhotoCache.open(path, others).get("a" * 64) is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 something that is no archive", b"x" * 1000])
def test_a_damaged_cache_is_an_empty_one(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photos.npz"
    path.write_bytes(content)
    cache = PhotoCache.open(path, pattern_networks())
    assert cache.get("a" * 64) is None
    cache.put("a" * 64, PhotoAnalysis(None, Rejection(code=RejectionCode.NO_FACE)))
    cache.save()
    assert PhotoCache.open(path, pattern_networks()).get("a" * 64) is not None


def test_of_several_faces_it_is_remarked_which_was_taken() -> None:
    both = picture_of(1, 2)
    large, small = picture_of(1), cv2.resize(picture_of(2), None, fx=0.5, fy=0.5)
    canvas = np.zeros((large.shape[0], large.shape[1] + small.shape[1], 3), np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    canvas[:, small.shape[1] :] = large
    analysis = analyse(encode(canvas), pattern_networks())
    assert analysis.remark == Remark(code=RemarkCode.LARGEST_TAKEN, count=2, place=Place.RIGHT)
    alone = analyse(encode(large), pattern_networks())
    assert alone.remark is None
    assert analysis.vectors is not None
    assert alone.vectors is not None
    assert analysis.vectors[0].astype(np.float32) @ alone.vectors[0].astype(np.float32) > 0.99
    assert analyse(encode(both), pattern_networks()).remark is None


def test_what_is_known_of_a_used_photo_is_cached(tmp_path: Path) -> None:
    path = tmp_path / "photos.npz"
    cache = PhotoCache.open(path, pattern_networks())
    vectors = np.ones((7, DIMENSIONS), np.float16)
    remark = Remark(code=RemarkCode.LARGEST_TAKEN, count=2, place=Place.LEFT)
    cache.put("a" * 64, PhotoAnalysis(vectors, None, remark, 31.5, 1234.0))
    cache.put("b" * 64, PhotoAnalysis(vectors, None, None, 8.0, None))
    cache.save()
    again = PhotoCache.open(path, pattern_networks())
    (known,), (plain,) = again.get("a" * 64) or (None,), again.get("b" * 64) or (None,)
    assert known is not None
    assert (known.rejection, known.remark, known.sharpness, known.taken_s) == (None, remark, 31.5, 1234.0)
    assert plain is not None
    assert (plain.rejection, plain.remark, plain.taken_s) == (None, None, None)


def test_a_rejection_with_its_data_is_cached(tmp_path: Path) -> None:
    path = tmp_path / "photos.npz"
    cache = PhotoCache.open(path, pattern_networks())
    rejection = Rejection(code=RejectionCode.FACE_TOO_SMALL, width_px=20.25, needed_px=24.0)
    cache.put("a" * 64, PhotoAnalysis(None, rejection))
    cache.save()
    (known,) = PhotoCache.open(path, pattern_networks()).get("a" * 64) or (None,)
    assert known is not None
    assert known.rejection == rejection


@pytest.mark.parametrize(
    "facts", ["", "No face was found in it.", '{"code": "unheard_of"}', '{"code": "several_faces"}']
)
def test_a_cache_with_a_rejection_that_makes_no_sense_is_an_empty_one(facts: str, tmp_path: Path) -> None:
    path = tmp_path / "photos.npz"
    cache = PhotoCache.open(path, pattern_networks())
    cache.put("a" * 64, PhotoAnalysis(None, Rejection(code=RejectionCode.NO_FACE)))
    cache.save()
    with np.load(path) as kept:
        arrays = dict(kept)
    np.savez(path, allow_pickle=False, **(arrays | {"facts": np.array([facts])}))
    assert PhotoCache.open(path, pattern_networks()).get("a" * 64) is None
