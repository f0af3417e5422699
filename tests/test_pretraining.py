"""What the training pictures are made of, as far as it can be tried without PyTorch and without pictures."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pretraining.backbone.augment import augment, cut, follow, mirrored, place
from pretraining.backbone.corpus import CHIP_SIDE_PX
from pretraining.backbone.morph import bend, morph


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


def test_a_guise_is_drawn_anew_from_the_same_seed(random_chips: NDArray[np.uint8]) -> None:
    first, again, other = (augment(random_chips[0], np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.shape == (112, 112, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


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


@pytest.fixture
def random_chips() -> NDArray[np.uint8]:
    """Two chips of soft random blotches, (2, 128, 128, 3)."""
    coarse = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 3))
    return np.kron(coarse, np.ones((1, 16, 16, 1))).astype(np.uint8)
