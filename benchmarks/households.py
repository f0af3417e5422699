"""Real families, some of whom are enrolled: who is named rightly, who wrongly, by the command line alone.

    python benchmarks/households.py DIR... [--families N] [--fpir F...] [--quick [--own N]] [--json]

Each DIR has a folder for each family, in it one for each person (`F0001/MID1/*.jpg`), and gets a table of its
own. A family takes part where two of its members or more have 7 pictures or more: of these, but for the last
of three or more, 5 to 10 are enrolled (about three fifths) and the others asked about. Everybody else of the
family is a relative who is not enrolled. Strangers are one picture each of people of the other families.

Each family has folders and settings of its own: `facerec-mqtt rebuild`, then `facerec-mqtt predict --json`,
1 % of strangers asked for unless `--fpir` says otherwise; several of them give several tables. A picture
counts as named rightly or wrongly by any face in it. Pictures in which no face is found count as not named,
and are counted apart.

`--quick` is for trying things out: the same networks, templates and AS-norm scores in one process, each
picture looked at once; no audit of the photos, no layers, no margin. With `--own N` the house's cameras have
seen so many strangers who are not asked about, and they are taken into account as by the rebuild.

Intervals are 95 %, from resampling families, since pictures of one family are not independent.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import Vectors
from facerec_mqtt.faces.alignment import align
from facerec_mqtt.faces.detection import FaceDetector
from facerec_mqtt.faces.embedding import Embedder, load_cohort
from facerec_mqtt.recognition.calibration import Gallery, Normaliser, score_at, template
from facerec_mqtt.recognition.error_rates import far_for_fpir
from facerec_mqtt.training.own_strangers import unmistakable

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
FEWEST_PICTURES = 7
FEWEST_ENROLLED, MOST_ENROLLED, ENROLLED_SHARE = 5, 10, 0.6
MOST_PROBES = 10
"""Of one person."""
RESAMPLES = 2000
STILL_SIDE_PX = 1280
MEASURES = {
    "members named rightly": ("members", "right"),
    "members given another's name": ("members", "wrong"),
    "relatives named": ("relatives", "named"),
    "strangers named": ("strangers", "named"),
}


@dataclass(frozen=True, slots=True)
class Household:
    """A family: what is enrolled and what is asked about."""

    name: str
    enrolled: dict[str, list[Path]]
    members: dict[Path, str]
    """Other pictures of those who are enrolled, and whose they are."""
    relatives: list[Path]
    strangers: list[Path]
    seen: list[Path]
    """Pictures of other strangers, whom the cameras have seen."""


@dataclass(slots=True)
class Count:
    """What was said of some pictures of one family."""

    pictures: int = 0
    faceless: int = 0
    right: int = 0
    wrong: int = 0
    named: int = 0


@dataclass(slots=True)
class Counts:
    """What was said of one family's pictures."""

    family: str
    of: dict[str, Count] = field(default_factory=lambda: {kind: Count() for kind in KINDS})

    def add(self, kind: str, truth: str | None, named: Sequence[str | None]) -> None:
        """Count one picture: who it shows, if that is somebody enrolled, and what each face was called."""
        count = self.of[kind]
        names = {name for name in named if name is not None}
        count.pictures += 1
        count.faceless += not named
        count.right += truth in names
        count.wrong += bool(names - {truth})
        count.named += bool(names)


KINDS = ("members", "relatives", "strangers")


def main() -> int:
    """Run the families of each folder, and print a table for each and perhaps a line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    parser.add_argument("--families", type=int, default=24)
    parser.add_argument("--strangers", type=int, default=60, help="pictures of strangers for each family")
    parser.add_argument(
        "--fpir", type=float, nargs="+", default=[0.01], help="shares of strangers that may be named"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="in one process, without the rebuild")
    parser.add_argument("--json", action="store_true", help="the figures as the last line")
    parser.add_argument(
        "--own", type=int, default=0, help="with --quick: strangers whom the cameras have seen"
    )
    arguments = parser.parse_args()
    figures: dict[str, dict[str, dict[str, Any]]] = {}
    quick = Quick(arguments.own) if arguments.quick else None
    for folder in arguments.folders:
        chosen = households(folder, arguments.families, arguments.strangers, arguments.seed)
        if not chosen:
            parser.error(f"{folder} has no family with two members of {FEWEST_PICTURES} pictures or more")
        for fpir in arguments.fpir:
            ask = partial(quick.ask, fpir) if quick else CommandLine(fpir)
            counts = []
            for number, household in enumerate(chosen, 1):
                counts.append(ask(household))
                progress = f"{folder}: {household.name}, {number} of {len(chosen)}, {fpir:.2%} asked for"
                print(progress, file=sys.stderr)
            title = f"{folder} {fpir:.2%}"
            figures[title] = summary(counts)
            show(title, figures[title])
    if arguments.json:
        print(json.dumps(figures))
    return 0


def households(folder: Path, most: int, strangers: int, seed: int) -> list[Household]:
    """Some families of a folder, at random, the same every time."""
    if not folder.is_dir():
        sys.exit(f"{folder} is no folder; name one with a folder for each family.")
    families = {
        family.name: {person.name: pictures(person) for person in sorted(family.iterdir()) if person.is_dir()}
        for family in sorted(folder.iterdir())
        if family.is_dir()
    }
    draw = random.Random(seed)
    with_two = [name for name in families if len(well_known(families[name])) >= 2]
    chosen = sorted(draw.sample(with_two, min(most, len(with_two))))
    return [one_household(name, families, strangers, seed) for name in chosen]


def well_known(family: Mapping[str, Sequence[Path]]) -> list[str]:
    """Those with enough pictures, the best known first."""
    enough = [name for name, some in family.items() if len(some) >= FEWEST_PICTURES]
    return sorted(enough, key=lambda name: (-len(family[name]), name))


def one_household(
    name: str, families: Mapping[str, Mapping[str, list[Path]]], strangers: int, seed: int
) -> Household:
    """Draw what of a family is enrolled, and who is asked about."""
    draw = random.Random(f"{seed} {name}")
    known = well_known(families[name])
    known = known[:-1] if len(known) > 2 else known
    enrolled, members = {}, {}
    for person in known:
        some = draw.sample(families[name][person], len(families[name][person]))
        count = max(FEWEST_ENROLLED, min(MOST_ENROLLED, round(ENROLLED_SHARE * len(some))))
        enrolled[person] = some[:count]
        members |= dict.fromkeys(some[count : count + MOST_PROBES], person)
    relatives = [
        path
        for person, some in families[name].items()
        if person not in known
        for path in draw.sample(some, min(len(some), MOST_PROBES))
    ]
    others = [
        some for family, people in families.items() if family != name for some in people.values() if some
    ]
    asked = draw.sample(range(len(others)), min(strangers, len(others)))
    strange = [draw.choice(others[at]) for at in asked]
    rest = draw.sample(range(len(others)), len(others))
    seen = [draw.choice(others[at]) for at in rest if at not in asked]
    return Household(name, enrolled, members, relatives, strange, seen)


def pictures(folder: Path) -> list[Path]:
    """The pictures in a folder."""
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]


class CommandLine:
    """As an owner would do it."""

    def __init__(self, fpir: float) -> None:
        self._fpir = fpir

    def __call__(self, household: Household) -> Counts:
        """Enrol a family in new folders, and ask."""
        counts = Counts(household.name)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for person, some in household.enrolled.items():
                put(some, folder / "enrollment" / person.capitalize())
            self._facerec(folder, "rebuild", "--json")
            asked: dict[Path, tuple[str, str | None]] = {}
            for path, truth in household.members.items():
                (copy,) = put([path], folder / "asked" / str(len(asked)))
                asked[copy] = "members", truth.lower()
            for kind, some in (("relatives", household.relatives), ("strangers", household.strangers)):
                for path in some:
                    (copy,) = put([path], folder / "asked" / str(len(asked)))
                    asked[copy] = kind, None
            for answer in self._facerec(folder, "predict", "--json", *map(str, asked)):
                kind, who = asked[Path(answer["file"])]
                counts.add(kind, who, [face["person"] for face in answer.get("faces", [])])
        return counts

    def _facerec(self, folder: Path, command: str, *arguments: str) -> list[dict[str, Any]]:
        """Run the command in folders and with settings of its own, and read its lines of JSON."""
        settings = {name: value for name, value in os.environ.items() if not name.startswith("FACEREC_")}
        settings |= {
            "FACEREC_RECOGNITION__FPIR": str(self._fpir),
            "FACEREC_MODEL_DIR": str(folder / "models"),
            "FACEREC_ENROLLMENT_DIR": str(folder / "enrollment"),
        }
        call = [sys.executable, "-m", "facerec_mqtt", command, *arguments]
        done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=folder, env=settings)
        if done.returncode:
            sys.exit(f"{command} ended with status {done.returncode}: {done.stderr[-500:]}")
        return [json.loads(line) for line in done.stdout.splitlines()]


def put(some: Iterable[Path], folder: Path) -> list[Path]:
    """Copy pictures into a folder under names that say nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for number, path in enumerate(some):
        copies.append(folder / f"{number:03}{path.suffix}")
        shutil.copy(path, copies[-1])
    return copies


class Quick:
    """Templates and AS-norm scores, without the rest of the product."""

    def __init__(self, own: int = 0) -> None:
        self._own = own
        self._detector = FaceDetector.load(max_side_px=STILL_SIDE_PX)
        self._embedder = Embedder.load()
        cohort = load_cohort()
        self._normaliser = Normaliser(cohort.centres, cohort.top)
        self._table = cohort.impostor_far, cohort.impostor_threshold
        self._seen: dict[Path, Vectors] = {}

    def ask(self, fpir: float, household: Household) -> Counts:
        """Enrol and ask."""
        people = sorted(household.enrolled)
        templates = [
            template(np.concatenate([self._look(path)[:1] for path in household.enrolled[who]]))
            for who in people
        ]
        threshold = score_at(self._table, far_for_fpir(fpir, len(people)))
        normaliser = self._normaliser
        if self._own:
            photos = np.concatenate(
                [self._look(path)[:1] for who in people for path in household.enrolled[who]]
            )
            seen = np.concatenate([self._look(path)[:1] for path in household.seen[: self._own]])
            added = unmistakable(seen, photos, np.stack(templates), normaliser, threshold)
            normaliser = normaliser.extended(added)
        gallery = Gallery.of(np.stack(templates), normaliser)
        counts = Counts(household.name)
        for kind, truth, path in asked_about(household):
            scores = gallery.normalised(self._look(path), normaliser)
            best = scores.argmax(axis=1)
            named = [
                people[who] if row[who] >= threshold else None for row, who in zip(scores, best, strict=True)
            ]
            counts.add(kind, truth, named)
        return counts

    def _look(self, path: Path) -> Vectors:
        """The faces of a picture, the largest first: (N, 256) unit rows."""
        if path not in self._seen:
            image = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)
            found = sorted(self._detector.detect(image), key=lambda face: face.box[0] - face.box[2])
            self._seen[path] = self._embedder.embed([align(image, face) for face in found])
        return self._seen[path]


def asked_about(household: Household) -> Iterator[tuple[str, str | None, Path]]:
    """Kind, who it is if that is somebody enrolled, and picture."""
    for path, who in household.members.items():
        yield "members", who, path
    for kind, some in (("relatives", household.relatives), ("strangers", household.strangers)):
        for path in some:
            yield kind, None, path


def summary(counts: Sequence[Counts]) -> dict[str, dict[str, Any]]:
    """Each measure with its interval."""
    rng = np.random.default_rng(1)
    draws = rng.integers(0, len(counts), (RESAMPLES, len(counts)))
    figures = {}
    for measure, (kind, what) in MEASURES.items():
        hits: NDArray[np.int64] = np.array([getattr(each.of[kind], what) for each in counts])
        of: NDArray[np.int64] = np.array([each.of[kind].pictures for each in counts])
        means = hits[draws].sum(axis=1) / np.maximum(of[draws].sum(axis=1), 1)
        low, high = (round(float(edge), 4) for edge in np.quantile(means, (0.025, 0.975)))
        if not hits.sum() and of.sum():
            high = round(3 / int(of.sum()), 4)  # none of n: the rule of three
        figures[measure] = {
            "rate": round(float(hits.sum() / max(1, of.sum())), 4),
            "interval": [low, high],
            "n": int(of.sum()),
            "no_face": sum(each.of[kind].faceless for each in counts),
        }
    return figures


def show(title: str, figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the table."""
    print(f"{title[-44:]:44} rate    95 %                  n  no face found")
    for measure, row in figures.items():
        low, high = row["interval"]
        print(f"{measure:44} {row['rate']:.4f}  [{low:.4f}, {high:.4f}] {row['n']:6} {row['no_face']:6}")


if __name__ == "__main__":
    raise SystemExit(main())
