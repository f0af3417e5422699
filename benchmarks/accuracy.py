"""How well the backbone tells people apart, beside ImageNet's MobileNetV2, the teacher and dlib.

    python benchmarks/accuracy.py --pairs PAIRS.tsv --images DIR --people DIR [--groups DIR]
        [--families DIR] [--json]

- `--pairs`: tab-separated `fold same a b` as in LFW; `--images`: the folder that a and b are in.
  Verification accuracy at a threshold that is never chosen on the pairs it is used on (ten parts).
- `--people`: one folder a person of faces aligned to the ArcFace 112×112 template. Thirty random
  families of five, twenty enrolment pictures each; everybody else is a stranger. TPIR at FPIR 1 and 0.1 %,
  with the scores that the package uses (AS-norm) and, apart, with plain cosine. *Degraded*: faces of
  48 px, JPEG 40, grey, in enrolment and probes.
- `--groups`: folders `utk` and `aaf` of 128×128 chips; only every tenth (CRC-32 of the file name
  divisible by ten) is looked at. Different people taken for one, by group, at the AS-norm threshold
  that lets 1 of 1,000 impostor pairs among the pictures of `--pairs` through; and how many of the
  group's pictures, degraded, still pass against themselves there.
- `--families`: folders FAMILY/PERSON of pictures. All pairs of them: the share of pairs of one person that
  pass where 1, 0.1 and 0.01 % of the pairs of two people do, relatives among them, by plain cosine and by
  AS-norm. Chips of 128×128 are taken as they are; in other pictures the middle face is found and aligned.

Without arguments it reads ../shared/data and LFW's fold 8. Competitors that are not there are null,
with the reason. Intervals are 95 %.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from competitors import Competitor, UnavailableError, competitors
from labelled import Pairs, YuNet, read_chips, read_families, read_pairs, read_people
from numpy.typing import NDArray

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.core.records import Image, Vectors
from facerec_mqtt.faces import FaceDetector, load_cohort
from facerec_mqtt.recognition import Gallery, Normaliser, template
from facerec_mqtt.recognition.error_rates import threshold_at

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
DEFAULT_FOLD = 8
FAMILIES, FAMILY_SIZE, ENROLLED = 30, 5, 20
FPIRS = (0.01, 0.001)
PAIR_FARS = (1e-2, 1e-3, 1e-4)
PAIR_FAR = 1e-3
PARTS = 10
RESAMPLES = 1000
Scores = NDArray[np.float32]


def degrade(face: Image) -> Image:
    """48 px, grey, JPEG 40, and back to 112 px."""
    small = cv2.cvtColor(cv2.resize(face, (48, 48), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    back = cv2.resize(cv2.imdecode(coded, cv2.IMREAD_COLOR), (112, 112), interpolation=cv2.INTER_LINEAR)
    return np.asarray(back, np.uint8)


def pair_accuracy(scores: Scores, same: NDArray[np.bool_]) -> tuple[float, NDArray[np.bool_]]:
    """Accuracy over ten parts, each at the threshold that is best on the other nine."""
    right = np.zeros(len(scores), np.bool_)
    part = np.arange(len(scores)) % PARTS
    for held in range(PARTS):
        others = part != held
        ordered = np.sort(scores[others])
        middles = (ordered[1:] + ordered[:-1]) / 2
        passed = scores[others][None] >= middles[:, None]
        best = (passed == same[others][None]).mean(axis=1)
        # The middle of all that are equally good, so that one pair more or less changes little.
        threshold = np.median(middles[best == best.max()])
        right[~others] = (scores[~others] >= threshold) == same[~others]
    return float(right.mean()), right


def wilson(hits: int, count: int) -> list[float]:
    """95 % interval of a proportion."""
    if not count:
        return [0.0, 1.0]
    z, share = 1.96, hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return [round(float(middle - half), 4), round(float(middle + half), 4)]


def families(vectors: dict[str, Vectors], normaliser: Normaliser | None) -> dict[str, Any]:
    """TPIR at each of `FPIRS`, (families, rates), and rank-1 over random families.

    Args:
        vectors: each person's (N, D) unit rows.
        normaliser: what scores are normalised with; `None` is plain cosine.
    """
    rng = np.random.default_rng(1)
    people = sorted(who for who, some in vectors.items() if len(some) > ENROLLED)
    found, first, probes, strangers = [], [], 0, 0
    for _ in range(FAMILIES):
        family = [people[at] for at in rng.choice(len(people), FAMILY_SIZE, replace=False)]
        templates, genuine, true = [], [], []
        for at, who in enumerate(family):
            some = vectors[who][rng.permutation(len(vectors[who]))]
            templates.append(template(some[:ENROLLED]))
            genuine.append(some[ENROLLED:])
            true.append(np.full(len(some) - ENROLLED, at))
        others = np.concatenate([some for who, some in sorted(vectors.items()) if who not in family])
        score = scorer(np.stack(templates), normaliser)
        own, answer = score(np.concatenate(genuine)), np.concatenate(true)
        strange = score(others).max(axis=1)
        limits = np.array([threshold_at(strange, rate) for rate in FPIRS])
        right = own.argmax(axis=1) == answer
        found.append(np.mean(right[:, None] & (own.max(axis=1)[:, None] >= limits), axis=0))
        first.append(float(right.mean()))
        probes, strangers = probes + len(answer), strangers + len(others)
    return {
        "tpir": np.array(found),
        "rank_1": float(np.mean(first)),
        "probes": probes,
        "strangers": strangers,
    }


def scorer(templates: Vectors, normaliser: Normaliser | None) -> Callable[[Vectors], Scores]:
    """Scores of faces against templates: (N, D) to (N, P)."""
    if normaliser is None:
        return lambda vectors: vectors @ templates.T
    gallery = Gallery.of(templates, normaliser)
    return lambda vectors: gallery.normalised(vectors, normaliser)


def relatives(vectors: Vectors, names: Sequence[str], normaliser: Normaliser | None) -> dict[str, Any]:
    """TAR at each of `PAIR_FARS` over all pairs of families' pictures.

    Args:
        vectors: (N, D) unit rows.
        names: FAMILY/PERSON of each.
        normaliser: what scores are normalised with; `None` is plain cosine.
    """
    person = np.unique(names, return_inverse=True)[1]
    household = np.unique([name.split("/")[0] for name in names], return_inverse=True)[1]
    similarity = scorer(vectors, normaliser)(vectors)
    first, second = np.triu_indices(len(vectors), 1)
    same = person[first] == person[second]
    scores, whose = similarity[first, second], household[first][same]
    limits = np.quantile(scores[~same], [1 - rate for rate in PAIR_FARS])
    count = np.bincount(whose, minlength=household.max() + 1)
    rng = np.random.default_rng(7)
    # Pairs share pictures and relatives look alike, so families are what is resampled.
    draws = rng.integers(0, len(count), (RESAMPLES, len(count)))
    result: dict[str, Any] = {"n_pictures": len(vectors), "n_people": int(person.max()) + 1}
    result |= {"n_pairs": int(same.sum()), "n_impostor_pairs": int((~same).sum())}
    for rate, limit in zip(PAIR_FARS, limits, strict=True):
        hits = np.bincount(whose, scores[same] >= limit, minlength=len(count))
        means = hits[draws].sum(axis=1) / count[draws].sum(axis=1)
        result[f"tar_at_far_{rate:g}"] = round(float(hits.sum() / count.sum()), 4)
        result[f"tar_at_far_{rate:g}_interval"] = [
            round(float(edge), 4) for edge in np.quantile(means, (0.025, 0.975))
        ]
    return result


def summary(shares: Sequence[float] | Scores) -> dict[str, float | list[float]]:
    """Mean, deviation over families, and the mean's interval by resampling the families."""
    values = np.array(shares)
    rng = np.random.default_rng(2)
    means = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    return {
        "mean": round(float(values.mean()), 4),
        "sd": round(float(values.std()), 4),
        "interval": [round(float(edge), 4) for edge in np.quantile(means, (0.025, 0.975))],
    }


def by_group(
    embed: Callable[[list[Image]], Vectors],
    groups: dict[str, list[Image]],
    threshold: float,
    normaliser: Normaliser,
) -> dict[str, dict[str, Any]]:
    """False accepts and degraded self-match of each group at a threshold."""
    results: dict[str, dict[str, Any]] = {}
    rng = np.random.default_rng(5)
    for name, faces in sorted(groups.items()):
        if len(faces) < 2:
            continue
        clean, poor = embed(faces), embed([degrade(face) for face in faces])
        gallery = Gallery.of(clean, normaliser)
        passed = gallery.normalised(clean, normaliser) >= threshold
        itself = int(np.sum(np.diag(gallery.normalised(poor, normaliser)) >= threshold))
        count = len(faces)
        # Pairs share pictures, so pictures are what is resampled.
        draws = []
        for _ in range(200):
            rows = rng.integers(0, count, count)
            different = rows[:, None] != rows[None]
            if different.any():
                draws.append(passed[np.ix_(rows, rows)][different].mean())
        results[name] = {
            "far": round(float((passed.sum() - np.trace(passed)) / (count * (count - 1))), 5),
            "far_interval": [round(float(edge), 5) for edge in np.quantile(draws, (0.025, 0.975))],
            "self_match": round(itself / count, 4),
            "self_match_interval": wilson(itself, count),
            "n_pictures": count,
            "n_pairs": count * (count - 1) // 2,
        }
    return results


def measure(
    system: Competitor,
    pairs: Pairs,
    people: dict[str, list[Image]],
    kin: tuple[list[Image], list[str]],
    normaliser: Normaliser | None,
) -> dict[str, Any]:
    """All figures of one system; normalised ones where it has a cohort."""
    vectors = system.embed(pairs.faces)
    cosine = (vectors[pairs.left] * vectors[pairs.right]).sum(axis=1)
    accuracy, right = pair_accuracy(cosine, pairs.same)
    clean = {who: system.embed(faces) for who, faces in people.items()}
    poor = {who: system.embed([degrade(face) for face in faces]) for who, faces in people.items()}
    result: dict[str, Any] = {
        "pairs_accuracy": round(accuracy, 4),
        "pairs_accuracy_interval": wilson(int(right.sum()), len(right)),
        "n_pairs": len(right),
        "n_undetected": pairs.undetected,
        "n_pairs_left_out": pairs.left_out,
        "n_people": len(people),
        "n_people_pictures": sum(map(len, people.values())),
    }
    for scoring, used in {"": normaliser, "_cosine": None}.items():
        if scoring and normaliser is None:
            continue
        for name, some in {"": clean, "_degraded": poor}.items():
            outcome = families(some, used)
            for rate, shares in zip(FPIRS, outcome["tpir"].T, strict=True):
                figures = summary(shares)
                key = f"tpir_at_fpir_{rate}{name}{scoring}"
                result[key] = figures["mean"]
                result[f"{key}_sd"] = figures["sd"]
                result[f"{key}_interval"] = figures["interval"]
            result[f"rank_1{name}{scoring}"] = round(outcome["rank_1"], 4)
            result["n_probes"], result["n_stranger_probes"] = outcome["probes"], outcome["strangers"]
    if kin[0]:
        vectors = system.embed(kin[0])
        result["relatives_cosine"] = relatives(vectors, kin[1], None)
        if normaliser is not None:
            result["relatives"] = relatives(vectors, kin[1], normaliser)
    return result


def impostor_threshold(
    vectors: Vectors, person: NDArray[np.str_], normaliser: Normaliser
) -> tuple[float, int]:
    """AS-norm score that lets 1 of 1,000 pairs of different people through, and how many pairs there were."""
    scores = Gallery.of(vectors, normaliser).normalised(vectors, normaliser)
    upper = np.triu(person[:, None] != person[None], 1)
    if not upper.any():
        raise SystemExit("--pairs names pictures of one person alone; the groups' threshold wants several.")
    return threshold_at(scores[upper], PAIR_FAR), int(upper.sum())


def show(results: dict[str, Any]) -> None:
    """Print the tables."""
    print("system      pairs [95 %]              TPIR@FPIR 1 % (sd) [95 %]          degraded")
    for name, result in results.items():
        if result is None or "pairs_accuracy" not in result:
            print(f"{name:<11} not measured: {results.get(f'{name}_reason', '')}") if result is None else None
            continue
        low, high = result["pairs_accuracy_interval"]
        key = "tpir_at_fpir_0.01"
        print(
            f"{name:<11} {result['pairs_accuracy']:.4f} [{low:.4f}, {high:.4f}]  {result[key]:.4f} "
            f"({result[f'{key}_sd']:.3f}) {result[f'{key}_interval']}  {result[f'{key}_degraded']:.4f} "
            f"{result[f'{key}_degraded_interval']}  rank-1 {result['rank_1']:.4f}"
        )
        rare = "tpir_at_fpir_0.001"
        print(
            f"{'':<11} at FPIR 0.1 %: {result[rare]:.4f} {result[f'{rare}_interval']}  degraded "
            f"{result[f'{rare}_degraded']:.4f} {result[f'{rare}_degraded_interval']}"
        )
        for scoring in ("relatives", "relatives_cosine"):
            for far in PAIR_FARS if scoring in result else ():
                kin = result[scoring]
                print(
                    f"{'':<11} {scoring}, TAR at FAR {far:.2%}: {kin[f'tar_at_far_{far:g}']:.4f} "
                    f"{kin[f'tar_at_far_{far:g}_interval']}  n = {kin['n_pairs']:,} pairs"
                )
    for name, row in (results.get("ours") or {}).get("groups", {}).items():
        print(
            f"{name:<18} FAR {row['far']:.5f} {row['far_interval']}  itself {row['self_match']:.4f} "
            f"{row['self_match_interval']}  n = {row['n_pictures']} pictures, {row['n_pairs']:,} pairs"
        )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--images", type=Path, default=DATA / "lfw" / "images")
    parser.add_argument("--people", type=Path, default=DATA / "glint12")
    parser.add_argument("--groups", type=Path)
    parser.add_argument("--families", type=Path, help="folders FAMILY/PERSON of pictures")
    parser.add_argument("--fold", type=int, help="only these pairs; 8 without --pairs, else all")
    parser.add_argument("--backbone", type=Path, help="a LiteRT file in place of the shipped one")
    parser.add_argument("--cohort", type=Path, help="the cohort that belongs to it")
    parser.add_argument("--yunet", type=Path, help="align with YuNet in place of our detector")
    parser.add_argument(
        "--teacher", type=Path, default=DATA / "models" / "face-reidentification-retail-0095.onnx"
    )
    parser.add_argument(
        "--imagenet", type=Path, default=DATA / "models" / "mobilenet_v2_imagenet_no_top.weights.h5"
    )
    parser.add_argument(
        "--only",
        nargs="*",
        choices=("ours", "imagenet", "teacher", "dlib"),
        help="measure these systems alone: ours imagenet teacher dlib",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    arguments = parser.parse_args()
    table = arguments.pairs or DATA / "lfw" / "pairs.tsv"
    fold = arguments.fold if arguments.fold or arguments.pairs else DEFAULT_FOLD
    default_groups = None if arguments.pairs or not (DATA / "chips").is_dir() else DATA / "chips"
    groups = arguments.groups or default_groups
    for path in (arguments.images, arguments.people, *filter(None, (arguments.groups, arguments.families))):
        if not path.is_dir():
            raise SystemExit(
                f"{path} is no folder; name the data with --pairs, --images, --people, --groups, --families."
            )
    people = read_people(arguments.people, FAMILY_SIZE, ENROLLED)
    chips = read_chips(groups) if groups is not None else {}
    find = (
        YuNet.load(arguments.yunet, 0.5).detections
        if arguments.yunet
        else FaceDetector.load(min_score=0.4).detect
    )
    pairs = read_pairs(table, arguments.images, fold, find)
    kin = read_families(arguments.families, find) if arguments.families else ([], [])
    cohort = load_cohort(arguments.cohort)
    normaliser = Normaliser(cohort.centres, cohort.top)
    results: dict[str, Any] = {}
    for name, opened in competitors(arguments.backbone, arguments.imagenet, arguments.teacher).items():
        if arguments.only and name not in arguments.only:
            continue
        try:
            system = opened()
        except UnavailableError as reason:
            results |= {name: None, f"{name}_reason": str(reason)}
            continue
        results[name] = measure(system, pairs, people, kin, normaliser if name == "ours" else None)
        if name == "ours" and chips:
            vectors = system.embed(pairs.faces)
            threshold, count = impostor_threshold(vectors, pairs.person, normaliser)
            table_by_group = by_group(system.embed, chips, threshold, normaliser)
            results[name] |= {
                "far_by_group": {group: row["far"] for group, row in table_by_group.items()},
                "self_match_by_group": {group: row["self_match"] for group, row in table_by_group.items()},
                "groups": table_by_group,
                "groups_threshold": round(threshold, 4),
                "n_impostor_pairs": count,
            }
    show(results)
    if arguments.json:
        print(json.dumps(results))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FacerecError as error:
        sys.exit(str(error))
