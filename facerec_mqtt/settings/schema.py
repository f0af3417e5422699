"""The settings: what they are, their defaults and their limits, in groups."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, field_validator, model_validator

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.core.slugs import slug
from facerec_mqtt.settings.groups import Group, OptionalPath, OptionalSecret, OptionalText
from facerec_mqtt.settings.web import WebSettings

PREFIX = "FACEREC_"
SourceKind = Literal["rtsp", "http", "file", "folder", "device"]
Fraction = Annotated[float, Field(ge=0, le=1)]
TopicPath = Annotated[str, Field(pattern=r"^[^+#\s/]+(/[^+#\s/]+)*$", max_length=200)]


class CameraSettings(Group):
    """One camera; an element of the JSON list `FACEREC_CAMERAS`."""

    name: str
    """What it is called in topics and in Home Assistant: "front_door", "Front door"."""
    url: str
    """`rtsp://host:554/path`, `http://host/path` of snapshots or of a stream (multipart JPEG, FLV, HLS,
    MPEG-TS), a video file, a folder of pictures, or a device number; without user and password, which have
    settings of their own."""
    main_url: OptionalText = None
    """Its main stream, where `url` is the smaller sub-stream: opened while a face without a name is too small
    in the sub-stream, and closed again soon after."""
    username: OptionalText = None
    """Login of the camera."""
    password: OptionalSecret = None
    """Its password, as it is: nothing needs to be escaped."""
    password_file: OptionalPath = None
    """File that holds the password instead, alone, as a Docker secret does."""
    fps: float = Field(default=5.0, gt=0, le=60)
    """Pictures a second that are looked at, at most."""
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

    @field_validator("name")
    @classmethod
    def _name_makes_a_slug(cls, name: str) -> str:
        try:
            slug(name)
        except FacerecError as error:
            raise ValueError(str(error)) from None
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
        parts = urlsplit(url)
        if parts.scheme not in ("rtsp", "rtsps", "http", "https"):
            raise ValueError(f'has the scheme "{parts.scheme}"; rtsp, rtsps, http and https are known')
        if "@" in parts.netloc:
            raise ValueError('holds a user or password; put them into "username" and "password"')
        if not parts.hostname:
            raise ValueError("names no host; write it as rtsp://host:554/path")
        try:
            _ = parts.port
        except ValueError:
            raise ValueError("has a port that is not a number from 0 to 65535") from None
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

    @property
    def slug(self) -> str:
        """The name as it stands in topics: `[a-z0-9_]+`."""
        return slug(self.name)

    @property
    def kind(self) -> SourceKind:
        """How the camera is read, by its URL."""
        if self.url.startswith(("rtsp://", "rtsps://")):
            return "rtsp"
        if "://" in self.url:
            return "http"
        if self.url.isdecimal():
            return "device"
        # Unlike Path.is_dir, this takes a share that has dropped for what is not there.
        return "folder" if os.path.isdir(self.url) else "file"  # noqa: PTH112

    def of_main_stream(self) -> Self:
        """The same camera with the main stream in place of the other."""
        return self.model_copy(update={"url": self.main_url, "main_url": None})

    def address(self) -> str:
        """The URL with user and password in it, percent-encoded once. A secret: never log it."""
        if self.username is None and self.password is None:
            return self.url
        login = quote(self.username or "", safe="")
        if self.password is not None:
            login += ":" + quote(self.password.get_secret_value(), safe="")
        scheme, rest = self.url.split("://", 1)
        return f"{scheme}://{login}@{rest}"


class MqttSettings(Group):
    """The broker, and how we appear on it."""

    host: str = Field(default="localhost", min_length=1)
    """Name or address of the broker."""
    port: int = Field(default=1883, ge=1, le=65535)
    """Its port; 8883 is usual with TLS."""
    username: OptionalText = None
    """Login at the broker; empty for an anonymous one."""
    password: OptionalSecret = None
    """Its password."""
    password_file: OptionalPath = None
    """File that holds the password instead, alone, as a Docker secret does: /run/secrets/mqtt_password."""
    tls: bool = False
    """Speak TLS; the broker's certificate is checked."""
    tls_ca: OptionalPath = None
    """File with the certificate authority to trust instead of the system's."""
    tls_certificate: OptionalPath = None
    """File with our client certificate, where the broker asks for one."""
    tls_key: OptionalPath = None
    """File with its key."""
    tls_insecure: bool = False
    """Accept any certificate. Whoever sits between can then read and change everything."""
    protocol: Literal["3.1.1", "5"] = "5"
    """MQTT version."""
    client_id: OptionalText = None
    """Our client id; by default made from the node id."""
    keepalive_s: int = Field(default=30, ge=5, le=3600)
    """The broker notices within one and a half times this that we are gone."""
    base_topic: TopicPath = "facerec"
    """All our topics begin with this. Two services on one broker need two."""
    node_id: str = Field(default="home", pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    """Names this service in Home Assistant. Two services on one broker need two."""
    discovery: bool = True
    """Announce entities to Home Assistant."""
    discovery_prefix: TopicPath = "homeassistant"
    """Home Assistant's discovery prefix."""
    birth_topic: TopicPath = "homeassistant/status"
    """Where Home Assistant says that it has started."""
    trackers: bool = False
    """Announce a device tracker for each person, to be added to persons of Home Assistant."""
    tracker_hours: float = Field(default=12.0, gt=0, le=8760)
    """Whoever was seen is `home` for so long after the last time; then nobody knows, and never `not_home`."""

    @field_validator("host")
    @classmethod
    def _host_stands_alone(cls, host: str) -> str:
        host = host.strip()
        if not host or re.search(r"""[][/\\\s"'@]|^[^:]*:[^:]*$""", host):
            raise ValueError(
                "give a name or an address alone, such as 192.168.1.10, without mqtt://, quotes or a login; "
                "the port goes into FACEREC_MQTT__PORT"
            )
        return host

    @model_validator(mode="after")
    def _tls_belongs_together(self) -> Self:
        if not self.tls and (self.tls_ca or self.tls_certificate or self.tls_key or self.tls_insecure):
            raise ValueError("tls_ca, tls_certificate, tls_key and tls_insecure need FACEREC_MQTT__TLS=true")
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key go together; give both or neither")
        if self.tls_insecure and self.tls_ca:
            raise ValueError(
                "tls_insecure accepts any certificate, so tls_ca would check nothing; leave out tls_insecure"
            )
        if self.password is not None and self.username is None:
            raise ValueError("password without username; set FACEREC_MQTT__USERNAME too")
        return self


class RecognitionSettings(Group):
    """When a face is given a name, and when a visit begins and ends."""

    fpir: float = Field(default=0.001, ge=0.0001, le=0.2)
    """Share of strangers' visits that may be taken for family; the rebuild chooses the threshold for it."""
    min_margin: Fraction = 0.1
    """A face that resembles two people, with scores closer than this, is not given a name."""
    min_sharpness: float = Field(default=15.0, ge=0)
    """Blurred faces (variance of the Laplacian below this) are not given a name."""
    votes: int = Field(default=3, ge=1, le=30)
    """Good frames that must agree before somebody has arrived."""
    window_s: float = Field(default=4.0, gt=0, le=60)
    """Within this time."""
    stranger_votes: int = Field(default=6, ge=1, le=100)
    """Good frames of nobody known before a stranger is reported."""
    departure_s: float = Field(default=60.0, ge=1, le=86400)
    """Unseen for this long, somebody has departed."""
    camera_offline_s: float = Field(default=900.0, ge=1, le=604_800)
    """While a camera is offline nobody departs; after this long everybody it saw last does."""
    motion: bool = True
    """Look for faces only while something moves."""
    min_detection_score: float = Field(default=0.6, ge=0.1, le=0.99)
    """What the detector scores lower is not taken for a face."""
    max_side_px: int = Field(default=640, ge=160, le=3840)
    """Pictures are scaled down to this longer side before faces are looked for; more finds smaller faces."""
    threads: int = Field(default=1, ge=1, le=64)
    """Processor threads for the networks."""


class PrivacySettings(Group):
    """What leaves the program."""

    publish_images: bool = True
    """Publish the face that decided an event as a picture."""
    retain_images: bool = False
    """Let the broker keep the last one."""


class ReviewSettings(Group):
    """Pictures of strangers and of doubtful visits, for the owner to look at. They stay on this machine."""

    enabled: bool = False
    """Keep the best picture of each stranger's and of each doubtful visit."""
    folder: Path = Path("review")
    """Where: in a folder for each day."""
    max_pictures: int = Field(default=500, ge=1, le=100_000)
    """The oldest are deleted when there are more."""
    max_days: int = Field(default=30, ge=1, le=3650)
    """Older ones are deleted."""


class HistorySettings(Group):
    """What is kept of visits: who came, when and where. It stays on this machine."""

    days: int = Field(default=30, ge=0, le=3650)
    """Visits are kept for so many days, in history.db in the model folder; 0 keeps none, and no file."""


class MetricsSettings(Group):
    """What is counted, and where it is published."""

    interval_s: int = Field(default=60, ge=1, le=86400)
    """The counts are published by MQTT this often."""
    prometheus_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Answer Prometheus on this port; needs the extra `metrics`. Empty for not at all."""
    prometheus_host: str = Field(default="127.0.0.1", min_length=1)
    """On this address; by default this machine alone is answered. There is no login."""


class LoggingSettings(Group):
    """What is written to standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least important level that is written."""


class Settings(Group):
    """All settings of the program."""

    cameras: tuple[CameraSettings, ...] = ()
    """The cameras, as a JSON list."""
    model_dir: Path = Path("models")
    """Where the family's models are kept."""
    enrollment_dir: Path = Path("enrollment")
    """One folder of photos a person, named as the person."""
    heartbeat_file: OptionalPath = None
    """Touched every few seconds while the service runs normally; for health checks."""
    mqtt: MqttSettings = MqttSettings()
    recognition: RecognitionSettings = RecognitionSettings()
    privacy: PrivacySettings = PrivacySettings()
    review: ReviewSettings = ReviewSettings()
    history: HistorySettings = HistorySettings()
    metrics: MetricsSettings = MetricsSettings()
    web: WebSettings = WebSettings()
    logging: LoggingSettings = LoggingSettings()

    @field_validator("cameras")
    @classmethod
    def _cameras_have_their_own_slugs(cls, cameras: tuple[CameraSettings, ...]) -> tuple[CameraSettings, ...]:
        seen: dict[str, str] = {}
        for camera in cameras:
            if camera.slug in seen:
                raise ValueError(
                    f'cameras "{seen[camera.slug]}" and "{camera.name}" would both be called '
                    f'"{camera.slug}" in topics; rename one'
                )
            seen[camera.slug] = camera.name
        return cameras
