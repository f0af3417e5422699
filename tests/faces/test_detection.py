from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.records import Detection, Image
from facerec_mqtt.faces.detection import FaceDetector, decode
from facerec_mqtt.rendering import FAMILY, Pose, landmarks, render_frame
from tests.support.paths import ROOT, SHARED

DATA = SHARED / "data"
SHIPPED = ROOT / "facerec_mqtt/faces/weights/detector.tflite"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="../shared/data with real pictures is not here")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered person in a picture, and where the face was drawn."""

    image: Image
    landmarks: np.ndarray

    @property
    def eye_distance(self) -> float:
        return float(np.linalg.norm(self.landmarks[0] - self.landmarks[1]))


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector.load()


@pytest.fixture(scope="module")
def anna() -> Rendered:
    pose = Pose(300, 160, 120, yaw_deg=8)
    identity = FAMILY["Anna"]
    return Rendered(render_frame(((identity, pose),), seed=1), landmarks(identity, pose))


def shown(folder: Path, count: int) -> list[Image]:
    """Some pictures of a folder, spread over it."""
    paths = sorted(folder.rglob("*.jpg"))
    chosen = [cv2.imread(str(path)) for path in paths[:: max(1, len(paths) // count)]]
    return [np.asarray(image, np.uint8) for image in chosen if image is not None]


def largest(detections: tuple[Detection, ...]) -> Detection:
    return max(detections, key=lambda detection: detection.box[2] - detection.box[0])


def test_a_rendered_person_is_found_once_with_landmarks_where_they_were_drawn(
    detector: FaceDetector, anna: Rendered
) -> None:
    (found,) = detector.detect(anna.image)
    away = np.linalg.norm(found.landmarks - anna.landmarks, axis=1) / anna.eye_distance
    assert away[:2].max() < 0.2  # the eyes; nose and mouth have no exact point to agree on
    assert away.max() < 0.5
    x_min, y_min, x_max, y_max = found.box
    assert ((found.landmarks > (x_min, y_min)) & (found.landmarks < (x_max, y_max))).all()
    assert 0.6 <= found.score <= 1


def test_an_empty_room_has_no_faces(detector: FaceDetector) -> None:
    assert [detector.detect(render_frame((), seed=room, room=room)) for room in range(6)] == [()] * 6


def test_two_people_are_two_faces_and_the_surer_one_comes_first(detector: FaceDetector) -> None:
    people = ((FAMILY["Anna"], Pose(180, 160, 110)), (FAMILY["Tom"], Pose(460, 170, 110)))
    first, second = detector.detect(render_frame(people, seed=2))
    assert first.score >= second.score
    assert abs(first.box[0] - second.box[0]) > 200


def test_in_the_mirror_the_right_eye_stays_the_one_on_the_left(
    detector: FaceDetector, anna: Rendered
) -> None:
    for image in (anna.image, np.ascontiguousarray(anna.image[:, ::-1])):
        right_eye, left_eye, nose, right_mouth, left_mouth = largest(detector.detect(image)).landmarks
        assert right_eye[0] < nose[0] < left_eye[0]
        assert right_mouth[0] < left_mouth[0]


@pytest.mark.parametrize("height", [180, 720, 1440])
def test_boxes_and_landmarks_are_in_pixels_of_the_picture_given(
    detector: FaceDetector, anna: Rendered, height: int
) -> None:
    factor = height / 360
    image = np.asarray(cv2.resize(anna.image, None, fx=factor, fy=factor), np.uint8)
    found = largest(detector.detect(image))
    reference = largest(detector.detect(anna.image))
    tolerance = 0.2 * anna.eye_distance * factor
    assert np.abs(found.landmarks - reference.landmarks * factor).max() < tolerance
    assert np.abs(np.array(found.box) - np.array(reference.box) * factor).max() < tolerance


def test_a_grey_picture_works_like_a_coloured_one(detector: FaceDetector, anna: Rendered) -> None:
    grey = cv2.cvtColor(cv2.cvtColor(anna.image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert len(detector.detect(np.asarray(grey, np.uint8))) == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (5000, 7), (64, 64), (63, 65)])
def test_pictures_of_any_size_are_looked_at(detector: FaceDetector, size: tuple[int, int]) -> None:
    assert detector.detect(np.full((*size, 3), 127, np.uint8)) == ()


def test_a_large_still_is_looked_at_twice_and_its_face_reported_once(anna: Rendered) -> None:
    stills = FaceDetector.load(max_side_px=1280)
    image = np.asarray(cv2.resize(anna.image, (2560, 1440)), np.uint8)
    assert len(stills.detect(image)) == 1


def test_frames_of_changing_size_give_the_same_answer_as_before(
    detector: FaceDetector, anna: Rendered
) -> None:
    before = detector.detect(anna.image)
    for side in range(64, 513, 64):
        detector.detect(np.zeros((side, side, 3), np.uint8))
    after = detector.detect(anna.image)
    assert [face.box for face in after] == [face.box for face in before]


def test_a_higher_threshold_reports_fewer_faces(anna: Rendered) -> None:
    assert FaceDetector.load(min_score=0.999999).detect(anna.image) == ()


@pytest.mark.parametrize(
    "image", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((0, 9, 3), np.uint8)]
)
def test_what_is_no_picture_is_refused(detector: FaceDetector, image: Image) -> None:
    with pytest.raises(ValueError, match="a picture must be"):
        detector.detect(image)


def test_a_missing_file_is_reported_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing\.tflite cannot be read"):
        FaceDetector.load(tmp_path / "nothing.tflite")


@pytest.mark.parametrize("content", [b"", b"not a network", bytes(range(256)) * 400])
def test_a_damaged_file_is_reported_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "detector.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"detector\.tflite is not a working LiteRT network"):
        FaceDetector.load(path)


def test_half_of_the_shipped_file_is_refused_and_all_of_it_is_not(tmp_path: Path) -> None:
    content = SHIPPED.read_bytes()
    path = tmp_path / "detector.tflite"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError):
        FaceDetector.load(path)
    path.write_bytes(content)
    FaceDetector.load(path)


def test_a_network_for_something_else_is_refused() -> None:
    with pytest.raises(ModelError, match=r"not a working LiteRT network|no face detector"):
        FaceDetector.load(SHIPPED.with_name("backbone.tflite"))


def test_the_shipped_network_is_small() -> None:
    assert SHIPPED.stat().st_size <= 1_000_000


def test_a_cell_is_decoded_into_pixels_of_the_frame() -> None:
    outputs = [np.full((64 // stride, 64 // stride, 15), -9, np.float32) for stride in (8, 16, 32, 64)]
    outputs[1][1, 2] = [0, 0, np.log(2), 0, 0, *range(10)]  # an even chance; 16, 32, 16, 16 px to the sides
    ((score, *numbers),) = decode(tuple(outputs), 0.5)
    assert score == 0.5
    assert np.allclose(numbers[:4], [40 - 16, 24 - 32, 40 + 16, 24 + 16])
    assert np.allclose(numbers[4:], np.tile([40, 24], 5) + 16 * np.arange(10))
    assert len(decode(tuple(outputs), 0.51)) == 0


@needs_data
def test_real_faces_are_found_in_colour_grey_and_from_afar(detector: FaceDetector) -> None:
    people = sorted((DATA / "lfw/images").glob("Z*"))
    images = [image for person in people[:12] for image in shown(person, 1)]
    assert sum(len(detector.detect(image)) > 0 for image in images) >= len(images) - 1
    grey = [np.repeat(image[:, :, 1:2], 3, axis=2) for image in images]
    assert sum(len(detector.detect(image)) > 0 for image in grey) >= len(images) - 1
    far = [
        np.asarray(cv2.resize(image, (80, 80), interpolation=cv2.INTER_AREA), np.uint8) for image in images
    ]
    assert sum(len(detector.detect(image)) > 0 for image in far) >= len(images) - 2


@needs_data
def test_photos_without_people_have_almost_no_faces(detector: FaceDetector) -> None:
    assert sum(len(detector.detect(image)) for image in shown(DATA / "backgrounds", 40)) <= 2
