"""A face is cut out upright and at the right scale, whatever the picture."""

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.records import FACE_SIDE_PX, Detection
from facerec_mqtt.faces.alignment import TEMPLATE, align, sharpness, similarity


def turned(angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return np.asarray(TEMPLATE @ np.array([[cosine, sine], [-sine, cosine]]) + shift, np.float32)


@pytest.mark.parametrize(("angle", "scale"), [(0, 1), (0.6, 2.5), (-1.2, 0.3), (3, 7)])
def test_a_similarity_is_recovered_exactly(angle: float, scale: float) -> None:
    landmarks = turned(angle, scale, (40, -7))
    transform = similarity(landmarks, TEMPLATE)
    assert np.allclose(landmarks @ transform[:, :2].T + transform[:, 2], TEMPLATE, atol=1e-3)


def test_a_mirrored_face_is_not_unmirrored() -> None:
    mirrored = TEMPLATE * [-1, 1]
    transform = similarity(mirrored.astype(np.float32), TEMPLATE)
    assert np.linalg.det(transform[:, :2]) > 0


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.9, 2.1, 4.0, 9.0])
def test_the_landmarks_come_to_lie_on_the_template_at_every_size(scale: float) -> None:
    landmarks = turned(0.2, scale, (50 * scale, 30 * scale))
    side = int(200 * scale)
    picture = np.zeros((side, side, 3), np.uint8)
    for x, y in landmarks:
        cv2.circle(
            picture,
            (round(float(x) * 16), round(float(y) * 16)),
            round(3 * scale * 16),
            (255,) * 3,
            -1,
            cv2.LINE_AA,
            4,
        )
    face = align(picture, Detection((0, 0, 90 * scale, 90 * scale), landmarks, 0.9))
    assert face.image.shape == (FACE_SIDE_PX, FACE_SIDE_PX, 3)
    assert face.width_px == pytest.approx(90 * scale)
    count, _, _, centres = cv2.connectedComponentsWithStats((face.image[..., 0] > 127).astype(np.uint8))
    assert count == 6
    found = centres[1:]
    for x, y in TEMPLATE:
        assert np.hypot(*(found - [x, y]).T).min() < 0.6


def test_a_face_beyond_the_edge_is_cut_out_all_the_same_and_black_outside() -> None:
    picture = np.full((600, 600, 3), 90, np.uint8)
    face = align(picture, Detection((-300, -300, 500, 500), turned(0, 8, (-350, -300)), 0.9))
    assert set(np.unique(face.image[60:, 60:])) == {90}
    assert set(np.unique(face.image[:20])) == {0}
    assert face.sharpness == 0, "the edge of the picture is no detail of the face"


def drawn_face(blur_px: float = 0.0) -> np.ndarray:
    """Edges on a bright ground, as a face in good light has them: float, 0 to 255."""
    picture = np.full((112, 112, 3), 190.0, np.float32)
    for x, y in TEMPLATE:
        cv2.circle(picture, (round(float(x)), round(float(y))), 6, (20.0,) * 3, -1)
    return cv2.GaussianBlur(picture, (0, 0), blur_px or 0.8)


@pytest.mark.parametrize("light", [0.7, 0.5, 0.35])
def test_dusk_is_not_blur_and_blur_is_blur_at_dusk(light: float) -> None:
    noise = np.random.default_rng(1).normal(0.0, 0.5, (112, 112, 1))

    def seen(blur_px: float, light: float) -> float:
        return sharpness((drawn_face(blur_px) * light + noise).clip(0, 255).astype(np.uint8))

    assert seen(0.0, light) > 0.6 * seen(0.0, 1.0)
    assert seen(0.0, light) > 3 * seen(3.0, light)


def test_in_good_light_sharpness_is_the_variance_of_the_laplacian() -> None:
    face = drawn_face().astype(np.uint8)
    grey = cv2.cvtColor(face, cv2.COLOR_BGR2GRAY)
    assert sharpness(face) == pytest.approx(cv2.Laplacian(grey, cv2.CV_64F).var(), rel=1e-4)


@pytest.mark.parametrize("level", [0, 40, 255])
def test_a_face_without_any_edge_is_not_sharp(level: int) -> None:
    assert sharpness(np.full((112, 112, 3), level, np.uint8)) == 0.0


def test_a_blurred_face_is_less_sharp() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (112, 112, 3), np.uint8)
    detection = Detection((0, 0, 112, 112), TEMPLATE, 0.9)
    sharp = align(noise, detection).sharpness
    blurred = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8)
    assert align(blurred, detection).sharpness < sharp / 10
