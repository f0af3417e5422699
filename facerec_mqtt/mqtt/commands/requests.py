"""The commands that come by MQTT, or from the page."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Build the family's model again; with `force`, use it even when it is worse than the one in use."""

    force: bool = False


@dataclass(frozen=True, slots=True)
class Capture:
    """Take enrollment photos of a person from a camera."""

    person: str
    """The name to enrol them under: "José Núñez"."""
    camera: str
    """The camera's slug."""
    seconds: float


@dataclass(frozen=True, slots=True)
class StopCapture:
    """End the capture that is under way; what was taken stays. It comes from the page alone."""


@dataclass(frozen=True, slots=True)
class Enable:
    """Switch recognition at a camera on or off."""

    camera: str
    """The camera's slug."""
    enabled: bool


@dataclass(frozen=True, slots=True)
class Assign:
    """Say who a visit, or all visits of a stranger, were: exactly one of the three, or nobody of interest."""

    visit_id: str | None
    stranger_id: str | None
    """Exactly one of the two is given."""
    person: str | None = None
    """Slug of somebody enrolled."""
    name: str | None = None
    """Of a member, who may be new."""
    visitor: str | None = None
    """Of a known visitor, who may be new."""


Command = Rebuild | Capture | StopCapture | Enable | Assign


@dataclass(frozen=True, slots=True)
class Refused:
    """A command, such as "camera/front_door/enabled", that is not carried out; and why, in one sentence."""

    command: str
    message: str
