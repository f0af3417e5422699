"""One camera, indefinitely: read it, notice when it falls silent, open it again."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from facerec_mqtt.cameras.launching import Launch, launch_alone
from facerec_mqtt.cameras.pacing import RateMeter, backoff_s
from facerec_mqtt.cameras.protocol import (
    HANDED,
    CameraFailedError,
    CameraFailure,
    Failed,
    FailureKind,
    FrameWritten,
    HandedPicture,
    Opened,
    Ready,
    Want,
)
from facerec_mqtt.cameras.shared_frame import SharedFrame
from facerec_mqtt.cameras.streams.messages import DecodedBy, Scene, StillUnchanged
from facerec_mqtt.cameras.supervision.reader_process import READER_EXITED, ReaderProcess, open_within_s
from facerec_mqtt.cameras.supervision.status import CameraCounters, CameraStatus, OnStatus
from facerec_mqtt.core.records import Frame

if TYPE_CHECKING:
    from facerec_mqtt.settings import CameraSettings
_log = logging.getLogger(__name__)
# A camera that has given pictures for so long works again; one that falls silent sooner, time after time, is
# asked less and less often.
_WELL_AFTER_S = 30.0
# So long nothing came of a camera that gives pictures only when something happens: perhaps it never will.
_UNHEARD_S = 600.0
_STOP_WITHIN_S = 1.8
# Kinds whose streams have pictures that are based on others.
_IDLING = ("rtsp", "http")


class Camera:
    """Reads one camera in the background.

    Args:
        settings: which camera.
        on_status: called once when it is lost, also when it cannot be opened at first, and once when it
            gives pictures; in a thread of the camera's own.
        logged: whether both are logged too.
        launch: how the processes that read it are started.
        on_news: called when there is a new frame, or one was found unchanged; likewise. Must return at once.
    """

    def __init__(
        self,
        settings: CameraSettings,
        on_status: OnStatus | None = None,
        *,
        logged: bool = True,
        launch: Launch = launch_alone,
        on_news: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._launch = launch
        self._on_news = on_news
        self._status = CameraStatus(settings, on_status, logged=logged)
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        # Guards all that follows; is notified of each frame.
        self._news = threading.Condition()
        self._frame: SharedFrame | None = None
        self._reader: ReaderProcess | None = None
        self._handed: HandedPicture | Want | None = None
        self._want: Want | None = None
        self._may_read = True
        self._held: CameraFailure | None = None
        self._scene = Scene.ACTIVE
        self._newest_s = -math.inf
        self._unchanged_s = -math.inf
        self._frames = 0
        self._reconnects = 0
        self._rate = RateMeter()

    @property
    def online(self) -> bool:
        """Whether it gives pictures."""
        return self._status.online is True

    @property
    def failure(self) -> CameraFailure | None:
        """Why it gives no pictures; `None` while it does, and before that is known."""
        return self._status.failure

    @property
    def frame_descriptor(self) -> int | None:
        """Of the `SharedFrame` with its newest picture, for another process; `None` unless it was started."""
        with self._news:
            return None if self._frame is None else self._frame.descriptor

    @property
    def counters(self) -> CameraCounters:
        """Its counts."""
        with self._news:
            return CameraCounters(self._frames, self._reconnects, self._rate.fps(time.monotonic()))

    @property
    def reader_pid(self) -> int | None:
        """Of the process that reads at present; `None` when there is none."""
        with self._news:
            return None if self._reader is None else self._reader.pid

    @property
    def newest_s(self) -> float:
        """When its newest frame was captured, by `time.monotonic`."""
        return self._newest_s

    @property
    def unchanged_s(self) -> float:
        """When nothing had moved since its newest frame, by `time.monotonic`; it is not told by a frame."""
        return self._unchanged_s

    def tell(self, scene: Scene) -> None:
        """Tell it what was seen: while that is nothing, the reader need not decode every picture.

        Where something seems to move in the stream it decodes all the same. Until it is told, it decodes all.
        """
        if self._settings.kind not in _IDLING:
            return
        with self._news:
            if scene is not self._scene and self._reader is not None:
                self._scene = scene
                self._reader.tell(scene)

    def start(self) -> None:
        """Begin to read; returns at once."""
        self._frame = SharedFrame.create()
        self._thread = threading.Thread(target=self._run, name=f"camera-{self._settings.slug}", daemon=True)
        self._thread.start()
        if self._settings.kind in HANDED:
            threading.Thread(target=self._hand_over, name="hand over", daemon=True).start()

    def hand(self, data: bytes) -> None:
        """Give it a picture that it does not fetch itself; one that is not read yet is replaced.

        Args:
            data: of a picture file, which may be anything.
        """
        with self._news:
            self._handed = HandedPicture(time.monotonic(), data)
            self._news.notify_all()

    def want(self, seconds: float) -> None:
        """Have its pictures fetched for so long from now on; 0 to have none."""
        with self._news:
            self._want = self._handed = Want(time.monotonic() + seconds)
            self._news.notify_all()

    def wait_for_release(self) -> None:
        """Read nothing before `hold` was called; to be called before `start`."""
        self._may_read = False

    def hold(self, failure: CameraFailure | None) -> None:
        """Read or do not read, where something else than the camera decides it.

        Args:
            failure: why no picture can come; `None` when they can.
        """
        with self._news:
            self._held, self._may_read = failure, True
            if failure is not None:
                self._handed = None
                if self._reader is not None:
                    self._reader.kill()
            self._news.notify_all()

    def stop(self) -> None:
        """End reading, within two seconds; `on_status` is not called any more."""
        with self._news:
            self._stopping.set()
            self._news.notify_all()
            if self._reader is not None:
                self._reader.kill()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(_STOP_WITHIN_S)
        with self._news:
            frame, self._frame = self._frame, None
        # One that hangs may be about to hand the frame to a process; then the end of ours closes it.
        if frame is not None and (thread is None or not thread.is_alive()):
            frame.close()

    def latest(self, after_s: float, timeout_s: float) -> Frame | None:
        """The newest frame.

        Args:
            after_s: only one that was captured after this moment of `time.monotonic`.
            timeout_s: how long to wait for one; 0 to take what there is.

        Returns:
            The frame, or `None` when there is none yet.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._news:
            while self._frame is not None:
                if self._newest_s > after_s:
                    newest = self._frame.read(after_s)
                    if newest is not None:
                        return Frame(self._settings.slug, *newest)
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return None
                # A frame that is just being written will be there in a moment.
                self._news.wait(min(left_s, 0.005) if self._newest_s > after_s else left_s)
        return None

    # --- The supervising thread

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            if (held := self._wait_until_readable()) is not None:
                self._status.report_lost(held)
                continue
            began_s = time.monotonic()
            frames_before = self._frames
            failure = self._read_or_fail()
            is_well = self._frames > frames_before and time.monotonic() - began_s >= _WELL_AFTER_S
            failures = 1 if is_well else failures + 1
            if self._stopping.is_set():
                return
            if self._held is not None:
                continue  # that is why it has ended
            self._status.report_lost(failure)
            self._stopping.wait(backoff_s(failures, random.random()))  # noqa: S311  # spreads load, guards nothing

    def _wait_until_readable(self) -> CameraFailure | None:
        """Wait while the camera is held; returns why, where that has not been reported yet."""
        with self._news:
            while not self._stopping.is_set() and (self._held is not None or not self._may_read):
                if self._held not in (None, self._status.failure):
                    return self._held
                self._news.wait()
        return None

    def _hand_over(self) -> None:
        """Hand over to whichever reader there is, in a thread of its own: a reader may be slow."""
        while not self._stopping.is_set():
            with self._news:
                reader, handed = self._reader, self._handed
                if reader is None or handed is None:
                    self._news.wait()
                    continue
                self._handed = None
            reader.hand(handed)

    def _read_or_fail(self) -> CameraFailure:
        """Read until it ends; returns why it has ended."""
        try:
            return self._read_once()
        except CameraFailedError as error:
            return error.failure
        except Exception as error:
            # Whatever it is, it must not end the supervision while the status says online.
            _log.exception('Camera "%s": unexpected error', self._settings.name)
            return CameraFailure(FailureKind.INTERNAL, detail=type(error).__name__)

    def _read_once(self) -> CameraFailure:
        frame = self._frame
        if frame is None:
            return CameraFailure(FailureKind.ENDED)
        # Not under the lock: whoever asks for the newest frame must not wait for a process to start.
        reader = ReaderProcess.start(self._settings, frame, self._launch)
        with self._news:
            self._reader, self._handed = reader, self._want or self._handed
            self._scene = Scene.ACTIVE
            if self._stopping.is_set():
                reader.kill()
        try:
            return self._listen_to(reader)
        finally:
            with self._news:
                self._reader = None
                self._reconnects += 1
            reader.close()

    def _listen_to(self, reader: ReaderProcess) -> CameraFailure:
        # Until its first picture the reader itself knows how long each step may take.
        timeout_s = open_within_s(self._settings)
        ready_s = math.inf
        while True:
            if time.monotonic() - ready_s > _UNHEARD_S:
                ready_s = math.inf
                _log.log(
                    self._status.info,
                    'Camera "%s" has given no picture for %.0f minutes; if it should have, check its URL',
                    self._settings.name,
                    _UNHEARD_S / 60,
                )
            messages = reader.listen(timeout_s)
            if messages is None:
                return READER_EXITED
            if not messages:
                return CameraFailure(FailureKind.SILENT, seconds=timeout_s)
            for message in messages:
                match message:
                    case Failed():
                        return message.failure
                    case FrameWritten():
                        self._on_frame(message.captured_at_s)
                    case Ready():
                        timeout_s, ready_s = self._settings.read_timeout_s, time.monotonic()
                        # Where what came was no picture, the next may be none either.
                        if self._status.failure is None or not self._status.failure.is_of_picture:
                            self._report_online(None)
                    case DecodedBy():
                        self._status.report_decoder(message)
                    case StillUnchanged():
                        self._on_unchanged(message.at_s)
                    case Opened():
                        timeout_s, ready_s = self._settings.read_timeout_s, math.inf
                        self._report_online(message)

    def _on_frame(self, captured_at_s: float) -> None:
        with self._news:
            self._newest_s = captured_at_s
            self._frames += 1
            self._rate.add(captured_at_s)
            self._news.notify_all()
        self._on_news()

    def _on_unchanged(self, at_s: float) -> None:
        with self._news:
            self._unchanged_s = at_s
            self._frames += 1
            self._rate.add(at_s)
        self._on_news()

    def _report_online(self, opened: Opened | None) -> None:
        if not self._stopping.is_set():
            self._status.report_online(opened)
