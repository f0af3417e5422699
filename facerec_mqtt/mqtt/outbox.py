"""What is to be said on MQTT, whether or not there is a connection to say it on.

States are retained by the broker: of each topic the last payload is kept here, and sent again at every
connection. Messages that are not retained wait for a connection, and are dropped when they are too old
by then. Any thread may use this; nothing here waits for the broker.

Topics that the broker rejects are logged once each, many in one line.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from paho.mqtt.client import Client, MQTTMessageInfo

logger = logging.getLogger(__name__)
MAX_AGE_S = 600.0
"""Messages that could not be sent within this time are dropped: nobody acts on them any more."""
MAX_WAITING = 256


@dataclass(frozen=True, slots=True, eq=False)
class _Message:
    topic: str
    make: Callable[[float], bytes]
    made_s: float


class Outbox:
    """Keeps states and messages, and hands them to the client of the present connection.

    Args:
        status: topic on which we say that we are online, after everything else.
        first: topics that begin with this are sent before the others.
    """

    def __init__(self, status: str, first: str) -> None:
        self._status = status
        self._first = first
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._states: dict[str, bytes] = {}
        self._retired: set[str] = set()
        self._waiting: deque[_Message] = deque()
        self._dropped = 0
        self._sent: dict[int, tuple[str, _Message | None]] = {}
        self.lost = 0
        """Messages that were dropped so far."""

    @property
    def client(self) -> Client | None:
        """The present connection's; `None` when there is none."""
        return self._client

    def open(self, client: Client) -> None:
        """There is a connection: send all that is kept and all that waits."""
        with self._lock:
            self._client = client
            self._send_states()
            self._send_waiting()
            if self._dropped:
                logger.warning(
                    "While the broker was away more happened than is kept: %d messages that were older than "
                    "%.0f minutes, or more than %d, are dropped.",
                    self._dropped,
                    MAX_AGE_S / 60,
                    MAX_WAITING,
                )
                self._dropped = 0

    def close(self, last_word: bytes | None = None) -> MQTTMessageInfo | None:
        """The connection is no more to be used. What the broker has not acknowledged waits for the next.

        Args:
            last_word: what to say on the status topic, where there still is a connection.

        Returns:
            To wait for, when something was said.
        """
        with self._lock:
            client, self._client = self._client, None
            info = None
            if client is not None and last_word is not None:
                for topic in self._retired:
                    client.publish(topic, b"", qos=1, retain=True)
                info = client.publish(self._status, last_word, qos=1, retain=True)
            unsure = [message for _, message in self._sent.values() if message is not None]
            self._sent.clear()
            self._waiting.extendleft(reversed(unsure))
            return info

    def keep(self, topic: str, payload: bytes) -> None:
        """A state is as follows from now on; said only when that is new."""
        with self._lock:
            self._retired.discard(topic)
            if self._states.get(topic) != payload:
                self._states[topic] = payload
                self._send(topic, payload)

    def once(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send something now, or never when there is no connection."""
        with self._lock:
            self._send(topic, payload, retain=retain)

    def tell(self, topic: str, make: Callable[[float], bytes]) -> None:
        """Send something that happened, now or as soon as there is a connection.

        Args:
            topic: where.
            make: makes the payload, given the time of sending in seconds of `time.monotonic`.
        """
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                self._waiting.popleft()
                self._dropped += 1
                self.lost += 1
            self._waiting.append(_Message(topic, make, time.monotonic()))
            self._send_waiting()

    def retire(self, topics: Iterable[str]) -> None:
        """These states are no more; `tidy` will empty their topics."""
        with self._lock:
            for topic in topics:
                self._states.pop(topic, None)
                self._retired.add(topic)

    def tidy(self) -> None:
        """Empty the topics of states that are no more."""
        with self._lock:
            for topic in sorted(self._retired):
                self._send(topic, b"")

    def send_states(self) -> None:
        """Send all that is kept once more."""
        with self._lock:
            self._send_states()

    def acknowledged(self, message_id: int) -> str | None:
        """The broker has taken a message; tells its topic."""
        with self._lock:
            return self._sent.pop(message_id, (None, None))[0]

    def _send_states(self) -> None:
        for topic in sorted(self._states, key=lambda topic: not topic.startswith(self._first)):
            self._send(topic, self._states[topic])
        # Last, since now everything else is true.
        self._send(self._status, b"online")

    def _send_waiting(self) -> None:
        while self._client is not None and self._waiting:
            message = self._waiting.popleft()
            now_s = time.monotonic()
            if now_s - message.made_s > MAX_AGE_S:
                self._dropped += 1
                self.lost += 1
            else:
                self._send(message.topic, message.make(now_s), retain=False, message=message)

    def _send(
        self, topic: str, payload: bytes, *, retain: bool = True, message: _Message | None = None
    ) -> None:
        if self._client is not None:
            sent = self._client.publish(topic, payload, qos=1, retain=retain)
            self._sent[sent.mid] = (topic, message)


logger = logging.getLogger(__name__)
REFUSALS_DELAY_S = 1.0
"""Where the broker refuses one topic it refuses many; they are named together after this time."""
MAX_TOPICS_NAMED = 4


class Refusals:
    """Keeps what is to be said of the broker's refusals.

    Args:
        where: what the broker is called in sentences.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._told: set[str] = set()
        self._waiting: list[tuple[str, str]] = []
        self.count = 0
        """Messages that it would not take, so far."""

    def is_new(self, topic: str | None, refusal: str | None) -> bool:
        """Take in what the broker said to a message.

        Args:
            topic: of the message; `None` for one that is not known any more.
            refusal: why it would not take it; `None` when it did.

        Returns:
            Whether there is something to `tell` in a moment.
        """
        if refusal is None:
            return False
        self.count += 1
        if topic is None or topic in self._told:
            return False
        self._told.add(topic)
        self._waiting.append((topic, refusal))
        return True

    def tell(self) -> None:
        """Name the topics that we may not write to; all of them in one line."""
        others = len(self._waiting) - MAX_TOPICS_NAMED
        logger.warning(
            "%s refuses what we publish on %s%s (%s); allow us to write there.",
            self._where,
            ", ".join(topic for topic, _ in self._waiting[:MAX_TOPICS_NAMED]),
            f" and {others} more" if others > 0 else "",
            self._waiting[0][1],
        )
        self._waiting.clear()

    def log_denied_subscription(self) -> None:
        """Say once that we may not read something."""
        if "commands" not in self._told:
            self._told.add("commands")
            logger.warning(
                "%s does not let us read some topic, perhaps of commands; "
                "allow those that docs/MQTT.md lists under Connection.",
                self._where,
            )
