"""What Home Assistant was told of us, and how it is made to forget what is no more. Pure.

A component that is only left out of the discovery message stays in Home Assistant; one that is named by its
platform alone is removed there, but only by a Home Assistant that was told of it whole since it started. One
that was away or has started anew in the meantime keeps an entity that nothing provides any more. So whatever
goes is announced whole once more, and then removed.
"""

import json
import re
from collections.abc import Mapping

Component = Mapping[str, object]
Message = Mapping[str, object]
MOST_BYTES = 1 << 18
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
        self._present: Message = {}
        self._gone: dict[str, Component] = {}

    @property
    def made(self) -> bool:
        """Whether there is anything to announce yet."""
        return bool(self._present)

    @property
    def gone(self) -> bool:
        """Whether something is to be removed."""
        return bool(self._gone)

    @property
    def told(self) -> dict[str, Component]:
        """Every component that Home Assistant may still have, by its key."""
        return {**self._gone, **_components(self._present)}

    def announce(self, message: Message) -> None:
        """Take in what is to be announced from now on."""
        told = self.told
        self._present = message
        self._gone = {}
        self.recall(told)

    def recall(self, told: Mapping[str, Component]) -> bool:
        """Take in what an earlier run has announced.

        Returns:
            Whether something among it, that was not known of, is no more.
        """
        present = _components(self._present)
        gone = {key: part for key, part in told.items() if key not in present and key not in self._gone}
        if len(_as_json(self._gone | gone)) > MOST_BYTES:
            return False
        self._gone |= gone
        return bool(gone)

    def forget(self) -> None:
        """What has gone is removed for good."""
        self._gone = {}

    def present(self) -> Message:
        """Make the message of what there is."""
        return self._present

    def whole(self) -> Message:
        """Make the message of what there is and of what has gone, as if it were still there."""
        return {**self._present, "components": self.told} if self._gone else self._present

    def farewell(self) -> Message:
        """Make the message that removes what has gone."""
        platforms = {key: {"platform": part["platform"]} for key, part in self._gone.items()}
        return {**self._present, "components": {**_components(self._present), **platforms}}

    def orphans(self) -> set[str]:
        """Tell our retained topics that only what has gone reads."""
        below = f"{self._base}/"
        gone = {topic for part in self._gone.values() for topic in _state_topics(part)}
        read = {topic for part in _components(self._present).values() for topic in _state_topics(part)}
        return {
            topic
            for topic in gone - read
            if topic.startswith(below) and _OURS.fullmatch(topic.removeprefix(below))
        }


def components_of(payload: bytes) -> dict[str, Component]:
    """Read the components of a discovery message of ours, perhaps of another version; of others, none."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return well_formed(value.get("components")) if isinstance(value, dict) else {}


def well_formed(value: object) -> dict[str, Component]:
    """Take what looks like components by their keys out of a value of unknown origin."""
    return {key: part for key, part in _shaped(value).items() if _can_be_said({key: part})}


def _shaped(value: object) -> dict[str, Component]:
    known = value.items() if isinstance(value, dict) else ()
    return {
        key: part
        for key, part in known
        if isinstance(key, str) and isinstance(part, dict) and isinstance(part.get("platform"), str)
    }


def _can_be_said(value: Message) -> bool:
    """Not all that can be read as JSON can be written again: numbers too large, halves of characters."""
    try:
        _as_json(value)
    except (ValueError, RecursionError):
        return False
    return True


def _as_json(value: Message) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def _components(message: Message) -> dict[str, Component]:
    return _shaped(message.get("components"))


def _state_topics(part: Component) -> set[str]:
    if part["platform"] in ("event", "device_automation"):
        return set()  # events are not retained
    named = {part.get("state_topic"), part.get("image_topic")}
    return {topic for topic in named if isinstance(topic, str)}
