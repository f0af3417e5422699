"""Ours beside `face_recognition` (dlib) and the beginner's recipe, on the same frames and the same family.

    python benchmarks/peers.py --plot docs/peers.png --page docs/PERFORMANCE.md

- `--people`: one folder of pictures a person. The `--family` people (5) with the most pictures are the
  family: `--enrol` (10) pictures of each are enrolled, up to 20 others are shown. Of everybody else one is
  shown, `--strangers` (300) in all. By default LFW in ../shared/data, fold 8, which our networks never saw.
- `--imagenet`: ImageNet's weights for `keras.applications.MobileNetV2` without its top, for the recipe.
- `--environments`: where the peer gets an environment of its own on first use, by default .peers beside this
  file. It is dlib as built by the package dlib-bin, with AVX; to compile it oneself takes an hour.
- `--plot`: also draw the figures; needs matplotlib.
- `--page`: also put the table into this file, between its comments "peers" and "/peers".

Each picture stands in the middle of a 640×360 frame. All run on one core and one after the other, each in a
fresh process. Times are processor time, so that other work on the machine counts little. Accuracy is given
twice: at each one's own threshold, and at the one that lets 1 % of these strangers through, which is the same
demand on all and known to none beforehand.
"""

import argparse
import csv
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from peer_contest import NEVER, slug

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data"
FOLD = "8"
WIDTH_PX, HEIGHT_PX = 640, 360
FACE_PX = 250
SHOWN = 20
STRANGERS_THROUGH = 0.01
CONTESTANTS = {
    "ours": "facerec-mqtt",
    "dlib": "face_recognition (dlib)",
    "article": "ImageNet, Keras, softmax",
}
# face_recognition asks for "dlib", which is to be compiled; "dlib-bin" is the same library.
DLIB = ("setuptools<81", "numpy", "pillow", "click", "dlib-bin", "face_recognition_models")
COLOURS = {"ours": "#2a7f4f", "dlib": "#b0792a", "article": "#8a8a8a"}


def main() -> int:
    """Run the contest, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=Path)
    parser.add_argument(
        "--imagenet", type=Path, default=DATA / "models" / "mobilenet_v2_imagenet_no_top.weights.h5"
    )
    parser.add_argument("--environments", type=Path, default=HERE / ".peers")
    parser.add_argument("--only", choices=CONTESTANTS, nargs="+", default=list(CONTESTANTS))
    parser.add_argument("--family", type=int, default=5)
    parser.add_argument("--enrol", type=int, default=10)
    parser.add_argument("--strangers", type=int, default=300)
    parser.add_argument("--json", action="store_true", help="print the figures as one line of JSON")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    people = people_of(arguments.people)
    results = {}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        shutil.copy(arguments.imagenet, work / "imagenet.weights.h5")
        deal(people, work, arguments.family, arguments.enrol, arguments.strangers)
        for contestant in arguments.only:
            print(f"{CONTESTANTS[contestant]} ...", file=sys.stderr, flush=True)
            results[contestant] = compete(contestant, work, arguments.environments)
    if arguments.json:
        print(json.dumps(results))
    else:
        print(table(results))
    if arguments.plot is not None:
        draw(results, arguments.plot)
    if arguments.page is not None:
        put_into(arguments.page, table(results))
    return 0


def people_of(folder: Path | None) -> dict[str, list[Path]]:
    """Each person's pictures."""
    if folder is None:
        folder = DATA / "lfw" / "images"
        with (DATA / "lfw" / "folds.tsv").open(encoding="utf-8") as file:
            names = [row["person"] for row in csv.DictReader(file, delimiter="\t") if row["fold"] == FOLD]
    else:
        names = [path.name for path in folder.iterdir() if path.is_dir()]
    return {name: sorted((folder / name).iterdir()) for name in sorted(names) if (folder / name).is_dir()}


def deal(people: dict[str, list[Path]], work: Path, family: int, enrol: int, strangers: int) -> None:
    """Write the enrollment folder, and the frames: `<number>_<slug>.npy`, of a stranger `<number>_.npy`."""
    (work / "frames").mkdir()
    ordered = sorted(people, key=lambda name: -len(people[name]))
    shown: list[tuple[str, Path]] = []
    for name in ordered[:family]:
        pictures = list(np.random.default_rng(len(people[name])).permutation(np.array(people[name], object)))
        home = work / "enrollment" / name.replace("_", " ")
        home.mkdir(parents=True)
        for path in pictures[:enrol]:
            shutil.copy(path, home)
        shown += [(slug(name), path) for path in pictures[enrol : enrol + SHOWN]]
    shown += [("", people[name][0]) for name in ordered[family : family + strangers]]
    for number, (who, path) in enumerate(shown):
        np.save(work / "frames" / f"{number:05d}_{who}.npy", frame_of(path))


def frame_of(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture in the middle of an otherwise blurred frame."""
    picture = cv2.resize(cv2.imread(str(path)), (FACE_PX, FACE_PX), interpolation=cv2.INTER_AREA)
    # So few pixels that what is left around it is no second face.
    blurred = cv2.resize(picture, (8, 5), interpolation=cv2.INTER_AREA)
    frame = cv2.resize(blurred, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    x, y = (WIDTH_PX - FACE_PX) // 2, (HEIGHT_PX - FACE_PX) // 2
    frame[y : y + FACE_PX, x : x + FACE_PX] = picture
    return np.asarray(frame, np.uint8)


def compete(contestant: str, work: Path, environments: Path) -> dict[str, Any]:
    """Enrol and recognise with one contestant."""
    python = dlib_python(environments) if contestant == "dlib" else sys.executable
    script = str(HERE / f"peer_{contestant}.py")
    limits = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    started = time.monotonic()
    subprocess.run(
        [python, script, "enrol", str(work)], check=True, stdout=subprocess.DEVNULL, env=os.environ | limits
    )
    enrolled_s = time.monotonic() - started
    core = {min(os.sched_getaffinity(0))}
    all_cores = os.sched_getaffinity(0)
    started = time.clock_gettime(time.CLOCK_MONOTONIC)
    os.sched_setaffinity(0, core)  # children inherit it
    try:
        subprocess.run(
            [python, script, "recognise", str(work)],
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | limits,
        )
    finally:
        os.sched_setaffinity(0, all_cores)
    measured = json.loads((work / f"{contestant}.json").read_text())
    busy_s = measured["busy_s"]
    return {
        "ms_a_frame": round(1000 * statistics.median(busy_s), 1),
        "frames_a_second_a_core": round(len(busy_s) / sum(busy_s), 1),
        "peak_rss_mb": round(measured["peak_rss_bytes"] / 2**20),
        "start_to_first_answer_s": round(measured["first_at"] - started, 1),
        "enrolment_s": round(enrolled_s),
    } | accuracy(measured["answers"])


def accuracy(answers: list[list[Any]]) -> dict[str, Any]:
    """How many of the family and of the strangers are named, at two thresholds."""
    rows = [(stem.split("_", 1)[1], person, candidate, score) for stem, person, candidate, score in answers]
    own = [row for row in rows if row[0]]
    others = [row for row in rows if not row[0]]
    through = int(STRANGERS_THROUGH * len(others))
    limit = sorted((score for _, _, _, score in others), reverse=True)[through]
    return {
        "family": len(own),
        "family_named": sum(who == person for who, person, _, _ in own) / len(own),
        "family_misnamed": sum(person not in (None, who) for who, person, _, _ in own) / len(own),
        "strangers": len(others),
        "strangers_named": sum(person is not None for _, person, _, _ in others) / len(others),
        "not_found": sum(score == NEVER for _, _, _, score in rows) / len(rows),
        "family_named_at_1_percent": sum(
            who == candidate and score > limit for who, _, candidate, score in own
        )
        / len(own),
    }


def dlib_python(environments: Path) -> str:
    """The peer's own environment, which is made where there is none."""
    folder = environments / "dlib"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q"]
        subprocess.run([*pip, *DLIB], check=True)
        subprocess.run([*pip, "--no-deps", "face_recognition"], check=True)
        (folder / "complete").touch()
    return str(python)


def table(results: dict[str, dict[str, Any]]) -> str:
    """The figures as Markdown."""
    any_result = next(iter(results.values()))
    rows = [
        ("One 640×360 frame with one face, ms of one core", "ms_a_frame", "{:.0f}"),
        ("Frames a second a core", "frames_a_second_a_core", "{:.1f}"),
        ("Memory, peak resident, MB", "peak_rss_mb", "{:.0f}"),
        ("Start to first answer, s", "start_to_first_answer_s", "{:.1f}"),
        (f"Family named rightly, {any_result['family']} pictures, own threshold", "family_named", "{:.0%}"),
        ("Family given another's name, own threshold", "family_misnamed", "{:.1%}"),
        (f"Strangers named, {any_result['strangers']} people, own threshold", "strangers_named", "{:.1%}"),
        (
            "Family named rightly where 1 % of these strangers are named",
            "family_named_at_1_percent",
            "{:.0%}",
        ),
    ]
    lines = [
        f"{datetime.date.today():%Y-%m-%d}, {processor()}, Python {platform.python_version()}",
        "",
        "| | " + " | ".join(CONTESTANTS[name] for name in results) + " |",
        "| --- |" + " --- |" * len(results),
    ]
    for title, key, form in rows:
        lines.append(
            f"| {title} | " + " | ".join(form.format(result[key]) for result in results.values()) + " |"
        )
    return "\n".join(lines)


def put_into(document: Path, text: str) -> None:
    """Replace what stands between the comments of a Markdown file."""
    before, rest = document.read_text(encoding="utf-8").split("<!-- peers -->\n")
    _, after = rest.split("<!-- /peers -->")
    document.write_text(f"{before}<!-- peers -->\n{text}\n<!-- /peers -->{after}", encoding="utf-8")


def processor() -> str:
    """What the machine calls itself."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    """Bars of the figures that decide."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    panels = (
        ("Frames a second a core", "frames_a_second_a_core", 1.0, "{:.1f}"),
        ("Memory, MB", "peak_rss_mb", 1.0, "{:.0f}"),
        ("Strangers named, %\n(own threshold)", "strangers_named", 100.0, "{:.1f}"),
        ("Family named, %\n(where 1 % of strangers are)", "family_named_at_1_percent", 100.0, "{:.0f}"),
    )
    figure, axes = plt.subplots(1, len(panels), figsize=(11, 2.4), layout="constrained")
    names = list(results)[::-1]
    for column, (axis, (title, key, factor, form)) in enumerate(zip(axes, panels, strict=True)):
        values = [factor * results[name][key] for name in names]
        bars = axis.barh(
            [CONTESTANTS[name] for name in names], values, color=[COLOURS[name] for name in names]
        )
        axis.bar_label(bars, [form.format(value) for value in values], padding=3)
        axis.set_title(title, fontsize=10)
        axis.set_xlim(0, 1.25 * max(*values, 1e-9))
        axis.set_xticks([])
        axis.spines[["top", "right", "bottom"]].set_visible(False)
        if column:
            axis.set_yticks([])
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    raise SystemExit(main())
