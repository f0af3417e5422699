"""The service's counts: shown on MQTT and to Prometheus, and a warning when the machine cannot keep up."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from facerec_mqtt.monitoring.metrics import BrokerCounts, Metrics, Snapshot
from facerec_mqtt.monitoring.overload import FrameTotals, Overload, OverloadMonitor
from facerec_mqtt.monitoring.prometheus import Endpoint
from facerec_mqtt.settings.schema import MetricsSettings

_log = logging.getLogger(__name__)
_PROMETHEUS_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class CameraCounts:
    """Of one camera, since the start."""

    frames: int
    """That it gave."""
    reconnects: int
    """Times that it was opened again."""
    taken: int
    """Frames that were searched, or skipped for another reason than lack of time."""


@dataclass(slots=True, eq=False)
class CountsReporter:
    """Reports the counts of all cameras."""

    settings: MetricsSettings
    metrics: Metrics
    cameras: Callable[[], Mapping[str, CameraCounts]]
    """Gives the present counts by slug."""
    broker: Callable[[], BrokerCounts]
    publish: Callable[[Snapshot], None]
    endpoint: Endpoint | None
    _overload: OverloadMonitor = field(default_factory=OverloadMonitor)
    _publish_at_s: float = 0.0
    _show_at_s: float = 0.0

    def report(self, now_s: float) -> None:
        """Report what is due; to be called a few times a second."""
        cameras = self.cameras()
        self._warn_of_overload(cameras, now_s)
        publish = now_s >= self._publish_at_s
        show = self.endpoint is not None and now_s >= self._show_at_s
        if not (publish or show):
            return
        counts = {slug: (each.frames, each.reconnects) for slug, each in cameras.items()}
        snapshot = self.metrics.snapshot(now_s, counts, self.broker())
        if publish:
            self._publish_at_s = now_s + self.settings.interval_s
            self.publish(snapshot)
        if self.endpoint is not None:
            self._show_at_s = now_s + _PROMETHEUS_EVERY_S
            self.endpoint.show(snapshot)

    def _warn_of_overload(self, cameras: Mapping[str, CameraCounts], now_s: float) -> None:
        totals = FrameTotals(
            sum(each.frames for each in cameras.values()), sum(each.taken for each in cameras.values())
        )
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
