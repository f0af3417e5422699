"""The demo's camera: drawn frames, served as one HTTP picture that changes, as network cameras do."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2

from facerec_mqtt.rendering import FAMILY, UNSEEN_STRANGERS, Identity, walk

FRAMES_PER_SECOND = 5.0
CAST: tuple[Identity, ...] = (
    *(FAMILY["Anna"], UNSEEN_STRANGERS[0], FAMILY["Tom"]),
    *(FAMILY["Grandma Edith"], UNSEEN_STRANGERS[0], FAMILY["José"]),
)
"""Who comes, in this order, again and again; the stranger too, so that the page has somebody to name."""
_VISIT_S = 6.0
_PAUSE_S = 3.0


def film_visit(number: int) -> list[bytes]:
    """Draw one visit of the cast.

    Args:
        number: index into `CAST`.

    Returns:
        JPEG files, `FRAMES_PER_SECOND` of them a second: the empty hall, then the visitor.
    """
    frames = walk(
        (CAST[number],),
        frames_per_second=FRAMES_PER_SECOND,
        visit_s=_VISIT_S,
        pause_s=_PAUSE_S,
        seed=number * 1000,
    )
    return [cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes() for frame in frames]


@contextmanager
def drawn_camera(film: Sequence[bytes]) -> Iterator[str]:
    """Serve a film as a camera's snapshot, from its beginning at the first request, over and over.

    Args:
        film: JPEG files.

    Yields:
        The snapshot's URL, on a free loopback port.
    """
    began_s: list[float] = []

    class Snapshot(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not began_s:
                began_s.append(time.monotonic())
            frame = film[int((time.monotonic() - began_s[0]) * FRAMES_PER_SECOND) % len(film)]
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(frame)))
            self.end_headers()
            self.wfile.write(frame)

        def log_message(self, *_: object) -> None:
            """Do not log each request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Snapshot)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="camera", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/snapshot.jpg"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
