"""What the service and its page send each other: one JSON object a message.

The page's process gets one `PageRequest` on standard input. After that both sides write to a pair of sockets
that keeps messages apart (`SOCK_SEQPACKET`); the service sends what has changed, the page what somebody asks
for. The page is reached from outside, so the service takes nothing of it unchecked.
"""

import json
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, TypeAdapter, ValidationError

from facerec_mqtt.core.child_process import MessageError

MAX_MESSAGE_BYTES = 2**17
"""The status of a large family is a few kilobytes."""
SUPERVISOR = "172.30.32.2"
"""Address of Home Assistant's supervisor, as an add-on sees it."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class PageCamera(_Message):
    """A camera, and where its pictures are."""

    slug: str
    name: str
    descriptor: int | None = None
    """Of the `SharedFrame` that the reader puts its pictures into; `None` where there is none."""
    host: str | None = None
    """Where it is in the network."""
    region: tuple[float, float, float, float] | None = None
    """As its setting."""
    min_face_px: float = 40.0
    """As its setting."""
    has_main_stream: bool = False


class PageFolders(_Message):
    """Where the household's files are."""

    model_config = ConfigDict(strict=False)

    enrollment_dir: Path
    model_dir: Path
    review_dir: Path
    """Of pictures of visits."""
    keeps_pictures: bool = False
    """Whether the settings have pictures of visits kept."""
    pictures_days: int = 30
    """For so many days."""
    history_days: int = 30
    """Visits are kept for so many days; 0 keeps none."""
    shares_model: bool = False
    """Whether other boxes of the house have the model, too."""
    takes_photos: bool = True
    """Whether photos and models belong on this box: not where it only watches."""


class PageSettings(_Message):
    """Where the settings have come from, so that the page can say where one belongs, or write it."""

    model_config = ConfigDict(strict=False)

    file: Path | None = None
    """The settings file; `None` where there is none."""
    digest: str = ""
    """Of the file as it was when the service read it."""
    cameras_in_environment: bool = False
    """Whether the file's cameras are not used, since the environment sets them."""
    max_side_px: int = 640
    """Pictures are scaled down to this before faces are looked for."""


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
    supervisor: str | None = None
    """Address of Home Assistant's supervisor, where nobody else is answered; it checks who asks."""
    folders: PageFolders
    cameras: tuple[PageCamera, ...] = ()
    settings: PageSettings = PageSettings()
    link_descriptor: int | None = None
    """Of the socket to the service; `None` without a service."""
    log_level: str = "INFO"

    @property
    def believed(self) -> tuple[str, ...]:
        """Addresses and networks that say for whom they ask."""
        return self.trusted_proxies if self.supervisor is None else (self.supervisor,)

    def to_line(self) -> bytes:
        """Write the request on one line, with the password in it."""
        content = self.model_dump(mode="json")
        content["password"] = None if self.password is None else self.password.get_secret_value()
        return json.dumps(content).encode() + b"\n"


class LiveFace(_Message):
    """A face in a camera's newest picture, as the service sees it."""

    box: tuple[float, float, float, float]
    """x_min, y_min, x_max, y_max in pixels of the picture; may exceed it."""
    person: str | None
    """Slug of who it is; `None` where it was given no name."""
    name: str | None
    score: float
    """Of the best candidate, [0, 1]; 0.5 is the threshold."""
    margin: float
    """Score of the best candidate less the runner-up's."""
    reason: str | None
    """Why it was given no name; `None` where it has one."""
    candidate: str | None
    """Name of who it resembles most, also where that was not enough."""
    width_px: float
    sharpness: float


class LiveFaces(_Message):
    """The faces of one frame."""

    type: Literal["faces"] = "faces"
    camera: str
    captured_at_s: float
    """In seconds of `time.monotonic`, which all processes of a machine share."""
    width_px: int
    height_px: int
    searched: bool
    """Whether it was searched: it is not where nothing has moved."""
    min_face_px: float
    min_sharpness: float
    min_margin: float
    faces: tuple[LiveFace, ...]


class Published(_Message):
    """A whole status on a change, an event as on MQTT, or the answer to a command."""

    type: Literal["status", "event", "result"]
    content: dict[str, JsonValue]


class PageListening(_Message):
    """The page can be asked."""

    type: Literal["listening"] = "listening"


class PageAlive(_Message):
    """The page does not hang."""

    type: Literal["alive"] = "alive"


class PageFailed(_Message):
    """The page cannot be served."""

    type: Literal["failed"] = "failed"
    message: Annotated[str, Field(max_length=500)]
    """Why, in one sentence without a secret."""


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


class StopPhotos(_Message):
    """Take no more photos."""

    type: Literal["stop_photos"] = "stop_photos"


class RestartService(_Message):
    """End the service cleanly, and start it again with the settings as they are by now."""

    type: Literal["restart"] = "restart"


PageCommand = Watch | RebuildModel | EnableCamera | CapturePhotos | StopPhotos | RestartService
FromPage = PageCommand | PageListening | PageAlive | PageFailed
ToPage = LiveFaces | Published
_T = TypeVar("_T")
_FROM_PAGE: TypeAdapter[FromPage] = TypeAdapter(Annotated[FromPage, Field(discriminator="type")])
_TO_PAGE: TypeAdapter[ToPage] = TypeAdapter(Annotated[ToPage, Field(discriminator="type")])


def encode(message: FromPage | ToPage) -> bytes:
    """Write a message as it is sent."""
    return message.model_dump_json().encode()


def from_page(data: bytes) -> FromPage:
    """Read what the page has sent.

    Raises:
        MessageError: it is no message of the page; nothing of it is in the text.
    """
    return _parsed(_FROM_PAGE, data)


def to_page(data: bytes) -> ToPage:
    """Read what the service has sent.

    Raises:
        MessageError: it is no message of the service.
    """
    return _parsed(_TO_PAGE, data)


def _parsed(kind: TypeAdapter[_T], data: bytes) -> _T:
    try:
        return kind.validate_json(data)
    except ValidationError as error:
        raise MessageError("not a message of the service and its page") from error
