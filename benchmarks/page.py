"""Measure whether recognition feels the page: latency and frames a second with and without people who look.

    python benchmarks/page.py --model-dir models --camera film/ [--rounds 3] [--seconds 60]

A round takes under three minutes. In turn nobody looks, and ten people look at a camera live (each takes the
faces as they come, and the picture that belongs to them) while 50 requests a second ask for other things.
Each has a service of its own, whose quantiles are of this phase alone; the load of the machine is printed
with it. Every frame is searched, whether something moves or not. The requests are made by a process of the
lowest priority, as they would come from other machines. Mosquitto must be installed.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from processes import TICKS, arguments_of, family, pss
from service import broker, free_port, listen

VIEWERS = 10
REQUESTS_PER_SECOND = 50
SECONDS = 60
"""Of each phase; a service's quantiles are of its latest 2000 frames."""
REST_S = 10
"""After the start, before anything is measured."""
METRICS_S = 2
_SILENT_S = 60
PATHS = ("/api/v1/status", "/api/v1/people", "/api/v1/visits?limit=50", "/", "/visits", "/people")


def main() -> int:
    """Run the service beside a broker, and print what was measured as one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--camera", required=True, help="folder of pictures, or video file")
    parser.add_argument("--model-dir", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--cameras", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each phase")
    parser.add_argument(
        "--client-nice", type=int, default=19, help="of whoever looks: 19 leaves the machine to the service"
    )
    parser.add_argument("--fps", type=float, default=5.0, help="of each camera")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder)) as port:
        print(json.dumps(measure(arguments, port, Path(folder))))
    return 0


def measure(arguments: argparse.Namespace, port: int, folder: Path) -> dict[str, Any]:
    """Run a service for each phase, in turn without and with load."""
    received: queue.Queue[tuple[float, str, bytes]] = queue.Queue()
    client = listen(port, received)
    rest: list[dict[str, float]] = []
    load: list[dict[str, float]] = []
    try:
        for _ in range(arguments.rounds):
            for phases, watched in ((rest, False), (load, True)):
                with service_of(arguments, port, folder) as (service, page, address):
                    time.sleep(REST_S)
                    idle_mb = pss(page) / 2**20
                    with looking(address, arguments) if watched else contextlib.nullcontext() as count:
                        phases.append(phase(received, service, page, arguments.seconds))
                        phases[-1]["requests_per_second"] = (
                            0 if count is None else round(count.value / phases[-1]["seconds"])
                        )
                    phases[-1] |= {
                        "page_pss_idle_mb": round(idle_mb, 1),
                        "page_pss_after_mb": round(pss(page) / 2**20, 1),
                        "load_of_machine": round(os.getloadavg()[0], 1),
                    }
    finally:
        client.disconnect()
        client.loop_stop()
    return {"rounds": arguments.rounds, "without": summary(rest), "with": summary(load)}


@contextmanager
def service_of(arguments: argparse.Namespace, port: int, folder: Path) -> Iterator[tuple[int, int, str]]:
    """Run a service; yields its process, the page's, and the page's address."""
    page_port = free_port()
    cameras = [
        {"name": f"camera {n}", "url": arguments.camera, "fps": arguments.fps}
        for n in range(arguments.cameras)
    ]
    settings = {
        "FACEREC_CAMERAS": json.dumps(cameras),
        "FACEREC_MODEL_DIR": str(arguments.model_dir.absolute()),
        "FACEREC_ENROLLMENT_DIR": str(folder / "enrollment"),
        "FACEREC_MQTT__PORT": str(port),
        "FACEREC_RECOGNITION__MOTION": "false",
        "FACEREC_RECOGNITION__DEPARTURE_S": "3",
        "FACEREC_METRICS__INTERVAL_S": str(METRICS_S),
        "FACEREC_WEB__PORT": str(page_port),
    }
    service = subprocess.Popen(
        [sys.executable, "-m", "facerec_mqtt", "run"], env=os.environ | settings, cwd=folder
    )
    try:
        address = f"http://127.0.0.1:{page_port}"
        wait_for(address, service)
        page = next(pid for pid in family(service.pid) if "facerec_mqtt.web" in arguments_of(pid))
        yield service.pid, page, address
    finally:
        service.terminate()
        try:
            service.wait(20)
        except subprocess.TimeoutExpired:
            service.kill()


def summary(phases: list[dict[str, float]]) -> dict[str, Any]:
    """The median of the phases, and each."""
    keys = [
        "latency_p50_ms",
        "latency_p95_ms",
        "frames_per_second",
        "late",
        "service_cpu_ms_per_frame",
        "page_cpu",
        "requests_per_second",
        "page_pss_idle_mb",
        "page_pss_after_mb",
        "load_of_machine",
    ]
    return {
        key: {"median": statistics.median(p[key] for p in phases), "each": [p[key] for p in phases]}
        for key in keys
    }


def wait_for(address: str, service: "subprocess.Popen[bytes]") -> None:
    """Wait until the page answers."""
    for attempt in range(600):
        try:
            httpx.get(f"{address}/api/v1/status", timeout=5)
        except httpx.HTTPError:
            if service.poll() is not None:
                sys.exit(f"The service has ended with status {service.returncode}; its log is above.")
            if attempt == 599:
                raise
            time.sleep(0.1)
        else:
            return


def own_cpu_seconds(pid: int) -> float:
    """Processor time of a process without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(ticks) for ticks in fields[11:13]) / TICKS


def phase(
    received: "queue.Queue[tuple[float, str, bytes]]", service: int, page: int, seconds: float
) -> dict[str, float]:
    """Watch the service's own counts for so long."""
    while not received.empty():
        received.get()
    first: tuple[float, int, int] | None = None
    cpu = of_service = 0.0
    while True:
        try:
            at_s, topic, payload = received.get(timeout=_SILENT_S)
        except queue.Empty:
            sys.exit(f"The service has published no figures for {_SILENT_S} s.")
        if topic != "facerec/metrics":
            continue
        content = json.loads(payload)
        counts = content["cameras"].values()
        searched, late = (sum(each[key] for each in counts) for key in ("looked_at", "late"))
        if first is None:
            first = at_s, searched, late
            cpu, of_service = own_cpu_seconds(page), own_cpu_seconds(service)
        elif (passed_s := at_s - first[0]) >= seconds and searched > first[1]:
            return {
                "seconds": passed_s,
                "latency_p50_ms": content["latency_ms"]["p50"],
                "latency_p95_ms": content["latency_ms"]["p95"],
                "frames_per_second": round((searched - first[1]) / passed_s, 2),
                "late": late - first[2],
                "service_cpu_ms_per_frame": round(
                    1000 * (own_cpu_seconds(service) - of_service) / (searched - first[1]), 1
                ),
                "page_cpu": round((own_cpu_seconds(page) - cpu) / passed_s, 3),
            }


@contextmanager
def looking(address: str, arguments: argparse.Namespace) -> "Iterator[Any]":
    """Have people look at the page from another process; yields how many requests were answered so far."""
    context = multiprocessing.get_context("spawn")
    count = context.Value("q", 0)
    who = address, arguments.cameras, arguments.client_nice, count
    process = context.Process(target=_look, args=who, daemon=True)
    process.start()
    time.sleep(5)
    count.value = 0
    try:
        yield count
    finally:
        process.terminate()
        process.join()


def _look(address: str, cameras: int, nice: int, count: Any) -> None:
    os.nice(nice)
    asyncio.run(_all(address, cameras, count))


async def _all(address: str, cameras: int, count: Any) -> None:
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
        await asyncio.gather(
            *(_view(client, f"camera_{n % cameras}", count) for n in range(VIEWERS)), _ask(client, count)
        )


async def _view(client: httpx.AsyncClient, camera: str, count: Any) -> None:
    path = f"/api/v1/cameras/{camera}"
    async with client.stream("GET", f"{path}/live", headers={"Accept": "text/event-stream"}) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                with contextlib.suppress(httpx.TransportError):
                    await client.get(f"{path}/frame.jpg?width=640")
                    count.value += 1


async def _ask(client: httpx.AsyncClient, count: Any) -> None:
    asked: set[asyncio.Task[None]] = set()

    async def ask(path: str) -> None:
        # A connection that is kept may be closed just as it is used again.
        with contextlib.suppress(httpx.TransportError):
            await client.get(path)
            count.value += 1

    due_s, number = time.monotonic(), 0
    while True:
        task = asyncio.create_task(ask(PATHS[number % len(PATHS)]))
        asked.add(task)
        task.add_done_callback(asked.discard)
        number += 1
        due_s += 1 / REQUESTS_PER_SECOND
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))


if __name__ == "__main__":
    raise SystemExit(main())
