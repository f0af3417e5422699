"""What the service and its page send each other: JSON objects, one a line.

The page's process gets one `PageRequest` on standard input. After that both sides write to a pair of sockets;
the service sends what has changed, the page what somebody asks for. The page is reached from outside, so the
service takes nothing of it unchecked.
"""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from facerec_mqtt.core.child_process import MessageError

MAX_LINE_BYTES = 2**20
"""Longer lines are dropped; the status of a large family is a few kilobytes."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class PageCamera(_Message):
    """A camera, and where its pictures are."""

    slug: str
    name: str
    descriptor: int | None = None
    """Of the `SharedFrame` that the reader puts its pictures into; `None` where there is none."""
    min_face_px: float = 40.0
    """Narrower faces are not given a name."""
    region: tuple[float, float, float, float] | None = None
    """Part of the picture that is looked at: left, top, right, bottom as fractions."""


class PageFolders(_Message):
    """Where the household's files are."""

    model_config = ConfigDict(strict=False)

    enrollment_dir: Path
    model_dir: Path
    review_dir: Path
    """Of pictures of strangers and of doubtful visits."""
    keeps_pictures: bool = False
    """Whether the service keeps pictures of visits."""
    history_days: int = 30
    """Visits are kept for so many days; 0 keeps none."""


class PageRequest(_Message):
    """All that the page's process needs."""

    model_config = ConfigDict(strict=False)

    host: str
    port: int
    password: SecretStr | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose `X-Forwarded-*` headers are believed."""
    ingress: bool = False
    """Whether Home Assistant's supervisor, and nobody else, is answered; it checks who asks."""
    folders: PageFolders
    cameras: tuple[PageCamera, ...] = ()
    link_descriptor: int | None = None
    """Of the socket to the service; `None` without a service."""
    log_level: str = "INFO"

    def to_line(self) -> bytes:
        """Write the request on one line, with the password in it."""
        content = self.model_dump(mode="json")
        content["password"] = None if self.password is None else self.password.get_secret_value()
        return json.dumps(content).encode() + b"\n"


class Watch(_Message):
    """Somebody has begun, or has ceased, to look at a camera."""

    type: Literal["watch"] = "watch"
    camera: str
    on: bool


class RebuildModel(_Message):
    """Make a new model of the photos."""

    type: Literal["rebuild"] = "rebuild"
    force: bool = False
    """Use it even when it is clearly worse."""


class EnableCamera(_Message):
    """Switch recognition at a camera on or off."""

    type: Literal["enable"] = "enable"
    camera: str
    on: bool


class CapturePhotos(_Message):
    """Take photos of a person from a camera."""

    type: Literal["capture"] = "capture"
    person: str
    """The name to enrol them under."""
    camera: str
    seconds: Annotated[float, Field(ge=1, le=120)] = 60.0


PageCommand = Watch | RebuildModel | EnableCamera | CapturePhotos
_COMMANDS: TypeAdapter[PageCommand] = TypeAdapter(Annotated[PageCommand, Field(discriminator="type")])


def parse_command(line: bytes) -> PageCommand:
    """Read a command of the page.

    Raises:
        MessageError: the line is none; nothing of it is in the text.
    """
    try:
        return _COMMANDS.validate_json(line)
    except ValidationError as error:
        raise MessageError("not a command of the page") from error


def command_line(command: PageCommand) -> bytes:
    """Write a command on one line."""
    return command.model_dump_json().encode() + b"\n"
