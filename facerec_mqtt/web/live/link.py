"""The link to the service: its latest status, what it sends to whoever listens, and commands to it."""

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from pydantic import ValidationError

from facerec_mqtt import __version__
from facerec_mqtt.core.child_process import MessageError
from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.monitoring.page_messages import (
    MAX_MESSAGE_BYTES,
    LiveFaces,
    PageAlive,
    PageCamera,
    PageCommand,
    PageFailed,
    PageListening,
    Published,
    Watch,
    encode,
    to_page,
)
from facerec_mqtt.web.access.addresses import counted_as
from facerec_mqtt.web.schemas import BrokerStatus, CameraStatus, ModelStatus, Status

_log = logging.getLogger(__name__)
ALIVE_EVERY_S = 2.0
_WATCHED_S = 10.0
"""Whoever has asked what a camera sees looks on for this long."""
_MAX_WAITING = 64
MAX_LISTENERS = 64
Topic = Literal["status", "event", "result", "faces"]
Message = tuple[Topic, str]
"""A topic, and JSON."""
_END: Final = None


class NoServiceError(FacerecError):
    """The service cannot be asked at present."""

    status = 503


class TooManyListenersError(FacerecError):
    """More than can be served listen already."""

    status = 503


class Listener:
    """Somebody who is sent what happens; one who does not take it is left behind."""

    def __init__(self, camera: str | None, address: str) -> None:
        self.camera = camera
        """Whose faces are wanted; `None` for all but faces."""
        self.address = address
        """Who counts as one."""
        self._waiting: asyncio.Queue[Message | None] = asyncio.Queue(_MAX_WAITING)
        self._is_late = False

    def offer(self, message: Message) -> None:
        """Hand over a message; in the loop's thread."""
        if self._is_late:
            return
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            self._is_late = True

    def end(self) -> None:
        """Make room for somebody else; in the loop's thread."""
        self._is_late = True
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait(_END)

    async def next(self, timeout_s: float) -> Message | None:
        """Wait for the next message; `None` when there is none for so long.

        Raises:
            EOFError: it has missed messages, or gives way to others, and has to begin again.
        """
        message = _END
        if not self._is_late:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    message = await self._waiting.get()
        if self._is_late:
            raise EOFError
        return message


class Live:
    """What the service sends, and what is sent to it; every method may be called from any thread.

    Args:
        cameras: all of them.
        link: the socket to the service; `None` without one.
    """

    def __init__(self, cameras: Iterable[PageCamera] = (), link: socket.socket | None = None) -> None:
        self._link = link
        self._lock = threading.Lock()
        """Guards what follows."""
        self._status = _before_the_first(cameras)
        self._faces: dict[str, LiveFaces] = {}
        self._viewers: Counter[str] = Counter()
        self._asked_s: dict[str, float] = {}
        self._watched: set[str] = set()
        self._listeners: dict[Listener, None] = {}
        """The one that has listened for longest is the first."""

    @property
    def status(self) -> Status:
        """The latest that the service has sent."""
        return self._status

    def send(self, command: PageCommand) -> None:
        """Ask the service for something.

        Raises:
            NoServiceError: there is no service, or it takes nothing at present.
        """
        self._send(command)

    def faces(self, camera: str) -> LiveFaces | None:
        """The faces of a camera's newest frame; from now on the service sends them for a while."""
        with self._lock:
            self._asked_s[camera] = time.monotonic()
        self._tell_who_is_watched()
        return self._faces.get(camera)

    def require_room(self, address: str) -> None:
        """See that one more may listen, before an answer has begun.

        When there are too many, others lose one where they have more than this address.

        Args:
            address: who asks.

        Raises:
            TooManyListenersError: there are too many, and nobody has more.
        """
        if len(self._listeners) >= MAX_LISTENERS and self._crowd(address) is None:
            raise TooManyListenersError("Too many pages are open; close one, or try again in a moment.")

    @contextlib.contextmanager
    def listening(self, camera: str | None = None, address: str = "") -> Iterator[Listener]:
        """Listen to what happens, in the loop's thread.

        Args:
            camera: to faces at this camera; `None` to all else.
            address: who listens.

        Raises:
            TooManyListenersError: there are too many.
        """
        self.require_room(address)
        if len(self._listeners) >= MAX_LISTENERS and (gives_way := self._crowd(address)) is not None:
            del self._listeners[gives_way]
            gives_way.end()
        listener = Listener(camera, counted_as(address))
        self._listeners[listener] = None
        with self._lock:
            if camera is not None:
                self._viewers[camera] += 1
        self._tell_who_is_watched()
        try:
            yield listener
        finally:
            self._listeners.pop(listener, None)
            with self._lock:
                if camera is not None:
                    self._viewers[camera] -= 1
            self._tell_who_is_watched()

    def _crowd(self, address: str) -> Listener | None:
        """The oldest of whoever listens most often; `None` where nobody would have more than this address."""
        count = Counter(each.address for each in self._listeners)
        most = max(count.values())
        if count[counted_as(address)] + 1 >= most:
            return None
        return next(each for each in self._listeners if count[each.address] == most)

    # --- In the thread of the event loop

    async def run(self) -> None:
        """Take what the service sends, until it is cancelled."""
        if self._link is None:
            return
        loop, link = asyncio.get_running_loop(), self._link
        link.setblocking(False)
        self._send(PageListening())
        loop.add_reader(link, self._receive)
        try:
            while True:
                await asyncio.sleep(ALIVE_EVERY_S)
                with contextlib.suppress(NoServiceError):
                    self._send(PageAlive())
                self._tell_who_is_watched()
        finally:
            loop.remove_reader(link)

    def _receive(self) -> None:
        assert self._link is not None
        try:
            data = self._link.recv(MAX_MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            # The service has ended, and with it standard input: this process is about to end.
            asyncio.get_running_loop().remove_reader(self._link)
            return
        try:
            message = to_page(data)
            if isinstance(message, LiveFaces):
                self._faces[message.camera] = message
                self._offer(("faces", message.model_dump_json()), message.camera)
            else:
                self._publish(message)
        except (MessageError, ValidationError) as error:
            _log.warning("The service sent something that is not understood (%s)", type(error).__name__)

    def _publish(self, message: Published) -> None:
        if message.type == "status":
            self._status = Status.model_validate(message.content)
            text = self._status.model_dump_json()
        else:
            text = _as_json(message)
        self._offer((message.type, text), None)

    def _offer(self, message: Message, camera: str | None) -> None:
        for listener in self._listeners:
            if listener.camera == camera:
                listener.offer(message)

    def _tell_who_is_watched(self) -> None:
        """Have the service begin, or cease, to send faces."""
        with self._lock:
            now_s = time.monotonic()
            watched = {camera for camera, count in self._viewers.items() if count > 0}
            watched |= {camera for camera, asked_s in self._asked_s.items() if now_s - asked_s < _WATCHED_S}
            changed = watched ^ self._watched
            for camera in changed:
                try:
                    self._send(Watch(camera=camera, on=camera in watched))
                except NoServiceError:
                    return  # tried again in a moment
                self._watched ^= {camera}

    def _send(self, message: PageCommand | PageListening | PageAlive) -> None:
        if self._link is None:
            raise NoServiceError("The service does not run; start it with: facerec-mqtt run.")
        try:
            self._link.send(encode(message), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            raise NoServiceError("The service takes no commands at present; try again in a moment.") from None


def report_failure(link: socket.socket, sentence: str) -> None:
    """Let the service know why there is no page."""
    with contextlib.suppress(OSError):
        link.send(encode(PageFailed(message=sentence[:500])))


def _before_the_first(cameras: Iterable[PageCamera]) -> Status:
    return Status(
        version=__version__,
        broker=BrokerStatus(online=False, message="The service has not reported yet."),
        model=ModelStatus(status="missing", version=None, progress=None),
        cameras=[
            CameraStatus(camera=camera.slug, name=camera.name, online=False, enabled=True)
            for camera in cameras
        ],
        people=[],
    )


def _as_json(message: Published) -> str:
    return message.model_dump_json(include={"content"})[len('{"content":') : -1]
