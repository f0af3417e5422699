"""The service's counts: shown on MQTT and to Prometheus, and a warning when the machine cannot keep up."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from facerec_mqtt.monitoring.metrics import Metrics
from facerec_mqtt.monitoring.overload import FrameTotals, Overload, OverloadMonitor
from facerec_mqtt.monitoring.prometheus import Endpoint
from facerec_mqtt.service.pipeline import WatchedCamera
from facerec_mqtt.service.publisher import Publisher
from facerec_mqtt.settings.schema import MetricsSettings

_log = logging.getLogger(__name__)
_PROMETHEUS_EVERY_S = 5.0


@dataclass(slots=True, eq=False)
class CountsReporter:
    """Reports the counts of all cameras."""

    settings: MetricsSettings
    metrics: Metrics
    cameras: Mapping[str, WatchedCamera]
    publisher: Publisher
    endpoint: Endpoint | None
    _overload: OverloadMonitor = field(default_factory=OverloadMonitor)
    _publish_at_s: float = 0.0
    _show_at_s: float = 0.0

    def report(self, now_s: float) -> None:
        """Report what is due; to be called a few times a second."""
        self._warn_of_overload(now_s)
        publish = now_s >= self._publish_at_s
        show = self.endpoint is not None and now_s >= self._show_at_s
        if not (publish or show):
            return
        counters = {slug: watched.camera.counters for slug, watched in self.cameras.items()}
        cameras = {slug: (counts.frames, counts.reconnects) for slug, counts in counters.items()}
        snapshot = self.metrics.snapshot(now_s, cameras, self.publisher.counts)
        if publish:
            self._publish_at_s = now_s + self.settings.interval_s
            self.publisher.publish_metrics(snapshot)
        if self.endpoint is not None:
            self._show_at_s = now_s + _PROMETHEUS_EVERY_S
            self.endpoint.show(snapshot)

    def _warn_of_overload(self, now_s: float) -> None:
        came = sum(watched.camera.counters.frames for watched in self.cameras.values())
        totals = FrameTotals(came, sum(watched.taken for watched in self.cameras.values()))
        match self._overload.check(totals, now_s):
            case Overload(is_over=False, came_per_s=came_per_s, taken_per_s=taken_per_s):
                _log.warning(
                    "More frames come than this machine can look at: %.1f a second, of which %.1f are taken, "
                    "from all cameras in turn. Lower the cameras' fps, use smaller streams, or watch fewer "
                    "cameras.",
                    came_per_s,
                    taken_per_s,
                )
            case Overload():
                _log.warning("The machine keeps up with its cameras again.")
