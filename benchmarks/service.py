"""Measure the running service: latency, processor time, memory, time to the first event.

    python benchmarks/service.py --model-dir models --camera rtsp://127.0.0.1:8554/door --minutes 10

The camera should show an enrolled person who comes and goes; a film that loops does. Mosquitto must be
installed. Departures are set to three seconds, so that each round of the film gives its events.
"""

import argparse
import json
import os
import queue
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from processes import cpu_seconds, family, pss, rss


def main() -> int:
    """Run the service beside a broker, and print what was measured as one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--camera", required=True, help="URL, video file or folder of pictures")
    parser.add_argument("--model-dir", type=Path, required=True)
    parser.add_argument("--fps", type=float, default=5.0)
    parser.add_argument("--minutes", type=float, default=10.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder)) as port:
        print(json.dumps(measure(arguments, port)))
    return 0


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    """Run a Mosquitto; gives its port."""
    mosquitto = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if mosquitto is None:
        sys.exit("mosquitto is not installed")
    port = free_port()
    user = "user root\n" if os.geteuid() == 0 else ""
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n{user}")
    process = subprocess.Popen(
        [mosquitto, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def measure(arguments: argparse.Namespace, port: int) -> dict[str, object]:
    """Run the service for the time that was asked for."""
    received: queue.Queue[tuple[float, str, bytes]] = queue.Queue()
    client = listen(port, received)
    environment = os.environ | {
        "FACEREC_CAMERAS": json.dumps([{"name": "door", "url": arguments.camera, "fps": arguments.fps}]),
        "FACEREC_MODEL_DIR": str(arguments.model_dir),
        "FACEREC_MQTT__HOST": "127.0.0.1",
        "FACEREC_MQTT__PORT": str(port),
        "FACEREC_RECOGNITION__DEPARTURE_S": "3",
    }
    began = time.monotonic()
    service = subprocess.Popen([sys.executable, "-m", "facerec_mqtt", "run"], env=environment)
    first = ready = None
    latencies: list[float] = []
    frames: list[float] = []
    try:
        # Start-up is measured by itself, so that it does not count into the steady state.
        warm_s, cpu_warm = began + 30, 0.0
        while time.monotonic() < began + 60 * arguments.minutes:
            if cpu_warm == 0.0 and time.monotonic() >= warm_s:
                cpu_warm, warm_s = cpu_seconds(service.pid), time.monotonic()
            try:
                at_s, topic, payload = received.get(timeout=1.0)
            except queue.Empty:
                continue
            if topic == "facerec/model/state" and ready is None:
                ready = at_s - began
            elif topic.endswith("/state") and "/camera/" in topic and payload.startswith(b"{"):
                frames.append(json.loads(payload)["fps"])
            elif topic.endswith("/event"):
                first = first or at_s - began
                event = json.loads(payload)
                if event["event_type"] != "departed":
                    latencies.append(event["latency_ms"])
        minutes = (time.monotonic() - warm_s) / 60
        return {
            "minutes": round(minutes, 1),
            "start_to_model_s": ready and round(ready, 2),
            "start_to_first_event_s": first and round(first, 2),
            "events": len(latencies),
            "latency_ms_median": statistics.median(latencies) if latencies else None,
            "latency_ms_p95": percentile(latencies, 0.95),
            "fps_median": statistics.median(frames) if frames else None,
            "cpu_s_per_minute": round((cpu_seconds(service.pid) - cpu_warm) / minutes, 2),
            "rss_mb": {str(pid): round(rss(pid) / 2**20, 1) for pid in family(service.pid)},
            "pss_mb_total": round(sum(pss(pid) for pid in family(service.pid)) / 2**20, 1),
        }
    finally:
        service.terminate()
        service.wait(20)
        client.disconnect()
        client.loop_stop()


def listen(port: int, received: "queue.Queue[tuple[float, str, bytes]]") -> Client:
    """Subscribe to everything of the service."""
    client = Client(CallbackAPIVersion.VERSION2)

    def put(_client: Client, _user: object, message: MQTTMessage) -> None:
        received.put((time.monotonic(), message.topic, bytes(message.payload)))

    client.on_message = put
    for attempt in range(50):
        try:
            client.connect("127.0.0.1", port)
            break
        except OSError:
            if attempt == 49:
                raise
            time.sleep(0.1)
    client.subscribe("facerec/#")
    client.loop_start()
    return client


def percentile(values: list[float], share: float) -> float | None:
    """The value that this share of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else None


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    raise SystemExit(main())
