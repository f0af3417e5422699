"""The MQTT topics of one service; docs/MQTT.md lists them for users.

In a house of several boxes cameras and people are the house's; status, model, counts and commands are below
`box/<node>`, and `own` is that.
"""

import re
from dataclasses import dataclass, replace
from typing import Self

from paho.mqtt.client import topic_matches_sub

from facerec_mqtt.settings import MqttSettings

_SWITCH = re.compile(r"/camera/([^/]*)/enabled/set")
_BOX = re.compile(r"/box/([a-zA-Z0-9_-]{1,64})/([a-z]+)")
_PERSON = re.compile(r"/person/([a-z0-9_]+)/state")


@dataclass(frozen=True, slots=True)
class Topics:
    """All topics that one service publishes or subscribes to. Cameras and people are given by slug."""

    base: str = "facerec"
    node_id: str = "home"
    discovery_prefix: str = "homeassistant"
    birth: str = "homeassistant/status"
    """Where Home Assistant says that it has started."""
    house: str | None = None
    """Name of the house where this service is one of several boxes; `None` where it is alone."""

    @classmethod
    def of(cls, settings: MqttSettings, house: str | None = None) -> Self:
        """Make the topics of a service with these settings, in a house where it has others."""
        return cls(
            settings.base_topic, settings.node_id, settings.discovery_prefix, settings.birth_topic, house
        )

    @property
    def own(self) -> str:
        """What this service's own topics begin with."""
        return self.base if self.house is None else self.box(self.node_id)

    def box(self, node: str, leaf: str = "") -> str:
        """A box's "status", "claims", "holds", "work" or "answers"; without one, how its own topics begin."""
        return f"{self.base}/box/{node}" + (f"/{leaf}" if leaf else "")

    @property
    def house_model(self) -> str:
        """What the topics begin with by which the model travels between the boxes of a house."""
        return f"{self.base}/house/model"

    def box_of(self, topic: str) -> tuple[str, str] | None:
        """The node id and the last part of a box's topic; `None` for other topics."""
        match = _BOX.fullmatch(topic, len(self.base)) if topic.startswith(self.base) else None
        return None if match is None else (match[1], match[2])

    def person_of(self, topic: str) -> str | None:
        """The person, by slug, whose state a topic is; `None` for other topics."""
        match = _PERSON.fullmatch(topic, len(self.base)) if topic.startswith(self.base) else None
        return None if match is None else match[1]

    @property
    def house_questions(self) -> str:
        """Where boxes without a model ask who is in a picture."""
        return f"{self.base}/house/ask"

    @property
    def shared_questions(self) -> str:
        """Filter for those questions, of which each reaches one of all that answer."""
        return f"$share/recognisers/{self.house_questions}"

    def of_house(self) -> Self:
        """The topics by which the house appears in Home Assistant, as a service without cameras."""
        return self if self.house is None else replace(self, node_id=self.house, house=None)

    @property
    def of_box_alone(self) -> tuple[str, ...]:
        """The retained topics that a service has where it is alone, and a box of a house has elsewhere."""
        return tuple(f"{self.base}/{each}" for each in ("status", "model/state", "capture/state", "metrics"))

    @property
    def all(self) -> str:
        """Filter for everything below the base topic."""
        return f"{self.base}/#"

    @property
    def status(self) -> str:
        """Whether the service runs; also the will."""
        return f"{self.own}/status"

    @property
    def model_state(self) -> str:
        """State of the model."""
        return f"{self.own}/model/state"

    @property
    def capture_state(self) -> str:
        """Progress of the taking of enrollment pictures."""
        return f"{self.own}/capture/state"

    @property
    def metrics(self) -> str:
        """Counts of what the service does."""
        return f"{self.own}/metrics"

    @property
    def rebuild_command(self) -> str:
        """Where a rebuild is asked for."""
        return f"{self.own}/command/rebuild"

    @property
    def capture_command(self) -> str:
        """Where enrollment pictures are asked for."""
        return f"{self.own}/command/capture"

    @property
    def assign_command(self) -> str:
        """Where it is said who a visit or a stranger was."""
        return f"{self.own}/command/assign"

    @property
    def all_switches(self) -> str:
        """Filter for the commands that switch recognition at a camera."""
        return self.camera("+", "enabled/set")

    @property
    def command_result(self) -> str:
        """Answers to commands."""
        return f"{self.own}/command/result"

    @property
    def all_events(self) -> str:
        """Filter for the events of all cameras."""
        return self.camera("+", "event")

    @property
    def all_events_of_people(self) -> str:
        """Filter for the events of all people, which a house of several boxes has."""
        return self.person("+", "event")

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
        """A person's "state", "face" or "tracker"; in a house of several boxes, also "event"."""
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
