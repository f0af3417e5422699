"""The messages between the service and its fork server."""

from dataclasses import dataclass
from typing import ClassVar

LONGEST_MESSAGE = 4096


@dataclass(frozen=True, slots=True)
class StartReader:
    """Start a reader. Its standard input, status pipe and shared frame come with it, as descriptors."""

    TYPE: ClassVar[str] = "start"
    name: str
    """The camera's slug, for `ps`."""
    kind: str
    """As `CameraSettings.kind`: what it needs is loaded once, for all of its kind."""


@dataclass(frozen=True, slots=True)
class KillReader:
    """Kill a reader, unless it has ended."""

    TYPE: ClassVar[str] = "kill"
    pid: int


@dataclass(frozen=True, slots=True)
class Started:
    """A reader runs."""

    TYPE: ClassVar[str] = "started"
    pid: int


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The system gives no process."""

    TYPE: ClassVar[str] = "not_started"
    detail: str | None
    """What the system says."""
