"""Families enrolled and recognised as their owner would do it, by the command line alone.

    python benchmarks/family.py [--rounds N] [--people DIR ...] [--lfw DIR] [--chips DIR] [--json]

Each round takes five random people from `--people` (folders of one person each) or, in turn, from fold 8
of `--lfw` (people with 10 pictures or more), puts their pictures into folders, runs `facerec-mqtt rebuild`,
and asks `facerec-mqtt predict --json` about pictures that the model has never seen:

- other pictures of the members: TPIR, share of them that were named right;
- strangers: the other people of the same set (`others`), people of LFW's fold 8 (`lfw`), and of `--chips`
  children under ten (`children`), people over sixty (`old`) and mostly Asian faces (`asian`); `poor` are
  the strangers of `lfw` with faces of about 40 px, blurred and compressed: FPIR, share of the pictures with
  a face that were given a name.

Families are enrolled with 20 pictures each and with 5. For the audit, a picture of another member or of a
stranger is put into each folder in a further round: how many of these `enroll check` rejects, and how many
of the good ones wrongly. Labels of the people in the wild are a few per cent wrong themselves.

Pictures without any face found count as not named. Intervals are 95 % (Wilson); pictures of one person are
not independent, so they are rather too narrow.
"""

import argparse
import csv
import json
import random
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FAMILY_SIZE = 5
FOLD = "8"
LEAST_PICTURES = 10
POOR_FACE_PX, LFW_FACE_PX = 40, 90


@dataclass(frozen=True, slots=True)
class Source:
    """People with several pictures each."""

    name: str
    people: dict[str, list[Path]]


def main() -> int:
    """Run the rounds, and print a table and, if asked for, a line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--people", type=Path, default=DATA / "glint12")
    parser.add_argument("--lfw", type=Path, default=DATA / "lfw")
    parser.add_argument("--chips", type=Path, default=DATA / "chips")
    parser.add_argument("--photos", type=int, nargs="+", default=[20, 5], help="pictures enrolled a person")
    parser.add_argument("--probes", type=int, default=40, help="unseen pictures a member, at most")
    parser.add_argument("--strangers", type=int, default=100, help="pictures of each kind and round, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="leave the rounds' folders here")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    missing = [path for path in (arguments.people, arguments.lfw, arguments.chips) if not path.is_dir()]
    if missing:
        sys.exit(f"{missing[0]} is not there; name it with --people, --lfw or --chips.")
    sources = [people_of(arguments.people), lfw_people(arguments.lfw)]
    for folder, source in zip((arguments.people, arguments.lfw), sources, strict=True):
        if len(source.people) <= FAMILY_SIZE:
            sys.exit(f"{folder} has {len(source.people)} people; more than {FAMILY_SIZE} are wanted.")
    kinds = strangers_of(arguments.lfw, arguments.chips)
    counts: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory(dir=arguments.keep) as name:
        for number in range(arguments.rounds):
            draw = random.Random(arguments.seed * 1000 + number)
            source = sources[number % len(sources)]
            for photos in arguments.photos:
                folder = Path(name) / f"{number}-{photos}"
                counted = run_round(folder, source, kinds, photos, arguments, draw)
                for kind, some in counted.items():
                    counts.setdefault(kind, Counter()).update(some)
                shutil.rmtree(folder)
                print(
                    f"round {number + 1} of {arguments.rounds}, {source.name}, {photos} photos",
                    file=sys.stderr,
                )
    figures = {kind: summary(some) for kind, some in sorted(counts.items())}
    show(figures)
    if arguments.json:
        print(json.dumps(figures))
    return 0


def people_of(folder: Path) -> Source:
    """Everybody in a tree of one folder a person."""
    people = {each.name: sorted(each.iterdir()) for each in sorted(folder.iterdir()) if each.is_dir()}
    return Source(folder.name, people)


def fold_8(lfw: Path) -> dict[str, list[Path]]:
    """Pictures of the people of LFW's fold 8."""
    with (lfw / "folds.tsv").open(encoding="utf-8") as file:
        names = sorted(row["person"] for row in csv.DictReader(file, delimiter="\t") if row["fold"] == FOLD)
    return {name: sorted((lfw / "images" / name).iterdir()) for name in names}


def lfw_people(lfw: Path) -> Source:
    """Those with enough pictures."""
    return Source("lfw", {name: some for name, some in fold_8(lfw).items() if len(some) >= LEAST_PICTURES})


def strangers_of(lfw: Path, chips: Path) -> dict[str, list[Path]]:
    """Pictures of people who are in no family, by kind; of `chips` those that were never trained on."""
    held = [path for path in sorted((chips / "utk").iterdir()) if zlib.crc32(path.name.encode()) % 10 == 0]
    age = {path: int(path.name.split("_")[0]) for path in held}
    asian = [path for path in sorted((chips / "aaf").iterdir()) if zlib.crc32(path.name.encode()) % 10 == 0]
    singles = [some[0] for some in fold_8(lfw).values() if len(some) < LEAST_PICTURES]
    return {
        "lfw": singles,
        "poor": singles,
        "children": [path for path in held if age[path] < 10],
        "old": [path for path in held if age[path] >= 60],
        "asian": asian,
    }


def run_round(
    folder: Path,
    source: Source,
    kinds: dict[str, list[Path]],
    photos: int,
    arguments: argparse.Namespace,
    draw: random.Random,
) -> dict[str, Counter[str]]:
    """Enrol one family, ask about unseen pictures, then spoil its folders and have them checked."""
    members = draw.sample(sorted(source.people), FAMILY_SIZE)
    unseen: dict[Path, str] = {}
    enrollment = folder / "enrollment"
    for number, member in enumerate(members):
        pictures = draw.sample(source.people[member], len(source.people[member]))
        # Half of the pictures at most, so that something is left to ask about.
        enrolled = min(photos, len(pictures) // 2)
        put(pictures[:enrolled], enrollment / f"Member {number}")
        probes = pictures[enrolled : enrolled + arguments.probes]
        unseen |= dict.fromkeys(put(probes, folder / "unseen" / str(number)), f"member_{number}")
    others = [path for name, some in source.people.items() if name not in members for path in some]
    asked = {"others": others} | kinds
    strangers: dict[Path, str] = {}
    for kind, some in asked.items():
        chosen = draw.sample(some, min(arguments.strangers, len(some)))
        target = folder / "strangers" / kind
        placed = worsened(chosen, target) if kind == "poor" else put(chosen, target)
        strangers |= dict.fromkeys(placed, kind)
    family = f"{source.name} {photos} photos"
    counts: dict[str, Counter[str]] = {}
    report = facerec("rebuild", "--json", *folders(folder))[0]
    answers = {
        Path(answer["file"]): answer.get("faces", [])
        for answer in facerec("predict", "--json", *folders(folder)[2:], *[*unseen, *strangers])
    }
    for path, truth in unseen.items():
        named = [face["person"] for face in answers[path]]
        counts.setdefault(f"tpir, {family}", Counter()).update(
            n=1, hits=named.count(truth) > 0, no_face=not named
        )
    for path, kind in strangers.items():
        named = [face["person"] for face in answers[path]]
        if not named:
            counts.setdefault(f"fpir, {family}, {kind}", Counter()).update(no_face=1)
        else:
            wrong = any(name is not None for name in named)
            counts.setdefault(f"fpir, {family}, {kind}", Counter()).update(n=1, hits=wrong, no_face=0)
    own = [rate for rate in (each["tpir"] for each in report["details"].values()) if rate is not None]
    counts[f"tpir by the rebuild itself, {family}"] = Counter(
        n=len(own),
        hits=sum(own),
        no_face=0,  # people, not pictures
    )
    counts |= check_spoilt(folder, source, members, enrollment, others, draw, photos)
    return counts


def check_spoilt(
    folder: Path,
    source: Source,
    members: Sequence[str],
    enrollment: Path,
    others: Sequence[Path],
    draw: random.Random,
    photos: int,
) -> dict[str, Counter[str]]:
    """Put one wrong picture into each folder: of another member and of a stranger by turns."""
    used = {path.read_bytes() for path in enrollment.rglob("*.*")}
    for number in range(FAMILY_SIZE):
        neighbour = members[(number + 1) % FAMILY_SIZE]
        pool = list(others) if number % 2 else source.people[neighbour]
        wrong = draw.choice([path for path in pool if path.read_bytes() not in used])
        shutil.copy(wrong, enrollment / f"Member {number}" / f"wrong{wrong.suffix}")
    audit = facerec("enroll", "check", "--json", *folders(folder))[0]
    family = f"{source.name} {photos} photos"
    spoilt, good = Counter[str](), Counter[str]()
    for photo in audit["photos"]:
        reason = photo["reason"] or ""
        unlike = "look" in reason and "other photos" in reason
        if "/wrong" in photo["file"]:
            spoilt.update(n=1, hits=not photo["used"], no_face="face" in reason)
        elif not reason or unlike:
            good.update(n=1, hits=unlike, no_face=0)
    return {f"mislabelled rejected, {family}": spoilt, f"good wrongly rejected, {family}": good}


def put(pictures: Iterable[Path], folder: Path) -> list[Path]:
    """Copy pictures into a folder under names that say nothing."""
    folder.mkdir(parents=True)
    targets = []
    for number, path in enumerate(pictures):
        targets.append(folder / f"{number:03}{path.suffix}")
        shutil.copy(path, targets[-1])
    return targets


def worsened(pictures: Iterable[Path], folder: Path) -> list[Path]:
    """The same as a camera far away would have taken them."""
    folder.mkdir(parents=True)
    targets = []
    for number, path in enumerate(pictures):
        scale = POOR_FACE_PX / LFW_FACE_PX
        small = cv2.resize(cv2.imread(str(path)), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        targets.append(folder / f"{number:03}.jpg")
        cv2.imwrite(str(targets[-1]), cv2.GaussianBlur(small, (0, 0), 1.0), [cv2.IMWRITE_JPEG_QUALITY, 50])
    return targets


def folders(folder: Path) -> list[str]:
    """The arguments that name a round's folders."""
    return ["--enrollment", str(folder / "enrollment"), "--model-dir", str(folder / "models")]


def facerec(*arguments: str | Path) -> list[dict[str, Any]]:
    """Run the command, which must succeed, and read its lines of JSON."""
    command = [sys.executable, "-m", "facerec_mqtt", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])} ended with status {done.returncode}: {done.stderr[-500:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def summary(count: Counter[str]) -> dict[str, Any]:
    """Rate with its interval."""
    n, hits = count["n"], count["hits"]
    if not n:
        return {"rate": None, "interval": None, "n": 0, "no_face": count["no_face"]}
    z, share = 1.96, hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return {
        "rate": round(share, 4),
        "interval": [round(max(middle - half, 0.0), 4), round(min(middle + half, 1.0), 4)],
        "n": n,
        "no_face": count["no_face"],
    }


def show(figures: dict[str, dict[str, Any]]) -> None:
    """Print the table."""
    print(f"{'':58} rate    95 %                  n  no face found")
    for kind, row in figures.items():
        if row["rate"] is None:
            print(f"{kind:58} no face found in any of {row['no_face']} pictures")
            continue
        low, high = row["interval"]
        print(f"{kind:58} {row['rate']:.4f}  [{low:.4f}, {high:.4f}] {row['n']:6} {row['no_face']:6}")


if __name__ == "__main__":
    raise SystemExit(main())
