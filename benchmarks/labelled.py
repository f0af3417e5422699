"""Labelled pictures as `accuracy.py` reads them: pairs, people and chips by group.

What cannot be read is left out with a line that says so; what would make a figure untrue ends the run.
"""

import csv
import os
import re
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import Detection, Image
from facerec_mqtt.faces import align
from facerec_mqtt.faces.alignment import TEMPLATE, similarity

FEWEST_PAIRS = 10
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
SAME = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
# LFW's deep-funneled faces fill about the middle 90 px of 250: where to cut when no face is found.
CENTRE_BOX_SHARE = 0.36
CHIP_MARGIN_PX = 8
CHIP_SIDE_PX = 128
UTK_AGES = {
    "utk_0_4": (0, 4),
    "utk_5_9": (5, 9),
    "utk_10_19": (10, 19),
    "utk_20_59": (20, 59),
    "utk_60": (60, 200),
}
UTK_ORIGINS = ("white", "black", "asian", "indian", "other")


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Verification pairs over a set of aligned faces."""

    faces: list[Image]
    person: NDArray[np.str_]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    same: NDArray[np.bool_]
    undetected: int
    left_out: int
    """Pairs of which a picture is missing or damaged."""


def middle_face(image: Image, find: Callable[[Image], Sequence[Detection]]) -> tuple[Image, bool]:
    """The aligned face nearest the middle, and whether one was found at all."""
    height, width = image.shape[:2]
    found = find(image)
    if not found:
        side = CENTRE_BOX_SHARE * width
        spread = (TEMPLATE - TEMPLATE.mean(axis=0)) * (side / 112) + (width / 2, height / 2)
        turn = similarity(spread, TEMPLATE)
        return np.asarray(cv2.warpAffine(image, turn, (112, 112)), np.uint8), False

    def off_centre(face: Detection) -> float:
        x = (face.box[0] + face.box[2] - width) / 2
        y = (face.box[1] + face.box[3] - height) / 2
        return float(np.hypot(x, y) - 0.25 * (face.box[2] - face.box[0]))

    return align(image, min(found, key=off_centre)).image, True


@dataclass(frozen=True, slots=True)
class YuNet:
    """The detector that ours learnt from, as `cv2.FaceDetectorYN` runs it."""

    network: cv2.FaceDetectorYN

    @classmethod
    def load(cls, path: Path, min_score: float) -> "YuNet":
        """Read YuNet's ONNX file."""
        try:
            yunet = cls(cv2.FaceDetectorYN.create(str(path), "", (320, 320), min_score, 0.3, 5000))
            yunet.find(np.zeros((320, 320, 3), np.uint8))
        except cv2.error:
            raise SystemExit(f"{path} is missing or no YuNet; name its ONNX file with --yunet.") from None
        return yunet

    def find(self, image: np.ndarray) -> np.ndarray:
        """Faces of the least score and more: (N, 15) x, y, width, height, landmarks, score."""
        self.network.setInputSize((image.shape[1], image.shape[0]))
        found = self.network.detect(image)[1]
        return np.zeros((0, 15), np.float32) if found is None else found

    def detections(self, image: Image) -> Sequence[Detection]:
        """The same as our detector gives them."""
        return [
            Detection((f[0], f[1], f[0] + f[2], f[1] + f[3]), f[4:14].reshape(5, 2), float(f[14]))
            for f in self.find(image)
        ]


def read_pairs(
    table: Path, images: Path, fold: int | None, find: Callable[[Image], Sequence[Detection]]
) -> Pairs:
    """Detect and align every picture that the pairs name; pairs without their pictures are left out."""
    named, line = [], 1
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            for line, row in enumerate(csv.DictReader(file, delimiter="\t"), 2):  # noqa: B007
                if fold is None or int(row["fold"]) == fold:
                    named.append((row["a"].strip(), row["b"].strip(), SAME[row["same"].lower()]))
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"{table} is no table of pairs ({error}); name one with --pairs.") from None
    except (KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise SystemExit(
            f"{table}, line {line}: {error!r}; name a table of columns fold, same (1 or 0), a and b."
        ) from None
    faces = {}
    for name in sorted({name for row in named for name in row[:2]}):
        image = read_if_any(images / name)
        if image is not None:
            faces[name] = middle_face(image, find)
    rows = [row for row in named if row[0] in faces and row[1] in faces]
    if len(named) > len(rows):
        print(
            f"{len(named) - len(rows)} of {len(named)} pairs are left out: pictures missing.", file=sys.stderr
        )
    if len(rows) < FEWEST_PAIRS or len({row[2] for row in rows}) < 2:
        raise SystemExit(
            f"{table} gives {len(rows)} pairs of pictures in {images} (fold {fold or 'any'}); wanted are "
            f"{FEWEST_PAIRS} or more, of the same and of different people: look at --pairs, --images, --fold."
        )
    number = {name: at for at, name in enumerate(faces)}
    return Pairs(
        faces=[face for face, _ in faces.values()],
        person=np.array([person_of(name) for name in faces]),
        left=np.array([number[row[0]] for row in rows]),
        right=np.array([number[row[1]] for row in rows]),
        same=np.array([row[2] for row in rows]),
        undetected=sum(not found for _, found in faces.values()),
        left_out=len(named) - len(rows),
    )


def person_of(name: str) -> str:
    """Who is in a picture: its folder, or where all lie in one folder its name without the number."""
    folder, _, file = name.rpartition("/")
    return folder or re.sub(r"[_-]?\d*\.\w+$", "", file)


def read_if_any(path: Path) -> Image | None:
    """A picture, (H, W, 3) uint8 BGR, or `None` after a line that says which cannot be read."""
    # Unlike Path.is_file, this takes a name that no file can have for one that is not there.
    image = cv2.imread(str(path), cv2.IMREAD_COLOR) if os.path.isfile(path) else None  # noqa: PTH113
    if image is None:
        print(f"{path} cannot be read as a picture; it is left out.", file=sys.stderr)
    return None if image is None else np.asarray(image, np.uint8)


def read_people(folder: Path, family: int, enrolled: int) -> dict[str, list[Image]]:
    """Everybody's aligned faces; what is no picture file is passed over.

    Args:
        folder: of a folder for each person.
        family: how many people are to be enrolled at once.
        enrolled: with how many pictures each.
    """
    people: dict[str, list[Image]] = {}
    for person in sorted(each for each in folder.iterdir() if each.is_dir()):
        paths = sorted(path for path in person.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
        faces = [face for face in map(read_if_any, paths) if face is not None]
        odd = [face.shape for face in faces if face.shape != (112, 112, 3)]
        if odd:
            raise SystemExit(
                f"{person} has pictures of {odd[0][1]}x{odd[0][0]} px; --people takes faces aligned to "
                "112x112 already."
            )
        if faces:
            people[person.name] = faces
    fit = sum(len(faces) > enrolled for faces in people.values())
    if fit < family or len(people) <= family:
        raise SystemExit(
            f"{folder} has {fit} people with more than {enrolled} pictures, of {len(people)}; families of "
            f"{family} and a stranger are wanted: name more with --people."
        )
    return people


def read_families(
    folder: Path, find: Callable[[Image], Sequence[Detection]]
) -> tuple[list[Image], list[str]]:
    """The aligned face of every picture of FAMILY/PERSON, and whose it is; where none is found, none.

    Args:
        folder: of a folder for each family, of a folder for each person.
        find: what finds faces in pictures that are no chips.
    """
    faces, names, missed = [], [], 0
    for path in sorted(folder.glob("*/*/*")):
        image = read_if_any(path) if path.suffix.lower() in PICTURE_SUFFIXES else None
        if image is None:
            continue
        if image.shape == (CHIP_SIDE_PX, CHIP_SIDE_PX, 3):
            inner = slice(CHIP_MARGIN_PX, -CHIP_MARGIN_PX)
            face, found = np.ascontiguousarray(image[inner, inner]), True
        else:
            face, found = middle_face(image, find)
        missed += not found
        if found:
            faces.append(face)
            names.append(f"{path.parts[-3]}/{path.parts[-2]}")
    if missed:
        print(f"In {missed} pictures of {folder} no face was found; they are left out.", file=sys.stderr)
    if len(set(names)) < 2 or len(set(names)) == len(names):
        raise SystemExit(
            f"{folder} gives {len(names)} faces of {len(set(names))} people; --families wants folders "
            "FAMILY/PERSON with several pictures of somebody."
        )
    return faces, names


def group_of(path: Path) -> list[str]:
    """Which groups a chip is in, by its name."""
    if path.parent.name == "aaf":
        return ["aaf"]
    parts = path.name.split("_")
    if not parts[0].isdigit():
        return []
    age = int(parts[0])
    names = [name for name, (least, most) in UTK_AGES.items() if least <= age <= most]
    if 20 <= age <= 59 and len(parts) > 3 and parts[2].isdigit() and int(parts[2]) < len(UTK_ORIGINS):
        names.append(f"utk_20_59_{UTK_ORIGINS[int(parts[2])]}")
    return names


def read_chips(folder: Path) -> dict[str, list[Image]]:
    """Aligned faces by group: of the folders utk and aaf, every tenth."""
    groups: dict[str, list[Image]] = {}
    for path in sorted([*(folder / "utk").glob("*"), *(folder / "aaf").glob("*")]):
        if zlib.crc32(path.name.encode()) % 10:
            continue
        names = group_of(path) if path.suffix.lower() in PICTURE_SUFFIXES else []
        image = read_if_any(path) if names else None
        if image is None:
            continue
        inner = slice(CHIP_MARGIN_PX, -CHIP_MARGIN_PX)
        face = np.ascontiguousarray(image[inner, inner])
        if face.shape != (112, 112, 3):
            raise SystemExit(
                f"{path} is {image.shape[1]}x{image.shape[0]} px; --groups takes chips of 128x128."
            )
        for name in names:
            groups.setdefault(name, []).append(face)
    if not groups:
        raise SystemExit(
            f"{folder} has no chips in utk or aaf that are looked at; name others with --groups."
        )
    return groups
