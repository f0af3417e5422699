"""Pictures of a live stream, as they come."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from facerec_mqtt.cameras.pacing import Backlog, Pacer
from facerec_mqtt.cameras.protocol import FailureKind, failed
from facerec_mqtt.cameras.sources import Alive, Shot, Unchanged, bgr
from facerec_mqtt.cameras.streams.decoder import Decoder
from facerec_mqtt.cameras.streams.hardware import open_hardware
from facerec_mqtt.cameras.streams.idling import Idling
from facerec_mqtt.cameras.streams.messages import DecodedBy, Scene

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream
_MOST_BAD_PACKETS = 200
# Each packet is a whole picture: those that are not wanted need not be decoded.
_WHOLE_PICTURES = frozenset(("mjpeg",))


def take(
    container: "InputContainer",
    video: "VideoStream",
    fps: float,
    alive: Alive,
    scene: Callable[[], Scene],
    hardware: str | None = None,
) -> Iterator[Shot | Unchanged | DecodedBy]:
    """Take every packet as it comes, so that none waits, and convert the pictures that are wanted.

    Args:
        container: the open stream.
        video: of it.
        fps: pictures a second that are wanted.
        alive: to be called whenever something has come.
        scene: what the service has seen.
        hardware: which device is to decode it, where there is one; `None` for none.

    Raises:
        CameraFailedError: it has ended, or cannot be decoded.
    """
    import av

    pacer, backlog, idling = Pacer(fps), Backlog(), Idling()
    device = None
    if hardware is not None:
        device, decoded_by = open_hardware(hardware, video.codec_context)
        yield decoded_by
    decoder = Decoder(video.codec_context, idling, device)
    has_whole_pictures = video.codec_context.name in _WHOLE_PICTURES
    bad, decoded = 0, False
    try:
        for packet in container.demux(video):
            now_s = time.monotonic()
            stamp = packet.dts if packet.pts is None else packet.pts
            waited = stamp is not None and backlog.waited(float(stamp * packet.time_base), now_s)
            if has_whole_pictures:
                packets = [] if waited or not pacer.takes(now_s) else [packet]
            else:
                packets = idling.due(packet, now_s, scene())
            if not packets:
                alive()
                if idling.idles and not waited and pacer.takes(now_s):
                    yield Unchanged(now_s)
                continue
            try:
                frames = decoder.frames(packets)
            except av.error.InvalidDataError:
                bad += 1
                if bad >= _MOST_BAD_PACKETS:
                    raise
                continue
            if (fault := decoder.take_fault()) is not None:
                yield fault
            for frame in frames:
                bad, decoded = 0, True
                alive()
                # A key frame is all there is for a while, so it is taken even where none is due yet.
                if has_whole_pictures or (not waited and (pacer.takes(now_s) or idling.idles)):
                    yield Shot(now_s, bgr(frame))
    except av.error.InvalidDataError:
        bad = _MOST_BAD_PACKETS
    except (av.error.FFmpegError, OSError):
        pass
    # Of a stream that breaks off, the last packet is often torn.
    if bad > (1 if decoded else 0):
        raise failed(FailureKind.UNDECODABLE, detail=video.codec_context.name)
    raise failed(FailureKind.ENDED)
