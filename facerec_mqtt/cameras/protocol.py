"""What a reader's process is told on its standard input: one line, never arguments or environment."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True)
class ReaderRequest:
    """One connection to one camera."""

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
    """Silence that the watchdog bears."""
    patient: bool
    """Look longer at the stream before decoding it: for one whose quick opening gave no picture."""

    def to_line(self) -> bytes:
        """As one line of JSON. A secret."""
        return json.dumps(dataclasses.asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Read what `to_line` wrote."""
        return cls(**json.loads(line))
