"""The counts for Prometheus, over HTTP. Off unless a port is set; needs the extra `metrics`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.monitoring.metrics import Snapshot

if TYPE_CHECKING:
    from threading import Thread
    from wsgiref.simple_server import WSGIServer

    from prometheus_client.core import Metric


def require_client() -> None:
    """Check that what the endpoint needs is installed.

    Raises:
        FacerecError: it is not.
    """
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        raise FacerecError(
            "FACEREC_METRICS__PROMETHEUS_PORT is set, and prometheus-client is not installed; install it "
            "with: pip install 'facerec-mqtt[metrics]', or leave the setting out."
        ) from None


class Endpoint:
    """Serves the last snapshot, on a thread of its own.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._snapshot: Snapshot | None = None
        self._server: tuple[WSGIServer, Thread] | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port if self._server is None else int(self._server[0].server_port)

    def start(self) -> None:
        """Listen.

        Raises:
            FacerecError: the extra is not installed, or the port is taken.
        """
        require_client()
        from prometheus_client import CollectorRegistry, start_http_server

        registry = CollectorRegistry()
        registry.register(self)
        try:
            self._server = start_http_server(self._port, self._host, registry)
        except OSError as error:
            raise FacerecError(
                f"The Prometheus endpoint cannot listen on {self._host}:{self._port} ({error.strerror}); set "
                "FACEREC_METRICS__PROMETHEUS_HOST and FACEREC_METRICS__PROMETHEUS_PORT to what is free."
            ) from error

    def show(self, snapshot: Snapshot) -> None:
        """Serve this from now on."""
        self._snapshot = snapshot

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            server, thread = self._server
            self._server = None
            server.shutdown()
            server.server_close()
            thread.join()

    def collect(self) -> Iterator["Metric"]:
        """Make the answer, as prometheus-client asks for it."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        now = self._snapshot
        if now is None:
            return
        yield GaugeMetricFamily("facerec_uptime_seconds", "Since the service started.", now.uptime_s)
        latency = GaugeMetricFamily(
            "facerec_frame_latency_seconds",
            "From a frame's capture to what follows from it, over the last frames.",
            labels=["quantile"],
        )
        for quantile, milliseconds in now.latency_ms.items():
            latency.add_metric([f"{quantile:g}"], milliseconds / 1000)
        yield latency
        for name, text, value in (
            ("facerec_broker_connections", "Times that the broker accepted us.", now.broker.connections),
            ("facerec_messages_lost", "Messages that waited too long for the broker.", now.broker.lost),
            ("facerec_messages_refused", "Messages that the broker refused.", now.broker.refused),
        ):
            yield CounterMetricFamily(name, text, value)
        frames = CounterMetricFamily(
            "facerec_frames", "Frames, by what became of them.", labels=["camera", "fate"]
        )
        faces = CounterMetricFamily("facerec_faces", "Faces, named or why not.", labels=["camera", "answer"])
        visits = CounterMetricFamily(
            "facerec_visits", "Visits that were announced.", labels=["camera", "kind"]
        )
        reconnects = CounterMetricFamily(
            "facerec_camera_reconnects", "Times that the camera was opened again.", labels=["camera"]
        )
        for camera, counts in now.cameras.items():
            for fate in ("looked_at", "still", "late"):
                frames.add_metric([camera, fate], getattr(counts, fate))
            faces.add_metric([camera, "named"], counts.named)
            for reason, count in counts.refused.items():
                faces.add_metric([camera, reason], count)
            for kind, count in (
                ("arrived", counts.arrived),
                ("departed", counts.departed),
                ("visitor", counts.visitors),
                ("stranger", counts.strangers),
            ):
                visits.add_metric([camera, kind], count)
            reconnects.add_metric([camera], counts.reconnects)
        yield from (frames, faces, visits, reconnects)
