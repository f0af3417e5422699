"""What the training pictures are made of, as far as it can be tried without PyTorch and without pictures."""

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from facerec_mqtt.faces.alignment import TEMPLATE
from facerec_mqtt.recognition.calibration import Normaliser
from pretraining.backbone.augment import (
    augment,
    common_error,
    cut,
    follow,
    mirrored,
    misplace,
    place,
    surround,
)
from pretraining.backbone.cohort import impostor_scores
from pretraining.backbone.corpus import CHIP_SIDE_PX, MARGIN_PX, Corpus
from pretraining.backbone.morph import bend, morph
from pretraining.detector import network, refiner
from pretraining.detector.cutouts import FACE_PX, SIDE_PX, Cutouts, cut_out
from pretraining.detector.reread import reread
from pretraining.detector.robust import roll
from pretraining.detector.scenes import Composer, Scene, Source


def chip_with_a_dot(column: int, row: int) -> NDArray[np.uint8]:
    chip = np.zeros((CHIP_SIDE_PX, CHIP_SIDE_PX, 3), np.uint8)
    chip[row - 1 : row + 2, column - 1 : column + 2] = 255
    return chip


def centre_of_light(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    weight = image.mean(axis=2)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.asarray([(weight * columns).sum(), (weight * rows).sum()] / weight.sum(), np.float64)


@pytest.mark.parametrize("seed", range(12))
def test_places_are_followed_into_the_guise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    column, row = (int(each) for each in rng.integers(40, 88, 2))
    turn = place(rng)
    # What is asked about a mirrored guise is where a place of the mirrored picture went.
    asked = np.array([CHIP_SIDE_PX - 1 - column if mirrored(turn) else column, row], float)
    seen = centre_of_light(cut(chip_with_a_dot(column, row), turn))
    assert follow(asked, turn) == pytest.approx(seen, abs=0.3)


def test_half_of_the_guises_are_mirrored() -> None:
    rng = np.random.default_rng(0)
    assert 160 < sum(mirrored(place(rng)) for _ in range(400)) < 240


def test_what_lies_where_a_detector_errs_to_comes_to_the_templates_place() -> None:
    turn = np.array([[1.0, 0, -MARGIN_PX], [0, 1, -MARGIN_PX]])
    wrong = np.tile([3.0, -2.0], (5, 1))
    for point in TEMPLATE + wrong[0]:
        chip = point + MARGIN_PX
        assert follow(chip, misplace(turn, wrong)) == pytest.approx(point - wrong[0], abs=1e-3)
    assert misplace(turn, np.zeros((5, 2))) == pytest.approx(turn, abs=1e-4)


def test_eyes_are_found_too_low_more_often_than_not() -> None:
    rng = np.random.default_rng(3)
    lower = np.array([common_error(rng)[:2, 1].mean() for _ in range(300)])
    assert 0.5 < lower.mean() < 2
    assert lower.max() < 6


def test_of_known_people_whole_households_are_kept_for_judging(tmp_path: Path) -> None:
    names = [
        f"families/F{family:04}/MID{member}/P{family}{member}.webp"
        for family in range(60)
        for member in (1, 2)
    ]
    names += [f"celebrities/{number}/a.webp" for number in range(40)] + [
        "utk/3_0_0_19.jpg",
        "utk/3_0_0_1.jpg",
    ]
    index = {"name": names, "person": [*range(160), -1, -1], "fold": [0] * len(names)}
    (tmp_path / "index.json").write_text(json.dumps(index), encoding="utf-8")
    np.save(tmp_path / "chips.npy", np.zeros((len(names), 2, 2, 3), np.uint8))
    corpus = Corpus.open(tmp_path)
    assert corpus.family[:4].tolist() == [
        corpus.family[0],
        corpus.family[0],
        corpus.family[2],
        corpus.family[2],
    ]
    assert corpus.family[0] != corpus.family[2] >= 0
    assert (corpus.family[120:] == -1).all()
    judged = corpus.validation[:120].reshape(60, 2)
    assert (judged[:, 0] == judged[:, 1]).all()
    assert 0 < judged.mean() < 0.3
    assert 0 < corpus.validation[120:160].mean() < 0.3
    assert corpus.validation[160:].tolist() == [True, False]


def test_a_guise_is_drawn_again_from_the_same_seed(random_chips: NDArray[np.uint8]) -> None:
    first, again, other = (augment(random_chips[0], np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.shape == (112, 112, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("seed", range(12))
def test_what_lies_around_a_face_changes_and_the_face_does_not(seed: int) -> None:
    rng = np.random.default_rng(seed)
    face = rng.integers(0, 256, (112, 112, 3)).astype(np.uint8)
    changed = surround(face, rng)
    assert np.array_equal(changed[26:104, 20:92], face[26:104, 20:92])
    assert changed.shape == face.shape
    assert not np.array_equal(changed, face)


def test_a_morph_has_something_of_both_and_is_neither(random_chips: NDArray[np.uint8]) -> None:
    first, second = random_chips
    for seed in range(8):
        blend = morph(first, second, np.random.default_rng(seed)).astype(float)
        assert blend.shape == first.shape
        likeness = [np.corrcoef(blend.ravel(), each.ravel().astype(float))[0, 1] for each in (first, second)]
        assert all(0.05 < each < 0.99 for each in likeness), likeness


def test_bending_moves_places_by_a_few_pixels_only() -> None:
    moves = [
        np.linalg.norm(centre_of_light(bend(chip_with_a_dot(64, 64), np.random.default_rng(seed))) - 64)
        for seed in range(30)
    ]
    assert 0.5 < np.mean(moves) < 6
    assert max(moves) < 12


@pytest.mark.parametrize(
    ("build", "name", "shape"),
    [
        (network.build, "detector.tflite", (1, 128, 192, 3)),
        (refiner.build, "refiner.tflite", (4, 48, 48, 3)),
    ],
)
def test_an_exported_network_comes_back_to_be_trained_further(
    build: Callable[[], Any], name: str, shape: tuple[int, ...]
) -> None:
    with resources.as_file(resources.files("facerec_mqtt.faces") / "weights" / name) as path:
        model = build()
        reread(path, model)
        interpreter = Interpreter(str(path))
    pictures = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, pictures)
    interpreter.invoke()
    exported = [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]
    answers = model(pictures, training=False)
    given = [np.asarray(each) for each in (answers if isinstance(answers, list) else [answers])]
    assert len(given) == len(exported)
    for ours, theirs in zip(sorted(given, key=np.size), sorted(exported, key=np.size), strict=True):
        assert np.ptp(theirs) > 1
        assert ours == pytest.approx(theirs, abs=0.003)


def test_another_network_does_not_come_back() -> None:
    detector = resources.as_file(resources.files("facerec_mqtt.faces") / "weights" / "detector.tflite")
    with detector as path, pytest.raises(KeyError, match="norm0"):
        reread(path, refiner.build())


def face_at(x: float, y: float, score: float = 0.9) -> NDArray[np.float32]:
    """A face of 40 px with its landmarks all in its middle."""
    return np.array([x, y, 40, 40, *[x + 20, y + 20] * 5, score], np.float32)


def test_faces_at_the_edge_are_distinguished_from_others() -> None:
    faces = [face_at(50, 50), face_at(-2, 50), face_at(50, 88), face_at(81, 50, 0.5), face_at(30, 4)]
    source = Source(np.zeros((2, 125, 125, 3), np.uint8), (np.stack(faces), np.zeros((0, 15), np.float32)))
    assert source.at_edge == [(0, 1), (0, 2)]


@pytest.mark.parametrize("seed", range(10))
def test_a_face_at_the_edge_of_its_picture_is_put_at_the_edge_of_the_scene(seed: int) -> None:
    picture = np.full((1, 250, 250, 3), 200, np.uint8)
    picture[0, :40, 105:145] = 60
    source = Source(picture, (face_at(105, 0)[None],))
    composer = Composer({"lfw": source}, 0)
    scene = Scene(np.random.default_rng(seed), np.zeros((256, 256, 3), np.uint8))
    composer._edge(scene, 256)
    ((_, _, face),) = scene.faces
    assert abs(face[1]) < 5
    assert 0 < face[0] < 256 - face[2]
    middle = scene.image[int(face[3] / 2), int(face[0] + face[2] / 2)].mean()
    corner = scene.image[int(face[3] * 1.5), int(face[0] + face[2] / 2)].mean()
    assert middle < corner, "the label is where the face is"


def upright_points(x: float, y: float, apart: float) -> NDArray[np.float32]:
    """Landmarks of a face about a place, eyes so far apart."""
    places = np.array([[-0.5, -0.4], [0.5, -0.4], [0, 0.1], [-0.4, 0.6], [0.4, 0.6]])
    return (np.array([x, y]) + apart * places).astype(np.float32)


@pytest.mark.parametrize("degrees", [-40.0, -5.0, 0.0, 30.0])
def test_how_far_a_face_is_turned_is_told_by_its_eyes_and_mouth(degrees: float) -> None:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert roll(upright_points(0, 0, 40) @ turn.T) == pytest.approx(degrees, abs=1e-4)


@pytest.mark.parametrize("size", [30.0, 64.0, 310.0])
def test_a_face_is_cut_out_with_its_landmarks_where_they_are(size: float) -> None:
    image = np.zeros((1000, 1200, 3), np.uint8)
    points = upright_points(620.0, 500.0, 0.4 * size)
    x, y = (round(float(side)) for side in points[1])
    image[y - 8 : y + 9, x - 8 : x + 9] = 255
    box = np.array([620 - size / 2, 500 - size / 2, size, size], np.float32)
    cut, placed, where, inside = cut_out(image, points, box)
    light = cut[:, :, 0].astype(float)
    middle = [(light.sum(axis) * np.arange(SIDE_PX)).sum() / light.sum() for axis in (0, 1)]
    assert middle == pytest.approx(placed[1], abs=0.8)
    assert where[2:] == pytest.approx([FACE_PX, FACE_PX])
    assert (inside == (0, 0, SIDE_PX - 1, SIDE_PX - 1)).all()


def test_what_is_beyond_the_pictures_edge_is_not_inside() -> None:
    box = np.array([-20, 100, 64, 64], np.float32)
    *_, inside = cut_out(np.zeros((400, 400, 3), np.uint8), upright_points(12, 132, 26), box)
    middle = (SIDE_PX - 1) / 2
    assert inside[0] == pytest.approx(middle - 12 - 0.5)
    assert inside[2] == SIDE_PX - 1


def test_a_packed_faces_answer_is_where_the_face_is(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = np.zeros((1, SIDE_PX, SIDE_PX, 3), np.uint8)
    points = upright_points(88, 88, 30)
    x, y = (round(float(side)) for side in points[1])
    shown[0, y - 2 : y + 3, x - 2 : x + 3] = 255
    box = np.array([[87.5, 87.5, 60, 68]], np.float32)
    inside = np.array([[0, 0, SIDE_PX - 1, SIDE_PX - 1]], np.float32)
    packed = dict.fromkeys(refiner.PACKED_KINDS, Cutouts(shown, points[None], box, inside))
    cutter = refiner.Cutter({}, packed, np.zeros((0, 6), np.float32), 1)
    for name in ("tint", "spoil"):
        monkeypatch.setattr(refiner, name, lambda _rng, image: image)
    monkeypatch.setattr(refiner, "hide", lambda *_: None)
    monkeypatch.setattr(refiner, "SURROUNDINGS_SHARES", (1.0, 0, 0, 0, 0, 0))
    away = []
    for seed in range(40):
        image, answer = cutter.packed_face(np.random.default_rng(seed))
        light = image[:, :, 0].astype(float)
        middle = [(light.sum(axis) * np.arange(refiner.SIDE_PX)).sum() / light.sum() for axis in (0, 1)]
        # From centres of the cut-out's pixels to where training counts from.
        eyes = (answer[5:9].reshape(2, 2) + 1) / 2 * refiner.SIDE_PX - 0.25
        away.append(min((eyes - middle).tolist(), key=lambda each: float(np.hypot(*each))))
    assert np.abs(away).max() < 1
    assert np.abs(np.mean(away, axis=0)).max() < 0.15


def test_a_cut_out_in_the_mirror_has_its_answer_in_the_mirror() -> None:
    rng = np.random.default_rng(0)
    image, answer = np.zeros((48, 48, 3), np.uint8), np.concatenate([[1], rng.uniform(-0.5, 0.5, 14)])
    _, once = refiner.flipped(image, answer)
    assert once[5] == pytest.approx(-1 / 48 - answer[7])
    assert once[6] == pytest.approx(answer[8])
    assert refiner.flipped(image, once)[1] == pytest.approx(answer)


def test_relatives_are_no_impostors() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6, 256)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    person = np.array(["a", "a", "b", "b", "c", "c"])
    home = np.array(["x", "x", "x", "x", "y", "y"])
    scores = impostor_scores(vectors, person, home, Normaliser(vectors, 3))
    assert len(scores) == 4 + 4  # c's pictures against a and b, and theirs against c


@pytest.fixture
def random_chips() -> NDArray[np.uint8]:
    """Two chips of soft random blotches, (2, 128, 128, 3)."""
    coarse = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 3))
    return np.kron(coarse, np.ones((1, 16, 16, 1))).astype(np.uint8)
