"""Faces for the cohort, found and cut by our own detector in whole pictures, as the product does it.

What a cohort is compared with are faces that came through the detector, with its errors and with what lies
around a face where it is used. So its own come the same way: from press photos, photos of families closely
cut and in surroundings, children and the old, of all origins, some of them far away, grey and compressed.
"""

import csv
import hashlib
import multiprocessing
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import AlignedFace, Image
from facerec_mqtt.faces.alignment import FACE_SIDE_PX, align
from facerec_mqtt.faces.detection import FaceDetector
from pretraining.backbone.corpus import SELECTION_FOLD, is_held_out

SHARES = {
    "utk": 0.2,
    "aaf": 0.15,
    "celeba": 0.1,
    "dfdc": 0.05,
    "lfw": 0.15,
    "celebrities": 0.1,
    "families": 0.25,
}
"""How much of the cohort each set gives; the young are taken first from "utk"."""
POOR_SHARE = 0.3
"""Of the pictures: as a camera far away would have taken them."""
SURROUNDED_SHARE = 0.5
"""Of the families' pictures, which are cut closely around the face: with something around it."""
SURROUNDINGS_PX, CHIP_EDGE_PX = 112, 64
MIN_SCORE = 0.5
LONGER_SIDE_PX = 640
MOST_OF_ONE = 10
"""Pictures of one person among those that thresholds are measured on."""


@dataclass(frozen=True, slots=True)
class Source:
    """A picture to take a face from."""

    path: Path
    kind: str
    """One of `SHARES`."""
    household: str
    """Of pictures whose household is the same no impostor comparison is made; "" where nobody says."""
    person: str
    """Whose it is; "" where nobody says."""
    for_thresholds: bool
    young: bool = False
    """Under ten."""


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Aligned faces."""

    images: NDArray[np.uint8]
    """(N, 112, 112, 3) BGR."""
    kind: NDArray[np.str_]
    household: NDArray[np.str_]
    person: NDArray[np.str_]
    for_thresholds: NDArray[np.bool_]
    young: NDArray[np.bool_]

    def aligned(self, row: int) -> AlignedFace:
        """As the embedder takes it."""
        return AlignedFace(image=self.images[row], width_px=float(FACE_SIDE_PX), sharpness=100.0)


def sources(data: Path, identities: Path, count: int) -> list[Source]:
    """The pictures of a cohort of about `count`, and those that thresholds are measured on.

    Never in either: LFW's fold 8, the validation families, and chips that are held out. Thresholds come from
    people of whom the backbone has seen nothing: LFW's fold 7, and the held out tenth of other households.
    """
    chosen: list[Source] = []
    known = {"lfw": lfw(data), "celebrities": celebrities(identities), "families": families(identities)}
    for kind, share in SHARES.items():
        draw = random.Random(f"cohort {kind}")
        if kind in known:
            found = known[kind]
            draw.shuffle(found)
            chosen += [each for each in found if not each.for_thresholds][: int(share * count)]
            of_one: dict[str, int] = {}
            for each in found:
                of_one[each.person] = of_one.get(each.person, 0) + 1
                if each.for_thresholds and of_one[each.person] <= MOST_OF_ONE:
                    chosen.append(each)
            continue
        paths = [path for path in sorted((data / "chips" / kind).iterdir()) if not is_held_out(path.name)]
        draw.shuffle(paths)
        some = int(share * count)
        age = {path: int(path.name.split("_")[0]) for path in paths} if kind == "utk" else {}
        young = [path for path in paths if age.get(path, 99) < 20][: int(0.4 * some)]
        first = set(young)
        paths = young + [path for path in paths if path not in first]
        chosen += [Source(path, kind, "", "", False, age.get(path, 99) < 10) for path in paths[:some]]
    return chosen


def lfw(data: Path) -> list[Source]:
    """Folds 1 to 6, and 7 for thresholds."""
    with (data / "lfw/folds.tsv").open(encoding="utf-8") as table:
        folds = {row["person"]: int(row["fold"]) for row in csv.DictReader(table, delimiter="\t")}
    return [
        Source(path, "lfw", f"lfw/{person}", person, fold == SELECTION_FOLD)
        for person, fold in sorted(folds.items())
        if fold <= SELECTION_FOLD
        for path in sorted((data / "lfw/images" / person).glob("*.jpg"))
    ]


def celebrities(identities: Path) -> list[Source]:
    """Photos with surroundings."""
    found = []
    for path in sorted((identities / "celebrities/photos").glob("*/*.jpg")):
        household = f"celebrities/{path.parent.name}"
        found.append(Source(path, "celebrities", household, path.parent.name, is_held_out(household)))
    return found


def families(identities: Path) -> list[Source]:
    """Pictures of the training families as they are, of which somebody says who is in them."""
    found = []
    for chip in sorted((identities / "families/train").glob("*/*/*.webp")):
        family, member = chip.parts[-3:-1]
        path = identities / "families_raw" / family / member / f"{chip.stem}.jpg"
        household = f"families/{family}"
        found.append(Source(path, "families", household, f"{family}/{member}", is_held_out(household)))
    return found


def cut_faces(data: Path, identities: Path, work: Path, count: int, jobs: int) -> Faces:
    """Find and cut the faces, or read those that this detector has cut before."""
    detector = FaceDetector.load(min_score=MIN_SCORE, max_side_px=LONGER_SIDE_PX)
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    path = work / f"faces_{detector.digest[:12]}_{code[:8]}_{count}.npz"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        all_sources = sources(data, identities, count)
        with multiprocessing.Pool(jobs) as pool:
            found = pool.map(_cut_some, [all_sources[start::64] for start in range(64)], chunksize=1)
        rows = [row for some in found for row in some]
        images = np.stack([image for image, _ in rows])
        names = ("kind", "household", "person", "for_thresholds", "young")
        columns = {name: np.array([getattr(source, name) for _, source in rows]) for name in names}
        partial = path.with_suffix(".part")
        with partial.open("wb") as file:
            np.savez(file, images=images, **columns)
        partial.rename(path)
        print(f"{len(rows)} faces of {len(all_sources)} pictures", flush=True)
    with np.load(path) as kept:
        return Faces(**{name: kept[name] for name in kept.files})


def _cut_some(some: list[Source]) -> list[tuple[NDArray[np.uint8], Source]]:
    cv2.setNumThreads(1)
    detector = FaceDetector.load(min_score=MIN_SCORE, max_side_px=LONGER_SIDE_PX)
    rows = []
    for source in some:
        image = cv2.imread(str(source.path))
        if image is not None:
            rows += [(face, source) for face in _faces_of(detector, image, source)]
    return rows


def _faces_of(detector: FaceDetector, image: Image, source: Source) -> Iterator[NDArray[np.uint8]]:
    """The face in the middle, or nothing where none is found."""
    rng = np.random.default_rng(zlib.crc32(f"{source.kind}/{source.path.name}".encode()))
    chance, poor = rng.random(2)
    if source.kind == "families" and chance < SURROUNDED_SHARE:
        image = in_surroundings(image, SURROUNDINGS_PX)
    elif source.kind in ("utk", "aaf", "celeba", "dfdc"):
        edge = CHIP_EDGE_PX
        if chance < SURROUNDED_SHARE:
            image = in_surroundings(image, edge)
        else:
            image = cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_CONSTANT)
    scale = min(1.0, LONGER_SIDE_PX / max(image.shape[:2]))
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = _middle(detector, image)
    if found is not None and poor < POOR_SHARE:
        image = far_away(image, found.box[2] - found.box[0], rng)
        found = _middle(detector, image)
    if found is not None:
        yield align(image, found).image


def _middle(detector: FaceDetector, image: Image) -> Any:
    middle = np.array(image.shape[1::-1]) / 2

    def off(face: Any) -> float:
        x_min, y_min, x_max, y_max = face.box
        away = np.hypot((x_min + x_max) / 2 - middle[0], (y_min + y_max) / 2 - middle[1])
        return float(away - 0.5 * (x_max - x_min))

    return min(detector.detect(image), key=off, default=None)


def in_surroundings(image: Image, edge: int) -> Image:
    """A closely cut picture as a photo would have it: a blurred reflection of it all around."""
    around = cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_REFLECT)
    around = cv2.GaussianBlur(around, (0, 0), 8)
    around[edge:-edge, edge:-edge] = image
    return np.asarray(around, np.uint8)


def far_away(image: Image, face_px: float, rng: np.random.Generator) -> Image:
    """The same with a smaller face, often grey, compressed."""
    scale = min(1.0, float(rng.uniform(32, 72)) / max(face_px, 1.0))
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    quality = int(rng.integers(30, 75))
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
