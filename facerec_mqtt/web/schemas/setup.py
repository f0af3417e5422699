"""Settings of cameras: what they are, how they are changed, and cameras that are found in the network."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from facerec_mqtt.web.schemas.base import Answer, Name, Request, Slug

Fraction = Annotated[float, Field(ge=0, le=1)]
Login = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Secret = Annotated[SecretStr, Field(max_length=200)]


_HOST = r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?"
_STREAM = r"(rtsp|rtsps|http|https)://"


def _require_host(address: str) -> str:
    try:
        is_one = re.fullmatch(_HOST, address) is not None and urlsplit(f"//{address}").port != 0
    except ValueError:
        is_one = False
    if not is_one:
        raise ValueError("write 10.0.0.7 or 10.0.0.7:8000, without http://")
    return address


def _require_stream(url: str) -> str:
    if re.match(_STREAM, url) is None:
        raise ValueError("begin with rtsp://, rtsps://, http:// or https://")
    return url


# The description of the API names the forms; pydantic would show whoever writes another one a pattern.
Host = Annotated[str, AfterValidator(_require_host), Field(json_schema_extra={"pattern": f"^{_HOST}$"})]
StreamUrl = Annotated[
    str,
    StringConstraints(max_length=1000),
    AfterValidator(_require_stream),
    Field(json_schema_extra={"pattern": f"^{_STREAM}"}),
]
Revision = Annotated[str, StringConstraints(max_length=64)]


class Saving(Answer):
    """Whether settings can be saved here."""

    possible: bool
    where: str
    """Where they belong, in one sentence."""
    restart: bool
    """Whether the settings file is not as the service has read it: it uses it once it starts again."""
    revision: str | None = None
    """Names the content of the settings file; a change of another content is refused."""


class CameraSetup(Answer):
    """The settings of a camera that the page can change; of a saved file, as they are there."""

    camera: Slug
    name: str
    host: str | None
    """Where it is in the network."""
    region: tuple[float, float, float, float] | None
    """Left, top, right and bottom as fractions of its picture; `null` for all of it."""
    min_face_px: float
    """Narrower faces, in pixels of its picture, are given no name."""
    found_from_px: float | None
    """Narrower faces are not found in this region, about; `null` before the first picture."""
    width: int | None
    """Of its picture, in pixels; `null` before the first."""
    height: int | None
    has_main_stream: bool
    """Whether a face that is too small is looked at in a larger picture, too."""
    line: str
    """Region and smallest face as they are written where settings belong."""


class CameraSetups(Answer):
    """All cameras, and whether their settings can be saved here."""

    saving: Saving
    cameras: list[CameraSetup]


class NewCameraSetup(Request):
    """What is to be saved of a camera."""

    revision: Revision
    """Of the settings that were seen."""
    region: Annotated[list[Fraction], Field(min_length=4, max_length=4)] | None
    """Left, top, right and bottom; `null` for the whole picture."""
    min_face_px: Annotated[float, Field(ge=16, le=1000)]


class NewCamera(Request):
    """A camera that is to be watched from the next start on."""

    revision: Revision
    name: Name
    url: StreamUrl
    username: Login | None = None
    password: Secret | None = None


class FindCameras(Request):
    """Who is to be asked, and by whom."""

    address: Host | None = None
    """Ask this one alone, and not the network."""
    username: Login | None = None
    """User of the cameras, with the password; neither is kept here."""
    password: Secret | None = None


class FoundStream(Answer):
    """A stream of a camera that was found."""

    profile: str
    url: str
    encoding: str
    width: int
    height: int
    """0 where it does not say."""
    fps: float
    line: str
    """The camera with this stream as it is written where settings belong; with PASSWORD for the password."""


class FoundCamera(Answer):
    """A camera that was found."""

    host: str
    name: str
    """What it calls itself; free to be given to a new camera."""
    made: str
    """By whom, and the model."""
    known: Slug | None
    """Which of the cameras it is, where it is one already."""
    streams: list[FoundStream]
    """The one that suits recognition best first."""
    failure_code: str | None = None
    failure: str | None = None
    """Why it does not say which streams it has, in one sentence."""


class FoundCameras(Answer):
    """What was found."""

    cameras: list[FoundCamera]
    nothing: str | None
    """Why there is none, in one sentence."""
