"""Do the sizes of a camera's packets tell of somebody who crosses its picture in two seconds, and how soon?

    python benchmarks/crossings.py --film P1_bird.mkv --background garden.jpg

The person of a film is moved five times across a picture with sensor noise and a burnt-in clock, which is
encoded as cameras do. Printed for each way of encoding: seconds from the entry to the first suspicion within
the crossing, `null` where there is none, and the seconds of stillness in which something was suspected.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from facerec_mqtt.cameras.streams.movement import PacketSizes
from facerec_mqtt.core.records import Image

FPS = 15
SIZE = (640, 360)
SECONDS = 56
CROSSINGS_S = tuple(23.3 + 6.37 * number for number in range(5))
CROSSING_S = 2.0
# The service sees it that much longer, and its stillness is learned from only after that.
SEEN_S = 5.0
_FAST = "scenecut=0:bframes=0"
ENCODINGS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "x264, variable": (
        "libx264",
        {"preset": "veryfast", "tune": "zerolatency", "crf": "23", "x264-params": f"keyint=30:{_FAST}"},
    ),
    "x264, fixed quality": (
        "libx264",
        {"preset": "ultrafast", "tune": "zerolatency", "qp": "28", "x264-params": f"keyint=30:{_FAST}"},
    ),
    "x265, variable": (
        "libx265",
        {"preset": "ultrafast", "crf": "26", "x265-params": f"keyint=30:log-level=none:{_FAST}"},
    ),
    "x264, constant": (
        "libx264",
        {
            "preset": "veryfast",
            "tune": "zerolatency",
            "b": "700000",
            "maxrate": "700000",
            "bufsize": "350000",
            "x264-params": f"keyint=30:{_FAST}",
        },
    ),
    "x264, constant, 4 s": (
        "libx264",
        {
            "preset": "superfast",
            "b": "350000",
            "maxrate": "350000",
            "bufsize": "175000",
            "x264-params": f"keyint=60:rc-lookahead=0:{_FAST}",
        },
    ),
}


@dataclass(eq=False)
class Encoder:
    """One way of encoding, and what is suspected in its packets."""

    codec: str
    options: Mapping[str, str]
    sizes: PacketSizes = field(default_factory=PacketSizes)
    packets: int = 0
    suspected_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._container = av.open("/dev/null", "w", format="matroska")
        stream = self._container.add_stream(self.codec, rate=FPS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = dict(self.options)
        stream.codec_context.thread_count = 1
        if "b" in self.options:
            stream.bit_rate = int(self.options["b"])
        self._stream = stream

    def take(self, picture: av.VideoFrame | None) -> None:
        """Encode a picture, or what is left at the end."""
        for packet in self._stream.encode(picture):
            at_s, self.packets = self.packets / FPS, self.packets + 1
            if packet.is_keyframe:
                self.sizes.add_key(at_s, still=not is_seen(at_s))
            elif self.sizes.add(packet.size) and self.sizes.is_known:
                self.suspected_s.append(at_s)

    def result(self) -> dict[str, Any]:
        """What is printed of it."""
        after = [[at_s - began_s for at_s in self.suspected_s] for began_s in CROSSINGS_S]
        within = [[each_s for each_s in row if 0.0 <= each_s <= CROSSING_S] for row in after]
        wrong = {int(at_s) for at_s in self.suspected_s if not is_seen(at_s)}
        return {
            "suspected_after_s": [round(row[0], 2) if row else None for row in within],
            "wrong_seconds": len(wrong),
        }


def is_seen(at_s: float) -> bool:
    """Whether the service would see the person, or hold its gate open for one."""
    return any(began_s - 0.2 <= at_s <= began_s + SEEN_S for began_s in CROSSINGS_S)


def pictures(background: Image, person: Sequence[Image], noise: float, face_px: float) -> Iterator[Image]:
    """Five crossings, as a camera takes them: (H, W, 3) uint8 BGR."""
    chance = np.random.default_rng(1)
    width, height = SIZE
    ground = cv2.resize(background, SIZE, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    grains = [
        cv2.GaussianBlur(chance.normal(0, 2 * noise, (height, width)).astype(np.float32), (3, 3), 0)
        for _ in range(12)
    ]
    # The face of a person who sits before the camera is about a third of the film's height.
    tall = round(2.9 * face_px)
    for number in range(SECONDS * FPS):
        at_s = number / FPS
        scene = ground.copy()
        for began_s in CROSSINGS_S:
            if began_s <= at_s < began_s + CROSSING_S:
                film = person[number % len(person)]
                middle = film[:, film.shape[1] // 4 : film.shape[1] * 3 // 4]
                wide = tall * middle.shape[1] // middle.shape[0]
                figure = cv2.resize(middle, (wide, tall), interpolation=cv2.INTER_AREA)
                left = round((at_s - began_s) / CROSSING_S * (width + wide)) - wide
                first, last = max(left, 0), min(left + wide, width)
                if first < last:
                    top = height - tall - 50
                    scene[top : top + tall, first:last] = figure[:, first - left : last - left]
        grain = np.roll(grains[chance.integers(12)], chance.integers(0, (height, width)), (0, 1))
        taken = np.clip(scene + grain[..., None], 0, 255).astype(np.uint8)
        text = f"2026-11-30 14:{int(at_s) // 60:02d}:{int(at_s) % 60:02d}"
        yield cv2.putText(taken, text, (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255), 2)


def main() -> None:
    """Encode the crossings in each way, and print a line of JSON for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--film", type=Path, required=True, help="somebody who sits before a camera")
    parser.add_argument("--background", type=Path, required=True, help="a picture without people")
    parser.add_argument("--face-px", type=float, default=50.0)
    parser.add_argument("--noise", type=float, nargs="+", default=[1.0, 4.0], help="grey levels")
    arguments = parser.parse_args()
    with av.open(str(arguments.film)) as film:
        person = [np.asarray(frame.to_ndarray(format="bgr24")) for frame in film.decode(video=0)]
    background = cv2.imread(str(arguments.background))
    for noise in arguments.noise:
        encoders = {name: Encoder(*encoding) for name, encoding in ENCODINGS.items()}
        for picture in pictures(background, person, noise, arguments.face_px):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
            for encoder in encoders.values():
                encoder.take(frame)
        for name, encoder in encoders.items():
            encoder.take(None)
            print(json.dumps({"noise": noise, "encoding": name} | encoder.result()), flush=True)


if __name__ == "__main__":
    main()
