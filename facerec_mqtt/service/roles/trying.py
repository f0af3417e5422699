"""Whether a recogniser answers: what a box with the role camera finds out for `facerec-mqtt check`.

It is asked as the service asks when it starts, without a face: which model it has. Nothing follows from it.
"""

import queue
import secrets
import time
from dataclasses import dataclass
from enum import Enum, auto

from facerec_mqtt.mqtt import (
    Acknowledged,
    Connection,
    Lost,
    Received,
    Rejection,
    ReplyTo,
    Subscribed,
    Subscription,
    Subscriptions,
    Topics,
    connection,
    question_properties,
    read_retained,
)
from facerec_mqtt.mqtt.failures import ConnectionFailedError
from facerec_mqtt.service.house.work import box_filters, boxes_in
from facerec_mqtt.service.roles.asking import EXPIRY_S, SealedQuestions
from facerec_mqtt.service.roles.keys import SealError
from facerec_mqtt.service.roles.messages import MessageError, Question
from facerec_mqtt.settings import Role, Settings

_TRIES = 3
"""Questions reach one recogniser each, which may be about to end."""


class NoAnswer(Enum):
    """Why nobody has answered."""

    NOT_SHARED = auto()
    """The broker does not divide questions among recognisers."""
    MAY_NOT_ASK = auto()
    """It does not let this box publish its questions."""
    MAY_NOT_READ = auto()
    """It does not let this box read the answers."""
    NO_RECOGNISER = auto()
    """None is connected."""
    NO_MODEL = auto()
    """Those that are have no model yet."""
    NO_REPLY = auto()
    """Some are and have one: they have another key, or one side may not read what the other writes."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a question."""

    took_ms: float | None
    """Until it was answered; `None` where nobody has."""
    why: NoAnswer | None = None
    """Why nobody has."""
    nodes: tuple[str, ...] = ()
    """Who has answered, or those who should have."""
    topic: str = ""
    """That the broker rejects."""


def try_recogniser(settings: Settings, within_s: float) -> Tried:
    """Ask who recognises; a running service is not disturbed.

    Args:
        settings: the house, its camera key and the broker; `require_role` has accepted them.
        within_s: for how long to wait for an answer.

    Raises:
        ConnectionFailedError: there is no connection, and why.
    """
    client_id = f"facerec-check-{secrets.token_hex(4)}"
    with connection(settings.mqtt, client_id, timeout_s=within_s) as opened:
        if not opened.shares:
            return Tried(None, NoAnswer.NOT_SHARED)
        tried = _Trial(settings, opened).run(within_s)
    if tried is not None:
        return tried
    topics = Topics.of(settings.mqtt, settings.house.name)
    boxes = boxes_in(topics, read_retained(settings.mqtt, box_filters(topics), within_s))
    there = {node: box.work for node, box in boxes.items() if box.online and box.work is not None}
    recognisers = {node: work for node, work in there.items() if work.role is Role.RECOGNISER}
    able = tuple(node for node, work in recognisers.items() if work.version is not None)
    if able:
        return Tried(None, NoAnswer.NO_REPLY, able)
    return Tried(None, NoAnswer.NO_MODEL if recognisers else NoAnswer.NO_RECOGNISER, tuple(recognisers))


class _Trial:
    """Questions on one connection."""

    def __init__(self, settings: Settings, opened: Connection) -> None:
        self._sealed = SealedQuestions(settings, Topics.of(settings.mqtt, settings.house.name))
        self._opened, self._settings = opened, settings
        self._sent_s: dict[bytes, float] = {}

    def run(self, within_s: float) -> Tried | None:
        """Ask until somebody answers; `None` where nobody does."""
        subscriptions = Subscriptions()
        subscriptions.add(Subscription(self._sealed.answers, self._opened.signals.put))
        subscriptions.opened(self._opened.client)
        until_s, next_s, subscribed = time.monotonic() + within_s, 0.0, False
        while (now_s := time.monotonic()) < until_s:
            if subscribed and now_s >= next_s:
                self._send(now_s)
                next_s = now_s + within_s / _TRIES
            try:
                signal = self._opened.signals.get(timeout=min(max(next_s, now_s + 0.01), until_s) - now_s)
            except queue.Empty:
                continue
            match signal:
                case Subscribed(refused=refused):
                    if refused:
                        return Tried(None, NoAnswer.MAY_NOT_READ, topic=self._sealed.answers)
                    subscribed = True
                case Acknowledged(rejection=Rejection.NOT_AUTHORISED):
                    return Tried(None, NoAnswer.MAY_NOT_ASK, topic=self._sealed.topic)
                case Received() if (tried := self._read(signal)) is not None:
                    return tried
                case Lost(outage):
                    raise ConnectionFailedError(outage, self._settings.mqtt)
        return None

    def _send(self, now_s: float) -> None:
        correlation, sealed = self._sealed.seal(Question().encode())
        properties = question_properties(ReplyTo(self._sealed.answers, correlation), EXPIRY_S)
        self._sent_s[correlation] = now_s
        # With an acknowledgement, which alone says that it is not allowed.
        self._opened.client.publish(self._sealed.topic, sealed, qos=1, properties=properties)

    def _read(self, message: Received) -> Tried | None:
        correlation = b"" if message.reply_to is None else message.reply_to.correlation
        sent_s = self._sent_s.get(correlation)
        if sent_s is None:
            return None  # the answer to the service beside this
        try:
            answer = self._sealed.open(message.payload, correlation, Question())
        except (SealError, MessageError):
            return None
        took_ms = (time.monotonic() - sent_s) * 1000
        return Tried(took_ms, nodes=() if answer.node is None else (answer.node,))
