"""Announces our entities to Home Assistant, and removes those that are no more.

Any thread may use it; another module decides when. What has gone is removed seconds after it was announced
once more, since Home Assistant leaves out most of a message that comes while it works on the one before.

A component that is only left out of the discovery message stays in Home Assistant; one that is named by its
platform alone is removed there, but only by a Home Assistant that has read it whole since it started. One
that was away, or was restarted in the meantime, keeps an entity that nothing provides any more. So whatever
goes is announced whole once more, and then removed; and again at the next start of Home Assistant where it is
not known to have been there the first time.
"""

import re
import threading
from collections.abc import Callable, Mapping

from facerec_mqtt.mqtt import payloads
from facerec_mqtt.mqtt.home_assistant.announcements import (
    Announcements,
    Message,
    as_object,
    components_in,
    components_of,
)
from facerec_mqtt.mqtt.home_assistant.entities import Component
from facerec_mqtt.mqtt.outbox import Outbox
from facerec_mqtt.mqtt.topics import Topics

_KEY = re.compile(r"[a-zA-Z0-9_-]{1,200}")
"""What Home Assistant allows in a topic for discovery."""
_MIGRATE = b'{"migrate_discovery":true}'
"""Home Assistant keeps the entities of a discovery topic for another one that takes them over."""


class Announcer:
    """Keeps Home Assistant's view of our entities up to date.

    Args:
        outbox: to publish with.
        topics: ours.
        allowed: whether entities are announced at all.
        owns: whether a retained topic is to be emptied once nothing that is announced reads it.
    """

    def __init__(
        self,
        outbox: Outbox,
        topics: Topics,
        *,
        allowed: bool,
        owns: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._outbox = outbox
        self._topics = topics
        self._allowed = allowed
        self._owns = owns
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

    def resign(self) -> None:
        """Another service announces these entities from now on; what is announced stays."""
        with self._lock:
            self._outbox.discard(self._layout | self._left)
            self._announcements = Announcements(self._topics.base)
            self._layout, self._left = set(), set()
            self._removing = self._taking_over = False

    def remove(self) -> set[str]:
        """Remove what has gone from Home Assistant.

        Returns:
            The retained topics that nothing reads any more.
        """
        with self._lock:
            self._removing = False
            for message in (self._announcements.removal(), self._announcements.present()):
                self._publish(message)
            orphans = {topic for topic in self._announcements.orphans() if self._owns(topic)}
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
        device = as_object(payload).get("device")
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
                for key, part in components_in(message).items()
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
