"""Measure the rebuild: four people with 200 photos each, with an empty and with a warm cache.

    python benchmarks/rebuild.py [--photos DIR]

`--photos` is a tree of photos with a face each, at least 800 that differ; without it drawn people are used,
which takes some minutes to draw. Who is on the photos does not change the time: any photos are dealt to four
folders. The warm rebuild comes after ten new photos.
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
from pathlib import Path

PEOPLE, PHOTOS, NEW = 4, 200, 10


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
        cold_s, report = rebuild(folder)
        for number in range(NEW):
            late = folder / "late" / f"{number}.jpg"
            shutil.move(late, folder / "enrollment" / "Person 1" / f"late_{number}.jpg")
        warm_s, _ = rebuild(folder)
    used = sum(photo["used"] for photo in report["photos"])
    figures = {
        "photos": len(report["photos"]),
        "used": used,
        "cold_s": round(cold_s, 1),
        "warm_with_10_new_s": round(warm_s, 1),
        # Of the larger of the two processes.
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
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


def rebuild(folder: Path) -> tuple[float, dict[str, list[dict[str, object]]]]:
    """Run the command; wall time in seconds, and its report."""
    began = time.perf_counter()
    folders = ["--enrollment", str(folder / "enrollment"), "--model-dir", str(folder / "models")]
    done = subprocess.run(
        [sys.executable, "-m", "facerec_mqtt", "rebuild", "--json", *folders],
        stdout=subprocess.PIPE,
        check=True,
    )
    return time.perf_counter() - began, json.loads(done.stdout)


if __name__ == "__main__":
    raise SystemExit(main())
