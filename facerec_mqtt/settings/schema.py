"""The settings: what they are, their defaults and their limits, in groups."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from facerec_mqtt.settings.groups.base import Group, OptionalPath, OptionalSecret, OptionalText
from facerec_mqtt.settings.groups.cameras import CameraSettings as CameraSettings
from facerec_mqtt.settings.groups.cameras import Fraction, FrigateSettings
from facerec_mqtt.settings.groups.house import HouseSettings, Role
from facerec_mqtt.settings.groups.web import WebSettings
from facerec_mqtt.settings.messages import NodeId, TopicPath

PREFIX = "FACEREC_"


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
    """All our topics begin with this. Two services on one broker need two, but for boxes of one house."""
    node_id: NodeId = "home"
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
    workers: Annotated[int, Field(ge=1, le=64)] | None = None
    """Pictures that are searched at once, at most; empty for as many as there are processor cores. One is
    enough unless there is too much for it; each further one takes 40 MB."""

    @property
    def most_workers(self) -> int:
        """As `workers`, with as many as there are cores for this process."""
        return self.workers or len(os.sched_getaffinity(0))


class PrivacySettings(Group):
    """What leaves the program."""

    publish_images: bool = True
    """Publish the face that decided an event as a picture."""
    retain_images: bool = False
    """Let the broker keep the last one."""


class ReviewSettings(Group):
    """Pictures of visits, for the owner to look at. They stay on this machine."""

    enabled: bool = False
    """Keep up to four pictures of each visit, the best ones; by default the page asks whether to."""
    folder: Path = Path("review")
    """Where: in a folder for each day."""
    max_pictures: int = Field(default=1000, ge=1, le=100_000)
    """Of strangers and of doubtful visits; the oldest are deleted when there are more."""
    max_family_pictures: int = Field(default=1000, ge=0, le=100_000)
    """Of the family and of known visitors, as above; 0 keeps none of them."""
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
    frigate: FrigateSettings = FrigateSettings()
    house: HouseSettings = HouseSettings()
    recognition: RecognitionSettings = RecognitionSettings()
    privacy: PrivacySettings = PrivacySettings()
    review: ReviewSettings = ReviewSettings()
    history: HistorySettings = HistorySettings()
    metrics: MetricsSettings = MetricsSettings()
    web: WebSettings = WebSettings()
    logging: LoggingSettings = LoggingSettings()

    def with_role(self, role: str | None) -> Self:
        """The same with another role of this box; `None` leaves it as it is."""
        if role is None:
            return self
        return self.model_copy(update={"house": self.house.model_copy(update={"role": Role(role)})})

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

    @model_validator(mode="after")
    def _no_camera_shows_our_own_pictures(self) -> Self:
        ours = self.mqtt.base_topic
        for camera in self.cameras:
            if camera.kind == "mqtt" and f"{camera.topic}/".startswith(f"{ours}/"):
                raise ValueError(
                    f'FACEREC_CAMERAS: camera "{camera.name}" has a topic below "{ours}", where the service '
                    "itself publishes; give the topic of a camera"
                )
        return self

    @model_validator(mode="after")
    def _house_and_box_are_told_apart(self) -> Self:
        if self.house.name is not None and self.house.name.lower() == self.mqtt.node_id.lower():
            raise ValueError(
                f'FACEREC_HOUSE__NAME and FACEREC_MQTT__NODE_ID are both "{self.house.name}"; give each box'
                " of the house a node id of its own"
            )
        return self
