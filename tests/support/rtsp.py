"""Real RTSP cameras on free ports of the loopback interface, played by tests/rtsp_server.py."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

import cv2
import numpy as np
import pytest

from facerec_mqtt.core.records import Image

SYSTEM_PYTHON = Path("/usr/bin/python3")
SERVER = Path(__file__).with_name("rtsp_server.py")
NEEDED = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer, Gst; "
    "Gst.init(None); "
    "assert all(map(Gst.ElementFactory.find, ('x264enc', 'x265enc', 'avdec_h264', 'jpegdec')))"
)
CLIP_FPS = 15
CLIP_FRAMES = 240

Codec = Literal["h264", "h265"]
Login = tuple[Literal["digest", "basic"], str, str]


class RtspServer:
    """A running RTSP server; `url` tells where its streams are."""

    def __init__(self, mounts: Mapping[str, Sequence[Path]], login: Login | None, codec: Codec) -> None:
        self._mounts = mounts
        self._login = login
        self._codec = codec
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    @classmethod
    def started(cls, mounts: Mapping[str, Sequence[Path]], login: Login | None, codec: Codec) -> Self:
        server = cls(mounts, login, codec)
        server.start()
        return server

    def url(self, path: str) -> str:
        return f"rtsp://127.0.0.1:{self._port}{path}"

    def start(self) -> None:
        """Start, or start again at the same port."""
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        mounts = {path: [str(clip) for clip in clips] for path, clips in self._mounts.items()}
        orders = {"port": self._port, "mounts": mounts, "login": self._login, "codec": self._codec}
        self._process.stdin.write(json.dumps(orders) + "\n")
        self._process.stdin.flush()
        word, _, port = self._process.stdout.readline().partition(" ")
        assert word == "ready", "the RTSP server has not started; its complaint is above"
        self._port = int(port)

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing comes any more."""
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, without TEARDOWN."""
        if self._process is not None:
            self._send(signal.SIGKILL)
            self._process.wait(10)
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
            self._process = None

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


StartRtsp = Callable[..., RtspServer]


@pytest.fixture(scope="session")
def _gstreamer() -> None:
    if not SYSTEM_PYTHON.exists():
        pytest.skip(f"the RTSP server needs {SYSTEM_PYTHON}")
    found = subprocess.run([SYSTEM_PYTHON, "-c", NEEDED], stderr=subprocess.DEVNULL, check=False)
    if found.returncode != 0:
        pytest.skip(
            "the RTSP server needs python3-gi, gir1.2-gst-rtsp-server-1.0, gstreamer1.0-rtsp, "
            "gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad, gstreamer1.0-plugins-ugly and"
            " gstreamer1.0-libav"
        )


@pytest.fixture
def start_rtsp(_gstreamer: None) -> Iterator[StartRtsp]:
    """Starts an RTSP server: `start_rtsp({"/front": [clip]}, login=("digest", user, password))`."""
    servers: list[RtspServer] = []

    def start(
        mounts: Mapping[str, Sequence[Path]], login: Login | None = None, codec: Codec = "h264"
    ) -> RtspServer:
        servers.append(RtspServer.started(mounts, login, codec))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen seconds at 15 frames a second, 320x240; each picture shows its number, see `number_of`."""
    path = tmp_path_factory.mktemp("clips") / "numbers.avi"
    write_clip(path, [numbered(number) for number in range(CLIP_FRAMES)], CLIP_FPS)
    return path


def write_clip(path: Path, pictures: Sequence[Image], fps: float) -> None:
    """Write pictures of one size, (H, W, 3) uint8 BGR, as a clip of Motion JPEG."""
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (width, height))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(picture)
    writer.release()


def numbered(number: int, width: int = 320, height: int = 240) -> Image:
    """A picture that shows a number below 256 as eight black or white fields."""
    fields = np.array([number >> bit & 1 for bit in range(8)], np.uint8).reshape(2, 4)
    grey = cv2.resize(40 + 175 * fields, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)


def number_of(image: Image) -> int:
    """The number that a picture of `numbered` shows, also after it was compressed."""
    fields = cv2.resize(image, (4, 2), interpolation=cv2.INTER_AREA).mean(axis=2) > 128
    return sum(1 << bit for bit, white in enumerate(fields.ravel()) if white)
