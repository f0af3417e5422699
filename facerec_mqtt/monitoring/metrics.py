"""Counts what the service does. Numbers only, no names.

Nothing here reads a clock: times are arguments, in seconds.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import get_args

from facerec_mqtt.core.records import PresenceChange, Refusal, Sighting

REFUSALS: tuple[Refusal, ...] = get_args(Refusal)
QUANTILES = (0.5, 0.95, 0.99)
LATENCIES_KEPT = 2000
"""So many of the last frames make the quantiles: some minutes of a few cameras."""


@dataclass(frozen=True, slots=True)
class CameraCounts:
    """What has happened at one camera since the service started."""

    frames: int
    """That it gave."""
    reconnects: int
    """Times that it was opened again."""
    looked_at: int
    """Frames in which faces were looked for."""
    still: int
    """Frames in which nothing had moved."""
    late: int
    """Frames that were skipped, being older than a second."""
    faces: int
    """In all frames together."""
    named: int
    """Faces that were given a name."""
    refused: Mapping[Refusal, int]
    """Faces that were not, by the reason."""
    arrived: int
    departed: int
    visitors: int
    strangers: int
    """Visits that were announced."""


@dataclass(frozen=True, slots=True)
class BrokerCounts:
    """The connection to the broker since the service started."""

    connections: int
    """Times that the broker has accepted us."""
    lost: int
    """Messages that waited for it for too long, or were too many."""
    refused: int
    """Messages that it refused."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All counts at one moment."""

    uptime_s: float
    version: str
    cameras: Mapping[str, CameraCounts]
    """By slug."""
    latency_ms: Mapping[float, float]
    """Quantile to milliseconds from a frame's capture to what follows from it; empty before the first."""
    broker: BrokerCounts
    questions: Mapping[str, int] = field(default_factory=dict)
    """Between boxes of a house, where this one asks or answers."""

    def as_json(self) -> dict[str, object]:
        """The payload of docs/MQTT.md."""
        return {
            "version": self.version,
            "uptime_s": round(self.uptime_s),
            "latency_ms": {
                f"p{quantile * 100:g}": round(self.latency_ms[quantile]) if self.latency_ms else None
                for quantile in QUANTILES
            },
            "broker": {
                "connections": self.broker.connections,
                "lost": self.broker.lost,
                "refused": self.broker.refused,
            },
            "cameras": {
                slug: {
                    "frames": counts.frames,
                    "reconnects": counts.reconnects,
                    "looked_at": counts.looked_at,
                    "still": counts.still,
                    "late": counts.late,
                    "faces": counts.faces,
                    "named": counts.named,
                    "refused": {reason.replace(" ", "_"): n for reason, n in counts.refused.items()},
                    "arrived": counts.arrived,
                    "departed": counts.departed,
                    "visitors": counts.visitors,
                    "strangers": counts.strangers,
                }
                for slug, counts in self.cameras.items()
            },
            **({"questions": dict(self.questions)} if self.questions else {}),
        }


@dataclass(slots=True, eq=False)
class _Camera:
    looked_at: int = 0
    still: int = 0
    late: int = 0
    faces: int = 0
    named: int = 0
    refused: Counter[Refusal] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)


class Metrics:
    """Keeps the counts. Of one thread.

    Args:
        cameras: their slugs.
        version: of the program.
        start_s: when the service started.
    """

    def __init__(self, cameras: Iterable[str], version: str, start_s: float) -> None:
        self._cameras = {camera: _Camera() for camera in cameras}
        self._version = version
        self._start_s = start_s
        self._latencies_s: deque[float] = deque(maxlen=LATENCIES_KEPT)

    def count_late(self, camera: str) -> None:
        """A frame was skipped, since it was too old."""
        self._cameras[camera].late += 1

    def count_still(self, camera: str) -> None:
        """A frame was not searched, since nothing had moved."""
        self._cameras[camera].still += 1

    def count_searched(self, camera: str, sightings: Collection[Sighting], latency_s: float) -> None:
        """A frame was searched.

        Args:
            camera: its slug.
            sightings: the faces in the frame.
            latency_s: from its capture until all that follows from it was published.
        """
        counts = self._cameras[camera]
        counts.looked_at += 1
        counts.faces += len(sightings)
        self._latencies_s.append(latency_s)
        for sighting in sightings:
            refusal = sighting.identification.refusal
            if refusal is None:
                counts.named += 1
            else:
                counts.refused[refusal] += 1

    def count_changes(self, changes: Iterable[PresenceChange]) -> None:
        """Visits have begun or ended."""
        for change in changes:
            self._cameras[change.camera].changes[change.kind] += 1

    def snapshot(
        self,
        now_s: float,
        cameras: Mapping[str, tuple[int, int]],
        broker: BrokerCounts,
        questions: Mapping[str, int] = MappingProxyType({}),
    ) -> Snapshot:
        """All counts as they are now.

        Args:
            now_s: the time.
            cameras: by slug, the frames that a camera gave, and how often it was opened again.
            broker: as the publisher counts them.
            questions: between boxes of a house, where this one asks or answers.
        """
        ordered = sorted(self._latencies_s)
        return Snapshot(
            now_s - self._start_s,
            self._version,
            {
                slug: CameraCounts(
                    *cameras[slug],
                    looked_at=counts.looked_at,
                    still=counts.still,
                    late=counts.late,
                    faces=counts.faces,
                    named=counts.named,
                    refused={refusal: counts.refused[refusal] for refusal in REFUSALS},
                    arrived=counts.changes["arrived"],
                    departed=counts.changes["departed"],
                    visitors=counts.changes["visitor"],
                    strangers=counts.changes["stranger"],
                )
                for slug, counts in self._cameras.items()
            },
            {quantile: 1000 * ordered[int(quantile * (len(ordered) - 1))] for quantile in QUANTILES}
            if ordered
            else {},
            broker,
            questions,
        )
