"""What a rebuild would make of the photos: by the last one's report, and by `enroll check` for newer photos.

The check is the command itself, in a process of its own at low priority: the page has no network open, and
what each photo gave is kept for the rebuild.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from facerec_mqtt.core.child_process import child_environment
from facerec_mqtt.core.files import text_name
from facerec_mqtt.recognition import SavedReport

_TIMEOUT_S = 1800.0
_AGAIN_AFTER_S = 20.0
"""After a check that failed, as during a rebuild."""


class Judgement(BaseModel):
    """What would become of a photo."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    file: str
    """`Anna/001.jpg`."""
    used: bool
    reason: str | None = None
    reason_code: str | None = None
    note: str | None = None


class _Audit(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    photos: list[Judgement]


Signature = tuple[int, int, int]
"""What distinguishes a file from its replacement: inode, time of change in ns, bytes."""


class Audit:
    """What would become of each photo; may be asked from any thread.

    Args:
        enrollment_dir: the enrollment folder.
        model_dir: where it is kept what each photo gave.
    """

    def __init__(self, enrollment_dir: Path, model_dir: Path) -> None:
        self._enrollment_dir = enrollment_dir
        self._model_dir = model_dir
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Signature | None, Judgement]] = {}
        self._looked_at: dict[str, Signature] = {}
        self._report_of: str | None = None
        self._wanted = False
        self._running = False
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    @property
    def is_running(self) -> bool:
        """Whether photos are being looked at."""
        return self._running

    def learn(self, version: str, made_s: float, report: SavedReport) -> None:
        """Take what a rebuild reported; what was found later is kept.

        Args:
            version: of the model.
            made_s: when, in seconds since 1970.
            report: its report.
        """
        with self._lock:
            if version == self._report_of:
                return
            self._report_of = version
            for photo in report.photos:
                signature = self._signature(photo.file)
                if signature is None or signature[1] / 1e9 > made_s:
                    continue
                self._known[photo.file] = signature, Judgement.model_validate(photo.model_dump())

    def judgements(self, paths: Mapping[Path, Path], enrollment_dir: Path) -> dict[Path, Judgement | None]:
        """What would become of photos; where that is not known, it is looked for, and `None` until then.

        Args:
            paths: the photos.
            enrollment_dir: that they are in.
        """
        found: dict[Path, Judgement | None] = {}
        is_new = False
        with self._lock:
            for path in paths:
                file = "/".join(text_name(Path(part)) for part in path.relative_to(enrollment_dir).parts)
                signature, judgement = self._known.get(file, (None, None))
                now = _signature(path)
                found[path] = judgement if judgement and signature == now else None
                is_new |= found[path] is None and self._looked_at.get(file) != now
        if is_new:
            self.refresh()
        return found

    def refresh(self) -> None:
        """Look at all photos again, soon."""
        with self._lock:
            self._wanted = True
            if self._running or self._closed:
                return
            self._running = True
        threading.Thread(target=self._run, name="audit", daemon=True).start()

    def close(self) -> None:
        """End what is going on."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._wanted or self._closed:
                    self._running = False
                    return
                self._wanted = False
            before = self._signatures()
            photos = self._check()
            if photos is None:
                time.sleep(_AGAIN_AFTER_S if not self._closed else 0)
                with self._lock:
                    self._running = False
                return
            with self._lock:
                self._looked_at = before
                self._known = {file: (before[file], each) for file, each in _by_file(photos, before)}

    def _check(self) -> list[Judgement] | None:
        """Run `enroll check`; `None` where it cannot be done at present."""
        command = [sys.executable, "-P", "-m", "facerec_mqtt", "enroll", "check"]
        folders = ["--enrollment", str(self._enrollment_dir), "--model-dir", str(self._model_dir), "--json"]
        try:
            self._process = subprocess.Popen(
                [*command, *folders],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=child_environment(),
                preexec_fn=_at_low_priority,
            )
            output, _ = self._process.communicate(timeout=_TIMEOUT_S)
            return _Audit.model_validate(json.loads(output)).photos if output else None
        except (OSError, ValueError, ValidationError, subprocess.SubprocessError):
            if self._process is not None:
                self._process.kill()
            return None
        finally:
            self._process = None

    def _signatures(self) -> dict[str, Signature]:
        found = {}
        for folder, _, names in os.walk(self._enrollment_dir):
            for name in names:
                path = Path(folder, name)
                parts = path.relative_to(self._enrollment_dir).parts
                signature = _signature(path)
                if signature is not None:
                    found["/".join(text_name(Path(part)) for part in parts)] = signature
        return found

    def _signature(self, file: str) -> Signature | None:
        return _signature(self._enrollment_dir / file)


def _by_file(photos: list[Judgement], files: Mapping[str, Signature]) -> Iterator[tuple[str, Judgement]]:
    """What would become of each file; the pictures of a video, `Anna/IMG_1.mov at 0:12`, are one."""
    used = {photo.file.rpartition(" at ")[0]: photo for photo in photos if photo.used}
    for photo in photos:
        if photo.file in files:
            yield photo.file, photo
        elif (video := photo.file.rpartition(" at ")[0]) in files:
            yield video, used.get(video, photo)


def _at_low_priority() -> None:
    os.nice(10)


def _signature(path: Path) -> Signature | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
