"""Says on MQTT what has happened and how things are, and takes commands. docs/MQTT.md is the contract.

One thread holds the connection. Whoever publishes hands over to the outbox and never waits.
"""

import logging
import queue
import random
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from paho.mqtt.client import Client, topic_matches_sub

from facerec_mqtt.core.clock import WallClock
from facerec_mqtt.core.errors import BrokerError
from facerec_mqtt.core.records import CameraState, CaptureState, ModelState, PersonState, PresenceChange
from facerec_mqtt.monitoring.metrics import BrokerCounts, Snapshot
from facerec_mqtt.mqtt import commands, payloads
from facerec_mqtt.mqtt.announcer import Announcer, Component
from facerec_mqtt.mqtt.commands import Command
from facerec_mqtt.mqtt.connection import (
    CONNECT_TIMEOUT_S,
    MAX_WAITING_MESSAGES,
    Acknowledged,
    Connected,
    Lost,
    Outage,
    Received,
    ReconnectPolicy,
    Signal,
    Subscribed,
    address,
    close_connection,
    closed_before_login,
    is_lasting,
    no_answer,
    open_connection,
)
from facerec_mqtt.mqtt.outbox import REFUSALS_DELAY_S, Outbox, Refusals
from facerec_mqtt.mqtt.payloads import Topics
from facerec_mqtt.settings.schema import MqttSettings, PrivacySettings

logger = logging.getLogger(__name__)
MAX_COMMANDS = 16
REMOVAL_DELAY_S = 5.0
"""Between announcing what has gone once more and removing it."""
TIDY_DELAY_S = 2.0
"""Home Assistant is given this time to drop entities before their topics are emptied."""
BIRTH_DELAY_S = (0.3, 1.5)
"""Home Assistant asks for a short random delay, so that not everything answers it in one moment."""


class Publisher:
    """The service's voice and ear on MQTT; every method may be called from any thread.

    Args:
        settings: the broker, and our topics on it.
        privacy: whether pictures are published, and kept by the broker.
        cameras: slugs of the cameras that there are.
        clock: the wall clock.
    """

    def __init__(
        self,
        settings: MqttSettings,
        privacy: PrivacySettings,
        *,
        cameras: Collection[str],
        clock: WallClock | None = None,
    ) -> None:
        self.commands: queue.Queue[Command] = queue.Queue(MAX_COMMANDS)
        """Commands that passed every check, in the order in which they came."""
        self._settings = settings
        self._privacy = privacy
        self._clock = clock or WallClock()
        self._topics = Topics(settings.base_topic)
        self._cameras = tuple(cameras)
        self._intake = commands.CommandIntake(settings.base_topic, cameras)
        self._refusals = Refusals(address(settings))
        self._inbox: queue.SimpleQueue[tuple[int, Signal | _Tidy | None]] = queue.SimpleQueue()
        self._session = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._client_id = settings.client_id or f"facerec-{settings.node_id}"
        self._attempts = ReconnectPolicy(address(settings), self._client_id)
        self._all_faces = self._topics.all_faces
        self._outbox = Outbox(self._topics.status, f"{settings.discovery_prefix}/")
        self._discovery_topic = f"{settings.discovery_prefix}/device/{settings.node_id}/config"
        self._announcer = Announcer(
            self._outbox, self._discovery_topic, settings.base_topic, allowed=settings.discovery
        )
        self._connections = 0

    @property
    def counts(self) -> BrokerCounts:
        """How the connection has fared so far."""
        return BrokerCounts(self._connections, self._outbox.lost, self._refusals.count)

    @property
    def online(self) -> bool:
        """Whether the broker has accepted us."""
        return self._outbox.client is not None

    @property
    def announced(self) -> Mapping[str, Component]:
        """What Home Assistant was told of and may still have; to be recalled by the next run."""
        return self._announcer.told

    def recall(self, announced: Mapping[str, Component]) -> None:
        """Take in what an earlier run has announced; to be called before anything is published."""
        self._announcer.recall(announced)

    def start(self) -> None:
        """Connect, and go on trying for ever."""
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Say `offline` and leave; takes at most `timeout_s`."""
        deadline_s = time.monotonic() + timeout_s
        self._stopping.set()
        farewell = self._outbox.close(payloads.OFFLINE.encode())
        if farewell is not None and farewell.rc == 0:
            farewell.wait_for_publish(timeout_s * 0.75)
        self._inbox.put((self._session, None))
        if self._thread is not None:
            self._thread.join(max(0.0, deadline_s - time.monotonic()))

    def publish_event(self, change: PresenceChange, *, name: str | None, model: str | None) -> None:
        """Publish an arrival, a departure or a stranger.

        Args:
            change: what happened.
            name: the person's display name; `None` for a stranger.
            model: version of the model in use; `None` when there is none.
        """
        payload = payloads.event(change, name=name, model=model, clock=self._clock.now())
        captured_s = None if change.sighting is None else change.sighting.captured_at_s

        def make(now_s: float) -> bytes:
            latency_ms = None if captured_s is None else round((now_s - captured_s) * 1000)
            return payloads.encode(payload | {"latency_ms": latency_ms})

        self._outbox.tell(self._topics.camera(change.camera, "event"), make)

    def publish_face(self, camera: str, jpeg: bytes) -> None:
        """Publish the picture of the face that decided an event, if privacy allows."""
        topic = self._topics.camera(camera, "face")
        if not self._privacy.publish_images:
            return
        if self._privacy.retain_images:
            self._outbox.keep(topic, jpeg)
        else:
            self._outbox.once(topic, jpeg)

    def publish_camera_status(self, camera: str, online: bool) -> None:
        """Publish whether a camera is reached."""
        self._outbox.keep(
            self._topics.camera(camera, "status"), (payloads.ONLINE if online else payloads.OFFLINE).encode()
        )

    def publish_camera_enabled(self, camera: str, enabled: bool) -> None:
        """Publish whether recognition at a camera is switched on."""
        self._outbox.keep(
            self._topics.camera(camera, "enabled/state"), (payloads.ON if enabled else payloads.OFF).encode()
        )

    def publish_state(self, state: CameraState | PersonState | ModelState | CaptureState) -> None:
        """Publish how a camera, a person, the model or a capture fares."""
        match state:
            case CameraState():
                topic = self._topics.camera(state.camera, "state")
                payload = payloads.camera_state(state, self._clock.now())
            case PersonState():
                topic = self._topics.person(state.person.slug)
                payload = payloads.person_state(state, self._clock.now())
            case ModelState():
                topic = self._topics.model_state
                payload = payloads.model_state(state)
            case CaptureState():
                topic = self._topics.capture_state
                payload = payloads.capture_state(state)
        self._outbox.keep(topic, payloads.encode(payload))

    def publish_metrics(self, snapshot: Snapshot) -> None:
        """Publish what was counted."""
        self._outbox.keep(self._topics.metrics, payloads.encode(snapshot.as_json()))

    def publish_discovery(self, payload: Mapping[str, object]) -> None:
        """Announce our entities to Home Assistant, unless that is switched off.

        Entities that were announced before and are not any more are removed there, and their topics here.
        """
        self._announcer.announce(payload)
        self._tidy_up()

    def publish_result(self, command: str, ok: bool, message: str) -> None:
        """Answer a command."""
        payload = payloads.encode(payloads.result(command, ok, message))
        self._outbox.tell(self._topics.command_result, lambda _: payload)

    def remove_person(self, person: str) -> None:
        """Empty the retained topics of a person, given by slug."""
        self._retire([self._topics.person(person)])

    def remove_camera(self, camera: str) -> None:
        """Empty the retained topics of a camera, given by slug."""
        leaves = ("status", "state", "face", "enabled/state")
        self._retire(self._topics.camera(camera, leaf) for leaf in leaves)

    def remove_faces(self) -> None:
        """Empty the retained faces of all cameras, since they bear no name and may be of somebody removed."""
        if self._privacy.retain_images:
            self._retire(self._topics.camera(camera, "face") for camera in self._cameras)

    def _retire(self, topics: Iterable[str]) -> None:
        self._outbox.retire(topics)
        self._tidy_up()

    def _tidy_up(self) -> None:
        self._inbox.put((self._session, _Tidy()))

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                outage = self._connect_and_serve()
            except Exception:
                # Whatever it is, it must not be the end of all that is said from here on.
                logger.exception("Something unforeseen went wrong on the way to the broker")
                outage = Outage(f"{address(self._settings)}: given up for an error of this program", False)
            if not self._stopping.is_set():
                delay_s = self._attempts.lost(outage, time.monotonic())
                spread = random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing
                self._stopping.wait(delay_s * spread)

    def _connect_and_serve(self) -> Outage:
        self._session += 1
        session = self._session

        def tell(signal: Signal) -> None:
            if not isinstance(signal, Received) or self._inbox.qsize() < MAX_WAITING_MESSAGES:
                self._inbox.put((session, signal))

        will = (self._topics.status, payloads.OFFLINE.encode())
        try:
            client = open_connection(self._settings, self._client_id, tell, will)
        except BrokerError as error:
            return Outage(str(error), is_lasting(error))
        try:
            return self._serve(client)
        finally:
            # Said by `stop` already, unless it came while the connection was being made.
            self._outbox.close(payloads.OFFLINE.encode() if self._stopping.is_set() else None)
            close_connection(client)

    def _serve(self, client: Client) -> Outage:
        """Handle one connection's signals until it is gone."""
        where = address(self._settings)
        connected = False
        # What is to be done when, should no signal come before.
        due_s: dict[str, float] = {"give up": time.monotonic() + CONNECT_TIMEOUT_S}
        while True:
            what, wake_s = min(due_s.items(), key=lambda due: due[1], default=("", None))
            try:
                wait_s = None if wake_s is None else max(0.0, wake_s - time.monotonic())
                session, signal = self._inbox.get(timeout=wait_s)
            except queue.Empty:
                if what == "give up":
                    return Outage(f"{where}: {no_answer(self._settings)}", False)
                due_s.pop(what)
                match what:
                    case "refusals":
                        self._refusals.tell()
                    case "steady":
                        self._attempts.steady(time.monotonic())
                    case "birth":
                        self._announcer.announce_anew()
                        self._outbox.send_states()
                        self._tidy_up()
                    case "removal":
                        self._retire(self._announcer.remove())
                    case "tidy":
                        client.unsubscribe(self._all_faces)
                        self._outbox.tidy()
                continue
            if signal is None:
                return Outage("", False)
            if isinstance(signal, _Tidy):
                if connected and self._announcer.removing:
                    due_s["removal"] = time.monotonic() + REMOVAL_DELAY_S
                # Whatever reads a topic goes before the topic does.
                due_s["tidy"] = max(time.monotonic(), due_s.get("removal", 0.0)) + TIDY_DELAY_S
                continue
            if session != self._session:
                continue
            match signal:
                case Connected(refusal):
                    if refusal is not None:
                        return Outage(f"{where}: {refusal}", True)
                    connected = True
                    self._connections += 1
                    due_s.pop("give up")
                    self._welcome(client)
                    self._tidy_up()
                    steady_s = self._attempts.connected(time.monotonic())
                    if steady_s is not None:
                        due_s["steady"] = steady_s
                case Lost(reason):
                    if not connected:
                        return Outage(f"{where}: {closed_before_login(self._settings)}", False)
                    return Outage(f"{where}: {reason}", "client id" in reason)
                case Acknowledged(message_id, refusal):
                    if self._refusals.is_new(self._outbox.acknowledged(message_id), refusal):
                        due_s.setdefault("refusals", time.monotonic() + REFUSALS_DELAY_S)
                case Subscribed(refused):
                    if refused:
                        self._refusals.log_denied_subscription()
                case Received(topic, payload, retained) if topic == self._settings.birth_topic:
                    if not retained:
                        self._announcer.home_assistant_is(there=payload == b"online")
                    if payload == b"online" and not retained:
                        due_s["birth"] = time.monotonic() + random.uniform(*BIRTH_DELAY_S)  # noqa: S311
                case Received(topic, payload, retained) if topic_matches_sub(self._all_faces, topic):
                    if retained and payload:
                        self._retire([topic])
                case Received(topic, payload, retained) if topic == self._discovery_topic:
                    if retained:
                        self._announcer.read_back(payload)
                        self._tidy_up()
                case Received():
                    self._take_command(signal)

    def _welcome(self, client: Client) -> None:
        topics = [*self._intake.topics, self._discovery_topic]
        if self._settings.discovery:
            topics.append(self._settings.birth_topic)
        if not (self._privacy.publish_images and self._privacy.retain_images):
            # For a moment, to find pictures that the broker keeps from when it was allowed to.
            topics.append(self._all_faces)
        client.subscribe([(topic, 1) for topic in topics])
        if not self._stopping.is_set():
            self._outbox.open(client)
        self._announcer.connected()

    def _take_command(self, message: Received) -> None:
        taken = self._intake.take(message.topic, message.payload, message.retained, time.monotonic())
        match taken:
            case None:
                return
            case commands.Refusal(name, sentence):
                self._refuse(name, sentence)
            case _:
                try:
                    self.commands.put_nowait(taken)
                except queue.Full:
                    self._refuse("command", "Too many commands are waiting; send it again later.")

    def _refuse(self, command: str, message: str) -> None:
        logger.warning("Command refused: %s", message)
        self.publish_result(command, False, message)


@dataclass(frozen=True, slots=True)
class _Tidy:
    """Something has gone, or is found: entities and topics are to be removed in a moment."""
