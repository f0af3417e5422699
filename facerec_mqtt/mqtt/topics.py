"""The MQTT topics of one service; docs/MQTT.md lists them for users."""

import re
from dataclasses import dataclass
from typing import Self

from paho.mqtt.client import topic_matches_sub

from facerec_mqtt.settings import MqttSettings

_SWITCH = re.compile(r"/camera/([^/]*)/enabled/set")


@dataclass(frozen=True, slots=True)
class Topics:
    """All topics that one service publishes or subscribes to. Cameras and people are given by slug."""

    base: str = "facerec"
    node_id: str = "home"
    discovery_prefix: str = "homeassistant"
    birth: str = "homeassistant/status"
    """Where Home Assistant says that it has started."""

    @classmethod
    def of(cls, settings: MqttSettings) -> Self:
        """Make the topics of a service with these settings."""
        return cls(settings.base_topic, settings.node_id, settings.discovery_prefix, settings.birth_topic)

    @property
    def all(self) -> str:
        """Filter for everything below the base topic."""
        return f"{self.base}/#"

    @property
    def status(self) -> str:
        """Whether the service runs; also the will."""
        return f"{self.base}/status"

    @property
    def model_state(self) -> str:
        """State of the model."""
        return f"{self.base}/model/state"

    @property
    def capture_state(self) -> str:
        """Progress of the taking of enrollment pictures."""
        return f"{self.base}/capture/state"

    @property
    def metrics(self) -> str:
        """Counts of what the service does."""
        return f"{self.base}/metrics"

    @property
    def rebuild_command(self) -> str:
        """Where a rebuild is asked for."""
        return f"{self.base}/command/rebuild"

    @property
    def capture_command(self) -> str:
        """Where enrollment pictures are asked for."""
        return f"{self.base}/command/capture"

    @property
    def assign_command(self) -> str:
        """Where it is said who a visit or a stranger was."""
        return f"{self.base}/command/assign"

    @property
    def all_switches(self) -> str:
        """Filter for the commands that switch recognition at a camera."""
        return self.camera("+", "enabled/set")

    @property
    def command_result(self) -> str:
        """Answers to commands."""
        return f"{self.base}/command/result"

    @property
    def all_events(self) -> str:
        """Filter for the events of all cameras."""
        return self.camera("+", "event")

    @property
    def all_faces(self) -> str:
        """Filter for the pictures of all cameras."""
        return self.camera("+", "face")

    @property
    def all_faces_of_people(self) -> str:
        """Filter for the pictures of all people."""
        return self.person("+", "face")

    @property
    def discovery(self) -> str:
        """Our discovery message for Home Assistant."""
        return f"{self.discovery_prefix}/device/{self.node_id}/config"

    @property
    def all_discovery_parts(self) -> str:
        """Filter for the parts of a discovery message that is too large for the broker."""
        return self.discovery_part("+")

    def discovery_part(self, component: str) -> str:
        """One component of a discovery message that is too large for the broker as a whole."""
        return f"{self.discovery_prefix}/device/{self.node_id}/{component}/config"

    def camera(self, camera: str, leaf: str) -> str:
        """A camera's "status", "event", "state", "face", "enabled/state" or "enabled/set"."""
        return f"{self.base}/camera/{camera}/{leaf}"

    def person(self, person: str, leaf: str = "state") -> str:
        """A person's "state", "face" or "tracker"."""
        return f"{self.base}/person/{person}/{leaf}"

    def switched_camera(self, topic: str) -> str | None:
        """Return the camera whose switch a topic is, as it stands there; `None` for other topics."""
        if not topic.startswith(self.base):
            return None
        match = _SWITCH.fullmatch(topic, len(self.base))
        return None if match is None else match[1]

    def forget_mark(self, token: str) -> str:
        """Where `facerec-mqtt forget` publishes, to see that it has read all that is retained."""
        return f"{self.base}/forget/{token}"

    def is_event(self, topic: str) -> bool:
        """Whether a topic is that of a camera's events."""
        return topic_matches_sub(self.all_events, topic)

    def is_face(self, topic: str) -> bool:
        """Whether a topic is that of a camera's picture."""
        return topic_matches_sub(self.all_faces, topic)

    def is_face_of_person(self, topic: str) -> bool:
        """Whether a topic is that of a person's picture."""
        return topic_matches_sub(self.all_faces_of_people, topic)

    def is_discovery(self, topic: str) -> bool:
        """Whether a topic is that of our discovery message or of a part of it."""
        return topic == self.discovery or topic_matches_sub(self.all_discovery_parts, topic)
