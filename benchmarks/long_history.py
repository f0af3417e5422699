"""Measure how long the page takes to answer where the history is long.

    python benchmarks/long_history.py --visits 10000 --repeat 20

A history is made of visits of five members and of forty strangers in groups, with a picture for each of the
strangers' visits, and the page's application is asked in this process, without a network. Prints one line of
JSON: the median and the longest time of each request in milliseconds, and the process's memory in MB.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

import httpx
from processes import pss

from facerec_mqtt.history import FILE, History, VisitFacts, VisitKind, VisitRecord
from facerec_mqtt.monitoring.page_messages import PageFolders, PageRequest
from facerec_mqtt.web.app import create_app
from facerec_mqtt.web.context import Context

MEMBERS = ("Anna", "Tom", "Ines", "Jo", "Max")
STRANGERS = 40
CAMERAS = ("front_door", "garden", "garage")
DAYS = 30
REQUESTS = (
    "/api/v1/visits",
    "/api/v1/visits?limit=500",
    "/api/v1/visits?person=anna",
    "/api/v1/visits?kind=doubtful&camera=garden",
    "/api/v1/strangers",
    "/api/v1/people",
    "/api/v1/quality?days=28",
    "/",
    "/visits",
    "/strangers",
    "/people",
    "/model",
)


def main() -> int:
    """Print what was measured as one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--visits", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measure(make(Path(folder), arguments.visits), arguments.repeat))))
    return 0


async def measure(folders: PageFolders, repeat: int) -> dict[str, object]:
    """Ask a page for everything, and go through all visits."""
    request = PageRequest(host="127.0.0.1", port=8094, folders=folders)
    transport = httpx.ASGITransport(create_app(Context.of(request)))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8094") as client:
        await client.get(REQUESTS[0])
        before_mb = megabytes()
        figures = {path: await timed(client, path, repeat) for path in REQUESTS}
        cursor, pages = "", 0
        while cursor is not None:
            answer = await client.get(f"/api/v1/visits?limit=500{cursor and f'&cursor={cursor}'}")
            cursor, pages = answer.json()["next"], pages + 1
    return {"ms": figures, "pages": pages, "mb_before": before_mb, "mb_after": megabytes()}


def megabytes() -> float:
    """Memory of this process."""
    return round(pss(os.getpid()) / 2**20, 1)


def make(folder: Path, visits: int) -> PageFolders:
    """Write the history and the pictures."""
    folders = PageFolders(
        enrollment_dir=folder / "enrollment", model_dir=folder / "models", review_dir=folder / "review"
    )
    for name in MEMBERS:
        (folders.enrollment_dir / name).mkdir(parents=True)
    chosen = random.Random(1)
    began = time.time() - DAYS * 86_400
    with closing(History.open(folders.model_dir / FILE)) as history:
        for number in range(visits):
            began += DAYS * 86_400 / visits
            kind = chosen.choices(
                (VisitKind.FAMILY, VisitKind.STRANGER, VisitKind.DOUBTFUL), (0.8, 0.15, 0.05)
            )[0]
            name = chosen.choice(MEMBERS) if kind is VisitKind.FAMILY else None
            picture = None
            if kind is VisitKind.STRANGER:
                stamp = time.strftime("%Y-%m-%d/%H%M%S", time.localtime(began))
                picture = f"{stamp}-{number % 1000:03d}_front_door_stranger.jpg"
                (folders.review_dir / picture).parent.mkdir(parents=True, exist_ok=True)
                (folders.review_dir / picture).write_bytes(b"\xff\xd8")
            history.put(
                VisitRecord(
                    f"01{number:08}",
                    kind,
                    None if name is None else name.lower(),
                    name,
                    chosen.choice(CAMERAS),
                    began,
                    began + 60,
                    chosen.random(),
                    picture,
                    f"S{chosen.randrange(STRANGERS)}" if kind is VisitKind.STRANGER else None,
                    VisitFacts(votes=3, frames=9, named=8, best_score=chosen.random()),
                )
            )
    return folders


async def timed(client: httpx.AsyncClient, path: str, repeat: int) -> dict[str, float]:
    """Median and longest time of a request in milliseconds."""
    times = []
    for _ in range(repeat + 1):
        began_s = time.perf_counter()
        answer = await client.get(path)
        times.append((time.perf_counter() - began_s) * 1000)
        if answer.status_code not in (200, 404):
            raise RuntimeError(f"{path}: {answer.status_code}")
    return {"median": round(statistics.median(times[1:]), 1), "longest": round(max(times[1:]), 1)}


if __name__ == "__main__":
    raise SystemExit(main())
