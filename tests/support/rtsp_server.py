"""A camera for tests: plays clips over RTSP, round and round, as if they were live.

Runs in the system's Python, where GStreamer's bindings are (Debian: python3-gi,
gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good and -ugly, gstreamer1.0-libav). Its orders come as
one line of JSON on standard input, so that no password stands among the arguments:

    {"port": 0,                              0: any free one
     "mounts": {"/front": ["a.avi"]},        clips in any format that GStreamer reads, played in turn
     "codec": "h264" or "h265"
     "login": ["digest", "user", "password"] or ["basic", ...] or null}

It prints "ready PORT", and ends on SIGTERM or when standard input does.
"""

import json
import signal
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401

CAPS = "video/x-{codec},stream-format=byte-stream,alignment=au"
ENCODERS = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast bitrate=4000 key-int-max=10 threads=1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast bitrate=4000 key-int-max=10",
}
ENCODE = (
    "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format=I420 ! {encoder}"
    " ! {codec}parse config-interval=-1 ! {caps} ! appsink name=sink sync=false max-buffers=0"
)
LATE_S = 0.5
SERVE = (
    '( appsrc name=source is-live=true format=time do-timestamp=true max-bytes=4000000 caps="{caps}"'
    " ! {codec}parse ! rtp{codec}pay name=pay0 pt=96 config-interval=-1 )"
)


def encode(path: str, codec: str) -> tuple[list[Gst.Buffer], float]:
    """The clip's pictures, encoded, and how long each is shown, in seconds."""
    caps = CAPS.format(codec=codec)
    pipeline = Gst.parse_launch(ENCODE.format(encoder=ENCODERS[codec], codec=codec, caps=caps))
    pipeline.get_by_name("file").set_property("location", path)
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    pictures = []
    interval_s = 0.0
    while (sample := sink.emit("try-pull-sample", 20 * Gst.SECOND)) is not None:
        pictures.append(sample.get_buffer())
        _, count, per = sample.get_caps().get_structure(0).get_fraction("framerate")
        interval_s = per / count
    pipeline.set_state(Gst.State.NULL)
    if not pictures:
        sys.exit(f"{path} is not a clip that GStreamer can read")
    return pictures, interval_s


def needs_others(picture: Gst.Buffer) -> bool:
    """Whether a picture says only what has changed since the one before."""
    return bool(picture.has_flags(Gst.BufferFlags.DELTA_UNIT))


class LiveClip(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]  # no types for GStreamer
    """Clips, one after the other, endlessly; all who watch see the same moment."""

    def __init__(self, paths: list[str], codec: str) -> None:
        super().__init__()
        clips = [encode(path, codec) for path in paths]
        self.pictures = [(picture, interval_s) for pictures, interval_s in clips for picture in pictures]
        self.set_launch(SERVE.format(codec=codec, caps=CAPS.format(codec=codec)))
        self.set_shared(True)
        self.set_latency(0)
        self.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
        self.connect("media-configure", self.configure)

    def configure(self, _factory: object, media: GstRtspServer.RTSPMedia) -> None:
        """Feed a stream that somebody has begun to watch."""
        ended = threading.Event()
        media.connect("unprepared", lambda _: ended.set())
        source = media.get_element().get_by_name("source")
        threading.Thread(target=self.feed, args=(source, ended), daemon=True).start()

    def feed(self, source: Gst.Element, ended: threading.Event) -> None:
        """Push picture after picture at their pace."""
        due_s = time.monotonic()
        number = 0
        skipping = False
        while not ended.wait(max(0.0, due_s - time.monotonic())):
            picture, interval_s = self.pictures[number % len(self.pictures)]
            # A camera shows the present: what it could not send in time is left out, up to the next picture
            # that needs none before it.
            late = time.monotonic() > due_s + max(LATE_S, interval_s)
            skipping = late or (skipping and needs_others(picture))
            due_s += interval_s
            number += 1
            if skipping:
                continue
            copy = picture.copy_deep()
            copy.pts = copy.dts = Gst.CLOCK_TIME_NONE
            copy.duration = int(interval_s * Gst.SECOND)
            if source.emit("push-buffer", copy) != Gst.FlowReturn.OK:
                return


def main() -> None:
    """Serve until SIGTERM, or until whoever has started it is gone."""
    orders = json.loads(sys.stdin.readline())
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(orders["port"]))
    if orders["login"]:
        kind, user, password = orders["login"]
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        login = GstRtspServer.RTSPAuth()
        if kind == "digest":
            login.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            login.add_digest(user, password, token)
        else:
            login.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        server.set_auth(login)
    for path, clips in orders["mounts"].items():
        factory = LiveClip(clips, orders["codec"])
        if orders["login"]:
            role = "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
            factory.add_role_from_structure(Gst.Structure.new_from_string(role))
        server.get_mount_points().add_factory(path, factory)
    if server.attach(None) == 0:
        sys.exit(f"port {orders['port']} cannot be listened on")
    loop = GLib.MainLoop()
    GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGTERM, loop.quit)
    sys.stdout.write(f"ready {server.get_bound_port()}\n")
    sys.stdout.flush()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
