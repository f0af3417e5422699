"""The backbone and its cohort, as they are shipped."""

import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.records import AlignedFace, Vectors
from facerec_mqtt.faces.alignment import align
from facerec_mqtt.faces.detection import FaceDetector
from facerec_mqtt.faces.embedding import BACKBONE_FILE, Embedder, load_cohort, shipped
from facerec_mqtt.rendering import FAMILY, render_photo
from tests.support.paths import SHARED

SHIPPED_LIMIT_BYTES = 12_000_000
DATA = SHARED / "data"


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load()


def aligned(seed: int) -> AlignedFace:
    """A smooth random picture in place of a face."""
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3)).astype(np.uint8)
    image = np.asarray(cv2.resize(coarse, (112, 112), interpolation=cv2.INTER_CUBIC), np.uint8)
    image.flags.writeable = False
    return AlignedFace(image=image, width_px=112.0, sharpness=100.0)


def photo(path: Path) -> AlignedFace:
    image = cv2.imread(str(path))
    assert image is not None
    return AlignedFace(image=np.asarray(image, np.uint8), width_px=112.0, sharpness=100.0)


def cosine(left: Vectors, right: Vectors) -> float:
    return float(left @ right)


def test_embeddings_are_float32_rows_of_unit_length(embedder: Embedder) -> None:
    vectors = embedder.embed([aligned(0), aligned(1), aligned(2)])
    assert vectors.shape == (3, embedder.dimensions) == (3, 256)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_faces_give_no_rows(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, 256)


def test_a_face_has_the_same_embedding_alone_and_among_others(embedder: Embedder) -> None:
    together = embedder.embed([aligned(0), aligned(1)])
    np.testing.assert_array_equal(together[1], embedder.embed([aligned(1)])[0])


def test_different_pictures_have_different_embeddings(embedder: Embedder) -> None:
    detector = FaceDetector.load()
    photos = [render_photo(FAMILY[name], seed=1, side_px=200) for name in ("Anna", "Tom")]
    left, right = embedder.embed([align(photo, detector.detect(photo)[0]) for photo in photos])
    assert cosine(left, right) < 0.9


def test_the_mirror_image_has_the_same_embedding(embedder: Embedder) -> None:
    face = aligned(3)
    mirrored = AlignedFace(np.ascontiguousarray(face.image[:, ::-1]), face.width_px, face.sharpness)
    left, right = embedder.embed([face, mirrored])
    assert cosine(left, right) > 0.9999


def test_the_digest_is_that_of_the_file(embedder: Embedder) -> None:
    assert embedder.digest == hashlib.sha256(shipped(BACKBONE_FILE).read_bytes()).hexdigest()


def test_a_missing_backbone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.tflite cannot be read"):
        Embedder.load(tmp_path / "nowhere.tflite")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5])
def test_a_truncated_backbone_is_refused(tmp_path: Path, share: float) -> None:
    content = shipped(BACKBONE_FILE).read_bytes()
    damaged = tmp_path / BACKBONE_FILE
    damaged.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match="damaged"):
        Embedder.load(damaged)


def test_the_cohort_is_unit_rows_and_falling_rates_with_rising_thresholds() -> None:
    cohort = load_cohort()
    assert cohort.centres.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(cohort.centres, axis=1), 1, atol=1e-5)
    assert 1 < cohort.top < len(cohort.centres)
    assert cohort.impostor_far.shape == cohort.impostor_threshold.shape
    assert (np.diff(cohort.impostor_far) < 0).all()
    assert (np.diff(cohort.impostor_threshold) > 0).all()


def test_a_missing_cohort_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.npz is missing or damaged"):
        load_cohort(tmp_path / "nowhere.npz")


def test_a_file_that_is_no_cohort_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "cohort.npz"
    foreign.write_text("not a cohort", encoding="utf-8")
    with pytest.raises(ModelError, match="missing or damaged"):
        load_cohort(foreign)


def test_a_cohort_of_another_dimension_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "cohort.npz"
    np.savez(
        foreign, centres=np.eye(8, dtype=np.float32), top=2, impostor_far=[0.1], impostor_threshold=[1.0]
    )
    with pytest.raises(ModelError, match=r"holds \(8, 8\) centres"):
        load_cohort(foreign)


def test_what_is_shipped_stays_small() -> None:
    weights = list(shipped(BACKBONE_FILE).parent.iterdir())
    assert {path.suffix for path in weights} == {".npz", ".tflite"}
    assert sum(path.stat().st_size for path in weights) <= SHIPPED_LIMIT_BYTES


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # raised by TensorFlow's own imports
def test_keras_and_litert_give_the_same_embedding(
    embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "TF_CPP_MIN_LOG_LEVEL", "3")
    from pretraining.backbone.keras_network import build_backbone

    backbone = build_backbone()
    faces = [aligned(seed) for seed in range(4)]
    scaled = np.stack([face.image[:, :, ::-1] for face in faces]).astype(np.float32) / 127.5 - 1
    total = np.asarray(backbone(scaled)) + np.asarray(backbone(scaled[:, :, ::-1]))
    expected = total / np.linalg.norm(total, axis=1, keepdims=True)
    assert (embedder.embed(faces) * expected).sum(axis=1).min() > 0.999


def test_two_pictures_of_one_person_are_nearer_than_two_people(embedder: Embedder) -> None:
    people = DATA / "glint12"
    if not people.is_dir():
        pytest.skip(f"no pictures of people: {people} is not there")
    vectors = [
        embedder.embed([photo(path) for path in sorted(person.iterdir())[:4]])
        for person in sorted(people.iterdir())
    ]
    centres = np.stack([some.mean(axis=0) for some in vectors])
    for row, some in enumerate(vectors):
        assert int(np.argmax(centres @ some.mean(axis=0))) == row
        others = np.delete(centres, row, axis=0)
        assert float((some @ some.T).mean()) > float((some @ others.T).mean()) + 0.2
