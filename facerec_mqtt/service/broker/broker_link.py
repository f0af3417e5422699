"""Keeps a connection to the broker: reconnects, and acts on what comes. One thread does it all.

What is published is handed over to the outbox, which never waits; what comes is commands, the birth of Home
Assistant, and what the broker has kept of earlier runs.
"""

import contextlib
import logging
import queue
import random
import threading
import time
from collections.abc import Collection
from functools import partial

from paho.mqtt.client import Client

from facerec_mqtt.core.clock import Timers
from facerec_mqtt.mqtt import (
    Acknowledged,
    Announcer,
    CommandIntake,
    CommandQueue,
    Connection,
    ConnectionFailedError,
    Fault,
    Lost,
    Outage,
    Outbox,
    Received,
    Refused,
    Signal,
    Signals,
    Stop,
    Subscribed,
    Subscriptions,
    Topics,
    Unsubscribed,
    Wake,
    connection,
    failures,
    payloads,
)
from facerec_mqtt.service.broker.reconnect import ReconnectPolicy
from facerec_mqtt.service.broker.rejections import Rejections
from facerec_mqtt.settings import MqttSettings

logger = logging.getLogger(__name__)
MAX_WAITING_MESSAGES = 1000
REJECTIONS_DELAY_S = 1.0
"""Where the broker rejects one topic it rejects many; they are named together after this time."""
REMOVAL_DELAY_S = 5.0
"""Between announcing what has gone once more and removing it."""
TIDY_DELAY_S = 2.0
"""Home Assistant is given this time to drop entities before their topics are emptied."""
BIRTH_DELAY_S = (0.3, 1.5)
"""Home Assistant asks for a short random delay, so that not everything answers it in one moment."""


class BrokerLink:
    """The connection to the broker, as long as the service runs.

    Args:
        settings: the broker, and our topics on it.
        cameras: slugs of the cameras that there are.
        retained_faces: whether the broker may keep pictures.
        house: its name, where this is one of several boxes.
    """

    def __init__(
        self,
        settings: MqttSettings,
        cameras: Collection[str],
        *,
        retained_faces: bool,
        house: str | None = None,
    ) -> None:
        self.commands = CommandQueue()
        """Commands that passed every check."""
        self._settings = settings
        self._retained_faces = retained_faces
        self._topics = Topics.of(settings, house)
        where = failures.address(settings)
        self.outbox = Outbox(where, self._topics.status, f"{settings.discovery_prefix}/")
        of_people = f"{self._topics.base}/person/"
        self.announcer = Announcer(
            self.outbox,
            self._topics,
            allowed=settings.discovery,
            owns=lambda topic: house is None or not topic.startswith(of_people),
        )
        self.house_announcer = Announcer(
            self.outbox,
            self._topics.of_house(),
            allowed=settings.discovery and house is not None,
            owns=lambda topic: topic.startswith(of_people),
        )
        """Announces the people, while this box speaks for a house of several."""
        self.rejections = Rejections(where)
        self.subscriptions = Subscriptions()
        """What others listen to; to be added to before `start`."""
        self.connections = 0
        """Times that the broker has accepted us."""
        self._intake = CommandIntake(self._topics, cameras)
        self._policy = ReconnectPolicy(settings)
        self._signals: Signals = queue.SimpleQueue()
        """Of the present connection."""
        self._timers = Timers()
        """Of the present connection; only its thread may use them."""
        self._optional: int | None = None
        """The subscription that the broker may deny."""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def _announcers(self) -> tuple[Announcer, Announcer]:
        return self.announcer, self.house_announcer

    @property
    def failure(self) -> str | None:
        """Why there is no connection, in one sentence; `None` while there is one."""
        return self._policy.reason

    def start(self) -> None:
        """Connect, and go on trying indefinitely."""
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Publish `offline` and disconnect; takes at most `timeout_s`."""
        deadline_s = time.monotonic() + timeout_s
        self._stopping.set()
        offline = self.outbox.close(payloads.OFFLINE.encode())
        if offline is not None and offline.rc == 0:
            offline.wait_for_publish(timeout_s * 0.75)
        self._signals.put(Stop())
        if self._thread is not None:
            self._thread.join(max(0.0, deadline_s - time.monotonic()))

    def wake(self) -> None:
        """Have entities and topics removed in a moment; a connection that is being made does so anyway."""
        self._signals.put(Wake())

    def read_again(self, topic_filter: str) -> None:
        """Have the broker send once more what it retains there."""
        client = self.outbox.client
        if client is not None:
            client.subscribe(topic_filter, 1)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                outage = self._connect_and_serve()
            except ConnectionFailedError as error:
                outage = error.outage
            except Exception:
                # Whatever it is, it must not be the end of all that is published from here on.
                logger.exception("Unexpected error on the connection to the broker")
                outage = Outage(Fault.INTERNAL)
            self.subscriptions.closed()
            if not self._stopping.is_set():
                delay_s = self._policy.lost(outage, time.monotonic())
                spread = random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing
                self._stopping.wait(delay_s * spread)

    def _connect_and_serve(self) -> Outage:
        """Keep one connection until it is gone; returns why it is, or raises `ConnectionFailedError`."""
        self._signals, self._timers = queue.SimpleQueue(), Timers()
        if self._stopping.is_set():  # what `stop` put into the queue before is not seen
            return Outage(Fault.STOPPED)
        with connection(
            self._settings,
            failures.own_client_id(self._settings),
            signals=self._signals,
            max_waiting=MAX_WAITING_MESSAGES,
            will=(self._topics.status, payloads.OFFLINE.encode()),
        ) as opened:
            try:
                self._begin(opened)
                return self._serve()
            finally:
                # Published by `stop` already, unless it came while the connection was being made.
                self.outbox.close(payloads.OFFLINE.encode() if self._stopping.is_set() else None)

    def _begin(self, opened: Connection) -> None:
        self.connections += 1
        self._subscribe(opened.client)
        self.outbox.set_limit(opened.max_packet_bytes)
        for announcer in self._announcers:
            announcer.connecting()
        if not self._stopping.is_set():
            self.outbox.open(opened.client)
        for announcer in self._announcers:
            announcer.connected()
        self._set_tidy()
        steady_s = self._policy.connected(time.monotonic())
        if steady_s is not None:
            self._timers.set(self._on_steady, steady_s)

    def _subscribe(self, client: Client) -> None:
        topics = self._topics
        filters = [*self._intake.filters, topics.discovery]
        if topics.house is not None:
            filters.append(topics.of_house().discovery)
        if self._settings.discovery:
            filters.append(topics.birth)
        # Only a broker with a limit on messages ever has something there.
        optional = [topics.all_discovery_parts]
        if not self._retained_faces:
            # For a moment, to find pictures that the broker keeps from when it was allowed to.
            filters.append(topics.all_faces)
            optional.append(topics.all_faces_of_people)
            faces = [topics.all_faces, topics.all_faces_of_people]
            self._timers.set(partial(_unsubscribe, client, faces), time.monotonic() + TIDY_DELAY_S)
        client.subscribe([(each, 1) for each in filters])
        self._optional = client.subscribe([(each, 1) for each in optional])[1]
        self.subscriptions.opened(client)

    def _serve(self) -> Outage:
        """Handle one connection's signals until it is gone."""
        while True:
            signal: Signal | None = None
            with contextlib.suppress(queue.Empty):
                signal = self._signals.get(timeout=self._timers.wait_s(time.monotonic()))
            outage = self._handle(signal)
            if outage is not None:
                return outage
            self._timers.run(time.monotonic())

    def _handle(self, signal: Signal | None) -> Outage | None:
        """Act on a signal; returns why the connection is gone, if it is."""
        match signal:
            case Stop():
                return Outage(Fault.STOPPED)
            case Lost(outage):
                return self._explained(outage)
            case Wake():
                self._set_tidy()
            case Acknowledged(message_id, rejection):
                new = self.rejections.add(self.outbox.acknowledged(message_id), rejection)
                if new and self._timers.due_s(self.rejections.log) is None:
                    self._timers.set(self.rejections.log, time.monotonic() + REJECTIONS_DELAY_S)
            case Subscribed(message_id, refused):
                is_others = self.subscriptions.answered(message_id, refused=refused)
                if refused and not is_others and message_id != self._optional:
                    self.rejections.log_denied_subscription()
            case Unsubscribed(message_id):
                self.subscriptions.taken_back(message_id)
            case Received():
                self._receive(signal)
        return None

    def _receive(self, message: Received) -> None:
        topic, payload, retained = message.topic, message.payload, message.retained
        if topic == self._topics.birth:
            if not retained:
                for announcer in self._announcers:
                    announcer.home_assistant_is(there=payload == b"online")
                if payload == b"online":
                    self._timers.set(self._on_birth, time.monotonic() + random.uniform(*BIRTH_DELAY_S))  # noqa: S311
        elif self._topics.is_face(topic) or self._topics.is_face_of_person(topic):
            if retained and payload:
                self.outbox.empty(topic)
        elif self._topics.is_discovery(topic):
            if retained:
                self.announcer.read_back(topic, payload)
                self._set_tidy()
        elif topic == self._topics.of_house().discovery:
            if retained:
                self.house_announcer.read_back(topic, payload)
                self._set_tidy()
        else:
            self._take_command(message)

    def _explained(self, outage: Outage) -> Outage:
        """Add whether the size of a message may have ended the connection."""
        if outage.fault not in (Fault.BROKE, Fault.TOO_LARGE):
            return outage
        suspect = self.outbox.broke(too_large=outage.fault is Fault.TOO_LARGE)
        if suspect is None:
            return outage
        topic, size = suspect
        return Outage(Fault.TOO_LARGE, outage.detail, (topic,), size)

    def _set_tidy(self) -> None:
        now_s = time.monotonic()
        if any(announcer.removing for announcer in self._announcers):
            self._timers.set(self._on_removal, now_s + REMOVAL_DELAY_S)
        # Whatever reads a topic goes before the topic does.
        self._timers.set(
            self._on_tidy, max(now_s, self._timers.due_s(self._on_removal) or 0.0) + TIDY_DELAY_S
        )

    def _on_removal(self) -> None:
        for announcer in self._announcers:
            if announcer.removing:
                self.outbox.retire(announcer.remove())
        self._set_tidy()

    def _on_tidy(self) -> None:
        for announcer in self._announcers:
            announcer.tidy()
        self.outbox.empty_retired()

    def _on_birth(self) -> None:
        for announcer in self._announcers:
            announcer.announce_again()
        self.outbox.send_states()
        self._set_tidy()

    def _on_steady(self) -> None:
        self._policy.steady(time.monotonic())

    def _take_command(self, message: Received) -> None:
        taken = self._intake.take(message.topic, message.payload, message.retained, time.monotonic())
        if isinstance(taken, Refused):
            self._refuse(taken)
        elif taken is not None and not self.commands.put(taken):
            self._refuse(Refused("command", "Too many commands are waiting; send it again later."))

    def _refuse(self, refusal: Refused) -> None:
        logger.warning("Command refused: %s", refusal.message)
        self.answer(refusal.command, False, refusal.message)

    def answer(self, command: str, ok: bool, message: str) -> None:
        """Answer a command."""
        payload = payloads.encode(payloads.result(command, ok, message))
        self.outbox.enqueue(self._topics.command_result, lambda _: payload)


def _unsubscribe(client: Client, topics: list[str]) -> None:
    client.unsubscribe(topics)
