"""What the service and a reader tell each other of what moves; see `cameras.protocol`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Scene(StrEnum):
    """What goes on before a camera."""

    STILL = "still"
    """Nothing moves and nobody is there: key frames will do until something seems to move."""
    ACTIVE = "active"
    """Every picture is wanted."""
    MOVED = "moved"
    """The same, and something large has moved: the stream's packets must have shown it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the service has seen, on standard input, at any time after the request."""

    TYPE: ClassVar[str] = "seen"
    scene: Scene


@dataclass(frozen=True, slots=True)
class StillUnchanged:
    """A picture that was due was not decoded, since nothing seems to have moved since the last one."""

    TYPE: ClassVar[str] = "unchanged"
    at_s: float
    """In seconds of `time.monotonic`."""
