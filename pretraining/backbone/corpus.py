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
SECOND_FILE = "second.npy"
"""(N, 512) float16 unit vectors of the second teacher; zero where it was not asked."""
TARGET_FILE = "target.npy"
"""(N, 256) float16 unit vectors that say what both teachers say, as `fuse` makes them; zero where one of
them was not asked."""
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
    """(N,) one of `CHIP_SETS`, "lfw", `MORPHS`, or a set of known people's name."""
    person: NDArray[np.int32]
    """(N,) people numbered from 0, LFW's first; -1 where nobody says who it is."""
    family: NDArray[np.int32]
    """(N,) families numbered from 0; -1 where nobody says which it is."""
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
        person = np.array(index["person"], np.int32)
        folders = np.array([family_of(entry) for entry in index["name"]])
        family = np.unique(folders, return_inverse=True)[1].astype(np.int32) - int("" in folders)
        held_out = [
            each != MORPHS and is_held_out(who if number >= 0 else entry.rsplit("/", 1)[1])
            for each, entry, number, who in zip(
                source, index["name"], person, map(household_of, index["name"]), strict=True
            )
        ]
        return cls(
            chips=np.load(folder / "chips.npy", mmap_mode="r"),
            name=name,
            source=source,
            person=person,
            family=family,
            fold=fold,
            validation=np.where(source == "lfw", fold == VALIDATION_FOLD, held_out),
        )

    def training(self) -> NDArray[np.int64]:
        """Rows that may be trained on."""
        return np.flatnonzero(~self.validation & (self.fold != SELECTION_FOLD))


def family_of(name: str) -> str:
    """A family's folder: "families/F0002" of "families/F0002/MID1/P1.webp"; "" where there is none."""
    parts = name.split("/")
    return "/".join(parts[:2]) if len(parts) > 3 else ""


def household_of(name: str) -> str:
    """The folder of a picture's family, or of the person where there is no family."""
    return family_of(name) or name.rpartition("/")[0]


def is_held_out(name: str) -> bool:
    """Whether a chip or a household is for judging: every tenth, by the CRC-32 of its name."""
    return zlib.crc32(name.encode()) % 10 == 0
