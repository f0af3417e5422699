"""Who is in the house, where several boxes watch it: this box's part in knowing and in saying it.

What comes from the broker waits in a queue; the service's loop takes it, so that nothing here needs a lock.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.records import Departure, OpenVisit, Person, PersonState, PresenceChange
from facerec_mqtt.mqtt import (
    Access,
    Arrivals,
    Received,
    Subscription,
    Trackers,
    house_discovery_payload,
    payloads,
)
from facerec_mqtt.presence.house import (
    Announcements,
    Arrived,
    Boxes,
    ClaimsError,
    Departed,
    Gone,
    Member,
    OwnClaims,
    Published,
    merge,
    parse_claims,
    parse_state,
)
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.settings import Settings

_log = logging.getLogger(__name__)


class HousePresence:
    """Publishes what this box sees, takes in what others see, and speaks for the house when it is its turn.

    Args:
        settings: the house, the broker and the cameras.
        publisher: to publish with, and to listen by; not started yet.
        version: of this program.
    """

    def __init__(self, settings: Settings, publisher: Publisher, version: str) -> None:
        self._settings = settings
        self._publisher = publisher
        self._version = version
        self._topics = publisher.topics
        self._node = settings.mqtt.node_id
        self._cameras = {camera.slug: camera.name for camera in settings.cameras}
        self._own = OwnClaims(self._node, self._cameras, settings.recognition.camera_offline_s)
        self._boxes = Boxes(self._node)
        self._announcements = Announcements(self._node)
        self._arrivals = Arrivals()
        self._synchronised = False
        self._leading = False
        self._announced: object = None
        self._trackers = Trackers(0.0)
        self._logged: set[str] = set()
        take = self._arrivals.put
        publisher.subscribe(Subscription(self._topics.box("+", "status"), take, on_access=take))
        publisher.subscribe(Subscription(self._topics.box("+", "claims"), take))
        publisher.subscribe(Subscription(self._topics.person("+"), take))
        publisher.retire(self._topics.of_box_alone)

    @property
    def synchronised(self) -> bool:
        """Whether there is a connection, and all that the broker retains has come by it."""
        return self._synchronised

    @property
    def leading(self) -> bool:
        """Whether this box speaks for the house."""
        return self._leading

    def people(self, clock: Clock) -> list[PersonState]:
        """Everybody, by all boxes, as far as is known now."""
        return [_state(member, clock) for member in merge(self._boxes.views(time.monotonic()))]

    def observe(
        self,
        people: Sequence[PersonState],
        visits: Sequence[OpenVisit],
        changes: Iterable[PresenceChange],
        clock: Clock,
    ) -> None:
        """Take in what this box's cameras see.

        Args:
            people: the state of everybody the model knows.
            visits: that have not ended.
            changes: what has just happened.
            clock: the wall clock.
        """
        self._own.departed(changes)
        claims = self._own.update(people, visits, clock, time.monotonic())
        if claims is not None:
            self._publisher.keep(self._topics.box(self._node, "claims"), claims.encode())
        self._boxes.own_claims(self._own.claims)

    def step(self, clock: Clock, now_s: float) -> None:
        """Take in what has come, and publish what is due for the house, where that is for this box to do."""
        self._take(now_s)
        others = self._boxes.others_living(now_s) if self._synchronised else None
        leads = self._announcements.elect(others, now_s)
        if leads != self._leading:
            self._leading = leads
            self._begin() if leads else self._publisher.end_for_house()
        if leads:
            members = merge(self._boxes.views(now_s))
            self._announce(members)
            for each in self._announcements.due(members, now_s, clock.epoch(now_s)):
                self._publish(each, clock, now_s)
            if self._settings.mqtt.trackers:
                states = [_state(member, clock) for member in members]
                for person, home in self._trackers.changed(states, now_s):
                    topic = self._topics.person(person, "tracker")
                    self._publisher.send_for_house(topic, payloads.tracker(home), retain=True)

    def _begin(self) -> None:
        _log.info("This box, %s, speaks for the house from now on", self._node)
        self._announced = None
        self._trackers = Trackers(self._settings.mqtt.tracker_hours * 3600)
        self._publisher.begin_for_house()

    def _publish(
        self, announcement: Arrived | Departed | Published | Gone, clock: Clock, now_s: float
    ) -> None:
        send, topics = self._publisher.send_for_house, self._topics
        match announcement:
            case Arrived(member):
                at_s = now_s if member.began is None else clock.monotonic(member.began)
                self._send_event("arrived", member, member.visit_id, at_s, None, clock)
            case Departed(member, visit_id, at, reason):
                at_s = now_s if at is None else clock.monotonic(at)
                self._send_event("departed", member, visit_id, at_s, reason, clock)
            case Published(member):
                state = payloads.house_person_state(_state(member, clock), member.visit_id, clock)
                send(topics.person(member.person.slug), state, retain=True)
            case Gone(person):
                for leaf in ("state", "tracker", "face"):
                    send(topics.person(person, leaf), None, retain=True)

    def _send_event(
        self,
        kind: str,
        member: Member,
        visit_id: str | None,
        at_s: float,
        reason: Departure | None,
        clock: Clock,
    ) -> None:
        _log.info("%s has %s, by all boxes", member.person.name, kind)
        content = payloads.house_event(
            "arrived" if kind == "arrived" else "departed",
            _state(member, clock),
            visit_id=visit_id,
            at_s=at_s,
            reason=reason,
            clock=clock,
        )
        self._publisher.send_for_house(
            self._topics.person(member.person.slug, "event"), content, retain=False
        )

    def _announce(self, members: Sequence[Member]) -> None:
        """Announce the people to Home Assistant, where who they are or which boxes there are has changed."""
        cameras = {slug: name for slug, (_, name) in self._boxes.cameras.items()} | self._cameras
        people = tuple(member.person for member in members)
        nodes = tuple(sorted({self._node, *self._boxes.nodes}))
        described = (tuple(sorted(cameras.items())), people, nodes)
        if described == self._announced:
            return
        self._announced = described
        message = house_discovery_payload(
            self._topics,
            sorted(cameras.items()),
            people,
            nodes,
            self._version,
            images=self._settings.privacy.publish_images,
            trackers=self._settings.mqtt.trackers,
        )
        self._publisher.announce_house(message)

    # --- What comes

    def _take(self, now_s: float) -> None:
        for came in self._arrivals.take():
            if isinstance(came, Received):
                self._receive(came, now_s)
            elif came is Access.CLOSED:
                self._synchronised = False
                self._boxes.connecting()
                # What the next connection brings first is what another box has said meanwhile.
                self._announcements.elect(None, now_s)

    def _receive(self, message: Received, now_s: float) -> None:
        person = self._topics.person_of(message.topic)
        if person is not None:
            self._announcements.heard(person, parse_state(message.payload))
            return
        box = self._topics.box_of(message.topic)
        if box is None:
            return
        node, leaf = box
        if leaf == "claims":
            self._take_claims(node, message, now_s)
        elif leaf == "status":
            self._take_status(node, message, now_s)

    def _take_status(self, node: str, message: Received, now_s: float) -> None:
        known: Mapping[bytes, bool | None] = {b"online": True, b"offline": False, b"": None}
        if message.payload not in known:
            self._log_once(f'The status of box "{node}" is none; it is ignored.')
            return
        online = known[message.payload]
        if node != self._node:
            self._boxes.status(node, online=online, now_s=now_s)
        elif online and not message.retained and not self._synchronised:
            # What we publish last on connecting; all that was retained has come before it.
            self._synchronised = True
            self._boxes.synchronised(now_s)

    def _take_claims(self, node: str, message: Received, now_s: float) -> None:
        if not message.payload:  # the box is no more; its status says so, too
            return
        try:
            claims = parse_claims(node, message.payload)
        except ClaimsError as error:
            self._log_once(f'What box "{node}" claims is ignored: {error}.')
            return
        if node == self._node:
            again = self._own.heard(claims.revision, now_s)
            if again is not None:
                self._publisher.keep(self._topics.box(node, "claims"), again.encode())
            return
        self._boxes.claims(node, claims, now_s, live=not message.retained)
        for slug in sorted(claims.cameras.keys() & self._cameras.keys()):
            self._log_once(
                f'The boxes "{self._node}" and "{node}" both have a camera "{slug}"; rename one of the two,'
                " since both publish on the same topics."
            )

    def _log_once(self, sentence: str) -> None:
        if sentence not in self._logged and len(self._logged) < 100:
            self._logged.add(sentence)
            _log.warning("%s", sentence)


def _state(member: Member, clock: Clock) -> PersonState:
    last_seen_s = None if member.last_seen is None else clock.monotonic(member.last_seen)
    person = Person(member.person.slug, member.person.name)
    return PersonState(person, member.present, member.camera, last_seen_s, member.score)
