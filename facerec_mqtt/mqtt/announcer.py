"""Announces our entities to Home Assistant, and removes those that are no more.

Any thread may use it; another module decides when. What has gone is removed seconds after it was announced
once more, since Home Assistant leaves out most of a message that comes while it works on the one before.

A component that is only left out of the discovery message stays in Home Assistant; one that is named by its
platform alone is removed there, but only by a Home Assistant that has read it whole since it started. One
that was away, or was restarted in the meantime, keeps an entity that nothing provides any more. So whatever
goes is announced whole once more, and then removed; and again at the next start of Home Assistant where it is
not known to have been there the first time.
"""

import json
import logging
import re
import threading
from collections.abc import Mapping

from facerec_mqtt.mqtt import payloads
from facerec_mqtt.mqtt.discovery import Component as Component
from facerec_mqtt.mqtt.outbox import Outbox
from facerec_mqtt.mqtt.topics import Topics

logger = logging.getLogger(__name__)
Message = Mapping[str, object]
MAX_BYTES = 1 << 18
"""What has gone is remembered up to this size, as JSON: it is read back from the broker, where others may
write. All that is announced of sixteen cameras and thirty people is half as much."""
_OURS = re.compile(r"[a-z0-9_/]{1,200}")
"""What our topics are like below the base."""
_KEY = re.compile(r"[a-zA-Z0-9_-]{1,200}")
"""What Home Assistant allows in a topic for discovery."""
_MIGRATE = b'{"migrate_discovery":true}'
"""Home Assistant keeps the entities of a discovery topic for another one that takes them over."""


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
        return {**self._unconfirmed, **self._gone, **_components(self._present)}

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
        known = {*_components(self._present), *self._gone, *self._unconfirmed}
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
        components = {**self._gone, **_components(self._present)}
        return {**self._present, "components": components} if self._gone else self._present

    def removal(self) -> Message:
        """Make the message that removes what has gone."""
        platforms = {key: {"platform": part["platform"]} for key, part in self._gone.items()}
        return {**self._present, "components": {**_components(self._present), **platforms}}

    def orphans(self) -> set[str]:
        """List our retained topics that only what has gone reads."""
        below = f"{self._base}/"
        gone = {topic for part in self._gone.values() for topic in _state_topics(part)}
        read = {topic for part in _components(self._present).values() for topic in _state_topics(part)}
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
    return well_formed(_object(payload).get("components"))


def awaits_removal(part: Component) -> bool:
    """Whether a component is kept to be removed once more: it holds ids but no name."""
    topics = {str(topic) for topic in _topics(part)}
    return bool(topics) and "name" not in part and all(topic.endswith("/removed") for topic in topics)


def well_formed(value: object) -> dict[str, Component]:
    """Take what looks like components by their keys out of a value of unknown origin."""
    return {key: part for key, part in _shaped(value).items() if _is_json({key: part})}


def _object(payload: bytes) -> Message:
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


def _components(message: Message) -> dict[str, Component]:
    return _shaped(message.get("components"))


def _topics(part: Component) -> set[object]:
    return {part[name] for name in ("state_topic", "command_topic", "image_topic") if name in part}


def _state_topics(part: Component) -> set[str]:
    if part["platform"] in ("event", "device_automation"):
        return set()  # events are not retained
    named = {part.get("state_topic"), part.get("image_topic")}
    return {topic for topic in named if isinstance(topic, str)}


class Announcer:
    """Keeps Home Assistant's view of our entities up to date.

    Args:
        outbox: to publish with.
        topics: ours.
        allowed: whether entities are announced at all.
    """

    def __init__(self, outbox: Outbox, topics: Topics, *, allowed: bool) -> None:
        self._outbox = outbox
        self._topics = topics
        self._allowed = allowed
        self._lock = threading.Lock()
        self._announcements = Announcements(topics.base)
        self._layout: set[str] = set()
        """Topics of the discovery message: one, or one for each component where it is too large."""
        self._published = False
        """Whether the broker has had it."""
        self._left: set[str] = set()
        """Topics that were part of it, to be emptied."""
        self._taking_over = False
        """Whether it was published while another discovery topic still had its entities."""
        self._removing = False
        self._there = False
        """Whether Home Assistant is known to be there, to remove what goes: it has said on this connection
        that it has started, and not that it ends."""

    @property
    def announced(self) -> Mapping[str, Component]:
        """What was announced to Home Assistant and it may still have."""
        with self._lock:
            return self._announcements.announced

    @property
    def removing(self) -> bool:
        """Whether something is announced that has gone; `remove` is to be called in a moment."""
        return self._removing

    def recall(self, announced: Mapping[str, Component]) -> None:
        """Take in what an earlier run has announced."""
        with self._lock:
            self._announcements.recall(announced)

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
            for message in (self._announcements.removal(), self._announcements.present()):
                self._publish(message)
            orphans = self._announcements.orphans()
            self._announcements.removed(confirmed=self._there)
            return orphans

    def tidy(self) -> None:
        """Retire the discovery topics that are not used any more."""
        with self._lock:
            if self._taking_over:
                for topic in self._layout:
                    self._outbox.send_again(topic)
            self._outbox.retire(self._left)
            self._left, self._taking_over = set(), False

    def connecting(self) -> None:
        """There will be a connection in a moment, to a broker whose limit the outbox knows."""
        with self._lock:
            if self._announcements.made:
                self._announce()

    def connected(self) -> None:
        """There is a connection to the broker."""
        with self._lock:
            self._published = True
            self._there = False  # nobody knows whether Home Assistant went away with the broker
            if not self._allowed and self._announcements.gone:
                self._outbox.send_now(self._topics.discovery, b"", retain=True)
                self._announcements.removed(confirmed=True)

    def home_assistant_is(self, there: bool) -> None:
        """Home Assistant has said that it has started, or that it ends."""
        self._there = there

    def announce_again(self) -> None:
        """Home Assistant has started: what has gone, and it may still have, is to be removed once more."""
        with self._lock:
            if self._announcements.made:
                self._announcements.repeat()
                self._announce()

    def read_back(self, topic: str, payload: bytes) -> None:
        """Take in what the broker still holds of our last announcement, possibly of an earlier run."""
        if topic != self._topics.discovery and not self._is_ours(payload):
            return
        before = components_of(payload)
        if before and not self._allowed:  # it was allowed once
            self._outbox.send_now(topic, b"", retain=True)
            return
        with self._lock:
            if not self._announcements.made:
                return
            if self._announcements.recall(before):
                self._announce()
            if topic not in self._layout | self._left:  # an earlier run had another limit
                self._left.add(topic)
                self._outbox.keep(topic, _MIGRATE)
                self._taking_over = True

    def _is_ours(self, payload: bytes) -> bool:
        """Whether a message, on a topic that others may use too, is of a service with our node id."""
        device = _object(payload).get("device")
        return isinstance(device, dict) and device.get("identifiers") == [f"facerec_{self._topics.node_id}"]

    def _announce(self) -> None:
        self._publish(self._announcements.whole())
        self._removing = self._announcements.gone

    def _publish(self, message: Message) -> None:
        """Publish a discovery message, by component where it is too large for the broker."""
        whole = payloads.encode(message)
        parts = {self._topics.discovery: whole}
        if not self._outbox.fits(self._topics.discovery, whole):
            parts = {
                self._topics.discovery_part(key): payloads.encode({**message, "components": {key: part}})
                for key, part in _components(message).items()
                if _KEY.fullmatch(key) and set(part) != {"platform"}
            }
            self._outbox.log_split(self._topics.discovery, whole, len(parts))
        unused, self._layout = self._layout - set(parts), set(parts)
        self._left -= self._layout
        if not self._published:
            self._outbox.discard(unused)
        elif self._topics.discovery in unused or self._topics.discovery in self._layout:
            self._left |= unused
            for topic in unused:
                self._outbox.keep(topic, _MIGRATE)
        else:  # components that are no more, each removed by an empty message
            for topic in unused:
                self._outbox.empty(topic)
        for topic, payload in parts.items():
            self._outbox.keep(topic, payload)
