"""A device decodes a stream where one is asked for; without it, or where it fails, nothing else changes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import av
import pytest
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from facerec_mqtt.cameras import CameraFailedError, Scene
from facerec_mqtt.cameras.sources import Shot, bgr
from facerec_mqtt.cameras.streams.decoder import Decoder
from facerec_mqtt.cameras.streams.hardware import open_hardware
from facerec_mqtt.cameras.streams.idling import Idling
from facerec_mqtt.cameras.streams.messages import DecodedBy, HardwareFault
from facerec_mqtt.cameras.streams.taking import take
from tests.support.broker import wait_until
from tests.support.films import GROUP, film
from tests.support.http_cameras import http_server, write_video
from tests.support.rtsp import numbered
from tests.support.watched_camera import settings, watched

REFUSED = DecodedBy(None, HardwareFault.REFUSED)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "film.mkv"
    film(path, "libx264", "bframes=0:rc-lookahead=0")
    return path


class Device:
    """A decoder that is asked as a device's is; one of the processor's decodes for it.

    Args:
        codec: of what it can decode.
        delay: pictures that it keeps back.
        forgets: whether it can begin anew.
    """

    def __init__(self, codec: str = "h264", delay: int = 0, *, forgets: bool = True) -> None:
        context = av.CodecContext.create(codec, "r")
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1
        self._context, self._delay, self._forgets = context, delay, forgets
        self._kept: list[VideoFrame] = []
        self.decoded = 0

    @property
    def codec(self) -> Any:
        return av.Codec("h264" if self._forgets else "h264_v4l2m2m", "r")

    def decode(self, packet: Packet[Any]) -> list[VideoFrame]:
        self.decoded += 1
        self._kept += self._context.decode(packet)
        given = max(0, len(self._kept) - self._delay)
        frames, self._kept = self._kept[:given], self._kept[given:]
        return frames

    def flush_buffers(self) -> None:
        self._kept.clear()
        self._context.flush_buffers()


class Film:
    """A film's packets, decoded by the processor or by a device."""

    def __init__(self, clip: Path, device: Device | None) -> None:
        with av.open(str(clip)) as container:
            video = container.streams.video[0]
            video.codec_context.thread_count = 1
            if device is not None:
                device._context.extradata = video.codec_context.extradata
            self.packets = [packet for packet in container.demux(video) if packet.size]
            self._software = video.codec_context
            self.idling = Idling()
            self.decoder = Decoder(self._software, self.idling, device)  # type: ignore[arg-type]
            self.faults: list[DecodedBy] = []

    def play(self, packets: Sequence[Packet[Any]]) -> list[bytes]:
        pictures: list[bytes] = []
        for packet in packets:
            pictures += [bgr(frame).tobytes() for frame in self.decoder.frames([packet])]
            fault = self.decoder.take_fault()
            self.faults += [] if fault is None else [fault]
        return pictures


@pytest.mark.parametrize("wanted", ["auto", "vaapi", "cuda", "v4l2m2m"])
def test_where_there_is_no_device_the_processor_decodes_everything(clip: Path, wanted: str) -> None:
    def taken(hardware: str | None) -> list[object]:
        found: list[object] = []
        with av.open(str(clip)) as container, contextlib.suppress(CameraFailedError):
            video = container.streams.video[0]
            video.codec_context.thread_count = 1
            shots = take(container, video, 1e9, lambda: None, lambda: Scene.ACTIVE, hardware)
            found.extend(each.image.tobytes() if isinstance(each, Shot) else each for each in shots)
        return found

    first, *pictures = taken(wanted)
    assert isinstance(first, DecodedBy)
    assert first.device is None
    assert first.fault in (HardwareFault.NO_DEVICE, HardwareFault.NOT_BUILT_IN)
    assert pictures == taken(None)


def test_what_pyav_is_built_without_is_told_from_a_device_that_is_missing(clip: Path) -> None:
    with av.open(str(clip)) as container:
        context = container.streams.video[0].codec_context
        assert open_hardware("v4l2m2m", context) == (None, DecodedBy(None, HardwareFault.NO_DEVICE))
    # No device decodes this one.
    context = av.CodecContext.create("rawvideo", "r")
    for wanted in ("v4l2m2m", "cuda", "auto"):
        assert open_hardware(wanted, context) == (None, DecodedBy(None, HardwareFault.NOT_BUILT_IN))


def test_a_device_decodes_what_the_processor_would(clip: Path) -> None:
    device, by_processor = Device(), Film(clip, None)
    by_device = Film(clip, device)
    assert by_device.play(by_device.packets) == by_processor.play(by_processor.packets)
    assert device.decoded == len(by_device.packets)
    assert by_device.faults == []


@pytest.mark.parametrize(
    "device", [Device("mpeg2video"), Device(delay=10**6)], ids=["fails", "gives nothing"]
)
def test_one_that_fails_is_given_up_and_the_processor_goes_on_at_the_next_key_frame(
    clip: Path, device: Device
) -> None:
    shown, whole = Film(clip, device), Film(clip, None)
    pictures, every = shown.play(shown.packets), whole.play(whole.packets)
    assert shown.faults == [REFUSED]
    asked = device.decoded
    assert asked < 3 * GROUP
    begins = -(-(asked - 1) // GROUP) * GROUP
    assert pictures == every[begins:]


@pytest.mark.parametrize("forgets", [True, False])
def test_key_frames_alone_are_decoded_without_it_and_nothing_old_comes_after(
    clip: Path, forgets: bool
) -> None:
    device = Device(delay=3, forgets=forgets)
    shown, whole = Film(clip, device), Film(clip, None)
    every = whole.play(whole.packets)
    shown.play(shown.packets[:10])
    asked = device.decoded
    # The service sees nothing more: the next key frames alone, then what was held back with the one before.
    shown.idling._held = [shown.packets[GROUP]]
    assert shown.play([shown.packets[GROUP]]) == [every[GROUP]]
    assert device.decoded == asked
    shown.idling._held = None
    after = shown.decoder.frames(shown.packets[GROUP : GROUP + 8])
    pictures = [bgr(frame).tobytes() for frame in after] + shown.play(shown.packets[GROUP + 8 : 2 * GROUP])
    assert device.decoded > asked
    assert len(pictures) >= GROUP - 12
    assert set(pictures) <= set(every[GROUP : 2 * GROUP])
    assert shown.faults == []


def test_that_there_is_none_is_logged_once_and_the_camera_is_online(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    data = write_video(tmp_path / "film.ts", [numbered(number) for number in range(30)], 10, "h264")

    def serve(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "video/mp2t")
        request.end_headers()
        request.wfile.write(data)

    with http_server(serve) as url, watched(settings(f"{url}/live.ts", hardware_decoding="cuda")) as door:
        door.frames(2)
        # Each time that the film is over it is opened again.
        wait_until(lambda: door.camera.counters.reconnects >= 2)
    said = [record for record in caplog.records if "hardware_decoding is cuda" in record.getMessage()]
    assert [record.levelname for record in said] == ["INFO"]
