"""Tells Home Assistant of our entities, and has it remove those that are no more.

Any thread may use it. The publisher says when: what has gone is removed some seconds after it was announced
once more, since Home Assistant leaves out most of a discovery message that comes while it still works on the
one before.

A component that is only left out of the discovery message stays in Home Assistant; one that is named by its
platform alone is removed there, but only by a Home Assistant that was told of it whole since it started. One
that was away or has started anew in the meantime keeps an entity that nothing provides any more. So whatever
goes is announced whole once more, and then removed.
"""

import json
import re
import threading
from collections.abc import Mapping

from facerec_mqtt.mqtt import payloads
from facerec_mqtt.mqtt.outbox import Outbox

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


class Announcer:
    """Keeps what Home Assistant has of us true.

    Args:
        outbox: through which it speaks.
        topic: of the discovery message.
        base: our base topic.
        allowed: whether entities are announced at all.
    """

    def __init__(self, outbox: Outbox, topic: str, base: str, *, allowed: bool) -> None:
        self._outbox = outbox
        self._topic = topic
        self._allowed = allowed
        self._lock = threading.Lock()
        self._announcements = Announcements(base)
        self._removing = False
        self._there = False
        """Whether Home Assistant is there to remove what goes: not when it has said that it ends, and who
        knows where it was while we were away."""

    @property
    def told(self) -> Mapping[str, Component]:
        """What Home Assistant was told of and may still have."""
        with self._lock:
            return self._announcements.told

    @property
    def removing(self) -> bool:
        """Whether something is announced that has gone; `remove` is to be called in a moment."""
        return self._removing

    def recall(self, told: Mapping[str, Component]) -> None:
        """Take in what an earlier run has announced."""
        with self._lock:
            self._announcements.recall(told)

    def announce(self, message: Message) -> None:
        """Announce entities, unless that is switched off."""
        if self._allowed:
            with self._lock:
                self._announcements.announce(message)
                self._announce()

    def remove(self) -> set[str]:
        """Remove what has gone from Home Assistant.

        Returns:
            The retained topics that nothing reads any more.
        """
        with self._lock:
            self._removing = False
            for message in (self._announcements.farewell(), self._announcements.present()):
                self._outbox.keep(self._topic, payloads.encode(message))
            orphans = self._announcements.orphans()
            if self._there:  # else it may have it still when it comes back
                self._announcements.forget()
            return orphans

    def connected(self) -> None:
        """There is a connection to the broker."""
        with self._lock:
            self._there = not self._removing
            if not self._allowed and self._announcements.gone:
                self._outbox.once(self._topic, b"", retain=True)
                self._announcements.forget()

    def home_assistant_is(self, there: bool) -> None:
        """Home Assistant has said that it has started, or that it ends."""
        self._there = there

    def announce_anew(self) -> None:
        """Home Assistant has started: what has gone, and it may still have, is to be removed once more."""
        with self._lock:
            if self._announcements.made:
                self._announce()

    def read_back(self, payload: bytes) -> None:
        """Take in what the broker still holds of our last announcement, perhaps of an earlier run."""
        before = components_of(payload)
        if before and not self._allowed:  # it was allowed once
            self._outbox.once(self._topic, b"", retain=True)
            return
        with self._lock:
            if self._announcements.recall(before) and self._announcements.made:
                self._there = False
                self._announce()

    def _announce(self) -> None:
        self._outbox.keep(self._topic, payloads.encode(self._announcements.whole()))
        self._removing = self._announcements.gone
