"""The rebuild as a child process of low priority, so that recognition goes on beside it.

TensorFlow and the photos live and die with the child; the service only reads its progress.
"""

import json
import logging
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

from facerec_mqtt.settings.schema import PREFIX, Settings

_log = logging.getLogger(__name__)
_NICENESS = 15
# Begins the one sentence that the command line says of an error; libraries may write before it and after.
_ERROR_PREFIX = "facerec-mqtt: "


@dataclass(frozen=True, slots=True)
class RebuildResult:
    """How a rebuild ended."""

    report: dict[str, Any] | None
    """What it printed, as `facerec-mqtt rebuild --json` does; `None` when it failed."""
    error: str | None
    """Why it failed, in one sentence; `None` when it did not."""


class RebuildProcess:
    """One rebuild that runs beside the service. `start` it once, then `poll` it."""

    def __init__(self, settings: Settings, *, force: bool) -> None:
        self._settings = settings
        self._force = force
        self._process: subprocess.Popen[str] | None = None
        self._report = ""
        self._last_error = ""
        self._readers: tuple[threading.Thread, ...] = ()
        self.percent = 0
        self.stage: str | None = None
        self.seconds_left: int | None = None

    def start(self) -> None:
        """Start the child.

        Raises:
            OSError: the system cannot start another process.
        """
        settings = self._settings
        folders = ["--enrollment", str(settings.enrollment_dir), "--model-dir", str(settings.model_dir)]
        recognition = ["--recognition", str(settings.recognition.fpir), str(settings.recognition.min_margin)]
        options = ["--json", "--progress-json", *(["--force"] if self._force else [])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "facerec_mqtt", "rebuild", *folders, *recognition, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=_environment(),
            # A terminal's Ctrl-C goes to the whole group; the service ends its child itself.
            start_new_session=True,
        )
        os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICENESS)
        self._readers = tuple(
            threading.Thread(target=read, name="rebuild-output", daemon=True)
            for read in (self._read_report, self._read_progress)
        )
        for reader in self._readers:
            reader.start()

    def poll(self) -> RebuildResult | None:
        """How it ended, or `None` while it runs. Never blocks for long."""
        if self._process is None or self._process.poll() is None:
            return None
        for reader in self._readers:
            reader.join(timeout=1.0)
        status = self._process.returncode
        if status == 0:
            return RebuildResult(report=json.loads(self._report), error=None)
        said = self._last_error.removeprefix(_ERROR_PREFIX)
        if status < 0:
            said = f"it was ended by signal {-status}, perhaps for want of memory. {said}".rstrip()
        return RebuildResult(report=None, error=said or f"it ended with status {status} and said nothing.")

    def stop(self, timeout_s: float = 2.0) -> None:
        """End the child; the model in use stays as it is."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read_report(self) -> None:
        assert self._process is not None and self._process.stdout is not None  # noqa: PT018
        with self._process.stdout as output:
            self._report = output.read()

    def _read_progress(self) -> None:
        assert self._process is not None and self._process.stderr is not None  # noqa: PT018
        with self._process.stderr as output:
            for line in output:
                # One that is killed may leave half a line.
                if line.startswith('{"stage"') and line.endswith("}\n"):
                    said = json.loads(line)
                    self.stage, self.seconds_left = said["stage"], said["seconds_left"]
                    self.percent = int(said["progress"])
                elif line.strip():
                    _log.debug("rebuild: %s", line.rstrip())
                    if not self._last_error.startswith(_ERROR_PREFIX):
                        self._last_error = line.strip()


def _environment() -> dict[str, str]:
    """Our own, without settings: its arguments are all that it needs, and some settings are passwords."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)}
