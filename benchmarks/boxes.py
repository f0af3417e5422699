"""Measure boxes that share their work: some ask, recognisers answer, on one real Mosquitto.

    python benchmarks/boxes.py --boxes 1 2 4 8 --recognisers 1 2 3 --seconds 15 --kill

Recognisers are the real program as processes. Camera boxes are simulated in this process: each has two
cameras that find the same drawn face five times a second, and asks as the service does: who it is, and who
all of its frames say it is. A name counts where both answers came in time. With --kill a recogniser is killed
in the middle of another run. The family is drawn and enrolled in --home at the first run.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from processes import cpu_seconds, pss
from pydantic import SecretStr

from facerec_mqtt.core.records import Image, PooledEmbedding
from facerec_mqtt.faces import FaceDetector, find_and_align
from facerec_mqtt.mqtt import outbox
from facerec_mqtt.rendering import FAMILY, walk, write_enrollment
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.roles import asking
from facerec_mqtt.service.roles.asking import Asker
from facerec_mqtt.service.roles.keys import camera_key
from facerec_mqtt.service.roles.messages import Question
from facerec_mqtt.settings import HouseSettings, MqttSettings, PrivacySettings, Role, Settings

HOUSE, KEY = "villa", "ab" * 32
CAMERAS_EACH, FPS = 2, 5.0
PROGRAM = """
import sys
import facerec_mqtt.mqtt.outbox as outbox
outbox.EXCHANGE_QOS = int(sys.argv.pop(1))
from facerec_mqtt.cli.main import main
sys.exit(main(["run", "--role", "recogniser"]))
"""


@dataclass
class Measured:
    """What the simulated cameras have seen come of their pictures."""

    names_s: list[float] = field(default_factory=list)
    """From the question to the name."""
    lost: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def main() -> None:
    """Run each combination, and print a line of JSON for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--boxes", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--recognisers", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--qos", type=int, choices=[0, 1], default=outbox.EXCHANGE_QOS)
    parser.add_argument("--tries", type=int, default=asking.MOST_TRIES, help="of each question, at most")
    parser.add_argument("--kill", action="store_true", help="kill a recogniser in the middle, too")
    parser.add_argument("--home", type=Path, default=Path(tempfile.gettempdir()) / "facerec_boxes")
    arguments = parser.parse_args()
    outbox.EXCHANGE_QOS, asking.MOST_TRIES = arguments.qos, arguments.tries
    enrol(arguments.home)
    faces = drawn_faces()
    with running_broker() as (port, broker):
        for recognisers in arguments.recognisers:
            with ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                running = [
                    stack.enter_context(recogniser(number, port, arguments.home, folder, arguments.qos))
                    for number in range(recognisers)
                ]
                wait_for_models(port, recognisers)
                for boxes in arguments.boxes:
                    print(json.dumps(run(port, broker, boxes, running, faces, arguments.seconds)), flush=True)
                if arguments.kill and recognisers > 1:
                    at = arguments.seconds / 2
                    print(json.dumps(run(port, broker, 4, running, faces, arguments.seconds, at)), flush=True)


def run(
    port: int,
    broker: int,
    boxes: int,
    recognisers: list[subprocess.Popen[bytes]],
    faces: list[Image],
    seconds: float,
    kill_after_s: float | None = None,
) -> dict[str, object]:
    """Let so many boxes ask for a while."""
    measured, done = Measured(), threading.Event()
    with ExitStack() as stack:
        askers = [stack.enter_context(asker(port, number)) for number in range(boxes)]
        for each in askers:
            wait_for(lambda each=each: not each.silent)  # type: ignore[misc]
        threads = [
            threading.Thread(target=watch, args=(each, faces, done, measured))
            for each in askers
            for _ in range(CAMERAS_EACH)
        ]
        with traffic(port) as bytes_so_far:
            before, began_s = bytes_so_far(), time.monotonic()
            broker_s = -cpu_seconds(broker)
            spent_s = -sum(cpu_seconds(each.pid) for each in recognisers)
            for thread in threads:
                thread.start()
            if kill_after_s is not None:
                time.sleep(kill_after_s)
                recognisers[-1].kill()
            time.sleep(max(0.0, began_s + seconds - time.monotonic()))
            done.set()
            for thread in threads:
                thread.join()
            took_s = time.monotonic() - began_s
            transferred = bytes_so_far() - before
            broker_s += cpu_seconds(broker)
            if kill_after_s is None:
                spent_s += sum(cpu_seconds(each.pid) for each in recognisers)
        repeated = sum(each.counts.repeated for each in askers)
    names = measured.names_s
    return {
        "boxes": boxes,
        "recognisers": len(recognisers),
        "qos": outbox.EXCHANGE_QOS,
        "tries": asking.MOST_TRIES,
        "killed": kill_after_s is not None,
        "offered_a_second": boxes * CAMERAS_EACH * FPS,
        "names_a_second": round(len(names) / took_s, 1),
        "p50_ms": round(1000 * float(np.quantile(names, 0.5))) if names else None,
        "p95_ms": round(1000 * float(np.quantile(names, 0.95))) if names else None,
        "lost": measured.lost,
        "asked_again": repeated,
        "broker_bytes_a_name": round(transferred / len(names)) if names else None,
        "cpu_ms_a_name": round(1000 * spent_s / len(names), 1) if names and kill_after_s is None else None,
        "broker_cpu_ms_a_name": round(1000 * broker_s / len(names), 2) if names else None,
        "recogniser_mb": [round(pss(each.pid) / 1e6, 1) for each in recognisers if each.poll() is None],
        "load": round(os.getloadavg()[0], 1),
    }


def watch(asker: Asker, faces: list[Image], done: threading.Event, measured: Measured) -> None:
    """Ask as one camera does: a picture that is due while a question is open is left out."""
    due_s, number = time.monotonic(), 0
    while not done.is_set():
        began_s = time.monotonic()
        answer = asker.ask(Question((faces[number % len(faces)],)))
        if answer is not None:
            pooled = PooledEmbedding(answer.embeddings[0], 3, 1.5)
            answer = asker.ask(Question(visits=(pooled,)))
        took_s = time.monotonic() - began_s
        with measured.lock:
            if answer is None:
                measured.lost += 1
            else:
                measured.names_s.append(took_s)
        number += 1
        due_s = max(due_s + 1 / FPS, time.monotonic())
        done.wait(due_s - time.monotonic())


def enrol(home: Path) -> None:
    """Draw a family, and make its model, where there is none."""
    if (home / "models" / "current").exists():
        return
    write_enrollment(home / "enrollment", names=("Anna", "Tom"), photos=8, stranger_photos=3)
    command = [sys.executable, "-m", "facerec_mqtt", "rebuild", "--enrollment", home / "enrollment"]
    subprocess.run([*command, "--model-dir", home / "models"], check=True, stdout=subprocess.DEVNULL)


def drawn_faces() -> list[Image]:
    """Anna's aligned faces as she passes a camera."""
    detector = FaceDetector.load()
    pictures = walk([FAMILY["Anna"]], frames_per_second=FPS, visit_s=6.0, pause_s=1.0)
    found = [find_and_align(detector, picture, 40, 15) for picture in pictures]
    return [each.face.image for faces in found for each in faces if each.refusal is None]


@contextlib.contextmanager
def running_broker() -> Iterator[tuple[int, int]]:
    """A real Mosquitto on a free port, which says how many bytes went through it: port, process."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise SystemExit("Mosquitto is not installed (apt install mosquitto).")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
        config.write(f"listener {port} 127.0.0.1\nallow_anonymous true\nsys_interval 1\nuser root\n")
        config.flush()
        process = subprocess.Popen([program, "-c", config.name], stderr=subprocess.DEVNULL)
        try:
            time.sleep(1.0)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def traffic(port: int) -> Iterator[object]:
    """Gives a function that returns all bytes that came to the broker and left it so far."""
    newest: dict[str, int] = {}
    came = threading.Event()

    def on_message(_client: Client, _user: object, message: MQTTMessage) -> None:
        newest[message.topic] = int(message.payload)
        came.set()

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.subscribe([("$SYS/broker/bytes/received", 0), ("$SYS/broker/bytes/sent", 0)])
    client.loop_start()

    def total() -> int:
        for _ in range(2):  # the next that comes counts up to now
            came.clear()
            came.wait(5.0)
        return sum(newest.values())

    try:
        yield total
    finally:
        client.disconnect()
        client.loop_stop()


@contextlib.contextmanager
def recogniser(
    number: int, port: int, home: Path, folder: Path, qos: int
) -> Iterator[subprocess.Popen[bytes]]:
    """The real program."""
    models = shutil.copytree(home / "models", folder / f"models{number}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FACEREC_")} | {
        "FACEREC_MODEL_DIR": str(models),
        "FACEREC_MQTT__HOST": "127.0.0.1",
        "FACEREC_MQTT__PORT": str(port),
        "FACEREC_MQTT__NODE_ID": f"recogniser{number}",
        "FACEREC_HOUSE__NAME": HOUSE,
        "FACEREC_HOUSE__KEY": KEY,
        "FACEREC_WEB__ENABLED": "false",
        "FACEREC_LOGGING__LEVEL": "WARNING",
    }
    command = [sys.executable, "-c", PROGRAM, str(qos)]
    process = subprocess.Popen(command, env=environment, cwd=folder)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait()


@contextlib.contextmanager
def asker(port: int, number: int) -> Iterator[Asker]:
    """A simulated camera box."""
    mqtt = MqttSettings(host="127.0.0.1", port=port, node_id=f"box{number}")
    secret = SecretStr(camera_key(bytes.fromhex(KEY)).hex())
    settings = Settings(mqtt=mqtt, house=HouseSettings(name=HOUSE, role=Role.CAMERA, camera_key=secret))
    publisher = Publisher(mqtt, PrivacySettings(), cameras=[], house=HOUSE)
    asks = Asker(settings, publisher)
    publisher.start()
    asks.start()
    try:
        yield asks
    finally:
        asks.stop()
        publisher.stop(0.5)


def wait_for_models(port: int, recognisers: int) -> None:
    """Wait until so many recognisers have a model, and said so."""
    said: set[str] = set()

    def on_message(_client: Client, _user: object, message: MQTTMessage) -> None:
        if not message.retain and b'"version":"' in message.payload:
            said.add(message.topic)

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.subscribe("facerec/box/+/holds")
    client.loop_start()
    wait_for(lambda: len(said) >= recognisers)
    client.disconnect()
    client.loop_stop()


def wait_for(condition: object) -> None:
    """Wait until something is so, for a minute at most."""
    give_up_s = time.monotonic() + 60
    assert callable(condition)
    while not condition():
        if time.monotonic() > give_up_s:
            raise SystemExit("No recogniser answers.")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
