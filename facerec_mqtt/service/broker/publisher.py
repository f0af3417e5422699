"""Publishes events and states on MQTT, and receives commands. docs/MQTT.md is the contract.

Whoever publishes hands over to the outbox and never waits; `broker_link` holds the connection.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from facerec_mqtt.core.clock import WallClock
from facerec_mqtt.core.records import (
    CameraState,
    CaptureState,
    ModelState,
    Person,
    PersonState,
    PresenceChange,
    StrangerSeen,
)
from facerec_mqtt.monitoring import BrokerCounts, Snapshot
from facerec_mqtt.mqtt import (
    CommandQueue,
    Component,
    ReplyTo,
    Subscription,
    Topics,
    Trackers,
    discovery_payload,
    payloads,
)
from facerec_mqtt.service.broker.broker_link import BrokerLink
from facerec_mqtt.settings import MqttSettings, PrivacySettings


class Audience(Protocol):
    """Who else hears of what is published: the page."""

    def publish_event(self, payload: Mapping[str, object]) -> None:
        """Take an event's payload."""

    def publish_result(self, command: str, ok: bool, message: str) -> None:
        """Take the answer to a command."""

    def publish_state(self, state: ModelState | CaptureState) -> None:
        """Take the state of the model or of a capture."""


class Publisher:
    """Publishes what happens, and receives commands; every method may be called from any thread.

    Args:
        settings: the broker, and our topics on it.
        privacy: whether pictures are published, and kept by the broker.
        cameras: slugs of the cameras that there are.
        clock: the wall clock.
        house: its name, where this is one of several boxes.
    """

    audience: Audience | None = None
    """Who else hears of events, answers to commands, the model and captures."""

    def __init__(
        self,
        settings: MqttSettings,
        privacy: PrivacySettings,
        *,
        cameras: Collection[str],
        clock: WallClock | None = None,
        house: str | None = None,
    ) -> None:
        self._settings = settings
        self._privacy = privacy
        self._clock = clock or WallClock()
        self._cameras = tuple(cameras)
        self.topics = Topics.of(settings, house)
        """All that it publishes on."""
        tracks = settings.trackers and house is None
        self._trackers = Trackers(settings.tracker_hours * 3600) if tracks else None
        kept = privacy.publish_images and privacy.retain_images
        self._listeners: list[Callable[[PresenceChange, str | None], None]] = []
        self._link = BrokerLink(settings, cameras, retained_faces=kept, house=house)
        self._outbox = self._link.outbox
        self._announcer = self._link.announcer

    @property
    def commands(self) -> CommandQueue:
        """Commands that passed every check."""
        return self._link.commands

    @property
    def counts(self) -> BrokerCounts:
        """Connections, and messages that did not reach the broker, so far."""
        return BrokerCounts(self._link.connections, self._outbox.lost, self._link.rejections.count)

    @property
    def online(self) -> bool:
        """Whether the broker has accepted us."""
        return self._outbox.client is not None

    @property
    def failure(self) -> str | None:
        """Why the broker is not connected, in one sentence; `None` while it is."""
        return self._link.failure

    @property
    def announced(self) -> Mapping[str, Component]:
        """What was announced to Home Assistant and it may still have; to be recalled by the next run."""
        return self._announcer.announced

    def recall(self, announced: Mapping[str, Component]) -> None:
        """Take in what an earlier run has announced; to be called before anything is published."""
        self._announcer.recall(announced)

    def subscribe(self, subscription: Subscription) -> None:
        """Listen to a topic for somebody; only before `start`."""
        self._link.subscriptions.add(subscription)

    def on_change(self, listener: Callable[[PresenceChange, str | None], None]) -> None:
        """Have somebody told of each event too, with the display name; it must not wait for anything."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Connect, and go on trying indefinitely."""
        self._link.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Publish `offline` and disconnect; takes at most `timeout_s`."""
        self._link.stop(timeout_s)

    def publish_event(
        self,
        change: PresenceChange,
        *,
        name: str | None,
        model: str | None,
        stranger: StrangerSeen | None = None,
    ) -> None:
        """Publish an arrival, a departure, a known visitor or a stranger.

        Args:
            change: what happened.
            name: the person's display name; `None` for a stranger.
            model: version of the model in use; `None` when there is none.
            stranger: which stranger it is; `None` where that is not known.
        """
        clock = self._clock.now()
        payload = payloads.event(change, name=name, model=model, clock=clock, stranger=stranger)
        captured_s = None if change.sighting is None else change.sighting.captured_at_s

        def make(now_s: float) -> bytes:
            latency_ms = None if captured_s is None else round((now_s - captured_s) * 1000)
            return payloads.encode(payload | {"latency_ms": latency_ms})

        self._outbox.enqueue(self.topics.camera(change.camera, "event"), make)
        if self.audience is not None:
            self.audience.publish_event(payload)
        for listener in self._listeners:
            listener(change, name)

    def publish_face(self, camera: str, jpeg: bytes, person: str | None = None) -> None:
        """Publish the picture of the face that decided an event, if privacy allows.

        Args:
            camera: where, by slug.
            jpeg: the picture.
            person: who, by slug; `None` for a stranger.
        """
        if not self._privacy.publish_images:
            return
        of_person = [] if person is None else [self.topics.person(person, "face")]
        for topic in [self.topics.camera(camera, "face"), *of_person]:
            if self._privacy.retain_images:
                self._outbox.keep(topic, jpeg)
            else:
                self._outbox.send_now(topic, jpeg)

    def publish_camera_status(self, camera: str, online: bool) -> None:
        """Publish whether a camera, given by slug, delivers pictures."""
        self._outbox.keep(
            self.topics.camera(camera, "status"), (payloads.ONLINE if online else payloads.OFFLINE).encode()
        )

    def publish_camera_enabled(self, camera: str, enabled: bool) -> None:
        """Publish whether recognition at a camera, given by slug, is switched on."""
        self._outbox.keep(
            self.topics.camera(camera, "enabled/state"), (payloads.ON if enabled else payloads.OFF).encode()
        )

    def publish_state(self, state: CameraState | PersonState | ModelState | CaptureState) -> None:
        """Publish the state of a camera, a person, the model or a capture; not of a person of a house."""
        if self.audience is not None and isinstance(state, ModelState | CaptureState):
            self.audience.publish_state(state)
        match state:
            case CameraState():
                topic = self.topics.camera(state.camera, "state")
                content = payloads.camera_state(state, self._clock.now())
            case PersonState() if self.topics.house is not None:
                return
            case PersonState():
                topic = self.topics.person(state.person.slug)
                content = payloads.person_state(state, self._clock.now())
            case ModelState():
                # The report is the largest part of it, and may be left out.
                shorter = payloads.encode(payloads.model_state(replace(state, report=None)))
                payload = payloads.encode(payloads.model_state(state))
                self._outbox.keep(self.topics.model_state, payload, shorter)
                return
            case CaptureState():
                topic = self.topics.capture_state
                content = payloads.capture_state(state)
        self._outbox.keep(topic, payloads.encode(content))

    def keep(self, topic: str, payload: bytes) -> None:
        """Have the broker retain something, at each connection anew."""
        self._outbox.keep(topic, payload)

    def retire(self, topics: Iterable[str]) -> None:
        """Have retained topics emptied."""
        self._retire(topics)

    def send_for_house(self, topic: str, content: Mapping[str, object] | None, *, retain: bool) -> None:
        """Publish something for the house that this box speaks for: now, or never without a connection.

        Args:
            topic: where.
            content: the payload; `None` for an empty one.
            retain: whether the broker is to retain it.
        """
        payload = b"" if content is None else payloads.encode(content)
        self._outbox.send_now(topic, payload, retain=retain)

    def announce_house(self, payload: Mapping[str, object]) -> None:
        """Announce the house's people to Home Assistant, unless that is switched off."""
        self._link.house_announcer.announce(payload)
        self._link.wake()

    def begin_for_house(self) -> None:
        """This box speaks for the house from now on: see what the one before has announced."""
        self._link.read_again(self.topics.of_house().discovery)

    def read_again(self, topic_filter: str) -> None:
        """Have the broker send once more what it retains there; it must be subscribed to."""
        self._link.read_again(topic_filter)

    def retain_now(self, topic: str, payload: bytes) -> None:
        """Have the broker retain something: now, or never without a connection."""
        self._outbox.send_now(topic, payload, retain=True)

    def exchange(self, topic: str, payload: bytes, reply_to: ReplyTo, *, expiry_s: int) -> bool:
        """As `Outbox.exchange`."""
        return self._outbox.exchange(topic, payload, reply_to, expiry_s=expiry_s)

    def join(self, topic_filter: str) -> None:
        """As `Subscriptions.join`."""
        self._link.subscriptions.join(topic_filter)

    def leave(self, topic_filter: str) -> None:
        """As `Subscriptions.leave`."""
        self._link.subscriptions.leave(topic_filter)

    def end_for_house(self) -> None:
        """Another box speaks for the house from now on."""
        self._link.house_announcer.resign()

    def publish_trackers(self, people: Sequence[PersonState], now_s: float) -> None:
        """Publish who begins or ceases to count as at home, where that is wanted.

        Args:
            people: the state of everybody who is enrolled.
            now_s: now, of `time.monotonic`.
        """
        if self._trackers is not None:
            for person, home in self._trackers.changed(people, now_s):
                self._outbox.keep(
                    self.topics.person(person, "tracker"), payloads.encode(payloads.tracker(home))
                )

    def publish_metrics(self, snapshot: Snapshot) -> None:
        """Publish what was counted."""
        self._outbox.keep(self.topics.metrics, payloads.encode(snapshot.as_json()))

    def announce(self, cameras: Sequence[tuple[str, str]], people: Sequence[Person], version: str) -> None:
        """Announce our entities to Home Assistant; those of the people are the house's where it has others.

        Args:
            cameras: slug and display name of each camera.
            people: everybody the model knows.
            version: of this program.
        """
        if self._settings.discovery:
            house, images = self.topics.house, self._privacy.publish_images
            _, message = discovery_payload(
                self._settings, cameras, () if house else people, version, images=images, house=house
            )
            self.publish_discovery(message)

    def publish_discovery(self, payload: Mapping[str, object]) -> None:
        """Announce our entities to Home Assistant, unless that is switched off.

        Entities that were announced before and are not any more are removed there, and their topics here.
        """
        self._announcer.announce(payload)
        self._link.wake()

    def publish_result(self, command: str, ok: bool, message: str) -> None:
        """Answer a command."""
        self._link.answer(command, ok, message)
        if self.audience is not None:
            self.audience.publish_result(command, ok, message)

    def remove_person(self, person: str) -> None:
        """Empty the retained topics of a person, given by slug; a house's are emptied for all boxes."""
        leaves = ("state", "face", "tracker") if self.topics.house is None else ("face",)
        self._retire(self.topics.person(person, leaf) for leaf in leaves)

    def remove_camera(self, camera: str) -> None:
        """Empty the retained topics of a camera, given by slug."""
        leaves = ("status", "state", "face", "enabled/state")
        self._retire(self.topics.camera(camera, leaf) for leaf in leaves)

    def remove_faces(self) -> None:
        """Empty the retained faces of all cameras, since they bear no name and may be of somebody removed."""
        if self._privacy.retain_images:
            self._retire(self.topics.camera(camera, "face") for camera in self._cameras)

    def _retire(self, topics: Iterable[str]) -> None:
        self._outbox.retire(topics)
        self._link.wake()
