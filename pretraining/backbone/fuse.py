"""Make one target for each picture out of what two teachers say of it, and of who is in it.

    python -m pretraining.backbone.fuse --corpus DIR --start SHIPPED.npz --out START.npz

Each teacher's vectors lose their mean, which all faces have in common, and are put side by side: the cosine
of two such rows is the mean of both teachers' cosines. The directions in which pictures of one person differ
are made shorter, as far as the known people who are trained on tell them (within-class covariance
normalisation), and the 256 directions that say most are kept. A known person's pictures then move towards
what they have in common. All is turned, which changes no cosine, to where the network at `--start` is.

That network's last layer is then fitted to the targets in closed form, as `refit.py` does it, and written to
`--out`: a stage begins there. Its own answers are the targets of pictures that the teachers were not asked
about, so that what it can do already is not forgotten; that takes a sixth of the time.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from facerec_mqtt.recognition.calibration import template
from pretraining.backbone.corpus import MARGIN_PX, SECOND_FILE, TARGET_FILE, TEACHER_FILE, Corpus
from pretraining.backbone.network import DIMENSIONS, EPSILON, Backbone, load, save
from pretraining.backbone.prepare import unit
from pretraining.backbone.refit import SHRINKAGE as SHRINKAGE_OF_FIT
from pretraining.backbone.refit import solve

SHRINKAGE = 0.8
"""Share of the identity in the within-class covariance. Of the kept households' teachers' answers, TAR at FAR
0.1 %: families 0.870 with 0.7 and 0.852 with 1, people of CelebA 0.836 and 0.847. Between, not tried."""
TOGETHER = 0.4
"""How far a known person's pictures move towards their common direction, 0 to 1."""
FITTED = 4000
"""Pictures by which the target is turned and the network fitted."""
Rows = NDArray[np.float32]


def side_by_side(first: Rows, second: Rows, used: NDArray[np.int64]) -> Rows:
    """Both teachers' unit vectors without their means over `used`: (N, D) and (N, E) to (N, D + E)."""
    parts = [unit(each - each[used].mean(axis=0)) for each in (first, second)]
    return np.concatenate(parts, axis=1) / np.float32(np.sqrt(2))


def reduction(joint: Rows, person: NDArray[np.int32]) -> NDArray[np.float32]:
    """What takes joint vectors to 256 numbers, with people's inner differences made shorter.

    Args:
        joint: (N, D) unit rows.
        person: (N,) numbers; -1 where nobody says who it is.

    Returns:
        (D, 256).
    """
    count = np.bincount(person[person >= 0])
    known = np.flatnonzero((person >= 0) & (count[np.maximum(person, 0)] >= 2))
    total = np.zeros((len(count), joint.shape[1]))
    np.add.at(total, person[known], joint[known])
    apart = joint[known] - (total / np.maximum(count, 1)[:, None])[person[known]]
    within = apart.T @ apart / len(known)
    within /= np.trace(within) / len(within)
    values, vectors = np.linalg.eigh((1 - SHRINKAGE) * within + SHRINKAGE * np.eye(len(within)))
    whiten = vectors / np.sqrt(values) @ vectors.T
    shaped = joint @ whiten
    _, directions = np.linalg.eigh(shaped.T @ shaped)
    return np.asarray(whiten @ directions[:, -DIMENSIONS:], np.float32)


def draw_together(target: Rows, person: NDArray[np.int32]) -> Rows:
    """Move every known person's rows towards the template of all of them: (N, 256) unit rows to the same."""
    moved = target.copy()
    order = np.argsort(person, kind="stable")
    order = order[person[order] >= 0]
    for rows in np.split(order, np.flatnonzero(np.diff(person[order])) + 1):
        if len(rows) > 1:
            moved[rows] = unit((1 - TOGETHER) * target[rows] + TOGETHER * template(target[rows]))
    return moved


def turn_towards(target: Rows, ours: Rows) -> NDArray[np.float32]:
    """The rotation or reflection that takes targets nearest to our answers: (N, 256) each to (256, 256)."""
    left, _, right = np.linalg.svd(target.T @ ours)
    return np.asarray(left @ right, np.float32)


@torch.no_grad()
def fit(network: Backbone, ours: Rows, target: Rows) -> None:
    """Multiply into the last layer what takes our answers nearest to the targets: (N, 256) unit rows each."""
    matrix = torch.from_numpy(solve(ours, target, SHRINKAGE_OF_FIT).astype(np.float32))
    projection, normalisation = network.projection, network.projected
    gain = torch.rsqrt(normalisation.running_var + EPSILON)
    projection.weight.copy_(matrix.T @ (projection.weight * gain[:, None]))
    normalisation.bias.copy_((normalisation.bias - normalisation.running_mean * gain) @ matrix)
    normalisation.running_mean.zero_()
    normalisation.running_var.fill_(1 - EPSILON)


@torch.no_grad()
def embed(network: Backbone, chips: NDArray[np.uint8], rows: NDArray[np.int64]) -> Rows:
    """What a network says of pictures, as the package asks it, with the mirror image: (N, 256) unit rows."""
    inner = slice(MARGIN_PX, -MARGIN_PX)
    answers = []
    for first in range(0, len(rows), 64):
        faces = chips[rows[first : first + 64]][:, inner, inner, ::-1].transpose(0, 3, 1, 2)
        seen = torch.from_numpy(faces.astype(np.float32) / np.float32(127.5) - 1)
        seen = seen.contiguous(memory_format=torch.channels_last)
        answers.append((network(seen) + network(seen.flip(3))).numpy())
    return unit(np.concatenate(answers))


def main() -> None:
    """Write the targets of every picture that both teachers were asked about, and where a stage begins."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--start", type=Path, required=True, help="a network, as network.py converts it")
    parser.add_argument("--out", type=Path, required=True, help="the same, fitted to the targets")
    parser.add_argument("--own", type=int, default=12000, help="pictures that keep the network's own answers")
    arguments = parser.parse_args()
    for needed in (arguments.corpus / TEACHER_FILE, arguments.corpus / SECOND_FILE, arguments.start):
        if not needed.is_file():
            parser.error(f"{needed} is not there; prepare --second makes the answers, and network --start")
    corpus = Corpus.open(arguments.corpus)
    first = np.load(arguments.corpus / TEACHER_FILE).astype(np.float32)
    second = np.load(arguments.corpus / SECOND_FILE).astype(np.float32)
    asked = np.flatnonzero(first.any(axis=1) & second.any(axis=1))
    training = np.isin(asked, corpus.training())
    person = np.where(training, corpus.person[asked], -1).astype(np.int32)
    joint = side_by_side(first[asked], second[asked], np.flatnonzero(training))
    target = unit(joint @ reduction(joint[training], person[training]))
    some = np.random.default_rng(0).permutation(np.flatnonzero(training))[:FITTED]
    network = load(arguments.start).eval()
    ours = embed(network, corpus.chips, asked[some])
    target = draw_together(target @ turn_towards(target[some], ours), person)
    near = (target[some] * ours).sum(axis=1).mean()
    print(f"{len(asked)} targets; their mean cosine to the start's answers is {near:.3f}")
    fit(network, ours, target[some])
    save(network.state_dict(), arguments.out)
    others = np.setdiff1d(corpus.training(), asked)
    others = np.random.default_rng(1).permutation(others)[: arguments.own]
    whole = np.zeros((len(corpus.chips), DIMENSIONS), np.float16)
    whole[asked] = target
    whole[others] = embed(network, corpus.chips, others)
    np.save(arguments.corpus / TARGET_FILE, whole)


if __name__ == "__main__":
    main()
