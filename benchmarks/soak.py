"""Run the service for hours against real RTSP cameras, and tell what it takes and whether that grows.

    python benchmarks/soak.py --cameras 4 --minutes 120 --rebuild-minutes 10 --plot soak.png

Drawn people come and go before each camera, each camera at another place of the film; they are enrolled
first. The cameras are tests/support/rtsp_server.py, which needs GStreamer as the tests do; `--camera URL`
with `--model-dir DIR` takes your own instead. Mosquitto must be installed; `--plot` needs matplotlib.
Departures are set to three seconds, so that every round of the film gives its events.

Prints one line of JSON. Medians and slopes are of what was sampled after the first rebuild, or after the
first quarter where there is none; the child that rebuilds is not counted in.
"""

import argparse
import contextlib
import itertools
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
from processes import arguments_of, cpu_seconds, family, files, pss, rss, threads
from service import broker, listen, percentile

from facerec_mqtt.rendering import FAMILY, UNSEEN_STRANGERS, walk, write_enrollment
from facerec_mqtt.rendering.people import Identity

ROOT = Path(__file__).parent.parent
SYSTEM_PYTHON = "/usr/bin/python3"
CAST: tuple[Identity, ...] = (FAMILY["Anna"], UNSEEN_STRANGERS[0], FAMILY["Tom"])
VISIT_S, PAUSE_S = 6.0, 4.0
SAMPLE_S = 10.0
WARM_UP = 0.25
"""Share of the time that does not count into slopes and medians where there is no rebuild."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the service took at one moment."""

    at_s: float
    rss_mb: float
    """Of the service's own process."""
    pss_mb: float
    """Of the service and its readers, what they share counted once."""
    files: int
    threads: int
    processes: int
    """Service and readers."""
    cpu_s: float
    """Processor time so far, the rebuilds' too."""
    is_rebuilding: bool


@dataclass(slots=True)
class Totals:
    """What the service said."""

    events: int = 0
    departures: int = 0
    rebuilds: int = 0
    failures: int = 0


def main() -> int:
    """Set everything up, run, and print what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cameras", type=int, default=4, help="how many drawn cameras (%(default)s)")
    parser.add_argument("--camera", action="append", default=[], help="URL of your own, again for each")
    parser.add_argument("--model-dir", type=Path, help="of your own family")
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--rebuild-minutes", type=float, default=10.0, help="0 for none")
    parser.add_argument("--fps", type=float, default=5.0)
    parser.add_argument("--size", default="640x360", help="of the drawn cameras (%(default)s)")
    parser.add_argument("--plot", type=Path, help="draw what was sampled into this PNG")
    parser.add_argument("--keep-log", type=Path, help="write the service's log here")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        enrollment, models = folder / "enrollment", arguments.model_dir or folder / "models"
        if arguments.model_dir is None:
            say("drawing and enrolling the family")
            write_enrollment(enrollment, names=("Anna", "Tom"), photos=8, stranger_photos=3)
            rebuild(enrollment, models)
        port = stack.enter_context(broker(folder))
        urls = arguments.camera
        if not urls:
            say("drawing the film")
            width, height = map(int, arguments.size.split("x"))
            clips = draw_clips(folder, arguments.cameras, arguments.fps, (width, height))
            urls = stack.enter_context(rtsp_server(clips))
        environment = settings(urls, arguments.fps, port, enrollment, models)
        log = stack.enter_context((arguments.keep_log or folder / "log").open("wb"))
        result, samples = soak(arguments, environment, port, log)
        log.flush()
        lines = Path(log.name).read_text(errors="replace").splitlines()
        result["warnings"] = [line for line in lines if " WARNING " in line or " ERROR " in line][:20]
    print(json.dumps(result))
    if arguments.plot is not None:
        draw(samples, result, arguments.plot)
    return 0


def say(text: str) -> None:
    """Tell the person who waits."""
    print(f"soak: {text}", file=sys.stderr, flush=True)


def rebuild(enrollment: Path, models: Path) -> None:
    """Make the family's model with the real command."""
    folders = ["--enrollment", str(enrollment), "--model-dir", str(models)]
    command = [sys.executable, "-m", "facerec_mqtt", "rebuild", *folders]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def draw_clips(folder: Path, cameras: int, fps: float, size: tuple[int, int]) -> list[Path]:
    """One film, begun at another place for each camera."""
    frames = list(walk(CAST, frames_per_second=fps, size=size, visit_s=VISIT_S, pause_s=PAUSE_S))
    clips = [folder / f"film{number}.avi" for number in range(cameras)]
    for number, clip in enumerate(clips):
        first = number * len(frames) // cameras
        writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), fps, size)
        for frame in frames[first:] + frames[:first]:
            writer.write(frame)
        writer.release()
    return clips


@contextlib.contextmanager
def rtsp_server(clips: Sequence[Path]) -> Iterator[list[str]]:
    """Serve each clip as a camera; gives their URLs."""
    server = subprocess.Popen(
        [SYSTEM_PYTHON, ROOT / "tests" / "support" / "rtsp_server.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    mounts = {f"/{number}": [str(clip)] for number, clip in enumerate(clips)}
    server.stdin.write(json.dumps({"port": 0, "mounts": mounts, "login": None, "codec": "h264"}) + "\n")
    server.stdin.flush()
    word, _, port = server.stdout.readline().strip().partition(" ")
    if word != "ready":
        sys.exit("the RTSP server has not started; install what tests/support/rtsp_server.py names")
    try:
        yield [f"rtsp://127.0.0.1:{port}{mount}" for mount in mounts]
    finally:
        server.kill()
        server.wait()


def settings(urls: Sequence[str], fps: float, port: int, enrollment: Path, models: Path) -> dict[str, str]:
    """The environment of the service."""
    cameras = [{"name": f"camera{number}", "url": url, "fps": fps} for number, url in enumerate(urls)]
    others = {name: value for name, value in os.environ.items() if not name.startswith("FACEREC_")}
    return others | {
        "FACEREC_CAMERAS": json.dumps(cameras),
        "FACEREC_MODEL_DIR": str(models),
        "FACEREC_ENROLLMENT_DIR": str(enrollment),
        "FACEREC_MQTT__HOST": "127.0.0.1",
        "FACEREC_MQTT__PORT": str(port),
        "FACEREC_RECOGNITION__DEPARTURE_S": "3",
    }


def soak(
    arguments: argparse.Namespace, environment: Mapping[str, str], port: int, log: Any
) -> tuple[dict[str, Any], list[Sample]]:
    """Run the service for the time that was asked for."""
    inbox: queue.Queue[tuple[float, str, bytes]] = queue.Queue()
    client = listen(port, inbox)
    began_s = time.monotonic()
    service = subprocess.Popen(
        [sys.executable, "-m", "facerec_mqtt", "run"], env=environment, stdout=log, stderr=log
    )
    samples: list[Sample] = []
    received = Totals()
    latencies_ms: list[float] = []
    rates: dict[str, list[float]] = {}
    due_s, rebuild_s = began_s + SAMPLE_S, began_s + 60 * arguments.rebuild_minutes
    try:
        while (now_s := time.monotonic()) < began_s + 60 * arguments.minutes:
            if service.poll() is not None:
                sys.exit(f"the service has ended with status {service.returncode}")
            if arguments.rebuild_minutes and now_s >= rebuild_s:
                rebuild_s += 60 * arguments.rebuild_minutes
                client.publish("facerec/command/rebuild", "PRESS", qos=1)
            if now_s >= due_s:
                due_s += SAMPLE_S
                samples.append(sample(service.pid, now_s - began_s))
            with contextlib.suppress(queue.Empty):
                _, topic, payload = inbox.get(timeout=min(1.0, max(0.01, due_s - now_s)))
                take(topic, payload, received, latencies_ms, rates)
        result = sum_up(samples, received, latencies_ms, rates)
    finally:
        members = family(service.pid)
        service.terminate()
        service.wait(30)
        client.disconnect()
        client.loop_stop()
    return result | {
        "minutes": arguments.minutes,
        "size": arguments.size,
        "fps_wanted": arguments.fps,
        "left_over_processes": sum(Path(f"/proc/{pid}").exists() for pid in members),
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }, samples


def take(
    topic: str, payload: bytes, received: Totals, latencies_ms: list[float], rates: dict[str, list[float]]
) -> None:
    """Count one message."""
    if topic.endswith("/event"):
        event = json.loads(payload)
        received.events += 1
        if event["event_type"] == "departed":
            received.departures += 1
        else:
            latencies_ms.append(event["latency_ms"])
    elif topic == "facerec/command/result":
        answer = json.loads(payload)
        received.rebuilds += answer["ok"]
        received.failures += not answer["ok"]
    elif "/camera/" in topic and topic.endswith("/state") and payload.startswith(b"{"):
        rates.setdefault(topic.split("/")[-2], []).append(json.loads(payload)["fps"])


def sample(pid: int, at_s: float) -> Sample:
    """Look at the service once."""
    cpu_s = cpu_seconds(pid)
    commands = {member: arguments_of(member) for member in family(pid)}
    of_rebuild = {member for member, command in commands.items() if "rebuild" in command}
    own = [member for member in commands if member not in of_rebuild]
    return Sample(
        round(at_s, 1),
        rss(pid) / 2**20,
        sum(map(pss, own)) / 2**20,
        files(pid),
        threads(pid),
        len(own),
        cpu_s,
        bool(of_rebuild),
    )


def sum_up(
    samples: Sequence[Sample], received: Totals, latencies_ms: list[float], rates: Mapping[str, list[float]]
) -> dict[str, Any]:
    """The figures of a run."""
    turns = [
        number
        for number, (before, after) in enumerate(itertools.pairwise(samples), 1)
        if before.is_rebuilding and not after.is_rebuilding
    ]
    steady = samples[turns[0] if turns else round(WARM_UP * len(samples)) :]
    # While it rebuilds, the service holds two pipes, two threads and some buffers more.
    calm = [one for one in steady if not one.is_rebuilding]
    minutes = (steady[-1].at_s - steady[0].at_s) / 60
    return {
        "events": received.events,
        "events_per_second": round(received.events / samples[-1].at_s, 3),
        "latency_ms": {
            "p50": percentile(latencies_ms, 0.5),
            "p95": percentile(latencies_ms, 0.95),
            "p99": percentile(latencies_ms, 0.99),
            "max": max(latencies_ms, default=None),
        },
        "rebuilds": received.rebuilds,
        "rebuilds_failed": received.failures,
        "rss_mb": round(statistics.median(one.rss_mb for one in calm), 1),
        "rss_mb_per_hour": slope_per_hour([(one.at_s, one.rss_mb) for one in calm]),
        "pss_mb": round(statistics.median(one.pss_mb for one in calm), 1),
        "pss_mb_per_hour": slope_per_hour([(one.at_s, one.pss_mb) for one in calm]),
        "files": [calm[0].files, calm[-1].files],
        "threads": [calm[0].threads, calm[-1].threads],
        "processes": [calm[0].processes, calm[-1].processes],
        "cpu_s_per_minute": round((steady[-1].cpu_s - steady[0].cpu_s) / minutes, 1),
        "fps": {camera: statistics.median(values) for camera, values in sorted(rates.items())},
    }


def slope_per_hour(points: Sequence[tuple[float, float]]) -> float:
    """Of the straight line with the least squares through points of (seconds, value)."""
    slope, _ = statistics.linear_regression([at_s for at_s, _ in points], [value for _, value in points])
    return round(3600 * slope, 2)


def draw(samples: Sequence[Sample], result: Mapping[str, Any], path: Path) -> None:
    """Draw memory, processor time and descriptors over time."""
    try:
        import matplotlib as mpl
    except ImportError:
        sys.exit("--plot needs matplotlib; pip install matplotlib")
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    minutes = [one.at_s / 60 for one in samples]
    figure, (memory, processor, counts) = plt.subplots(3, 1, sharex=True, figsize=(9, 8))
    memory.plot(minutes, [one.pss_mb for one in samples], label="service and readers (PSS)")
    memory.plot(minutes, [one.rss_mb for one in samples], label="service (RSS)")
    memory.set_ylabel("MB")
    memory.set_ylim(bottom=0)
    cores = [
        (later.cpu_s - before.cpu_s) / (later.at_s - before.at_s)
        for before, later in itertools.pairwise(samples)
    ]
    processor.plot(minutes[1:], cores, label="processor cores, rebuilds too")
    processor.set_ylim(bottom=0)
    for name in ("files", "threads", "processes"):
        counts.plot(minutes, [asdict(one)[name] for one in samples], label=name)
    counts.set_ylim(bottom=0)
    counts.set_xlabel("minutes")
    for axes in (memory, processor, counts):
        for one in samples:
            if one.is_rebuilding:
                axes.axvspan(one.at_s / 60 - SAMPLE_S / 60, one.at_s / 60, color="0.9", zorder=0)
        axes.legend(loc="lower right")
    latency = result["latency_ms"]
    figure.suptitle(
        f"{len(result['fps'])} cameras, {result['size']}, {result['fps_wanted']:g} frames a second, "
        "grey: a rebuild\n"
        f"latency {latency['p50']} / {latency['p95']} / {latency['p99']} ms (p50 / p95 / p99)"
    )
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    raise SystemExit(main())
