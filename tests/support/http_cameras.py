"""Cameras that speak HTTP: what they send, and video in the containers that they use."""

import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2

from facerec_mqtt.core.records import Image
from tests.support.rtsp import numbered

Serve = Callable[[BaseHTTPRequestHandler], None]


def jpeg(number: int, width: int = 320, height: int = 240) -> bytes:
    """A JPEG file that shows a number, see `rtsp.number_of`."""
    return cv2.imencode(".jpg", numbered(number, width, height))[1].tobytes()


@contextmanager
def http_server(serve: Serve, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A web server that answers each GET by `serve`, with TLS where wanted; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(ConnectionError, TimeoutError):
                serve(self)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_video(path: Path, pictures: Sequence[Image], fps: int, codec: str, **options: str) -> bytes:
    """Write pictures of one size as a video; the container is what the file's name says."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = fps
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()
