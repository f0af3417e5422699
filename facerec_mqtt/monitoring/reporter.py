"""Reports the service's counts: on MQTT, to Prometheus, and as a warning when the machine cannot keep up."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from facerec_mqtt.monitoring.metrics import BrokerCounts, Metrics, Snapshot
from facerec_mqtt.monitoring.overload import FrameTotals, Overload, OverloadMonitor
from facerec_mqtt.monitoring.prometheus import Endpoint

_log = logging.getLogger(__name__)
_PROMETHEUS_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class CameraTotals:
    """Counts of one camera since the start."""

    frames: int
    """That it gave."""
    reconnects: int
    """Times that it was opened again."""
    taken: int
    """Frames that were searched, or skipped for another reason than lack of time."""


@dataclass(slots=True, eq=False)
class CountsReporter:
    """Reports the counts of all cameras.

    Args:
        metrics: what is counted elsewhere.
        interval_s: between two snapshots that are published.
        publish: publishes a snapshot.
        endpoint: serves it to Prometheus; `None` where nobody asked for that.
    """

    metrics: Metrics
    interval_s: float
    publish: Callable[[Snapshot], None]
    endpoint: Endpoint | None
    _overload: OverloadMonitor = field(default_factory=OverloadMonitor)
    _publish_at_s: float = 0.0
    _show_at_s: float = 0.0

    def report(
        self,
        now_s: float,
        cameras: Mapping[str, CameraTotals],
        broker: BrokerCounts,
        questions: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Report what is due; to be called a few times a second.

        Args:
            now_s: the time.
            cameras: by slug.
            broker: as the publisher counts.
            questions: between boxes of a house, where this one asks or answers.
        """
        totals = cameras.values()
        self._warn(
            FrameTotals(sum(each.frames for each in totals), sum(each.taken for each in totals)), now_s
        )
        publish = now_s >= self._publish_at_s
        if not publish and (self.endpoint is None or now_s < self._show_at_s):
            return
        counts = {slug: (each.frames, each.reconnects) for slug, each in cameras.items()}
        snapshot = self.metrics.snapshot(now_s, counts, broker, questions)
        if publish:
            self._publish_at_s = now_s + self.interval_s
            self.publish(snapshot)
        if self.endpoint is not None:
            self._show_at_s = now_s + _PROMETHEUS_EVERY_S
            self.endpoint.show(snapshot)

    def _warn(self, totals: FrameTotals, now_s: float) -> None:
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
