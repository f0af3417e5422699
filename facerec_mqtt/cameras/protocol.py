"""The messages between the service and a camera's reader process; see `core.child_process`."""

from dataclasses import dataclass, field
from typing import ClassVar

from facerec_mqtt.cameras.failures import CameraFailure, FailureKind


@dataclass(frozen=True, slots=True)
class ReaderRequest:
    """One connection to one camera: the one message to a reader, on standard input. A secret."""

    TYPE: ClassVar[str] = "read"
    kind: str
    """As `CameraSettings.kind`."""
    url: str
    """Without user and password."""
    address: str = field(repr=False)
    """With them, percent-encoded."""
    username: str | None = field(repr=False)
    password: str | None = field(repr=False)
    fps: float
    """Frames a second to deliver, at most."""
    timeout_s: float
    """Silence after which the service ends the reader."""
    patient: bool
    """Examine the stream for longer before decoding it: for one whose quick opening gave no picture."""


@dataclass(frozen=True, slots=True)
class Alive:
    """Something came from the camera, or nothing is due yet."""

    TYPE: ClassVar[str] = "alive"


@dataclass(frozen=True, slots=True)
class Opened:
    """The first picture is about to come."""

    TYPE: ClassVar[str] = "opened"
    width_px: int
    height_px: int
    fps: float
    """Frames a second that the camera sends."""


@dataclass(frozen=True, slots=True)
class FrameWritten:
    """A picture is in the shared frame."""

    TYPE: ClassVar[str] = "frame"
    captured_at_s: float
    """In seconds of `time.monotonic`."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The reader cannot go on, and ends."""

    TYPE: ClassVar[str] = "failed"
    kind: FailureKind
    status: int | None
    place: str | None
    detail: str | None
    seconds: float | None

    @classmethod
    def of(cls, failure: CameraFailure) -> "Failed":
        """Make the message of a failure."""
        return cls(failure.kind, failure.status, failure.place, failure.detail, failure.seconds)

    @property
    def failure(self) -> CameraFailure:
        """Why."""
        return CameraFailure(self.kind, self.status, self.place, self.detail, self.seconds)


Status = Alive | Opened | FrameWritten | Failed
"""What a reader sends, on the pipe that it is started with."""
STATUSES: tuple[type[Status], ...] = (Alive, Opened, FrameWritten, Failed)
