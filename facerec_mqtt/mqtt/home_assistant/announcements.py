"""What is announced to Home Assistant, what has gone, and what is not known to be removed there. Pure."""

import json
import re
from collections.abc import Mapping

from facerec_mqtt.mqtt.home_assistant.entities import Component

Message = Mapping[str, object]
MAX_BYTES = 1 << 18
"""What has gone is remembered up to this size, as JSON: it is read back from the broker, where others may
write. All that is announced of sixteen cameras and thirty people is half as much."""
_OURS = re.compile(r"[a-z0-9_/]{1,200}")
"""What our topics are like below the base."""


class Announcements:
    """Our discovery message, with what earlier ones held and the present one does not.

    Args:
        base: our base topic.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._removed_topic = f"{base}/removed"
        self._present: Message = {}
        self._gone: dict[str, Component] = {}
        self._unconfirmed: dict[str, Component] = {}

    @property
    def made(self) -> bool:
        """Whether there is anything to announce yet."""
        return bool(self._present)

    @property
    def gone(self) -> bool:
        """Whether something is to be removed."""
        return bool(self._gone)

    @property
    def announced(self) -> dict[str, Component]:
        """Every component that Home Assistant may still have, by its key."""
        return {**self._unconfirmed, **self._gone, **components_in(self._present)}

    def announce(self, message: Message) -> None:
        """Take in what is to be announced from now on."""
        before = self.announced
        self._present = message
        self._gone, self._unconfirmed = {}, {}
        self.recall(before)

    def recall(self, announced: Mapping[str, Component]) -> bool:
        """Take in what an earlier run has announced.

        Returns:
            Whether something among it is to be removed now that was not before.
        """
        known = {*components_in(self._present), *self._gone, *self._unconfirmed}
        more = {key: part for key, part in announced.items() if key not in known}
        if len(_as_json({**self._gone, **self._unconfirmed, **more})) > MAX_BYTES:
            return False
        gone = {key: part for key, part in more.items() if not awaits_removal(part)}
        self._unconfirmed |= {key: part for key, part in more.items() if key not in gone}
        self._gone |= gone
        return bool(gone)

    def removed(self, *, confirmed: bool) -> None:
        """What has gone was removed.

        Args:
            confirmed: whether Home Assistant was there to read it. Where that is not known, it will be
                removed once more, and what that needs is kept: no name and no topic.
        """
        if not confirmed:
            self._unconfirmed |= {
                key: self._without_names(part)
                for key, part in self._gone.items()
                # Home Assistant keeps device triggers nowhere else than in its memory.
                if part["platform"] != "device_automation"
            }
        self._gone = {}

    def repeat(self) -> None:
        """What is not known to be removed is to be removed again."""
        self._gone, self._unconfirmed = {**self._unconfirmed, **self._gone}, {}

    def present(self) -> Message:
        """Make the message of what there is."""
        return self._present

    def whole(self) -> Message:
        """Make the message of what there is and of what has gone, as if it were still there."""
        components = {**self._gone, **components_in(self._present)}
        return {**self._present, "components": components} if self._gone else self._present

    def removal(self) -> Message:
        """Make the message that removes what has gone."""
        platforms = {key: {"platform": part["platform"]} for key, part in self._gone.items()}
        return {**self._present, "components": {**components_in(self._present), **platforms}}

    def orphans(self) -> set[str]:
        """List our retained topics that only what has gone reads."""
        below = f"{self._base}/"
        gone = {topic for part in self._gone.values() for topic in _state_topics(part)}
        read = {topic for part in components_in(self._present).values() for topic in _state_topics(part)}
        return {
            topic
            for topic in gone - read - {self._removed_topic}
            if topic.startswith(below) and _OURS.fullmatch(topic.removeprefix(below))
        }

    def _without_names(self, part: Component) -> Component:
        kept = {name: part[name] for name in ("platform", "unique_id", "event_types") if name in part}
        topics = ("state_topic", "command_topic", "image_topic")
        return kept | {name: self._removed_topic for name in topics if name in part}


def components_of(payload: bytes) -> dict[str, Component]:
    """Read the components of a discovery message of ours, possibly of another version; of others, none."""
    return well_formed(as_object(payload).get("components"))


def awaits_removal(part: Component) -> bool:
    """Whether a component is kept to be removed once more: it holds ids but no name."""
    topics = {str(topic) for topic in _topics(part)}
    return bool(topics) and "name" not in part and all(topic.endswith("/removed") for topic in topics)


def well_formed(value: object) -> dict[str, Component]:
    """Take what looks like components by their keys out of a value of unknown origin."""
    return {key: part for key, part in _shaped(value).items() if _is_json({key: part})}


def as_object(payload: bytes) -> Message:
    """Read a JSON object; what is none is an empty one."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _shaped(value: object) -> dict[str, Component]:
    known = value.items() if isinstance(value, dict) else ()
    return {
        key: part
        for key, part in known
        if isinstance(key, str) and isinstance(part, dict) and isinstance(part.get("platform"), str)
    }


def _is_json(value: Message) -> bool:
    """Not all that can be read as JSON can be written again: numbers too large, halves of characters."""
    try:
        _as_json(value)
    except (ValueError, RecursionError):
        return False
    return True


def _as_json(value: Message) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def components_in(message: Message) -> dict[str, Component]:
    """The components of a message of ours."""
    return _shaped(message.get("components"))


def _topics(part: Component) -> set[object]:
    return {part[name] for name in ("state_topic", "command_topic", "image_topic") if name in part}


def _state_topics(part: Component) -> set[str]:
    if part["platform"] in ("event", "device_automation"):
        return set()  # events are not retained
    named = {part.get("state_topic"), part.get("image_topic")}
    return {topic for topic in named if isinstance(topic, str)}
