"""Subscribes to what the service publishes on MQTT, and formats each event as one line."""

import contextlib
import json
import queue
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from paho.mqtt.client import Client

from facerec_mqtt.core.errors import BrokerError
from facerec_mqtt.mqtt import (
    CONNECT_TIMEOUT_S,
    ConnectionFailedError,
    Fault,
    Lost,
    Outage,
    Received,
    Signal,
    Signals,
    Subscribed,
    Topics,
    address,
    connection,
)
from facerec_mqtt.settings import MqttSettings


@dataclass(slots=True, eq=False)
class Listener:
    """A client that is subscribed to everything below a base topic."""

    signals: Signals
    settings: MqttSettings
    topics: set[str] = field(default_factory=set)
    """Seen so far, other than events, which no broker keeps."""

    def events(self, until_s: float) -> Iterator[dict[str, Any]]:
        """Events as they come.

        Args:
            until_s: when to stop, in seconds of `time.monotonic`.

        Raises:
            BrokerError: the connection is lost.
        """
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                signal = self.signals.get(timeout=left_s)
            except queue.Empty:
                return
            if isinstance(signal, Lost):
                raise ConnectionFailedError(signal.outage, self.settings)
            if isinstance(signal, Received):
                if not Topics.of(self.settings).is_event(signal.topic):
                    self.topics.add(signal.topic)
                elif not signal.retained:
                    yield json.loads(signal.payload)


@contextmanager
def listener(settings: MqttSettings, *, clear: bool) -> Iterator[Listener]:
    """Connect a listener to the service's topics.

    Args:
        settings: the broker, and the base topic.
        clear: empty all topics below the base topic at the end.

    Raises:
        BrokerError: there is no connection; says why and what to do.
    """
    with connection(settings, f"facerec-demo-{secrets.token_hex(4)}") as opened:
        listening = Listener(opened.signals, settings)
        try:
            opened.client.subscribe(Topics.of(settings).all, qos=1)
            _await_subscription(opened.signals, settings)
            yield listening
        finally:
            if clear:
                _clear(opened.client, listening)


def _clear(client: Client, listening: Listener) -> None:
    """Empty all topics that were seen and may be retained."""
    with contextlib.suppress(BrokerError, RuntimeError, ValueError):  # a broker that has gone keeps nothing
        for _ in listening.events(time.monotonic() + 0.5):  # what the service published last
            pass
        for topic in sorted(listening.topics):
            client.publish(topic, b"", qos=1, retain=True).wait_for_publish(CONNECT_TIMEOUT_S)


def _await_subscription(signals: Signals, settings: MqttSettings) -> None:
    early: list[Signal] = []
    try:
        while not isinstance(signal := signals.get(timeout=CONNECT_TIMEOUT_S), Subscribed):
            early.append(signal)
    except queue.Empty:
        raise ConnectionFailedError(Outage(Fault.MUTE), settings) from None
    if signal.refused:
        raise BrokerError(f"{address(settings)} does not let us read {settings.base_topic}/#; allow it.")
    for message in early:
        signals.put(message)


def event_line(event: dict[str, Any]) -> str:
    """One line on an event: "18:02:11  arrived   Anna at front_door (score 0.97)"."""
    clock = datetime.fromisoformat(event["time"]).strftime("%H:%M:%S")
    kind, camera = event["event_type"], event["camera"]
    match kind:
        case "arrived":
            what = f"{event['name']} at {camera} (score {event['score']:.2f})"
        case "visitor":
            what = f"{event['name']}, a known visitor, at {camera}"
        case "departed":
            what = f"{event['name']}, last seen at {camera}"
        case _:
            what = f"somebody who is not enrolled, at {camera}"
    return f"{clock}  {kind:<9} {what}"
