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


class HardwareFault(StrEnum):
    """Why a device does not decode a stream although that is asked for."""

    NOT_BUILT_IN = "not_built_in"
    """FFmpeg, as it is in PyAV here, cannot use such a device, or not for this codec."""
    NO_DEVICE = "no_device"
    """It is not there, or may not be used."""
    REFUSED = "refused"
    """It failed with the stream's pictures."""


@dataclass(frozen=True, slots=True)
class DecodedBy:
    """What decodes a stream, where a device is to."""

    TYPE: ClassVar[str] = "decoded_by"
    device: str | None
    """"vaapi", "cuda" or "v4l2m2m"; `None` for none."""
    fault: HardwareFault | None = None
    """Why there is none."""
