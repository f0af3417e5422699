"""Small films in which something moves for a moment, as cameras encode them."""

from pathlib import Path

import av
import numpy as np

FPS = 15
GROUP = 30
"""Pictures from one key frame to the next."""
STILL_GROUPS = 5
LIVELY = range(STILL_GROUPS * GROUP + 10, STILL_GROUPS * GROUP + 20)
"""Pictures in which something moves."""


def film(path: Path, codec: str, parameters: str) -> None:
    """Seven groups of pictures in which nothing moves, but for ten pictures in the middle of the sixth."""
    still = np.random.default_rng(1).integers(60, 190, (15, 20, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        name = "x264-params" if codec == "libx264" else "x265-params"
        stream.options = {"preset": "ultrafast", "crf": "23", name: f"keyint={GROUP}:scenecut=0:{parameters}"}
        for number in range((STILL_GROUPS + 2) * GROUP):
            picture = still.copy()
            if number in LIVELY:
                left = 20 * (number - LIVELY.start)
                picture[80:160, left : left + 60] = still[:80, 200:260] // 2
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
