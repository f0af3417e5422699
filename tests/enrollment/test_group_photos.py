"""Photos that show several people: the face to learn is the one that the person's other photos show."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.records import Image
from facerec_mqtt.core.rejections import Place, RejectionCode, Remark, RemarkCode
from facerec_mqtt.enrollment.judging.audit import check_enrollment
from facerec_mqtt.enrollment.judging.photo_cache import PhotoCache
from facerec_mqtt.enrollment.judging.photo_comparison import mislabelled_photos
from facerec_mqtt.enrollment.judging.photos import analyse, content_key, shipped_networks
from facerec_mqtt.enrollment.reports import AuditReport
from facerec_mqtt.recognition.calibration import Normaliser
from facerec_mqtt.rendering import FAMILY, render_photo, write_enrollment
from tests.support.pattern_world import (
    DIMENSIONS,
    pattern,
    pattern_cohort,
    pattern_networks,
    picture_of,
    write_photos,
)
from tests.support.patterns_rebuild import identify, rebuild_patterns

ANNA, TOM, FRIEND = 1, 2, 3


def together(large: int, small: int, picture: int) -> Image:
    """Somebody near the camera on the left, and somebody behind on the right."""
    near, far = picture_of(large, picture=picture, scale=2.2), picture_of(small, picture=picture)
    canvas = np.zeros((near.shape[0], near.shape[1] + far.shape[1], 3), np.uint8)
    canvas[:, : near.shape[1]] = near
    canvas[: far.shape[0], near.shape[1] :] = far
    return canvas


def write_groups(folder: Path, large: int, small: int, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"group{number}.png"), together(large, small, 200 + number))


def check(enrollment: Path, models: Path) -> AuditReport:
    return check_enrollment(enrollment, models, load_networks=pattern_networks, cohort=pattern_cohort())


def codes_of_groups(report: AuditReport) -> list[RejectionCode | RemarkCode | None]:
    facts = [photo.rejection or photo.remark for photo in report.photos if "group" in photo.file]
    return [None if each is None else each.code for each in facts]


def test_of_group_photos_with_a_larger_face_of_somebody_else_the_persons_own_is_learnt(
    tmp_path: Path,
) -> None:
    enrollment, models = tmp_path / "enrollment", tmp_path / "models"
    write_photos(enrollment / "Anna", ANNA, 10)
    write_photos(enrollment / "Tom", TOM, 6)
    write_groups(enrollment / "Anna", FRIEND, ANNA, 5)
    report = rebuild_patterns(enrollment, models)
    remarks = [photo.remark for photo in report.photos if "group" in photo.file]
    assert remarks == [Remark(code=RemarkCode.FITTING_TAKEN, count=2, place=Place.RIGHT)] * 5
    asked = range(500, 510)
    assert [identify(models, FRIEND, picture).person for picture in asked] == [None] * 10
    assert [identify(models, ANNA, picture).person for picture in asked] == ["anna"] * 10


def test_it_is_learnt_where_the_other_one_is_enrolled_too(tmp_path: Path) -> None:
    enrollment = tmp_path / "enrollment"
    write_photos(enrollment / "Anna", ANNA, 10)
    write_photos(enrollment / "Tom", TOM, 10)
    write_groups(enrollment / "Anna", TOM, ANNA, 5)
    write_groups(enrollment / "Tom", TOM, ANNA, 5)
    report = check(enrollment, tmp_path / "models")
    assert codes_of_groups(report) == [RemarkCode.FITTING_TAKEN] * 5 + [RemarkCode.LARGEST_TAKEN] * 5
    assert all(photo.used for photo in report.photos)


@pytest.mark.parametrize("others", [(TOM,), (TOM, FRIEND)])
def test_of_faces_as_large_as_each_other_the_one_that_fits_is_taken(
    others: tuple[int, ...], tmp_path: Path
) -> None:
    write_photos(tmp_path / "enrollment" / "Anna", ANNA, 4)
    picture = picture_of(*others, ANNA, picture=50)
    cv2.imwrite(str(tmp_path / "enrollment" / "Anna" / "group.png"), picture)
    report = check(tmp_path / "enrollment", tmp_path / "models")
    (photo,) = (photo for photo in report.photos if "group" in photo.file)
    expected = Remark(code=RemarkCode.FITTING_TAKEN, count=len(others) + 1, place=Place.RIGHT)
    assert (photo.rejection, photo.remark) == (None, expected)


def test_of_faces_as_large_as_each_other_that_are_all_of_others_none_is_taken(tmp_path: Path) -> None:
    write_photos(tmp_path / "enrollment" / "Anna", ANNA, 10)
    cv2.imwrite(str(tmp_path / "enrollment" / "Anna" / "group.png"), picture_of(TOM, FRIEND, picture=50))
    report = check(tmp_path / "enrollment", tmp_path / "models")
    assert codes_of_groups(report) == [RejectionCode.SEVERAL_FACES]


def test_two_faces_that_both_show_the_person_are_not_chosen_from(tmp_path: Path) -> None:
    write_photos(tmp_path / "enrollment" / "Anna", ANNA, 10)
    twice = np.concatenate([picture_of(ANNA, picture=50)] * 2, axis=1)
    cv2.imwrite(str(tmp_path / "enrollment" / "Anna" / "group.png"), twice)
    report = check(tmp_path / "enrollment", tmp_path / "models")
    assert codes_of_groups(report) == [RejectionCode.SEVERAL_FACES]


def test_group_photos_of_others_alone_are_rejected_however_many_they_are(tmp_path: Path) -> None:
    write_photos(tmp_path / "enrollment" / "Anna", ANNA, 6)
    write_groups(tmp_path / "enrollment" / "Anna", FRIEND, TOM, 6)
    report = check(tmp_path / "enrollment", tmp_path / "models")
    assert codes_of_groups(report) == [RejectionCode.UNLIKE_THE_OTHERS] * 6


def test_of_somebody_with_group_photos_alone_the_largest_face_is_taken(tmp_path: Path) -> None:
    write_groups(tmp_path / "enrollment" / "Anna", ANNA, TOM, 6)
    report = check(tmp_path / "enrollment", tmp_path / "models")
    assert codes_of_groups(report) == [RemarkCode.LARGEST_TAKEN] * 6


def test_strangers_group_photos_are_used_as_before(tmp_path: Path) -> None:
    write_photos(tmp_path / "enrollment" / "Anna", ANNA, 6)
    write_groups(tmp_path / "enrollment" / "_strangers", FRIEND, TOM, 2)
    report = check(tmp_path / "enrollment", tmp_path / "models")
    assert codes_of_groups(report) == [RemarkCode.LARGEST_TAKEN] * 2


def test_the_faces_of_a_group_photo_are_cached_and_no_more_than_four(tmp_path: Path) -> None:
    networks, path = pattern_networks(), tmp_path / "photos.npz"
    pictures = [picture_of(*people, picture=50) for people in ((1, 2, 3, 4, 5, 6), (1,), (7, 8))]
    encoded = [bytes(cv2.imencode(".png", picture)[1]) for picture in pictures]
    cache = PhotoCache.open(path, networks)
    for data in encoded:
        cache.put(content_key(data), analyse(data, networks))
    cache.save()
    again = PhotoCache.open(path, networks)
    kept = [analysis for data in encoded for analysis in again.get(content_key(data)) or ()]
    assert [(each.shown, len(each.faces)) for each in kept] == [
        (6, 4),
        (1, 0),
        (2, 2),
    ]
    before = analyse(encoded[2], networks)
    for face, known in zip(before.faces, kept[2].faces, strict=True):
        assert np.array_equal(face.vectors, known.vectors)
        assert (face.sharpness, face.place) == (known.sharpness, known.place)
    assert [face.place for face in before.faces] in ([Place.LEFT, Place.RIGHT], [Place.RIGHT, Place.LEFT])


def photos_like(share: float, count: int, seed: int) -> np.ndarray:
    """Photos with so much of Anna's looks in them: (N, D) unit rows."""
    noise = np.random.default_rng(seed).normal(0, 0.5, (count, DIMENSIONS))
    vectors = share * pattern(ANNA).ravel() + noise
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize(("share", "found"), [(0.1, 1), (0.8, 0)])
def test_a_photo_far_below_the_persons_own_level_is_found_and_a_poor_one_is_not(
    share: float, found: int
) -> None:
    cohort = pattern_cohort()
    vectors = np.concatenate([photos_like(1.0, 12, 1), photos_like(share, 1, 2)])
    mislabelled = mislabelled_photos(
        vectors,
        np.zeros(13, np.int64),
        1,
        Normaliser(cohort.centres, cohort.top),
        # By this table hardly anybody's photo is unlike hers.
        (np.array([1.0, 0.05, 0.01], np.float32), np.array([-20.0, -8.0, 1.0], np.float32)),
    )
    assert [each.photo for each in mislabelled] == [12] * found


def group_of_drawn(number: int, large: str, small: str) -> Image:
    """Two photos side by side: one person's large, the other's small beside it."""
    picture = np.full((240, 400, 3), 70, np.uint8)
    picture[:, :240] = render_photo(FAMILY[large], seed=700 + number, side_px=240)
    behind = render_photo(FAMILY[small], seed=800 + number, side_px=240)
    picture[80:200, 260:380] = cv2.resize(behind, (120, 120), interpolation=cv2.INTER_AREA)
    return picture


def test_of_drawn_people_the_face_that_fits_is_taken(tmp_path: Path) -> None:
    write_enrollment(
        tmp_path / "enrollment", names=("Anna", "José"), photos=6, stranger_photos=0, side_px=240
    )
    for number in range(3):
        picture = group_of_drawn(number, "Tom", "Anna")
        cv2.imwrite(str(tmp_path / "enrollment" / "Anna" / f"group{number}.jpg"), picture)
    cv2.imwrite(
        str(tmp_path / "enrollment" / "Anna" / "group_without_her.jpg"), group_of_drawn(9, "Tom", "José")
    )
    report = check_enrollment(tmp_path / "enrollment", tmp_path / "models", load_networks=shipped_networks)
    assert codes_of_groups(report)[:3] == [RemarkCode.FITTING_TAKEN] * 3
    assert codes_of_groups(report)[3] in (
        RejectionCode.UNLIKE_THE_OTHERS,
        RejectionCode.LOOKS_LIKE_ANOTHER,
    )
