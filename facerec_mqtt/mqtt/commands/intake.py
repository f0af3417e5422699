"""Turns what comes by MQTT into commands or refusals."""

from collections import defaultdict
from collections.abc import Collection

from facerec_mqtt.core.errors import CommandError
from facerec_mqtt.mqtt.commands.limits import RateLimit
from facerec_mqtt.mqtt.commands.parsing import (
    parse_assign,
    parse_capture,
    parse_enabled,
    parse_rebuild,
    switch_name,
)
from facerec_mqtt.mqtt.commands.requests import Command, Enable, Refused
from facerec_mqtt.mqtt.topics import Topics


class CommandIntake:
    """Turns messages into commands or refusals.

    Args:
        topics: ours.
        cameras: slugs of the cameras that there are.
    """

    def __init__(self, topics: Topics, cameras: Collection[str]) -> None:
        self._topics = topics
        self._cameras = frozenset(cameras)
        self._limits: defaultdict[str, RateLimit] = defaultdict(RateLimit)
        self._retained: set[str] = set()

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to."""
        topics = self._topics
        return topics.rebuild_command, topics.capture_command, topics.assign_command, topics.all_switches

    def take(self, topic: str, payload: bytes, retained: bool, now_s: float) -> Command | Refused | None:
        """Take in one message.

        Args:
            topic: where it came in.
            payload: as it came, possibly cut.
            retained: whether the broker had kept it: nobody is waiting for such a command now.
            now_s: the time.

        Returns:
            What to do or to answer; `None` for what is no command, or has been answered already.
        """
        name = self._name(topic)
        if name is None or self._is_of_another_box(topic):
            return None
        limit = self._limits[self._limited(topic)]
        if retained:
            # A thousand of them are not answered by a thousand.
            if topic in self._retained or not limit.admit(now_s):
                return None
            self._retained.add(topic)
            return Refused(name, f"A retained {name} command is ignored; publish it without the retain flag.")
        if topic in self._retained and not payload:
            # So a retained message is cleared; the broker passes that on as any other.
            self._retained.remove(topic)
            return Refused(
                name,
                f"The retained {name} command is cleared by this empty message; nothing else is done.",
            )
        taken = self._parse(name, topic, payload)
        if isinstance(taken, Enable) or limit.admit(now_s):
            return taken
        sentence = "Too many commands at once; they are ignored. Wait a few seconds."
        return Refused(name, sentence) if limit.first_refusal() else None

    def _name(self, topic: str) -> str | None:
        topics = self._topics
        of_service = {
            topics.rebuild_command: "rebuild",
            topics.capture_command: "capture",
            topics.assign_command: "assign",
        }
        if topic in of_service:
            return of_service[topic]
        camera = self._topics.switched_camera(topic)
        return None if camera is None else switch_name(camera)

    def _is_of_another_box(self, topic: str) -> bool:
        """Whether a switch is of a camera that another box of the house may have."""
        camera = self._topics.switched_camera(topic)
        return self._topics.house is not None and camera is not None and camera not in self._cameras

    def _limited(self, topic: str) -> str:
        """What a topic shares its limit with: all cameras that there are not are one."""
        camera = self._topics.switched_camera(topic)
        return topic if camera is None or camera in self._cameras else self._topics.all_switches

    def _parse(self, name: str, topic: str, payload: bytes) -> Command | Refused:
        camera = self._topics.switched_camera(topic)
        try:
            if camera is not None:
                return parse_enabled(camera, payload, self._cameras)
            if name == "capture":
                return parse_capture(payload, self._cameras)
            return parse_rebuild(payload) if name == "rebuild" else parse_assign(payload)
        except CommandError as error:
            return Refused(name, str(error))
