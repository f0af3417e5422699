"""How the backbone is trained; needs the `pretraining` extra, which the tests' own command leaves out."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install -e '.[pretraining]'")

from pretraining.backbone.corpus import TARGET_FILE  # noqa: E402
from pretraining.backbone.fuse import draw_together, reduction, turn_towards  # noqa: E402
from pretraining.backbone.hints import FIRST_PX, MODULES, PITCH_PX, read, teacher_cells  # noqa: E402
from pretraining.backbone.identities import MARGIN, SCALE, Batches, Margin, wanted_similarity  # noqa: E402
from pretraining.backbone.muon import Muon, orthogonal, shares  # noqa: E402
from pretraining.backbone.network import Backbone, between, load, save  # noqa: E402
from pretraining.backbone.train import STRANGER_SIMILARITY, distillation_loss  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor

SHAPES = ((96, 16, 1, 1), (160, 576, 1, 1), (320, 96, 1, 1), (64, 200))


def weights_with_gradients(seed: int) -> "list[Tensor]":
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.randn(shape, generator=generator) for shape in SHAPES]
    for each in weights:
        each.requires_grad_()
        each.grad = torch.randn(each.shape, generator=generator)
    return weights


@pytest.mark.parametrize("shape", [(40, 100), (100, 40), (60, 60)])
def test_a_steps_singular_values_are_about_one_and_its_directions_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    inner = left.T @ orthogonal(matrix) @ right.T
    values = inner.diagonal()
    assert values.min() > 0.6
    assert values.max() < 1.3
    assert (inner - values.diag()).abs().max() < 0.01


def test_matrices_are_shared_out_so_that_nobody_waits_long() -> None:
    weights = [torch.empty(side, 6 * side) for side in (16, 24, 32, 64, 64, 64, 96, 160, 160)]
    owners = shares(weights, 2)
    work = [
        sum(len(each) ** 3 for each, owner in zip(weights, owners, strict=True) if owner == who)
        for who in (0, 1)
    ]
    assert max(work) < 1.3 * min(work)
    assert shares(weights, 1) == [0] * len(weights)


def take_steps(rank: int, folder: str) -> None:
    """What each of two processes does, with the same gradients."""
    torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    weights = weights_with_gradients(5)
    Muon(weights, 0.1, 0.02).step()
    np.savez(f"{folder}/{rank}.npz", *[each.detach().numpy() for each in weights])
    torch.distributed.destroy_process_group()


def test_two_processes_take_the_step_that_one_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    weights = weights_with_gradients(5)
    before = [each.detach().clone() for each in weights]
    Muon(weights, 0.1, 0.02).step()
    torch.multiprocessing.spawn(take_steps, (str(tmp_path),), 2)
    for rank in (0, 1):
        with np.load(tmp_path / f"{rank}.npz") as taken:
            for old, alone, shared in zip(before, weights, taken.values(), strict=True):
                assert (alone - old).abs().mean() > 0.01
                assert np.abs(alone.detach().numpy() - shared).max() < 1e-5


def test_a_map_is_read_at_its_cells() -> None:
    cells = torch.rand(1, 5, 7, 7, generator=torch.Generator().manual_seed(1))
    line = FIRST_PX[0] + PITCH_PX[0] * torch.arange(7.0)
    places = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).reshape(1, -1, 2)
    assert torch.allclose(
        read(cells, places, FIRST_PX[0], PITCH_PX[0]), cells.flatten(2).transpose(1, 2), atol=1e-5
    )


def test_the_teachers_cells_lie_in_the_chip_and_left_of_each_other() -> None:
    cells = teacher_cells().reshape(2, 8, 8, 2)
    assert (np.diff(cells[..., 0], axis=2) > 0).all()
    assert (np.diff(cells[..., 1], axis=1) > 0).all()
    assert np.abs(cells.mean(axis=(1, 2)) - 64).max() < 12


def test_the_loss_wants_the_teachers_answer_but_not_that_strangers_are_alike() -> None:
    generator = torch.Generator().manual_seed(2)
    teacher = torch.nn.functional.normalize(torch.randn(6, 256, generator=generator))
    known = torch.zeros(6)
    assert distillation_loss(3 * teacher, teacher, known) == pytest.approx(0, abs=1e-5)
    assert distillation_loss(-teacher, teacher, known) == pytest.approx(2, abs=1e-5)

    lumped = teacher[:1].repeat(6, 1)
    assert distillation_loss(lumped, lumped, known) == pytest.approx(0, abs=1e-5)
    # All pairs but a picture with itself are wanted at STRANGER_SIMILARITY at most.
    expected = 20 * (1 - STRANGER_SIMILARITY) ** 2 * 30 / 36
    assert distillation_loss(lumped, lumped, torch.ones(6)) == pytest.approx(expected, rel=1e-4)


def test_a_network_comes_back_from_its_file_and_shows_its_maps(tmp_path: Path) -> None:
    torch.manual_seed(4)
    network = Backbone().eval()
    save(network.state_dict(), tmp_path / "start.npz")
    again = load(tmp_path / "start.npz").eval()
    faces = torch.rand(2, 3, 112, 112) * 2 - 1
    with torch.no_grad():
        answer, maps = again.look(faces, MODULES)
        assert torch.equal(answer, network(faces))
    assert [tuple(each.shape) for each in maps] == [(2, 96, 7, 7), (2, 320, 4, 4)]


def test_weights_between_two_networks() -> None:
    first, second = Backbone(), Backbone()
    mixed = between(first, second, 0.25)
    name = "projection.weight"
    wanted = 0.75 * first.state_dict()[name] + 0.25 * second.state_dict()[name]
    assert torch.allclose(mixed[name], wanted)
    first.load_state_dict(mixed)


def unit_rows(count: int, dimensions: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_what_differs_within_people_counts_less_and_a_turn_is_found() -> None:
    rng = np.random.default_rng(6)
    person = np.repeat(np.arange(200, dtype=np.int32), 4)
    spread = np.ones(300)
    spread[:60] = 5  # what changes from picture to picture of one person
    joint = rng.normal(size=(200, 300))[person] + 0.5 * spread * rng.normal(size=(800, 300))
    joint = (joint / np.linalg.norm(joint, axis=1, keepdims=True)).astype(np.float32)

    def apart(rows: np.ndarray) -> float:
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        same = person[:, None] == person[None]
        similarity = rows @ rows.T
        return float((similarity[same].mean() - similarity[~same].mean()) / similarity[~same].std())

    shaped = joint @ reduction(joint, person)
    assert apart(shaped) > 1.2 * apart(joint)
    shaped /= np.linalg.norm(shaped, axis=1, keepdims=True)
    turn = np.linalg.qr(rng.normal(size=(256, 256)))[0].astype(np.float32)
    assert np.abs(shaped @ turn_towards(shaped, shaped @ turn) - shaped @ turn).max() < 1e-4


def test_known_peoples_targets_come_together_and_others_stay() -> None:
    target = unit_rows(6, 256, 7)
    person = np.array([0, 0, 0, 1, -1, -1], np.int32)
    moved = draw_together(target, person)
    assert np.array_equal(moved[3:], target[3:])
    assert (moved[0] @ moved[1]) > (target[0] @ target[1]) + 0.1
    assert np.linalg.norm(moved, axis=1) == pytest.approx(1, abs=1e-5)


def test_two_known_people_are_never_wanted_alike() -> None:
    target = torch.nn.functional.normalize(torch.ones(4, 256))
    wanted = wanted_similarity(target, torch.tensor([0, 0, 1, -1]))
    assert wanted[0, 1] == pytest.approx(1)
    assert wanted[0, 2] == pytest.approx(STRANGER_SIMILARITY)
    assert wanted[2, 3] == pytest.approx(1), "this may be the same person"
    assert wanted.diagonal() == pytest.approx(1)


def test_the_right_persons_angle_gets_a_margin_and_unknown_people_count_for_nothing() -> None:
    centres = np.eye(3, 256, dtype=np.float32)
    margin = Margin(centres)
    given = torch.nn.functional.normalize(
        torch.tensor([[3.0, 1.0, 0.5] + [0.0] * 253, [0.0, 1.0, 0.0] + [0.0] * 253])
    )
    logits = SCALE * given[:1, :3].clone()
    logits[0, 0] = SCALE * torch.cos(torch.acos(given[0, 0]) + MARGIN)
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0]))
    assert margin(given, torch.tensor([0, -1])).item() == pytest.approx(expected.item(), rel=1e-4)
    assert margin(given, torch.tensor([-1, -1])).item() == 0


def test_half_of_a_batch_are_known_people_and_half_nobody_known(tmp_path: Path) -> None:
    names = [f"people/F{row // 8}/MID{row % 2}/{row}.webp" for row in range(80)]
    names += [f"utk/{row}_0_0_{row}.webp" for row in range(80)]
    person = [2 * (row // 8) + row % 2 for row in range(80)] + [-1] * 80
    index = {"name": names, "person": person, "fold": [0] * 160}
    (tmp_path / "index.json").write_text(json.dumps(index), encoding="utf-8")
    chips = np.random.default_rng(8).integers(0, 256, (160, 128, 128, 3)).astype(np.uint8)
    np.save(tmp_path / "chips.npy", chips)
    np.save(tmp_path / TARGET_FILE, unit_rows(160, 256, 9).astype(np.float16))
    batch = next(iter(Batches(tmp_path, 32, (1,))))
    assert (batch.person < 20).sum() == 16
    assert batch.faces.shape == (32, 3, 112, 112)
