"""Measure the rebuild: four people with 200 photos each, with an empty and with a warm cache.

    python benchmarks/rebuild.py [--photos DIR]

`--photos` is a tree of photos with a face each, at least 800 that differ; without it drawn people are used,
which takes some minutes to draw. Who is on the photos does not change the time: any photos are dealt to four
folders. The warm rebuild comes after ten new photos. Memory is that of the process and the one in which it
trains, shared pages counted once; processor time is of both.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from processes import family, pss

PEOPLE, PHOTOS, NEW = 4, 200, 10
LOOK_EVERY_S = 0.2


def main() -> int:
    """Rebuild twice, and print what was measured as one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        deal(arguments.photos, folder)
        cold = rebuild(folder)
        for number in range(NEW):
            late = folder / "late" / f"{number}.jpg"
            shutil.move(late, folder / "enrollment" / "Person 1" / f"late_{number}.jpg")
        warm = rebuild(folder)
    figures = {
        "photos": cold.photos,
        "used": cold.used,
        "cold_s": round(cold.wall_s, 1),
        "warm_with_10_new_s": round(warm.wall_s, 1),
        "cold_processor_s": round(cold.processor_s, 1),
        "warm_processor_s": round(warm.processor_s, 1),
        "peak_pss_mb": round(max(cold.pss_bytes, warm.pss_bytes) / 2**20),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(figures))
    return 0


def deal(photos: Path | None, folder: Path) -> None:
    """Put the photos into four people's folders, and ten more aside."""
    if photos is None:
        draw(folder)
        return
    found = sorted(
        path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")
    )
    wanted = PEOPLE * PHOTOS + NEW
    if len(found) < wanted:
        sys.exit(f"{photos} holds {len(found)} photos; {wanted} are needed")
    for number, path in enumerate(found[:wanted]):
        person, rank = divmod(number, PHOTOS)
        target = folder / "enrollment" / f"Person {person + 1}" if person < PEOPLE else folder / "late"
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target / f"{rank}.jpg")


def draw(folder: Path) -> None:
    """Draw them."""
    from facerec_mqtt.rendering import FAMILY, write_photos

    for person, identity in enumerate(list(FAMILY.values())[:PEOPLE], start=1):
        write_photos(folder / "enrollment" / f"Person {person}", identity, range(PHOTOS))
    write_photos(folder / "drawn", next(iter(FAMILY.values())), range(PHOTOS, PHOTOS + NEW))
    (folder / "late").mkdir()
    for number, path in enumerate(sorted((folder / "drawn").iterdir())):
        path.replace(folder / "late" / f"{number}.jpg")


@dataclass(frozen=True, slots=True)
class Run:
    """What one rebuild took."""

    wall_s: float
    processor_s: float
    pss_bytes: int
    photos: int
    used: int


def rebuild(folder: Path) -> Run:
    """Run the command."""
    folders = ["--enrollment", str(folder / "enrollment"), "--model-dir", str(folder / "models")]
    began, before = time.perf_counter(), processor_s()
    with (folder / "report.json").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "facerec_mqtt", "rebuild", "--json", *folders], stdout=output
        )
        pss_bytes = 0
        while process.poll() is None:
            pss_bytes = max(pss_bytes, sum(map(pss, family(process.pid))))
            time.sleep(LOOK_EVERY_S)
    if process.returncode:
        sys.exit(f"The rebuild ended with status {process.returncode}")
    wall_s = time.perf_counter() - began
    photos = json.loads((folder / "report.json").read_text())["photos"]
    used = sum(photo["used"] for photo in photos)
    return Run(wall_s, processor_s() - before, pss_bytes, len(photos), used)


def processor_s() -> float:
    """Of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    raise SystemExit(main())
