"""Train the backbone to say what two teachers say, and who is who.

    python -m pretraining.backbone.identities --corpus DIR --run DIR --start START.npz --minutes 55

A further stage, as `train.py` runs it, on a corpus with known people and `fuse`'s targets. The loss is 1 -
cosine to the target of the untouched picture, plus how far the similarities within the batch are from the
targets', where of two different people no more than a cap is wanted, plus a softmax over all known people
with a margin (ArcFace, arXiv 1801.07698) that asks for more than the teachers know.

Half of a batch are whole households: relatives are the strangers who are hardest to tell apart. The other
half are pictures of which nobody says whose they are, and what they were taken for before is not to be
forgotten; small children, whom teachers take for each other, come more often. In half of the batches all
faces are cut wrongly in one and the same way, as a detector with a bias cuts them, and in half of them most
faces have something else around them: neither must make them alike.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pretraining.backbone.augment import Chip, common_error, cut, disguise, misplace, place, surround
from pretraining.backbone.corpus import TARGET_FILE, Corpus, household_of
from pretraining.backbone.network import DIMENSIONS
from pretraining.backbone.train import (
    SIMILARITY_WEIGHT,
    STRANGER_SIMILARITY,
    EndlessBatches,
    Run,
    argument_parser,
    go_on,
    launch,
    meet,
)

MARGIN = 0.25
"""Radians."""
SCALE = 32.0
IDENTITY_WEIGHT = 0.1
HOUSEHOLDS_SHARE = 0.5
"""Of each batch."""
AT_ONCE = 16
"""Pictures of one household in a batch, at most."""
OF_ONE_PERSON = 4
FITS = 0.2
"""Less similar to the person's template than this, and a picture's label is not believed."""
YOUNG_SHARE = 0.15
"""Of each batch: children of UTKFace, of whom no two are the same."""
YOUNG_YEARS = 7
SURROUNDED_SHARES = (0.15, 0.65)
"""Of a batch's pictures, in every other batch."""
ONE_A_PICTURE = ("utk", "aaf")
"""Sets in which nearly every picture is another person."""


class Batch(NamedTuple):
    """Some pictures with what is wanted of them."""

    faces: Tensor
    """(N, 3, 112, 112) float32 RGB / 127.5 - 1."""
    target: Tensor
    """(N, 256) float32 unit vectors."""
    person: Tensor
    """(N,) int64, who it is: equal numbers are one person; -1 where it may be anybody."""
    label: Tensor
    """(N,) int64, which of the softmax' people it is; -1 where it is none of them."""


class Known(NamedTuple):
    """The softmax' people."""

    label: NDArray[np.int64]
    """(N,) of each picture of the corpus; -1 where it is of nobody or not believed."""
    centres: NDArray[np.float32]
    """(C, 256) unit rows, where each person's target is."""


def know(corpus: Corpus, target: NDArray[np.float32], rows: NDArray[np.int64]) -> Known:
    """Everybody with two believable pictures or more among these rows.

    Args:
        corpus: the pictures.
        target: (N, 256) unit rows, of all pictures.
        rows: which may be learnt from.
    """
    label = np.full(len(corpus.name), -1, np.int64)
    centres: list[NDArray[np.float32]] = []
    order = rows[np.argsort(corpus.person[rows], kind="stable")]
    order = order[corpus.person[order] >= 0]
    for some in np.split(order, np.flatnonzero(np.diff(corpus.person[order])) + 1):
        middle = target[some].mean(axis=0)
        middle /= max(float(np.linalg.norm(middle)), 1e-9)
        fitting = some[target[some] @ middle >= FITS]
        if len(fitting) > 1:
            label[fitting] = len(centres)
            centres.append(middle)
    return Known(label, np.array(centres, np.float32).reshape(-1, DIMENSIONS))


class Households:
    """Draws whole households."""

    def __init__(self, corpus: Corpus, rows: NDArray[np.int64]) -> None:
        known = rows[corpus.person[rows] >= 0]
        _, number = np.unique([household_of(corpus.name[row]) for row in known], return_inverse=True)
        order = np.argsort(number, kind="stable")
        groups = np.split(known[order], np.flatnonzero(np.diff(number[order])) + 1)
        self._groups = [group for group in groups if len(group) > 1]
        sizes = np.array([min(len(group), AT_ONCE) for group in self._groups], np.float64)
        self._chance = sizes / sizes.sum()
        self._person = corpus.person

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """So many pictures of some households, a few of each person: (count,) rows."""
        drawn: list[int] = []
        while len(drawn) < count:
            group = rng.permutation(self._groups[rng.choice(len(self._groups), p=self._chance)])
            seen: dict[int, int] = {}
            for row in group[: 4 * AT_ONCE]:
                who = int(self._person[row])
                seen[who] = seen.get(who, 0) + 1
                if seen[who] <= OF_ONE_PERSON and len(drawn) < count:
                    drawn.append(int(row))
        return np.array(drawn, np.int64)


class Batches(EndlessBatches[Batch]):
    """Batches without end: households, and pictures of all kinds in a random order, each in a guise."""

    def __iter__(self) -> Iterator[Batch]:
        """Draw batches."""
        rng, corpus = self._begin()
        target, rows = targets(corpus, self._folder)
        label = know(corpus, target, rows).label
        nobodys = rows[corpus.person[rows] < 0]
        nobodys = nobodys if len(nobodys) >= self._size else rows
        households = Households(corpus, rows)
        # Everybody in a set of one picture a person is somebody of their own.
        person = corpus.person.astype(np.int64)
        alone = np.flatnonzero(np.isin(corpus.source, ONE_A_PICTURE))
        person[alone] = person.max() + 1 + np.arange(len(alone))
        together = int(HOUSEHOLDS_SHARE * self._size)
        young = _young(corpus, nobodys)
        children = int(YOUNG_SHARE * self._size) if len(young) else 0
        each_time = self._size - together - children
        while True:
            order = rng.permutation(nobodys)
            for first in range(0, len(order) - self._size + 1, each_time):
                others = [order[first : first + each_time], rng.permutation(young)[:children]]
                drawn = np.concatenate([households.draw(together, rng), *others])
                wrong = common_error(rng) if rng.random() < 0.5 else np.zeros((5, 2))
                surrounded = rng.choice(SURROUNDED_SHARES)
                faces = np.stack([_guise(corpus.chips[row], wrong, surrounded, rng) for row in drawn])
                planes = faces[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
                yield Batch(
                    torch.from_numpy(planes / 127.5 - 1),
                    torch.from_numpy(target[drawn]),
                    torch.from_numpy(person[drawn]),
                    torch.from_numpy(label[drawn]),
                )


def _young(corpus: Corpus, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of these rows that UTKFace calls small children: its names begin with the age."""
    utk = rows[corpus.source[rows] == "utk"]
    years = np.array([int(name.split("/")[1].split("_")[0]) for name in corpus.name[utk]], np.int64)
    return utk[years <= YOUNG_YEARS]


def _guise(chip: Chip, wrong: NDArray[np.float64], surrounded: float, rng: np.random.Generator) -> Chip:
    """A chip cut by landmarks that err so, with a chance of something else around it."""
    face = cut(chip, misplace(place(rng), wrong))
    if rng.random() < surrounded:
        face = surround(face, rng)
    return disguise(face, rng)


def targets(corpus: Corpus, folder: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All pictures' targets, (N, 256), and the rows that may be learnt from."""
    target = np.load(folder / TARGET_FILE).astype(np.float32)
    rows = corpus.training()
    rows = rows[np.any(target[rows] != 0, axis=1)]
    return target, rows


def wanted_similarity(target: Tensor, person: Tensor) -> Tensor:
    """The targets' similarities, capped for two different people: (N, 256) and (N,) to (N, N)."""
    similarity = target @ target.T
    known = person >= 0
    two_people = known[:, None] & known[None] & (person[:, None] != person[None])
    return torch.where(two_people, similarity.clamp(max=STRANGER_SIMILARITY), similarity)


class Margin(nn.Module):
    """A softmax over people's centres, with an angle more to the right one."""

    def __init__(self, centres: NDArray[np.float32]) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.from_numpy(centres.copy()))

    def forward(self, given: Tensor, label: Tensor) -> Tensor:
        """Mean cross-entropy of the pictures with a label.

        Args:
            given: (N, 256) unit vectors.
            label: (N,) which centre is theirs; -1 for none.
        """
        known = label >= 0
        if not known.any():
            return given.sum() * 0 + self.centres.sum() * 0
        cosine = given[known] @ functional.normalize(self.centres).T
        right = cosine.gather(1, label[known][:, None]).clamp(-1 + 1e-6, 1 - 1e-6)
        # Where the angle is past what a margin can be added to, the cosine goes on falling straight.
        turned = torch.cos(torch.acos(right) + MARGIN)
        straight = right - math.sin(MARGIN) * MARGIN
        turned = torch.where(right > -math.cos(MARGIN), turned, straight)
        logits = cosine.scatter(1, label[known][:, None], turned)
        return functional.cross_entropy(SCALE * logits, label[known])


class Identities(Run[Batch]):
    """Learns the targets and who is who."""

    notes = ("cosine", "similarity", "identity")

    def loss(self, batch: Batch, share: float) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """What the module's docstring says, and its three parts."""
        faces = batch.faces.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            answer = self.network(faces)
        given = functional.normalize(answer.float())
        cosine = (1 - (batch.target * given).sum(dim=1)).mean()
        wanted = wanted_similarity(batch.target, batch.person)
        apart = SIMILARITY_WEIGHT * (wanted - given @ given.T).square().mean()
        identity = self.head(given, batch.label)
        return cosine + apart + IDENTITY_WEIGHT * identity, torch.stack([cosine, apart, identity])


def train(rank: int, arguments: argparse.Namespace) -> None:
    """What each process does."""
    meet(rank, arguments)
    corpus = Corpus.open(arguments.corpus)
    known = know(corpus, *targets(corpus, arguments.corpus))
    if rank == 0:
        print(f"{len(known.centres)} people in {(known.label >= 0).sum()} pictures", flush=True)
    run = Identities(
        arguments.run,
        arguments.start,
        arguments.rate,
        arguments.frozen,
        Margin(known.centres),
        folded=arguments.folded,
    )
    batches = Batches(arguments.corpus, arguments.batch, (arguments.seed + run.progress.step, rank))
    go_on(run, batches, rank, arguments)


def main() -> None:
    """Start a run or go on with it."""
    parser = argument_parser(__doc__)
    launch(parser, parser.parse_args(), train, TARGET_FILE)


if __name__ == "__main__":
    main()
