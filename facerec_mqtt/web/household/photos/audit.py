"""What a rebuild would make of all photos: by the last one's report, and by `enroll check` for newer photos.

The page has no network open, and what each photo gave is kept for the rebuild.
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from facerec_mqtt.enrollment.file_names import file_name, video_of
from facerec_mqtt.recognition import SavedReport
from facerec_mqtt.web.household.commands import start_command

_AUDIT_S = 1800.0
_END_S = 10.0
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
    duplicate_of: str | None = None
    note: str | None = None


class _Audit(BaseModel):
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
        self._audited_s = 0.0
        self._report_of: str | None = None
        self._wanted = False
        self._running = False
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._not_before_s = 0.0

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
                signature = _signature(self._enrollment_dir / photo.file)
                is_later = signature is not None and signature[1] / 1e9 > made_s
                if signature is None or is_later or (made_s < self._audited_s and photo.file in self._known):
                    continue
                self._known[photo.file] = signature, Judgement.model_validate(photo.model_dump())

    def judgements(self, paths: Iterable[Path]) -> dict[Path, Judgement | None]:
        """What would become of photos; where that is not known, it is looked for, and `None` until then."""
        found: dict[Path, Judgement | None] = {}
        is_new = False
        with self._lock:
            for path in paths:
                file = file_name(path, self._enrollment_dir)
                signature, judgement = self._known.get(file, (None, None))
                now = _signature(path)
                found[path] = judgement if judgement and signature == now else None
                is_new |= found[path] is None and self._looked_at.get(file) != now
        if is_new:
            self.refresh()
        return found

    @property
    def is_running(self) -> bool:
        """Whether photos are looked at, or will be soon."""
        return self._running

    def refresh(self) -> None:
        """Look at all photos again, soon."""
        with self._lock:
            self._wanted = True
            if self._running or self._closed:
                return
            self._running = True
        threading.Thread(target=self._run, name="audit", daemon=True).start()

    def give_way(self, seconds: float) -> None:
        """Let somebody else have the model folder: end what is going on, which is kept, and wait a while."""
        with self._lock:
            self._not_before_s = time.monotonic() + seconds
            process = self._process
        if process is not None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

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
                wait_s = self._not_before_s - time.monotonic()
                self._wanted = wait_s > 0
            if wait_s > 0:
                time.sleep(min(wait_s, 1.0))
                continue
            before, began_s = self._signatures(), time.time()
            photos = self._check()
            if photos is None and self._not_before_s > time.monotonic():
                self._wanted = True
                continue
            if photos is None:
                time.sleep(_AGAIN_AFTER_S if not self._closed else 0)
                with self._lock:
                    self._running = False
                return
            with self._lock:
                self._looked_at, self._audited_s = before, began_s
                self._known = {file: (before[file], each) for file, each in _by_file(photos, before)}

    def _check(self) -> list[Judgement] | None:
        """Run `enroll check`; `None` where it cannot be done at present."""
        folders = ["--enrollment", str(self._enrollment_dir), "--model-dir", str(self._model_dir)]
        try:
            self._process = start_command("enroll", "check", *folders, "--json")
            if self._not_before_s > time.monotonic():
                self._process.send_signal(signal.SIGINT)
            output, _ = self._process.communicate(timeout=_AUDIT_S)
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
                signature = _signature(path)
                if signature is not None:
                    found[file_name(path, self._enrollment_dir)] = signature
        return found


def _by_file(photos: list[Judgement], files: Mapping[str, Signature]) -> Iterator[tuple[str, Judgement]]:
    """What would become of each file; the pictures of a video are one."""
    used = {video_of(photo.file): photo for photo in photos if photo.used}
    for photo in photos:
        if photo.file in files:
            yield photo.file, photo
        elif (video := video_of(photo.file)) in files:
            yield video, used.get(video, photo)


def _signature(path: Path) -> Signature | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
