"""The prepared pictures: which there are, and which may be trained on."""

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CHIP_SIDE_PX = 128
MARGIN_PX = 8
"""A chip is the aligned 112×112 face with this much more on each side, for shifts and turns."""
CHIP_SETS = ("utk", "celeba", "aaf", "dfdc")
MORPHS = "morph"
"""The set of blended faces; they are nobody."""
TEACHER_FILE = "teacher.npy"
"""(N, 256) float16 unit vectors; zero where the teacher was not asked."""
MAPS_FILE = "maps.npy"
"""(N, 2, 2, 64, 128) float16: two inner maps of the teacher, 8×8 cells of 128 channels each, of the picture
and of its mirror image."""
MAP_CELLS, MAP_CHANNELS = 8, 128
SELECTION_FOLD = 7
"""LFW's fold on which recipes are compared and impostor thresholds measured; never trained on."""
VALIDATION_FOLD = 8
"""LFW's fold that only the reported figures come from."""


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """All prepared pictures, memory-mapped."""

    chips: NDArray[np.uint8]
    """(N, 128, 128, 3) uint8 BGR."""
    name: NDArray[np.str_]
    """(N,) "utk/25_0_2_2017.webp", "lfw/Abel_Pacheco/Abel_Pacheco_0001.jpg", "morph/0"."""
    source: NDArray[np.str_]
    """(N,) one of `CHIP_SETS`, "lfw" or `MORPHS`."""
    person: NDArray[np.int32]
    """(N,) LFW's people numbered from 0; -1 where nobody says who it is."""
    fold: NDArray[np.int32]
    """(N,) LFW's fold; 0 for all others."""
    validation: NDArray[np.bool_]
    """(N,) never trained on, nor in the cohort."""

    @classmethod
    def open(cls, folder: Path) -> "Corpus":
        """Map what `prepare` left in a folder."""
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        name = np.array(index["name"])
        fold = np.array(index["fold"], np.int32)
        source = np.array([entry.split("/", 1)[0] for entry in index["name"]])
        held_out = [
            each != MORPHS and is_held_out(entry.rsplit("/", 1)[1])
            for each, entry in zip(source, index["name"], strict=True)
        ]
        return cls(
            chips=np.load(folder / "chips.npy", mmap_mode="r"),
            name=name,
            source=source,
            person=np.array(index["person"], np.int32),
            fold=fold,
            validation=np.where(source == "lfw", fold == VALIDATION_FOLD, held_out),
        )

    def training(self) -> NDArray[np.int64]:
        """Rows that may be trained on."""
        return np.flatnonzero(~self.validation & (self.fold != SELECTION_FOLD))


def is_held_out(file_name: str) -> bool:
    """Whether a chip is for validation: every tenth, by the CRC-32 of its file name."""
    return zlib.crc32(file_name.encode()) % 10 == 0
