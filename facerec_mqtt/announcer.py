"""Tells Home Assistant of our entities, and has it remove those that are no more.

Any thread may use it. The publisher says when: what has gone is removed some seconds after it was announced
once more, since Home Assistant leaves out most of a discovery message that comes while it still works on the
one before.
"""

import threading
from collections.abc import Mapping

from facerec_mqtt import payloads
from facerec_mqtt.announcements import Announcements, Component, Message, components_of
from facerec_mqtt.outbox import Outbox


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
