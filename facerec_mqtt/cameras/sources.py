"""The kinds of camera, each as an endless row of pictures, at most so many a second.

These run in the reader's process and may block: who waits for them has a watchdog. What a kind needs is
imported where it is opened: the libraries are large, and no kind needs all.
"""

import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facerec_mqtt.cameras.network import Address, Login, Relay, ask_rtsp, connect
from facerec_mqtt.cameras.pacing import Pacer
from facerec_mqtt.cameras.protocol import FailureKind, ReaderRequest, failed
from facerec_mqtt.cameras.streams.messages import DecodedBy, Scene
from facerec_mqtt.core.records import Image

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from facerec_mqtt.cameras.http_source import Body
Alive = Callable[[], None]
SceneOf = Callable[[], Scene]
"""What the service has seen: while nothing moves, not every picture need be decoded."""
_USUAL_FPS = 25.0
# An RTSP camera describes its stream: to examine it too would take seconds. Over HTTP nothing is described.
_QUICK = {"probesize": "32", "analyzeduration": "0"}
_EXAMINED = {"probesize": "262144", "analyzeduration": "2000000"}


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A picture, and when it was read."""

    captured_at_s: float
    """In seconds of `time.monotonic`."""
    image: Image
    """(H, W, 3) uint8 BGR; the next one may take its place in memory."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """No picture: a wanted one was not decoded, since nothing seems to have moved since the last one."""

    at_s: float
    """In seconds of `time.monotonic`."""


@dataclass(frozen=True, slots=True)
class Source:
    """An open camera."""

    fps: float
    """Frames a second that it has to give, of which those wanted are taken."""
    shots: Iterator[Shot | Unchanged | DecodedBy]
    """Its pictures, endlessly; ends by `CameraFailedError`."""
    is_prompted: bool = False
    """Whether it gives pictures only when something happens."""


def open_source(request: ReaderRequest, alive: Alive, scene: SceneOf = lambda: Scene.ACTIVE) -> Source:
    """Open a camera.

    Args:
        request: which, and how.
        alive: to be called whenever the camera has shown that it lives.
        scene: asked again and again.

    Raises:
        CameraFailedError: it cannot be opened, and why.
    """
    match request.kind:
        case "rtsp":
            return _live(_open_rtsp(request), request, alive, scene)
        case "http":
            return _open_http(request, alive, scene)
        case "frigate":
            from facerec_mqtt.cameras.pictures.frigate import open_frigate

            return open_frigate(request, alive)
        case "mqtt":
            from facerec_mqtt.cameras.pictures.handed import open_handed

            return open_handed(request, alive)
        case "folder":
            from facerec_mqtt.cameras.pictures.folder import Folder

            return Source(request.fps, poll(Folder(Path(request.url)).take, request.fps, alive))
        case "device":
            return _live(_open_device(int(request.url)), request, alive, scene)
        case _:
            return _open_file(request, alive)


# --- Streams


def _open_rtsp(request: ReaderRequest) -> "InputContainer":
    import av

    address = Address.of(request.url, request.tls_fingerprint)
    login = Login.of(request.username, request.password)
    # Whether it is there at all is known at once; the description of its stream may take long.
    connect(address, request.timeout_s).close()
    needs_relay = address.fingerprint is not None
    for transport in ("tcp", "udp") if request.transport == "auto" else (request.transport,):
        if needs_relay:
            break
        try:
            return _open_container(request.address, request, _QUICK | {"rtsp_transport": transport}, "rtsp")
        except av.error.FFmpegError as error:
            # Only that is kept of it: its text holds the URL with the password.
            kind, number = type(error), error.errno
        # FFmpeg's reasons are rough; the camera's own are exact.
        ask_rtsp(address, request.url, login, request.open_timeout_s)[0].close()
        needs_relay = issubclass(kind, av.error.HTTPUnauthorizedError)
        is_of_transport = number == errno.EPROTONOSUPPORT or issubclass(kind, av.error.HTTPOtherClientError)
        if not needs_relay and not is_of_transport:
            raise failed(FailureKind.CODEC)
    if not needs_relay:
        raise failed(FailureKind.TRANSPORT, detail=request.transport)
    connection, challenges = ask_rtsp(address, request.url, login, request.open_timeout_s)
    relay = Relay(connection, request.url, login, challenges)
    try:
        return _open_container(relay.start(), request, _QUICK | {"rtsp_transport": "tcp"}, "rtsp")
    except av.error.FFmpegError as error:
        raise failed(FailureKind.CODEC) from error


def _open_http(request: ReaderRequest, alive: Alive, scene: SceneOf) -> Source:
    from facerec_mqtt.cameras.http_source import HttpCamera, HttpKind, Snapshots, kind_of

    camera = HttpCamera(request)
    body = camera.open(request.open_timeout_s)
    match kind_of(body):
        case HttpKind.MULTIPART:
            from facerec_mqtt.cameras.pictures.multipart import multipart_shots

            return Source(request.fps, multipart_shots(body, request.fps, alive))
        case HttpKind.STREAM:
            return _live(_open_examined(body, request, None), request, alive, scene)
        case HttpKind.PLAYLIST:
            body.close()
            # FFmpeg asks for its parts, and checks no certificate.
            if request.url.startswith("https:"):
                raise failed(FailureKind.PLAYLIST_BY_HTTPS)
            container = _open_examined(request.address, request, "hls")
            return Source(_fps_of(_video_of(container)), _play(container, request.fps, alive, None))
        case HttpKind.PICTURE:
            snapshots = Snapshots(camera.picture, request.timeout_s, body)
            return Source(request.fps, poll(snapshots.take, request.fps, alive))


def _open_examined(file: "str | Body", request: ReaderRequest, format_name: str | None) -> "InputContainer":
    import av

    try:
        return _open_container(file, request, _EXAMINED, format_name)
    except av.error.FFmpegError as error:
        raise failed(FailureKind.CODEC) from error


def _open_container(
    file: "str | Body", request: ReaderRequest, options: Mapping[str, str], format_name: str | None
) -> "InputContainer":
    """Open a stream; an `av.error.FFmpegError` that this raises can hold a password in its text."""
    import av

    options = {"allowed_media_types": "video", "fflags": "nobuffer"} | dict(options)
    # When it falls silent later, the watchdog comes first.
    timeouts_s = (request.open_timeout_s, 2 * request.timeout_s)
    began_s = time.monotonic()
    try:
        return av.open(file, "r", format=format_name, options=options, timeout=timeouts_s)
    except (av.error.FFmpegError, TimeoutError):
        # Which error a time-out becomes, depends on where it struck.
        if time.monotonic() - began_s < request.open_timeout_s:
            raise
    raise failed(FailureKind.SLOW, seconds=request.open_timeout_s)


def _open_device(number: int) -> "InputContainer":
    import av

    device = Path(f"/dev/video{number}")
    if not device.exists():
        raise failed(FailureKind.NO_DEVICE, place=device)
    try:
        return av.open(str(device), format="v4l2")
    except (av.error.FFmpegError, OSError) as error:
        raise failed(FailureKind.DEVICE_UNREADABLE, place=device) from error


def _live(container: "InputContainer", request: ReaderRequest, alive: Alive, scene: SceneOf) -> Source:
    from facerec_mqtt.cameras.streams.taking import take

    video = _video_of(container)
    return Source(_fps_of(video), take(container, video, request.fps, alive, scene, request.hardware))


# --- Files


def _open_file(request: ReaderRequest, alive: Alive) -> Source:
    path = Path(request.url)
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where a share has dropped
        raise failed(FailureKind.NO_FILE, place=path)
    container = _open_video(path)
    fps = _fps_of(_video_of(container))
    return Source(fps, _play(container, request.fps, alive, lambda: _open_video(path)))


def _open_video(path: Path) -> "InputContainer":
    import av

    try:
        return av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise failed(FailureKind.NOT_A_VIDEO, place=path) from error


def _play(
    container: "InputContainer", fps: float, alive: Alive, again: Callable[[], "InputContainer"] | None
) -> Iterator[Shot]:
    """Play what is not live at its own speed; at its end once more, unless `again` is `None`."""
    import av

    pacer = Pacer(fps)
    due_s = time.monotonic()
    while True:
        video = _video_of(container)
        interval_s = 1.0 / _fps_of(video)
        has_given = False
        try:
            for packet in container.demux(video):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    continue
                for frame in frames:
                    has_given = True
                    sleep_until(due_s, alive)
                    now_s = time.monotonic()
                    # After a pause of the whole process it goes on from here, it does not catch up.
                    due_s = max(due_s, now_s - 1.0) + interval_s
                    if pacer.takes(now_s):
                        yield Shot(now_s, bgr(frame))
        except (av.error.FFmpegError, OSError):
            pass
        if again is None:
            raise failed(FailureKind.ENDED)
        if not has_given:
            raise failed(FailureKind.UNDECODABLE, detail=video.codec_context.name)
        container.close()
        container = again()


def _video_of(container: "InputContainer") -> "VideoStream":
    if not container.streams.video:
        raise failed(FailureKind.NO_VIDEO)
    video = container.streams.video[0]
    video.codec_context.thread_count = 1  # each thread delays the picture by one frame
    return video


def bgr(frame: "VideoFrame", divisor: int = 1) -> Image:
    """A picture, (H, W, 3) uint8 BGR, upright as the file says, with both sides divided; without a copy."""
    size = (frame.width // divisor, frame.height // divisor)
    plane = frame.reformat(*size, format="bgr24", threads=1).planes[0]
    shape, strides = (plane.height, plane.width, 3), (plane.line_size, 3, 1)
    image: Image = np.ndarray(shape, np.uint8, buffer=memoryview(plane), strides=strides)
    return np.rot90(image, frame.rotation // 90) if frame.rotation % 360 else image


def _fps_of(video: "VideoStream") -> float:
    """What the stream claims, where that can be."""
    rate = video.average_rate or video.guessed_rate
    fps = float(rate) if rate else 0.0
    return fps if 0.01 <= fps <= 240 else _USUAL_FPS


# --- Pictures


def poll(take: Callable[[], Image], fps: float, alive: Alive) -> Iterator[Shot]:
    """Take a picture whenever one is due."""
    pacer = Pacer(fps)
    while True:
        if pacer.due_s is not None:
            sleep_until(pacer.due_s, alive)
        image = take()
        now_s = time.monotonic()
        alive()
        pacer.takes(max(now_s, pacer.due_s or now_s))
        yield Shot(now_s, image)


def sleep_until(due_s: float, alive: Alive) -> None:
    """Wait until this moment of `time.monotonic`, alive."""
    while (left_s := due_s - time.monotonic()) > 0:
        alive()
        time.sleep(min(left_s, 0.25))
