"""The real program as a process, a family of rendered people that it knows, and a film of them."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import pytest

from facerec_mqtt.core.records import Image
from facerec_mqtt.rendering import FAMILY, UNSEEN_STRANGERS, walk, write_enrollment
from facerec_mqtt.settings.schema import PREFIX
from tests.support.broker import PATIENCE_S, wait_until

# Whoever comes, in this order, in the film; between them the hall is empty.
CAST = ("Anna", None, "Tom")
FILM_FPS = 5.0


def program(*arguments: str | Path) -> list[str]:
    """The command line that starts our program in this environment."""
    return [sys.executable, "-m", "facerec_mqtt", *map(str, arguments)]


def clean_environment(**settings: str) -> dict[str, str]:
    """This process's environment with only these settings of ours; without them there is no page."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    # Drawn people are more alike than real ones: one stranger in a thousand is asking too much of them.
    ours = {"FACEREC_WEB__ENABLED": "false", "FACEREC_RECOGNITION__FPIR": "0.01"}
    return others | ours | settings


def run_program(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run our program to its end."""
    return subprocess.run(
        program(*arguments),
        env=clean_environment(**(environment or {})),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def children_of(pid: int) -> list[int]:
    """The processes that a process has started, by any of its threads, and that have not ended."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found += map(int, thread.read_text().split())
    return found


def command_line(pid: int) -> str:
    """How a process was started; empty when it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


@dataclass(slots=True, eq=False)
class RunningService:
    """`facerec-mqtt run` as a process."""

    environment: Mapping[str, str]
    log_file: Path
    command: Sequence[str] = field(default_factory=lambda: program("run"))
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __enter__(self) -> "RunningService":
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=clean_environment(**self.environment),
                cwd=self.log_file.parent,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_S)

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def terminate(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop; returns its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def _name(pid: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")
    return ""


def wait_for_child(service: RunningService, word: str) -> int:
    """Wait until the service has a child with this word among its arguments; returns its process id.

    Readers of cameras are children of a child, and have the camera's slug as their name.
    """
    assert service.process is not None
    parent = service.process.pid
    found: list[int] = []

    def is_there() -> bool:
        children = children_of(parent)
        found.extend(pid for pid in children if word in command_line(pid).split())
        found.extend(pid for child in children for pid in children_of(child) if _name(pid) == word)
        return bool(found)

    wait_until(is_there, f"it has no child with {word}")
    return found[0]


@dataclass(frozen=True, slots=True)
class Home:
    """A family that was enrolled and rebuilt."""

    enrollment: Path
    models: Path
    report: Mapping[str, Any]

    def environment(self, *cameras: Mapping[str, Any], **settings: str) -> dict[str, str]:
        """Settings of a service that knows the family."""
        return {
            "FACEREC_CAMERAS": json.dumps(cameras),
            "FACEREC_ENROLLMENT_DIR": str(self.enrollment),
            "FACEREC_MODEL_DIR": str(self.models),
            "FACEREC_RECOGNITION__DEPARTURE_S": "3",
        } | settings


@pytest.fixture(scope="session")
def enrollment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An enrollment folder of rendered people; not to be changed."""
    folder = tmp_path_factory.mktemp("home") / "enrollment"
    write_enrollment(folder, names=("Anna", "Tom"), photos=8, stranger_photos=3)
    return folder


@pytest.fixture(scope="session")
def rebuilt(enrollment: Path) -> Home:
    """The rendered family with its model, made by the real command; not to be changed."""
    models = enrollment.parent / "models"
    done = run_program("rebuild", "--json", "--enrollment", enrollment, "--model-dir", models)
    assert done.returncode == 0, done.stderr
    return Home(enrollment, models, json.loads(done.stdout))


@pytest.fixture
def home(rebuilt: Home, tmp_path: Path) -> Home:
    """The rendered family with a model folder of the test's own: a service keeps its memory in it."""
    models = tmp_path / "home" / "models"
    shutil.copytree(rebuilt.models, models)
    return replace(rebuilt, models=models)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of frames in which the cast comes and goes."""
    folder = tmp_path_factory.mktemp("film")
    write_film(folder, CAST)
    return folder


@pytest.fixture(scope="session")
def annas_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of frames in which Anna comes and goes, every ten seconds."""
    folder = tmp_path_factory.mktemp("annas_film")
    write_film(folder, ["Anna"])
    return folder


def write_film(folder: Path, cast: Sequence[str | None]) -> None:
    """Write frames of people who come one after the other; `None` is somebody not enrolled."""
    people = [UNSEEN_STRANGERS[0] if name is None else FAMILY[name] for name in cast]
    for number, image in enumerate(walk(people, frames_per_second=FILM_FPS, visit_s=6.0, pause_s=4.0)):
        cv2.imwrite(str(folder / f"{number:04d}.jpg"), image)


def frames_of(folder: Path) -> Iterator[Image]:
    """The pictures of a folder, in the order of their names."""
    for path in sorted(folder.glob("*.jpg")):
        image = cv2.imread(str(path))
        assert image is not None
        yield image  # type: ignore[misc]
