"""Messages to publish, whether or not there is a connection.

States are retained by the broker: of each topic the last payload is kept here, and sent again at every
connection. Messages that are not retained wait for a connection, and are dropped when they are too old
by then. Any thread may use this; nothing here waits for the broker.

What is larger than the broker takes is not sent, and logged once for each topic.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from facerec_mqtt.mqtt.connection import ReplyTo
from facerec_mqtt.mqtt.size_limit import SizeLimit, packet_bytes

logger = logging.getLogger(__name__)
MAX_AGE_S = 600.0
"""Messages that could not be sent within this time are dropped: nobody acts on them any more."""
MAX_WAITING = 256
SUSPECT_S = 5.0
"""A connection that breaks within this time of sending a message may have broken because of its size."""
EXCHANGE_QOS = 0
"""Of questions and answers: who waits for an answer asks again sooner than a broker sends again."""


@dataclass(frozen=True, slots=True, eq=False)
class _Message:
    topic: str
    make: Callable[[float], bytes]
    made_s: float


@dataclass(frozen=True, slots=True, eq=False)
class _Sent:
    topic: str
    bytes: int
    at_s: float
    message: _Message | None
    emptied: bool
    """Whether it empties a retained topic."""


def question_properties(reply_to: ReplyTo, expiry_s: int) -> Any:
    """What MQTT 5 says beside a question, or the answer to one.

    Args:
        reply_to: where the answer is to go, and what tells it from others.
        expiry_s: the broker drops it when it could not pass it on within so many seconds.
    """
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.MessageExpiryInterval = expiry_s
    properties.CorrelationData = reply_to.correlation
    if reply_to.topic is not None:
        properties.ResponseTopic = reply_to.topic
    return properties


class Outbox:
    """Keeps states and messages, and hands them to the client of the present connection.

    Args:
        where: what the broker is called in sentences.
        status: topic on which we publish that we are online, after everything else.
        first: topics that begin with this are sent before the others.
    """

    def __init__(self, where: str, status: str, first: str) -> None:
        self._where = where
        self._status = status
        self._first = first
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._states: dict[str, tuple[bytes, ...]] = {}
        self._retired: set[str] = set()
        self._waiting: deque[_Message] = deque()
        self._dropped = 0
        self._sent: dict[int, _Sent] = {}
        self._acknowledged_bytes = 0
        self._limit = SizeLimit()
        self._named: set[str] = set()
        self.lost = 0
        """Messages that were dropped so far."""

    @property
    def client(self) -> Client | None:
        """The present connection's; `None` when there is none."""
        return self._client

    def set_limit(self, max_packet_bytes: int | None) -> None:
        """Take in what the broker of the next connection takes at most; `None` where it declares nothing."""
        self._limit.connected(max_packet_bytes)

    def open(self, client: Client) -> None:
        """There is a connection: send all that is kept and all that waits."""
        with self._lock:
            self._client = client
            self._acknowledged_bytes = 0
            self._send_states()
            self._send_waiting()
            if self._dropped:
                logger.warning(
                    "The broker was away for too long: %d messages that were older than %.0f minutes, or "
                    "more than the %d that are kept, are dropped.",
                    self._dropped,
                    MAX_AGE_S / 60,
                    MAX_WAITING,
                )
                self._dropped = 0

    def close(self, last_status: bytes | None = None) -> MQTTMessageInfo | None:
        """The connection is not to be used any more. What the broker has not acknowledged waits for the next.

        Args:
            last_status: what to publish on the status topic, where there still is a connection.

        Returns:
            To wait for, when something was published.
        """
        with self._lock:
            client, self._client = self._client, None
            info = None
            if client is not None and last_status is not None:
                for topic in self._retired:
                    client.publish(topic, b"", qos=1, retain=True)
                info = client.publish(self._status, last_status, qos=1, retain=True)
            unsure = [sent.message for sent in self._sent.values() if sent.message is not None]
            self._sent.clear()
            self._waiting.extendleft(reversed(unsure))
            return info

    def broke(self, *, too_large: bool) -> tuple[str, int] | None:
        """The broker has ended the connection; to be called before `close`.

        Args:
            too_large: whether it says that a message was too large.

        Returns:
            Topic and size in bytes of the message that may have been too large for it.
        """
        with self._lock:
            since_s = time.monotonic() - SUSPECT_S
            recent = [sent for sent in self._sent.values() if sent.at_s >= since_s or too_large]
            largest = max(recent, key=lambda sent: sent.bytes, default=None)
            if largest is not None and largest.bytes <= self._acknowledged_bytes:
                largest = None
            suspect = self._limit.lost(None if largest is None else largest.bytes, certain=too_large)
            return None if largest is None or not suspect else (largest.topic, largest.bytes)

    def fits(self, topic: str, payload: bytes) -> bool:
        """Whether the broker takes a message of this size, as far as is known."""
        limit = self._limit.bytes
        return limit is None or packet_bytes(topic, len(payload)) <= limit

    def keep(self, topic: str, payload: bytes, *smaller: bytes) -> None:
        """Set the payload of a state, and send it when it has changed.

        Args:
            topic: of the state.
            payload: what is retained there from now on; empty for nothing.
            smaller: what to send instead where the broker does not take the ones before.
        """
        with self._lock:
            self._retired.discard(topic)
            if self._states.get(topic) != (payload, *smaller):
                self._states[topic] = (payload, *smaller)
                self._send_state(topic)

    def send_now(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send something now, or never when there is no connection."""
        with self._lock:
            self._send(topic, payload, retain=retain)

    def exchange(self, topic: str, payload: bytes, reply_to: ReplyTo, *, expiry_s: int) -> bool:
        """Send a question, or the answer to one, now and only once; needs MQTT 5.

        Args:
            topic: where.
            payload: what.
            reply_to: where the answer is to go, and what tells it from others.
            expiry_s: the broker drops it when it could not pass it on within so many seconds.

        Returns:
            Whether it is on its way.
        """
        properties = question_properties(reply_to, expiry_s)
        with self._lock:
            size = packet_bytes(topic, len(payload)) + len(properties.pack())
            limit = self._limit.bytes
            if self._client is None:
                return False
            if limit is not None and size > limit:
                self._log_too_large(topic, size)
                return False
            sent = self._client.publish(topic, payload, qos=EXCHANGE_QOS, properties=properties)
            return sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def enqueue(self, topic: str, make: Callable[[float], bytes]) -> None:
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

    def discard(self, topics: Iterable[str]) -> None:
        """Forget states that were never sent."""
        with self._lock:
            for topic in topics:
                self._states.pop(topic, None)

    def retire(self, topics: Iterable[str]) -> None:
        """These states are no more; `empty_retired` will empty their topics."""
        with self._lock:
            for topic in topics:
                self._states.pop(topic, None)
                self._retired.add(topic)

    def empty(self, topic: str) -> None:
        """Empty a topic now, and at the next connection where the broker does not acknowledge it."""
        with self._lock:
            self._states.pop(topic, None)
            self._retired.add(topic)
            self._send(topic, b"")

    def empty_retired(self) -> None:
        """Empty the topics of states that are no more, until the broker has acknowledged it."""
        with self._lock:
            for topic in sorted(self._retired):
                self._send(topic, b"")

    def send_again(self, topic: str) -> None:
        """Send a state once more."""
        with self._lock:
            self._send_state(topic)

    def send_states(self) -> None:
        """Send all that is kept once more."""
        with self._lock:
            self._send_states()

    def acknowledged(self, message_id: int) -> str | None:
        """The broker has taken or rejected a message; returns its topic."""
        with self._lock:
            sent = self._sent.pop(message_id, None)
            if sent is None:
                return None
            self._acknowledged_bytes = max(self._acknowledged_bytes, sent.bytes)
            self._limit.acknowledged(sent.bytes)
            still = any(other.topic == sent.topic for other in self._sent.values())
            if sent.emptied and not still:
                # Else every later connection would empty it again, and with it what is published there live.
                self._retired.discard(sent.topic)
            return sent.topic

    def _send_states(self) -> None:
        for topic in sorted(self._states, key=lambda topic: not topic.startswith(self._first)):
            self._send_state(topic)
        # Last, since now everything else is true.
        self._send(self._status, b"online")

    def _send_state(self, topic: str) -> None:
        payloads = self._states[topic]
        self._send(topic, next((one for one in payloads if self.fits(topic, one)), payloads[-1]))

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
        if self._client is None:
            return
        size = packet_bytes(topic, len(payload))
        if not self.fits(topic, payload):
            self._log_too_large(topic, size)
            return
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        emptied = retain and not payload
        self._sent[sent.mid] = _Sent(topic, size, time.monotonic(), message, emptied)

    def log_split(self, topic: str, payload: bytes, parts: int) -> None:
        """Log once that what is too large is published in parts."""
        if topic not in self._named:
            self._named.add(topic)
            logger.info(
                "%s takes messages of at most %d bytes: %s, with %d bytes, is published in %d parts.",
                self._where,
                self._limit.bytes,
                topic,
                packet_bytes(topic, len(payload)),
                parts,
            )

    def _log_too_large(self, topic: str, size: int) -> None:
        if topic not in self._named:
            self._named.add(topic)
            logger.warning(
                "%s %s messages of more than %d bytes: %s, with %d bytes, is not published. "
                "Raise the broker's limit (Mosquitto: max_packet_size).",
                self._where,
                "ends the connection, it seems, after" if self._limit.is_guess else "does not take",
                self._limit.bytes,
                topic,
                size,
            )
