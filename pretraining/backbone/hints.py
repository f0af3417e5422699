"""Hints (FitNets, arXiv 1412.6550): our inner maps learn to say what the teacher's inner maps say.

An embedding says 256 things of a picture; two maps say 16,000, each about a place. A 1×1 convolution
takes our map to the teacher's channels; it is read where the teacher's cells lie in the turned, shifted
and possibly mirrored form, and compared with the teacher's map of the untouched picture. These
convolutions are no part of the backbone.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from facerec_mqtt.faces.alignment import TEMPLATE, similarity
from pretraining.backbone.corpus import MAP_CELLS, MAP_CHANNELS, MARGIN_PX
from pretraining.backbone.prepare import TEACHER_TEMPLATE

MODULES = (14, 18)
"""So many modules of our trunk come before the two maps: 96 channels of 7×7 cells, 320 of 4×4."""
FIRST_PX, PITCH_PX = (15, 7), (16, 16)
"""Where our cells lie in the face, as Keras pads; the heads make four of each of the second map."""
TEACHER_FIRST_PX, TEACHER_PITCH_PX = (4, 0), (16, 16)
"""Where the teacher's lie in its input."""


def teacher_cells() -> NDArray[np.float64]:
    """Where the cells of the teacher's two maps lie in a chip: (2, 64, 2) px, x before y."""
    turn = similarity(TEACHER_TEMPLATE.astype(np.float32), TEMPLATE + np.float32(MARGIN_PX))
    maps = []
    for first, pitch in zip(TEACHER_FIRST_PX, TEACHER_PITCH_PX, strict=True):
        line = first + pitch * np.arange(MAP_CELLS)
        cells = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        maps.append(cells @ turn[:, :2].T + turn[:, 2])
    return np.stack(maps)


def read(grid: Tensor, at: Tensor, first_px: float, pitch_px: float) -> Tensor:
    """A map between its cells, its edge beyond them.

    Args:
        grid: (N, C, S, S).
        at: (N, 64, 2) px of the face.
        first_px: where its first cell lies.
        pitch_px: how far apart they are.

    Returns:
        (N, 64, C).
    """
    share = 2 * (at - first_px) / (pitch_px * (grid.shape[-1] - 1)) - 1
    values = functional.grid_sample(grid.float(), share[:, None], padding_mode="border", align_corners=True)
    return values[:, :, 0].transpose(1, 2)


class Hints(nn.Module):
    """The heads that are compared with the teacher's maps."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            [
                nn.Conv2d(96, MAP_CHANNELS, 1),
                nn.Sequential(nn.Conv2d(320, 4 * MAP_CHANNELS, 1), nn.PixelShuffle(2)),
            ]
        )

    def forward(self, maps: list[Tensor], wanted: Tensor, at: Tensor) -> Tensor:
        """Mean squared differences of the two maps: (2,).

        Args:
            maps: ours, (N, 96, 7, 7) and (N, 320, 4, 4).
            wanted: (N, 2, 64, 128), the teacher's, each channel at mean 0 and deviation 1.
            at: (N, 2, 64, 2) px of the face: where those are.
        """
        wrong = []
        for number, (head, ours) in enumerate(zip(self.heads, maps, strict=True)):
            given = read(head(ours), at[:, number], FIRST_PX[number], PITCH_PX[number])
            wrong.append((given - wanted[:, number]).square().mean())
        return torch.stack(wrong)
