"""Rendered people: the same numbers give the same picture, and the real networks take them for faces."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.records import Detection, Image
from facerec_mqtt.faces.alignment import align
from facerec_mqtt.faces.detection import FaceDetector
from facerec_mqtt.faces.embedding import Embedder
from facerec_mqtt.rendering import (
    ENROLLED_STRANGERS,
    FAMILY,
    STRANGERS,
    UNSEEN_STRANGERS,
    Pose,
    landmarks,
    render_frame,
    render_photo,
    walk,
    write_enrollment,
)

ANNA, TOM = FAMILY["Anna"], FAMILY["Tom"]
STANDING = Pose(x_px=320, y_px=140, face_px=110, yaw_deg=8)


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector.load()


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load()


def surest_face(detector: FaceDetector, picture: Image) -> Detection:
    return max(detector.detect(picture), key=lambda detection: detection.score)


def test_the_same_seed_gives_the_same_photo_and_another_seed_another_one() -> None:
    photo = render_photo(ANNA, seed=1, side_px=160)
    assert photo.shape == (160, 160, 3)
    assert photo.dtype == np.uint8
    assert np.array_equal(photo, render_photo(ANNA, seed=1, side_px=160))
    assert not np.array_equal(photo, render_photo(ANNA, seed=2, side_px=160))


def test_a_frame_has_the_size_that_was_asked_for() -> None:
    assert render_frame((), size=(640, 360), seed=1).shape == (360, 640, 3)
    assert render_frame(((ANNA, STANDING),), size=(480, 270), seed=1).shape == (270, 480, 3)


def test_two_frames_of_one_camera_differ_in_noise_only() -> None:
    first, second = (render_frame((), seed=seed, room=3).astype(int) for seed in (1, 2))
    assert 0 < np.abs(first - second).mean() < 5
    other_room = render_frame((), seed=1, room=4).astype(int)
    assert np.abs(first - other_room).mean() > 5


def test_a_person_partly_or_wholly_outside_of_the_frame_is_no_error() -> None:
    nobody = render_frame((), seed=1)
    for x, y in ((-900.0, 140.0), (1700.0, 140.0), (320.0, 900.0)):
        assert np.array_equal(render_frame(((ANNA, Pose(x, y, 110)),), seed=1), nobody)
    assert not np.array_equal(render_frame(((ANNA, Pose(-10, 140, 110)),), seed=1), nobody)


def test_nobody_is_both_family_and_stranger() -> None:
    seeds = [identity.seed for identity in (*FAMILY.values(), *STRANGERS)]
    assert len(seeds) == len(set(seeds)) >= 12
    assert not {s.seed for s in ENROLLED_STRANGERS} & {s.seed for s in UNSEEN_STRANGERS}


@pytest.mark.parametrize("name", FAMILY)
def test_the_detector_finds_a_rendered_face_and_its_landmarks(name: str, detector: FaceDetector) -> None:
    frame = render_frame(((FAMILY[name], STANDING),), seed=5)
    detection = surest_face(detector, frame)
    drawn = landmarks(FAMILY[name], STANDING, size=(640, 360))
    eye_distance = float(np.linalg.norm(drawn[0] - drawn[1]))
    apart = np.linalg.norm(detection.landmarks - drawn, axis=1)
    assert apart.mean() < 0.35 * eye_distance


def test_the_detector_finds_nobody_in_an_empty_hall(detector: FaceDetector) -> None:
    for seed in range(4):
        assert detector.detect(render_frame((), seed=seed)) == ()


def test_two_people_in_one_frame_are_both_found(detector: FaceDetector) -> None:
    left, right = Pose(190, 140, 100), Pose(450, 150, 110)
    frame = render_frame(((ANNA, left), (TOM, right)), seed=7)
    boxes = [detection.box for detection in detector.detect(frame)]
    assert any(box[0] < left.x_px < box[2] < right.x_px for box in boxes)
    assert any(left.x_px < box[0] < right.x_px < box[2] for box in boxes)


def test_the_backbone_finds_a_person_more_alike_to_themselves_than_to_others(
    detector: FaceDetector, embedder: Embedder
) -> None:
    people = (*FAMILY.values(), *UNSEEN_STRANGERS[:2])
    photos = [render_photo(person, seed=seed, side_px=200) for person in people for seed in (1, 2)]
    vectors = embedder.embed([align(photo, surest_face(detector, photo)) for photo in photos])
    alike = vectors @ vectors.T
    owner = np.repeat(np.arange(len(people)), 2)
    genuine = alike[np.triu(owner[:, None] == owner, 1)]
    impostor = alike[owner[:, None] != owner]
    assert genuine.min() > impostor.max()


def test_enrollment_folders_hold_the_family_and_apart_from_it_strangers(tmp_path: Path) -> None:
    write_enrollment(tmp_path, names=("Anna", "José"), photos=2, stranger_photos=1, side_px=120)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["Anna", "José", "_strangers"]
    assert [photo.name for photo in sorted((tmp_path / "José").iterdir())] == ["001.jpg", "002.jpg"]
    assert len(list((tmp_path / "_strangers").iterdir())) == len(ENROLLED_STRANGERS)
    stored = cv2.imread(str(tmp_path / "_strangers" / "01_001.jpg"))
    assert stored is not None
    assert stored.shape == (120, 120, 3)


def test_a_walk_begins_with_an_empty_hall_and_shows_each_visitor(detector: FaceDetector) -> None:
    frames = list(walk((ANNA, TOM), frames_per_second=2, visit_s=4, pause_s=1))
    assert len(frames) == 2 * (2 + 8)
    seen = [len(detector.detect(frame)) for frame in frames]
    assert seen[:2] == [0, 0]
    assert seen[10:12] == [0, 0]
    assert sum(count > 0 for count in seen[2:10]) >= 5
    assert sum(count > 0 for count in seen[12:]) >= 5
