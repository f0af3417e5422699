"""Train the backbone to say what the teacher says.

    python -m pretraining.backbone.train --corpus DIR --run DIR --start START.npz --steps 9000

`--start` is ImageNet's trunk for the first stage, or an earlier stage's `average.npz` for another one,
both as `network.py` converts them. Matrices learn by Muon, everything else by AdamW, at one rate. A late
stage may leave the trunk's first modules as they are (`--frozen 4` is half as fast again) and its
normalisations at their averages, multiplied into the convolutions (`--folded`, a sixth faster). The
learning rate warms up and then falls by a cosine, over `--steps`, or over `--minutes` of wall clock where
others use the machine too. Interrupted, the same command goes on from the last checkpoint in the run's
folder.

On a processor each core has a process and batches of its own, with `--processes` as many as there are
cores, and they share their gradients. With a graphics card it is one process, which computes in bfloat16
there; the guises are drawn in others, `--workers` of them.

The loss is 1 - cosine to the teacher's embedding of the untouched picture, plus how far the
similarities within the batch are from the teacher's: it is similarities that are compared in use.
Where the teacher takes different people for similar (in UTK and All-Age-Faces nearly every pair is
two people, and it lumps small children together), the wanted similarity is capped. To that come the
hints (`hints.py`), whose weight falls to nothing by the end of the schedule.
"""

import argparse
import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from pretraining.backbone.augment import cut, disguise, follow, mirrored, place
from pretraining.backbone.corpus import MAPS_FILE, TEACHER_FILE, Corpus
from pretraining.backbone.hints import MODULES, Hints, teacher_cells
from pretraining.backbone.muon import Muon
from pretraining.backbone.network import Backbone, load, save

SIMILARITY_WEIGHT = 20.0
STRANGER_SIMILARITY = 0.2
"""The teacher's answer for two adults who look alike; more is not wanted of two people."""
FILTER_WEIGHTS = 27
"""Up to 3×3 over three colours; what has more weights per output is a matrix, and Muon's."""
WEIGHT_DECAY = 0.02
GRADIENT_NORM = 5.0
EMA_MOMENTUM = 0.995
HINTS_WEIGHT = 1.0
HINTS_ALONE = 100
"""Steps in which the hints' heads settle, while the network is not trained by them."""
MEASURED = 500
"""Pictures from which the teacher's channels are scaled."""
WARM_UP = 0.03
"""Share of the schedule."""
MEETING_FILE = "processes"
NOTE_EVERY = 50
SAVE_EVERY_S = 180.0


@dataclass
class Progress:
    """What a run remembers from one start to the next."""

    step: int = 0
    spent_s: float = 0.0

    def share(self, steps: int, minutes: float) -> float:
        """How much of the schedule is done, [0, 1]."""
        return min(self.spent_s / (60 * minutes) if minutes else self.step / steps, 1.0)


class Batch(NamedTuple):
    """Some pictures with what is wanted of them."""

    faces: Tensor
    """(N, 3, 112, 112) float32 RGB / 127.5 - 1."""
    teacher: Tensor
    """(N, 256) float32, the teacher's vectors."""
    stranger: Tensor
    """(N,) float32, 1 where the picture is from a set in which every picture is another person, else 0."""
    maps: Tensor
    """(N, 2, 64, 128) float16, the teacher's maps, each channel at mean 0 and deviation 1."""
    cells: Tensor
    """(N, 2, 64, 2) float32 px of the face: where the maps' cells lie."""


Drawn = TypeVar("Drawn", bound=tuple[Tensor, ...])
"""A kind of batch."""


class EndlessBatches(IterableDataset[Drawn]):
    """Batches of a corpus without end.

    Args:
        folder: the corpus.
        size: pictures in a batch.
        seed: of all that is drawn.
    """

    def __init__(self, folder: Path, size: int, seed: tuple[int, ...]) -> None:
        self._folder = folder
        self._size = size
        self._seed = seed

    def _begin(self) -> tuple[np.random.Generator, Corpus]:
        """What a worker draws with, each in an order of its own, and the corpus."""
        cv2.setNumThreads(1)
        worker = get_worker_info()
        rng = np.random.default_rng((*self._seed, worker.id if worker else 0))
        return rng, Corpus.open(self._folder)


class Batches(EndlessBatches[Batch]):
    """Training pictures in a random order without end, each in a guise drawn for it."""

    def __iter__(self) -> Iterator[Batch]:
        """Draw batches."""
        rng, corpus = self._begin()
        teacher = np.load(self._folder / TEACHER_FILE, mmap_mode="r")
        maps = np.load(self._folder / MAPS_FILE, mmap_mode="r")
        strangers = np.isin(corpus.source, ("utk", "aaf"))
        rows = corpus.training()
        rows = rows[np.any(teacher[rows] != 0, axis=1)]
        if len(rows) < self._size:
            raise SystemExit(
                f"{self._folder} has {len(rows)} pictures that the teacher was asked about, and --batch is "
                f"{self._size}; prepare more, or take a smaller batch."
            )
        some = maps[rows[:: max(len(rows) // MEASURED, 1)], 0].astype(np.float32)
        mean, deviation = some.mean(axis=(0, 2), keepdims=True), some.std(axis=(0, 2), keepdims=True) + 1e-6
        cells = teacher_cells()
        while True:
            order = rng.permutation(rows)
            for first in range(0, len(order) - self._size + 1, self._size):
                drawn = order[first : first + self._size]
                turns = [place(rng) for _ in drawn]
                faces = np.stack(
                    [
                        disguise(cut(corpus.chips[row], turn), rng)
                        for row, turn in zip(drawn, turns, strict=True)
                    ]
                )
                planes = faces[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
                seen = maps[drawn, [int(mirrored(turn)) for turn in turns]]
                yield Batch(
                    torch.from_numpy(planes / 127.5 - 1),
                    torch.from_numpy(teacher[drawn].astype(np.float32)),
                    torch.from_numpy(strangers[drawn].astype(np.float32)),
                    torch.from_numpy(((seen - mean) / deviation).astype(np.float16)),
                    torch.from_numpy(np.stack([follow(cells, turn) for turn in turns])),
                )


def distillation_loss(given: Tensor, teacher: Tensor, stranger: Tensor) -> Tensor:
    """What the module's docstring says.

    Args:
        given: (N, 256) our answers.
        teacher: (N, 256) unit vectors.
        stranger: (N,) 1 or 0, as in `Batch`.
    """
    given = functional.normalize(given)
    cosine = (1 - (teacher * given).sum(dim=1)).mean()
    similarity = teacher @ teacher.T
    # The diagonal is one picture against itself and stays.
    two_people = stranger[:, None] * stranger[None] * (1 - torch.eye(len(given), device=given.device))
    wanted = torch.where(two_people > 0, similarity.clamp(max=STRANGER_SIMILARITY), similarity)
    apart = (wanted - given @ given.T).square().mean()
    return cosine + SIMILARITY_WEIGHT * apart


def agree(values: list[Tensor]) -> None:
    """Put the mean over all processes into each tensor; alone, leave them as they are."""
    if not distributed.is_initialized():
        return
    flat = torch.cat([each.flatten() for each in values])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for each, mean in zip(values, flat.split([each.numel() for each in values]), strict=True):
        each.copy_(mean.view_as(each))


class Run(Generic[Drawn]):
    """A network in training, with all that an interruption must not lose; what it learns, its kinds say."""

    notes: tuple[str, ...]
    """Names of what `loss` gives to be noted."""

    def __init__(
        self, folder: Path, start: Path, rate: float, frozen: int, head: nn.Module, *, folded: bool
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._folder = folder
        self._rate = rate
        self._checkpoint = folder / "checkpoint.pt"
        self.progress = Progress()
        self.network = load(start).to(self.device, memory_format=torch.channels_last)
        self.head = head.to(self.device)
        self._average = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(EMA_MOMENTUM), use_buffers=True
        )
        for module in self.network.trunk[:frozen]:
            module.requires_grad_(False)
        learning = [each for each in self.network.parameters() if each.requires_grad]
        self._learning = [*learning, *self.head.parameters()]
        vectors = [each for each in learning if each.ndim == 1]
        vectors += self.head.parameters()
        filters = [each for each in learning if each.ndim > 1 and each[0].numel() <= FILTER_WEIGHTS]
        matrices = [each for each in learning if each.ndim > 1 and each[0].numel() > FILTER_WEIGHTS]
        self._optimizers: list[torch.optim.Optimizer] = [
            Muon(matrices, rate, WEIGHT_DECAY),
            torch.optim.AdamW(
                [{"params": filters, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}],
                lr=rate,
            ),
        ]
        self.network.train()
        self.network.trunk[: None if folded else frozen].eval()
        if self._checkpoint.exists():
            state = torch.load(self._checkpoint, map_location=self.device, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.head.load_state_dict(state["head"])
            self._average.load_state_dict(state["average"])
            try:
                for optimizer, known in zip(self._optimizers, state["optimizers"], strict=True):
                    optimizer.load_state_dict(known)
            except ValueError:
                raise SystemExit(
                    f"{folder} was begun with another --frozen than {frozen}; take that, or name a new --run."
                ) from None
            self.progress = Progress(**state["progress"])

    def loss(self, batch: Drawn, share: float) -> tuple[Tensor, Tensor]:
        """What is to be made small at this share of the schedule, and what of it is to be noted."""
        raise NotImplementedError

    def step(self, batch: Drawn, share: float) -> Tensor:
        """Learn from one batch at this share of the schedule.

        Returns:
            What is to be noted, still on the device.
        """
        rate = self._rate * min(share / WARM_UP, 1.0) * 0.5 * (1 + math.cos(math.pi * share))
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = max(rate, self._rate * 1e-3)
        batch = type(batch)(*(each.to(self.device, non_blocking=True) for each in batch))
        whole, noted = self.loss(batch, share)
        for optimizer in self._optimizers:
            optimizer.zero_grad()
        whole.backward()
        agree([each.grad for each in self._learning if each.grad is not None])
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
        for optimizer in self._optimizers:
            optimizer.step()
        self._average.update_parameters(self.network)
        self.progress.step += 1
        return noted.detach()

    def keep(self) -> None:
        """Write the checkpoint and the average of the weights."""
        state = {
            "network": self.network.state_dict(),
            "head": self.head.state_dict(),
            "average": self._average.state_dict(),
            "optimizers": [each.state_dict() for each in self._optimizers],
            "progress": asdict(self.progress),
        }
        part = self._checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(self._checkpoint)
        average: Backbone = self._average.module
        save(average.state_dict(), self._folder / "average.npz")


class Distillation(Run[Batch]):
    """Learns what the teacher says, with hints."""

    notes = ("loss", "finer", "coarser")

    def loss(self, batch: Batch, share: float) -> tuple[Tensor, Tensor]:
        """The loss without the hints, and what is wrong in the two maps."""
        faces = batch.faces.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            answer, maps = self.network.look(faces, MODULES)
            if self.progress.step < HINTS_ALONE:
                maps = [each.detach() for each in maps]
            wrong = self.head(maps, batch.maps.float(), batch.cells)
        loss = distillation_loss(answer.float(), batch.teacher, batch.stranger)
        return loss + HINTS_WEIGHT * (1 - share) * wrong.sum(), torch.stack([loss, *wrong])


def main() -> None:
    """Start a run or go on with it."""
    parser = argument_parser(__doc__)
    arguments = parser.parse_args()
    launch(parser, arguments, train, MAPS_FILE)


def argument_parser(about: str | None) -> argparse.ArgumentParser:
    """The arguments of every kind of stage."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=64, help="pictures, of each process")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--minutes", type=float, default=0.0, help="a schedule by wall clock instead")
    parser.add_argument("--processes", type=int, default=1, help="that share a training, without a card")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw the guises")
    parser.add_argument("--frozen", type=int, default=0, help="modules of the trunk that stay as they are")
    parser.add_argument("--folded", action="store_true", help="normalisations keep their averages")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def launch(
    parser: argparse.ArgumentParser,
    arguments: argparse.Namespace,
    work: Callable[[int, argparse.Namespace], None],
    answers: str,
) -> None:
    """Let each process do its work on a corpus that has a file of answers."""
    for needed in (arguments.start, arguments.corpus / "index.json", arguments.corpus / answers):
        if not needed.exists():
            parser.error(f"{needed} is not there; network makes --start, and prepare --corpus")
    if min(arguments.processes, arguments.batch, arguments.steps) < 1:
        parser.error("--processes, --batch and --steps are 1 or more")
    arguments.run.mkdir(parents=True, exist_ok=True)
    if arguments.processes == 1:
        work(0, arguments)
        return
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    (arguments.run / MEETING_FILE).unlink(missing_ok=True)
    multiprocessing.spawn(work, (arguments,), arguments.processes)


def train(rank: int, arguments: argparse.Namespace) -> None:
    """What each process does."""
    meet(rank, arguments)
    run = Distillation(
        arguments.run, arguments.start, arguments.rate, arguments.frozen, Hints(), folded=arguments.folded
    )
    batches = Batches(arguments.corpus, arguments.batch, (arguments.seed + run.progress.step, rank))
    go_on(run, batches, rank, arguments)


def meet(rank: int, arguments: argparse.Namespace) -> None:
    """Find the other processes, and begin to draw the same numbers as they."""
    if arguments.processes > 1:
        # What tells a worker that its parent has ended; ignored where a shell script has started us with "&".
        signal.signal(signal.SIGINT, signal.default_int_handler)
        meeting = f"file://{arguments.run.absolute() / MEETING_FILE}"
        distributed.init_process_group("gloo", meeting, rank=rank, world_size=arguments.processes)
        torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    torch.set_float32_matmul_precision("high")


def go_on(run: Run[Drawn], batches: IterableDataset[Drawn], rank: int, arguments: argparse.Namespace) -> None:
    """Learn from batches to the schedule's end."""
    torch.manual_seed(arguments.seed + rank)
    loader = DataLoader(
        batches, batch_size=None, num_workers=arguments.workers, pin_memory=run.device.type == "cuda"
    )
    last_s = saved_s = time.monotonic()
    losses: list[Tensor] = []
    for batch in loader:
        share = run.progress.share(arguments.steps, arguments.minutes)
        if share >= 1:
            break
        wrong = run.step(batch, share)
        now_s = time.monotonic()
        took_s = torch.tensor(now_s - last_s)
        agree([took_s, wrong])
        run.progress.spent_s += took_s.item()
        last_s = now_s
        if rank:
            continue
        losses.append(wrong)
        if run.progress.step % NOTE_EVERY == 0:
            means = torch.stack(losses).mean(dim=0).tolist()
            note = asdict(run.progress) | dict(zip(run.notes, means, strict=True))
            losses.clear()
            with (arguments.run / "curve.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(note) + "\n")
            print(note, flush=True)
        if now_s - saved_s > SAVE_EVERY_S:
            run.keep()
            saved_s = now_s
    if rank == 0:
        run.keep()


if __name__ == "__main__":
    main()
