"""The course of the demo: draw, rebuild, run, print, tidy up."""

import contextlib
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from facerec_mqtt.cli.demo.drawn_camera import CAST, FRAMES_PER_SECOND, drawn_camera, film_visit
from facerec_mqtt.cli.demo.listener import event_line, listener
from facerec_mqtt.cli.demo.small_broker import small_broker
from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.mqtt import check_login
from facerec_mqtt.rendering import ENROLLED_STRANGERS, FAMILY, write_photos, write_strangers
from facerec_mqtt.settings import PREFIX, MqttSettings, WebSettings, given_names, load_settings

RUN_S = 60.0
"""How long the service runs, without `--forever`."""
_PHOTOS = 10
"""Of each of the family."""
_STRANGER_PHOTOS = 3
_SIDE_PX = 240
_HOST = f"{PREFIX}MQTT__HOST"
_DEPARTURE_S = 5.0
_STOP_TIMEOUT_S = 10.0


def run_demo(env_file: Path | None = None, *, forever: bool, run_s: float = RUN_S) -> int:
    """Show the program at work on people who do not exist; prints what happens.

    Args:
        env_file: where the user's broker and the page's port may be set; by default `.env` here.
        forever: go on until interrupted.
        run_s: how long the service runs otherwise.

    Returns:
        0 when somebody of the family has arrived, else 1.

    Raises:
        FacerecError: something of it does not work; says what.
    """
    own_broker = _broker_of_the_user(env_file)
    if own_broker is not None:
        check_login(own_broker)
    page_port = _page_port(load_settings(env_file).web)
    arrivals = 0
    with ExitStack() as stack:
        stack.enter_context(_ended_by_sigterm())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="facerec-demo-")))
        film = _prepare(folder)
        mqtt = own_broker or stack.enter_context(small_broker())
        _say(f"Broker: {'yours' if own_broker else 'a small one of the demo'}, {mqtt.host}:{mqtt.port}.")
        url = stack.enter_context(drawn_camera(film))
        listening = stack.enter_context(listener(mqtt, clear=own_broker is not None))
        log_file = folder / "service.log"
        service = stack.enter_context(_service(folder, mqtt, url, page_port, log_file))
        _say(f"The page: http://127.0.0.1:{page_port}/ (in a moment, and as long as the demo runs).")
        _say("The service watches a drawn camera. What it publishes on MQTT:", "")
        until_s = float("inf") if forever else time.monotonic() + run_s
        try:
            while (now_s := time.monotonic()) < until_s:
                for event in listening.events(min(until_s, now_s + 1.0)):
                    print("  " + event_line(event), flush=True)
                    arrivals += event["event_type"] == "arrived"
                if service.poll() is not None:
                    raise FacerecError(f"The service ended unexpectedly: {_last_line(log_file)}")
        except KeyboardInterrupt:
            print()
    _say("", *_what_next(arrivals))
    return 0 if arrivals else 1


def _prepare(folder: Path) -> list[bytes]:
    """Draw the family, have a model made of their photos, and draw the film meanwhile; returns it."""
    _say(
        f"Drawing {_PHOTOS} photos each of {', '.join(FAMILY)}, who do not exist,",
        f"and of {len(ENROLLED_STRANGERS)} strangers.",
    )
    # Drawing keeps a processor busy; each worker takes one, and leaves Ctrl-C to us.
    workers = min(4, os.cpu_count() or 1)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _ignore_interrupts)
    try:
        return _draw_and_rebuild(folder, pool)
    except BaseException:
        # Nobody waits for what is being drawn.
        for worker in multiprocessing.active_children():
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _draw_and_rebuild(folder: Path, pool: ProcessPoolExecutor) -> list[bytes]:
    enrollment = folder / "enrollment"
    photos: list[Future[None]] = [
        pool.submit(write_photos, enrollment / name, identity, range(_PHOTOS), side_px=_SIDE_PX)
        for name, identity in FAMILY.items()
    ]
    strangers = enrollment / "_strangers"
    photos += [
        pool.submit(write_strangers, strangers, (n,), range(_STRANGER_PHOTOS), side_px=_SIDE_PX)
        for n in range(len(ENROLLED_STRANGERS))
    ]
    visits = [pool.submit(film_visit, number) for number in range(len(CAST))]
    for drawn in photos:
        drawn.result()
    _say("Rebuilding: a model is trained on these photos. TensorFlow takes a moment.")
    began_s = time.monotonic()
    report = _rebuild(folder)
    used = sum(photo["used"] for photo in report["photos"])
    _say(
        f"Model {report['version']}: {len(report['people'])} people from {used} photos, "
        f"in {time.monotonic() - began_s:.0f} s."
    )
    return [frame for visit in visits for frame in visit.result()]


def _rebuild(folder: Path) -> dict[str, Any]:
    """Run `facerec-mqtt rebuild` on the drawn enrollment folder; returns its report."""
    command = [*_program(folder), "rebuild", "--json"]
    command += ["--enrollment", str(folder / "enrollment"), "--model-dir", str(folder / "models")]
    done = subprocess.run(
        command, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no error was printed"])[-1]
        raise FacerecError(f"The rebuild failed: {said.removeprefix('facerec-mqtt: ')}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


@contextmanager
def _service(
    folder: Path, mqtt: MqttSettings, camera_url: str, page_port: int, log_file: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `facerec-mqtt run`, and end it."""
    camera = {"name": "front_door", "url": camera_url, "fps": FRAMES_PER_SECOND}
    settings = {
        "CAMERAS": json.dumps([camera]),
        "MODEL_DIR": str(folder / "models"),
        "ENROLLMENT_DIR": str(folder / "enrollment"),
        "RECOGNITION__DEPARTURE_S": str(_DEPARTURE_S),
        "REVIEW__ENABLED": "true",
        "REVIEW__FOLDER": str(folder / "review"),
        "WEB__PORT": str(page_port),
        **_as_environment(mqtt),
    }
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*_program(folder), "run"],
            env=_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is ours; we end the service in good order
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _page_port(web: WebSettings) -> int:
    """The port that is set for the page; where none is, the usual one, or a free one where that is taken."""
    is_set = web.port != WebSettings.model_fields["port"].default
    for port in (web.port,) if is_set else (web.port, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as free:
            return int(free.getsockname()[1])
    if is_set:
        raise FacerecError(
            f"Port {web.port} of 127.0.0.1 is taken by another program; end it, or set FACEREC_WEB__PORT to"
            " another port."
        )
    raise FacerecError("No port of 127.0.0.1 is free for the page; end a program that uses many.")


def _broker_of_the_user(env_file: Path | None) -> MqttSettings | None:
    """The broker in the user's settings, with topics of our own on it; `None` when none is set."""
    mqtt, given = load_settings(env_file).mqtt, given_names(env_file)
    if _HOST not in given:
        others = sorted(name for name in given if name.startswith(f"{PREFIX}MQTT__"))
        if others:
            _say(f"{_HOST} is not set: the demo uses a broker of its own, and ignores {', '.join(others)}.")
        return None
    files = {
        name: path.absolute()
        for name in ("tls_ca", "tls_certificate", "tls_key")
        if (path := getattr(mqtt, name)) is not None
    }
    ours = {"base_topic": f"{mqtt.base_topic}_demo", "node_id": "demo", "client_id": None, "discovery": False}
    return mqtt.model_copy(update={**files, **ours})


def _as_environment(mqtt: MqttSettings) -> dict[str, str]:
    """Settings of the broker as names and values, without the prefix."""
    values: dict[str, str] = {}
    for name in type(mqtt).model_fields:
        value = getattr(mqtt, name)
        if value is not None:
            shown = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            values[f"MQTT__{name.upper()}"] = shown
    return values


def _program(folder: Path) -> list[str]:
    """Our own command line, which is not to read the `.env` of the folder we are in."""
    env_file = folder / "demo.env"
    # Drawn people are more alike than real ones, and who is named is not to hang on how training began.
    env_file.write_text(f"{PREFIX}RECOGNITION__FPIR=0.02\n", encoding="utf-8")
    return [sys.executable, "-m", "facerec_mqtt", "--env-file", str(env_file)]


def _environment(settings: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment with these settings of ours, and no others."""
    others = {name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)}
    return others | {PREFIX + name: value for name, value in (settings or {}).items()}


def _last_line(log_file: Path) -> str:
    lines = log_file.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no error was printed."


def _what_next(arrivals: int) -> Sequence[str]:
    if not arrivals:
        return ("Nobody of the family was recognised; please report it.",)
    return (
        "That was the demo; nothing of it is left. For your own family:",
        "  1. Put photos into enrollment/<Name>/, ten or more of each, and run: facerec-mqtt rebuild",
        "  2. Write your camera and your broker into .env; config.example.env shows how.",
        "  3. Try both with: facerec-mqtt check    Then start: facerec-mqtt run",
    )


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Exit cleanly on SIGTERM."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
