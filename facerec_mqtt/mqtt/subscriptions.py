"""What the service listens to on the broker for others than itself: cameras, neighbours."""

import logging
import queue
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from paho.mqtt.client import Client, MQTTMessage

from facerec_mqtt.mqtt.connection import Lost, Received, ReplyTo, Subscribed, connection
from facerec_mqtt.mqtt.failures import ConnectionFailedError
from facerec_mqtt.settings import MqttSettings

_log = logging.getLogger(__name__)
_QUIET_S = 0.5
"""When nothing more has come for so long, all that the broker retains has."""


class Access(Enum):
    """Whether what is published on a topic reaches us."""

    OPEN = auto()
    """The broker has taken the subscription."""
    DENIED = auto()
    """It does not let us read there."""
    CLOSED = auto()
    """There is no connection to it."""


def _ignore_access(_access: Access) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic filter, and who takes what comes there.

    What it matches does not reach the service's own commands any more: it must not match theirs.
    """

    topic_filter: str
    take: Callable[[Received], None]
    """Called with each message, however large, in a thread of the connection, which it must not hold up.
    A message is `retained` where the broker had it before we subscribed, which is at each connection anew."""
    on_access: Callable[[Access], None] = _ignore_access
    """Called on each connection and at its end, in another thread."""
    qos: int = 1
    joins: bool = False
    """Whether it waits for `Subscriptions.join`, also on later connections."""


class Arrivals:
    """What came by some subscriptions, for a thread that takes it in its own time."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Received | Access] = queue.SimpleQueue()

    def put(self, came: Received | Access) -> None:
        """Keep it; for `Subscription.take` and `Subscription.on_access`."""
        self._waiting.put(came)

    def take(self) -> Iterator[Received | Access]:
        """All that has come since the last time, in order."""
        while True:
            try:
                yield self._waiting.get_nowait()
            except queue.Empty:
                return


class Subscriptions:
    """All of them, subscribed to anew on each connection; `opened` to `closed` are of its thread alone."""

    def __init__(self) -> None:
        self._by_filter: defaultdict[str, list[Subscription]] = defaultdict(list)
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._left: set[str] = set()
        self._asked: dict[int, str] = {}
        """Filters by the id of the message that subscribes to them, or takes that back."""

    def add(self, subscription: Subscription) -> None:
        """Add one; only before the first connection."""
        self._by_filter[subscription.topic_filter].append(subscription)
        if subscription.joins:
            self._left.add(subscription.topic_filter)

    def opened(self, client: Client) -> None:
        """Subscribe to all on a connection."""
        with self._lock:
            self._asked, self._client = {}, client
            for topic_filter, subscriptions in self._by_filter.items():
                client.message_callback_add(_shared(topic_filter), _taker(subscriptions))
                if topic_filter not in self._left:
                    self._subscribe(client, topic_filter)

    def join(self, topic_filter: str) -> None:
        """Subscribe to one that waits for this, now and on later connections. Any thread may call it."""
        with self._lock:
            self._left.discard(topic_filter)
            if self._client is not None:
                self._subscribe(self._client, topic_filter)

    def leave(self, topic_filter: str) -> None:
        """Take one back, now and on later connections; nothing comes by it once it is told to be closed."""
        with self._lock:
            self._left.add(topic_filter)
            if self._client is not None:
                _, message_id = self._client.unsubscribe(topic_filter)
                if message_id is not None:
                    self._asked[message_id] = topic_filter

    def _subscribe(self, client: Client, topic_filter: str) -> None:
        qos = max(each.qos for each in self._by_filter[topic_filter])
        _, message_id = client.subscribe(topic_filter, qos)
        if message_id is not None:
            self._asked[message_id] = topic_filter

    def answered(self, message_id: int, *, refused: bool) -> bool:
        """Take in the broker's answer; returns whether it is that to one of these."""
        with self._lock:
            topic_filter = self._asked.get(message_id)
        if topic_filter is None:
            return False
        self._tell(topic_filter, Access.DENIED if refused else Access.OPEN)
        return True

    def taken_back(self, message_id: int) -> None:
        """Take in that the broker has taken a subscription back."""
        with self._lock:
            topic_filter = self._asked.get(message_id)
        if topic_filter is not None:
            self._tell(topic_filter, Access.CLOSED)

    def closed(self) -> None:
        """Take in that the connection has ended, or could not be made."""
        with self._lock:
            self._client = None
        for topic_filter in self._by_filter:
            self._tell(topic_filter, Access.CLOSED)

    def _tell(self, topic_filter: str, access: Access) -> None:
        for subscription in self._by_filter[topic_filter]:
            try:
                subscription.on_access(access)
            except Exception:
                _log.exception('Unexpected error about the topic "%s"', topic_filter)


def _shared(topic_filter: str) -> str:
    """What a filter matches, also one that clients share, so that each message reaches one of them."""
    return topic_filter.split("/", 2)[2] if topic_filter.startswith("$share/") else topic_filter


def _taker(subscriptions: Sequence[Subscription]) -> Callable[[Client, object, MQTTMessage], None]:
    def take(_client: Client, _user: object, message: MQTTMessage) -> None:
        received = Received(message.topic, bytes(message.payload), message.retain, ReplyTo.of(message))
        for subscription in subscriptions:
            try:
                subscription.take(received)
            except Exception:
                # It must not end the connection, which is everybody's.
                _log.exception('Unexpected error in a message on "%s"', message.topic)

    return take


def listen_once(settings: MqttSettings, topic_filter: str, timeout_s: float) -> Received | Access:
    """Listen on a connection of its own until a message comes; a running service is not disturbed.

    Returns:
        The message, whole; whether we may read there, where none came in time.

    Raises:
        ConnectionFailedError: there is no connection, and why.
    """
    until_s = time.monotonic() + timeout_s
    with connection(settings, f"facerec-check-{secrets.token_hex(4)}", timeout_s=timeout_s) as opened:
        subscriptions = Subscriptions()
        subscriptions.add(Subscription(topic_filter, opened.signals.put))
        subscriptions.opened(opened.client)
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                signal = opened.signals.get(timeout=left_s)
            except queue.Empty:
                break
            match signal:
                case Received():
                    return signal
                case Subscribed(refused=True):
                    return Access.DENIED
                case Lost(outage):
                    raise ConnectionFailedError(outage, settings)
    return Access.OPEN


def read_retained(settings: MqttSettings, filters: Sequence[str], timeout_s: float) -> Mapping[str, bytes]:
    """Read what the broker retains, on a connection of its own; a running service is not disturbed.

    Args:
        settings: the broker.
        filters: of the topics.
        timeout_s: for how long to wait at most.

    Returns:
        The payloads by topic; what is longer than a megabyte is cut.

    Raises:
        ConnectionFailedError: there is no connection, and why.
    """
    found: dict[str, bytes] = {}
    until_s = time.monotonic() + timeout_s
    with connection(settings, f"facerec-check-{secrets.token_hex(4)}", timeout_s=timeout_s) as opened:
        opened.client.subscribe([(each, 1) for each in filters])
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                signal = opened.signals.get(timeout=min(left_s, _QUIET_S))
            except queue.Empty:
                break
            match signal:
                case Lost(outage):
                    raise ConnectionFailedError(outage, settings)
                case Received(retained=True):
                    found[signal.topic] = signal.payload
    return found
