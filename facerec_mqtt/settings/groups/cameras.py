"""The settings of one camera, and which URLs there are."""

import os
import re
from typing import Annotated, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.core.slugs import slug
from facerec_mqtt.settings.groups.base import Group, OptionalPath, OptionalSecret, OptionalText
from facerec_mqtt.settings.messages import TopicPath

SourceKind = Literal["rtsp", "http", "mqtt", "frigate", "file", "folder", "device"]
Fraction = Annotated[float, Field(ge=0, le=1)]
_MQTT = "mqtt://"
_FRIGATE = ("frigate://", "frigates://")
_HTTP = ("http://", "https://", *_FRIGATE)
_LONGEST_TOPIC = 200
# `host:port` in front of the topic, or a login: what one writes who means another broker.
_NAMES_BROKER = re.compile(r"[^/]*@|[^/]+:\d{1,5}/")


class CameraSettings(Group):
    """One camera; an element of the JSON list `FACEREC_CAMERAS`."""

    name: str
    """What it is called in topics and in Home Assistant: "front_door", "Front door"."""
    url: str
    """`rtsp://host:554/path`, `http://host/path` of snapshots or of a stream (multipart JPEG, FLV, HLS,
    MPEG-TS), `mqtt://topic` where pictures are published on our broker, `frigate://host/camera` of Frigate, a
    video file, a folder of pictures, or a device number; without user and password, which have settings of
    their own."""
    main_url: OptionalText = None
    """Its main stream, where `url` is the smaller sub-stream: opened while a face without a name is too small
    in the sub-stream, and closed again soon after."""
    username: OptionalText = None
    """Login of the camera."""
    password: OptionalSecret = None
    """Its password, as it is: nothing needs to be escaped."""
    password_file: OptionalPath = None
    """File that holds the password instead, alone, as a Docker secret does."""
    token: OptionalSecret = None
    """Sent in place of a login (`Authorization: Bearer`), as Home Assistant wants it."""
    token_file: OptionalPath = None
    """File that holds the token instead, alone."""
    fps: float = Field(default=5.0, gt=0, le=60)
    """Pictures a second that are looked at, at most."""
    votes: Annotated[int, Field(ge=1, le=30)] | None = None
    """Good pictures that must agree here before somebody has arrived, in place of FACEREC_RECOGNITION__VOTES:
    1 for a camera that publishes one picture when it is rung."""
    min_face_px: float = Field(default=40.0, ge=16, le=1000)
    """Narrower faces, in pixels of the camera's picture, are not given a name."""
    region: tuple[Fraction, Fraction, Fraction, Fraction] | None = None
    """Part of the picture to look at: left, top, right, bottom as fractions, `[0, 0.2, 0.7, 1]`."""
    read_timeout_s: float = Field(default=10.0, ge=1, le=300)
    """A camera that is silent for this long is opened again; more than it pauses between pictures. Until its
    first picture it may take three times as long."""
    transport: Literal["auto", "tcp", "udp"] = "auto"
    """How RTSP sends the stream: by TCP, by UDP, or by UDP where the camera refuses TCP."""
    rotate: Literal[0, 90, 180, 270] = 0
    """By how many degrees clockwise the picture is turned before it is looked at."""
    tls_fingerprint: OptionalText = None
    """SHA-256 of the camera's own certificate in hexadecimal, for https:// and rtsps://; no other is
    accepted."""
    hardware_decoding: Literal["off", "auto", "vaapi", "cuda", "v4l2m2m"] = "off"
    """Which device of this machine decodes the stream, where it is there and can; `auto` for the first of
    them that can. Otherwise the processor does, as with `off`."""

    @field_validator("name")
    @classmethod
    def _name_makes_a_slug(cls, name: str) -> str:
        try:
            slug(name)
        except FacerecError as error:
            raise ValueError(str(error)) from None
        if not name.isprintable():
            raise ValueError(
                "holds a line break, or a mark that cannot be seen; write it again with letters, digits and"
                " spaces alone"
            )
        return name

    @field_validator("url", mode="before")
    @classmethod
    def _device_number_is_text(cls, url: object) -> object:
        return str(url) if isinstance(url, int) else url

    @field_validator("url", "main_url")
    @classmethod
    def _url_is_known_and_bare(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if "://" not in url:
            if not url:
                raise ValueError(
                    "is empty; give an rtsp:// or http:// URL, a file, a folder or a device number"
                )
            return url
        if url.startswith(_MQTT):
            if _NAMES_BROKER.match(url.removeprefix(_MQTT)):
                raise ValueError(
                    "names a broker or a login; pictures come by the broker of FACEREC_MQTT__HOST, so write "
                    "the topic alone: mqtt://frigate/front/person/snapshot"
                )
            _check_topic(topic_of(url))
            return url
        parts = urlsplit(url)
        if parts.scheme not in ("rtsp", "rtsps", "http", "https", "frigate", "frigates"):
            raise ValueError(
                f'has the scheme "{parts.scheme}"; rtsp, rtsps, http, https, mqtt and frigate are known'
            )
        if "@" in parts.netloc:
            raise ValueError('holds a user or password; put them into "username" and "password"')
        if not parts.hostname:
            rest = "/front_door" if url.startswith(_FRIGATE) else "/path"
            raise ValueError(f"names no host; write it as {parts.scheme}://10.0.0.2{rest}")
        try:
            has_port = parts.port != 0
        except ValueError:
            has_port = False
        if not has_port:
            raise ValueError("has a port that is not a number from 1 to 65535")
        if url.startswith(_FRIGATE) and not re.fullmatch("/[A-Za-z0-9_-]+/?", parts.path + parts.query):
            raise ValueError("names no camera of Frigate; write it as frigate://10.0.0.2/front_door")
        return url

    @field_validator("tls_fingerprint")
    @classmethod
    def _fingerprint_is_a_hash(cls, fingerprint: str | None) -> str | None:
        if fingerprint is None:
            return None
        digits = fingerprint.replace(":", "").replace(" ", "").lower()
        if not re.fullmatch("[0-9a-f]{64}", digits):
            raise ValueError('is no SHA-256 in hexadecimal; "facerec-mqtt check" prints that of the camera')
        return digits

    @model_validator(mode="after")
    def _region_has_an_inside(self) -> Self:
        if self.region is not None:
            left, top, right, bottom = self.region
            if right - left < 0.05 or bottom - top < 0.05:
                raise ValueError(
                    "region is left, top, right, bottom as fractions, each side at least 0.05 long"
                )
        return self

    @field_validator("token")
    @classmethod
    def _token_can_be_sent(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not re.fullmatch("[!-~]+", token.get_secret_value()):
            raise ValueError("holds a space or another character that no token has; copy it again")
        return token

    @model_validator(mode="after")
    def _what_is_given_fits_the_url(self) -> Self:
        if self.token is not None and (self.username is not None or self.password is not None):
            raise ValueError("token stands in place of username and password; leave out one of them")
        urls = [url for url in (self.url, self.main_url) if url is not None]
        if self.token is not None and not any(url.startswith(_HTTP) for url in urls):
            raise ValueError("token is for http://, https:// and frigate:// only; leave it out")
        if self.main_url is not None and self.main_url.startswith((_MQTT, *_FRIGATE)):
            raise ValueError("main_url needs a camera that can be asked at any moment; give a stream")
        return self

    @property
    def slug(self) -> str:
        """The name as it stands in topics: `[a-z0-9_]+`."""
        return slug(self.name)

    @property
    def kind(self) -> SourceKind:
        """How the camera is read, by its URL."""
        if self.url.startswith(("rtsp://", "rtsps://")):
            return "rtsp"
        if self.url.startswith(_MQTT):
            return "mqtt"
        if self.url.startswith(_FRIGATE):
            return "frigate"
        if "://" in self.url:
            return "http"
        if self.url.isdecimal():
            return "device"
        # Unlike Path.is_dir, this takes a share that has dropped for what is not there.
        return "folder" if os.path.isdir(self.url) else "file"  # noqa: PTH112

    def of_main_stream(self) -> Self:
        """The same camera with the main stream in place of the other."""
        return self.model_copy(update={"url": self.main_url, "main_url": None})

    @property
    def topic(self) -> str:
        """Where its pictures are published, for the kind "mqtt"."""
        return topic_of(self.url)

    @property
    def frigate_camera(self) -> str:
        """What Frigate calls it, for the kind "frigate"."""
        return urlsplit(self.url).path.strip("/")

    def address(self) -> str:
        """The URL with user and password in it, percent-encoded once. A secret: never log it."""
        if self.username is None and self.password is None:
            return self.url
        login = quote(self.username or "", safe="")
        if self.password is not None:
            login += ":" + quote(self.password.get_secret_value(), safe="")
        scheme, rest = self.url.split("://", 1)
        return f"{scheme}://{login}@{rest}"


class FrigateSettings(Group):
    """Frigate on the same broker, for cameras with a URL `frigate://host/camera`."""

    topic_prefix: TopicPath = "frigate"
    """`topic_prefix` of Frigate's own configuration."""
    sub_labels: bool = False
    """Write the name of whoever is recognised to Frigate, as the sub label of the person it tracks."""


def topic_of(url: str) -> str:
    """The topic in `mqtt://topic` or `mqtt:///topic`."""
    return url.removeprefix(_MQTT).removeprefix("/")


def _check_topic(topic: str) -> None:
    """Raises ValueError for what is no topic of pictures."""
    if not topic:
        raise ValueError("names no topic; write it as mqtt://frigate/front/person/snapshot")
    if "+" in topic or "#" in topic:
        raise ValueError("holds a wildcard (+ or #); a camera is one topic, so give each a camera of its own")
    if len(topic) > _LONGEST_TOPIC or not topic.isprintable():
        raise ValueError(f"is no topic: it has more than {_LONGEST_TOPIC} characters, or unprintable ones")
