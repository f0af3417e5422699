"""Visits of strangers put together, as the service does it: is a group one person, and a person one group?

    python benchmarks/strangers.py SOURCE... [--strangers N] [--visits N] [--seeds N] [--poor]
                                             [--cache FILE] [--threshold T...] [--json]

A SOURCE is a folder in which each person has a folder of pictures, at any depth, or LFW and the fold of
the people in it (`../shared/data/lfw:8`). For each seed so many people are drawn, each with as many visits as
all others as far as the pictures reach. A visit is 3 to 5 pictures of one person that are in no other visit,
pooled as a visit's frames are; the visits come in random order. `history.StrangerGroups` says of each which
stranger it is.

Of all pairs of visits: precision is the share of those in one group that are one person, recall the share
of those of one person that are in one group. `--threshold` tries others than `history.SAME_PERSON`, for
people who are not reported. `--poor` shows faces as a distant camera would: 40 pixels wide, blurred,
compressed. `--pictures` leaves out people of whom there are fewer; siblings are much harder to tell apart
than strangers, `--one-of-a-family` leaves them out.
"""

import argparse
import csv
import json
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.errors import PictureError
from facerec_mqtt.core.images import read_picture
from facerec_mqtt.core.records import AlignedFace, Detection, Identification, Image, Sighting
from facerec_mqtt.faces import Embedder, FaceDetector, align, find_faces, load_cohort
from facerec_mqtt.history import SAME_PERSON, StrangerGroups
from facerec_mqtt.presence.tracks.pooling import Pool
from facerec_mqtt.recognition import Normaliser

FEWEST, MOST = 3, 5
"""Pictures of a visit."""
MOST_PICTURES = 60
"""Of one person."""
POOR_FACE_PX, POOR_BLUR, POOR_QUALITY = 40, 0.8, 40
SIDE_PX = 640
PICTURES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The face in one picture."""

    vector: NDArray[np.float32]
    width_px: float
    sharpness: float


@dataclass(frozen=True, slots=True)
class Result:
    """What one seed gave."""

    visits: int
    people: int
    groups: int
    precision: float
    recall: float


def main() -> int:
    """Embed the pictures, put the visits of each seed together, and print a line for each threshold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", nargs="+", metavar="SOURCE")
    parser.add_argument("--strangers", type=int, default=40)
    parser.add_argument("--visits", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--pictures", type=int, default=2 * FEWEST, help="fewest of one person")
    parser.add_argument("--one-of-a-family", action="store_true", help="no two people of one family")
    parser.add_argument("--poor", action="store_true")
    parser.add_argument("--cache", type=Path, help="keep the embeddings here, and take them from here")
    parser.add_argument("--threshold", type=float, nargs="+", default=[SAME_PERSON])
    parser.add_argument("--json", action="store_true", help="the figures as the last line")
    arguments = parser.parse_args()
    people = looks(arguments.sources, arguments.poor, arguments.cache)
    people = {name: own for name, own in people.items() if len(own) >= arguments.pictures}
    print(f"{len(people)} people have {arguments.pictures} pictures or more")
    figures = {}
    for threshold in arguments.threshold:
        results = [
            one_seed(
                one_of_each(people, seed) if arguments.one_of_a_family else people,
                arguments.strangers,
                arguments.visits,
                seed,
                threshold,
            )
            for seed in range(arguments.seeds)
        ]
        figures[threshold] = summary(results)
        print(f"from {threshold}: {figures[threshold]}")
    if arguments.json:
        print(json.dumps(figures))
    return 0


# --- People and their pictures


def looks(sources: Sequence[str], poor: bool, cache: Path | None) -> dict[str, list[Look]]:
    """The faces in the pictures of everybody who has enough of them."""
    if cache is not None and cache.exists():
        return load(cache)
    faces = Faces(poor)
    found: dict[str, list[Look]] = {}
    for name, paths in sorted(pictures(sources)):
        own = [look for path in paths[:MOST_PICTURES] if (look := faces.look(path)) is not None]
        if len(own) >= 2 * FEWEST:
            found[name] = own
        print(f"{name}: {len(own)}", file=sys.stderr)
    if cache is not None:
        save(cache, found)
    return found


def pictures(sources: Sequence[str]) -> Iterator[tuple[str, list[Path]]]:
    """Everybody in the sources, with their pictures."""
    for source in sources:
        name, _, fold = source.partition(":")
        folder = Path(name)
        if not folder.is_dir():
            sys.exit(f"{folder} is no folder; name one with a folder of pictures for each person.")
        of_fold = None
        if fold:
            with (folder / "folds.tsv").open() as file:
                of_fold = {
                    row["person"] for row in csv.DictReader(file, delimiter="\t") if row["fold"] == fold
                }
        by_person: defaultdict[Path, list[Path]] = defaultdict(list)
        for path in sorted(folder.rglob("*")):
            if path.suffix in PICTURES and (of_fold is None or path.parent.name in of_fold):
                by_person[path.parent].append(path)
        for person, paths in by_person.items():
            if len(paths) >= 2 * FEWEST:
                yield f"{folder.name}/{person.relative_to(folder)}", paths


class Faces:
    """Finds and embeds the face that a picture is of.

    Args:
        poor: as a distant camera would show it.
    """

    def __init__(self, poor: bool) -> None:
        self._poor = poor
        self._detector = FaceDetector.load(max_side_px=SIDE_PX)
        self._embedder = Embedder.load()

    def look(self, path: Path) -> Look | None:
        """The largest face near the middle; `None` where none is found."""
        try:
            image = read_picture(path)
        except PictureError:
            return None
        found = self._find(image)
        if found is not None and self._poor:
            image = worsened(image, found)
            found = self._find(image)
        if found is None:
            return None
        face = align(image, found)
        return Look(self._embedder.embed([face])[0], face.width_px, face.sharpness)

    def _find(self, image: Image) -> Detection | None:
        height, width = image.shape[:2]

        def worth(found: Detection) -> float:
            left, top, right, bottom = found.box
            return (right - left) - (abs(left + right - width) + abs(top + bottom - height)) / 4

        return max(find_faces(self._detector, image), key=worth, default=None)


def worsened(image: Image, found: Detection) -> Image:
    """A picture as a distant camera would have taken it."""
    scale = min(1.0, POOR_FACE_PX / max(1.0, found.box[2] - found.box[0]))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), POOR_BLUR)
    _, jpeg = cv2.imencode(".jpg", blurred, [cv2.IMWRITE_JPEG_QUALITY, POOR_QUALITY])
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


def save(cache: Path, people: Mapping[str, Sequence[Look]]) -> None:
    """Keep what was embedded."""
    rows = [(name, look) for name, own in people.items() for look in own]
    np.savez(
        cache,
        names=np.array([name for name, _ in rows]),
        vectors=np.stack([look.vector for _, look in rows]),
        quality=np.array([[look.width_px, look.sharpness] for _, look in rows]),
    )


def load(cache: Path) -> dict[str, list[Look]]:
    """What was embedded before."""
    people: defaultdict[str, list[Look]] = defaultdict(list)
    with np.load(cache) as kept:
        for name, vector, (width_px, sharpness) in zip(
            kept["names"], kept["vectors"], kept["quality"], strict=True
        ):
            people[str(name)].append(Look(vector, float(width_px), float(sharpness)))
    return dict(people)


# --- Visits


def one_seed(
    people: Mapping[str, Sequence[Look]], strangers: int, visits: int, seed: int, threshold: float
) -> Result:
    """Draw people and visits, and put the visits together."""
    draw = random.Random(seed)
    cohort = load_cohort()
    groups = StrangerGroups(Normaliser(cohort.centres, cohort.top), "", same_person=threshold)
    shown = list(visits_of(people, strangers, visits, draw))
    draw.shuffle(shown)
    group_of = [groups.join(str(number), pooled(own)).stranger_id for number, (_, own) in enumerate(shown)]
    same = together = both = 0
    for one, other in combinations(range(len(shown)), 2):
        is_same, is_together = shown[one][0] == shown[other][0], group_of[one] == group_of[other]
        same, together, both = same + is_same, together + is_together, both + (is_same and is_together)
    names = {name for name, _ in shown}
    return Result(len(shown), len(names), len(set(group_of)), both / max(1, together), both / max(1, same))


def one_of_each(people: Mapping[str, Sequence[Look]], seed: int) -> dict[str, Sequence[Look]]:
    """One person of each family, at random; a family is a folder of people within a source."""
    names = random.Random(seed).sample(sorted(people), len(people))
    family_of = {name: name.rpartition("/")[0] if name.count("/") > 1 else name for name in names}
    return {name: people[name] for name in {family: name for name, family in family_of.items()}.values()}


def visits_of(
    people: Mapping[str, Sequence[Look]], strangers: int, visits: int, draw: random.Random
) -> Iterator[tuple[str, list[Look]]]:
    """Visits, one of everybody after the other, until there are enough or nobody has pictures left."""
    chosen = draw.sample(sorted(people), min(strangers, len(people)))
    left = {name: draw.sample(list(people[name]), len(people[name])) for name in chosen}
    made = 0
    while made < visits and (able := [name for name in chosen if len(left[name]) >= FEWEST]):
        for name in draw.sample(able, len(able))[: visits - made]:
            count = min(draw.randint(FEWEST, MOST), len(left[name]))
            yield name, [left[name].pop() for _ in range(count)]
            made += 1


def pooled(own: Sequence[Look]) -> NDArray[np.float32]:
    """What the pictures of a visit say together."""
    pool = Pool()
    for number, look in enumerate(own):
        face = AlignedFace(np.zeros((112, 112, 3), np.uint8), look.width_px, look.sharpness)
        nowhere = Detection((0.0, 0.0, 1.0, 1.0), np.zeros((5, 2), np.float32), 1.0)
        nobody = Identification(None, 0.0, 0.0, "below threshold")
        pool.add(Sighting("camera", float(number), nowhere, nobody, face, look.vector))
    found = pool.pooled()
    assert found is not None
    return found.vector


def summary(results: Sequence[Result]) -> dict[str, float]:
    """Means over the seeds, with the worst and the deviation."""
    precision, recall = [each.precision for each in results], [each.recall for each in results]
    return {
        "seeds": len(results),
        "visits": round(statistics.fmean(each.visits for each in results), 1),
        "people": round(statistics.fmean(each.people for each in results), 1),
        "groups": round(statistics.fmean(each.groups for each in results), 1),
        "precision": round(statistics.fmean(precision), 4),
        "precision_worst": round(min(precision), 4),
        "precision_deviation": round(statistics.pstdev(precision), 4),
        "recall": round(statistics.fmean(recall), 4),
        "recall_worst": round(min(recall), 4),
        "recall_deviation": round(statistics.pstdev(recall), 4),
    }


if __name__ == "__main__":
    raise SystemExit(main())
