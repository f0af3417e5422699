"""A recogniser answers boxes that have no model, in a thread of its own, the newest question first.

Each question reaches one recogniser of the house. What could not be answered in time is dropped: whoever
asked does not wait for it any more.
"""

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from facerec_mqtt.core.records import FACE_SIDE_PX, AlignedFace, Image, PooledEmbedding, Vectors
from facerec_mqtt.mqtt import Access, Received, ReplyTo, Subscription
from facerec_mqtt.recognition import Recognizer
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.house.work import Contacts
from facerec_mqtt.service.roles.asking import DEADLINE_S, EXPIRY_S, bound
from facerec_mqtt.service.roles.keys import (
    KEY_BYTES,
    Rotation,
    SealError,
    private_key,
    seal,
    shared_key,
    unseal,
)
from facerec_mqtt.service.roles.messages import (
    MAX_QUESTION_BYTES,
    Answer,
    HouseModel,
    MessageError,
    Question,
)
from facerec_mqtt.settings import Settings

_log = logging.getLogger(__name__)
MOST_WAITING = 64
"""Of more, the oldest are dropped."""
_LEAVE_S = 1.0
_MOST_NAMED = 20


@dataclass(slots=True)
class AnsweringCounts:
    """Questions so far."""

    answered: int = 0
    dropped: int = 0
    """Too late, or too many."""
    refused: int = 0
    """Were none, or made with another key."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    message: Received
    came_s: float


class Answerer:
    """Answers, once there is a model to answer by.

    Args:
        settings: the house and its key.
        publisher: to listen and to answer by; not started yet.
    """

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        self._publisher = publisher
        self._topics = publisher.topics
        self._node = settings.mqtt.node_id
        key = settings.house.key_bytes
        assert key is not None  # the role requires it
        self._house_key, self._private = key, private_key(key)
        self._rotation: Rotation | None = None
        self._use: tuple[Recognizer, HouseModel] | None = None
        self._waiting: deque[_Waiting] = deque(maxlen=MOST_WAITING)
        self._changed = threading.Condition()
        self._left = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._named: set[str] = set()
        self.askers = Contacts()
        """Boxes that ask."""
        self.counts = AnsweringCounts()
        publisher.subscribe(
            Subscription(self._topics.shared_questions, self._take, self._on_access, joins=True)
        )

    def use(self, recognizer: Recognizer, model: HouseModel) -> None:
        """Answer by a model from now on.

        Args:
            recognizer: with the model; nobody else may use its networks.
            model: what is said of it.
        """
        first = self._use is None
        self._use = recognizer, model
        if first:
            self._thread = threading.Thread(target=self._run, name="answers", daemon=True)
            self._thread.start()
            self._publisher.join(self._topics.shared_questions)

    def stop(self) -> None:
        """Take no more questions, and answer those that have come."""
        if self._thread is None:
            return
        self._left.clear()
        self._publisher.leave(self._topics.shared_questions)
        if self._publisher.online:
            self._left.wait(_LEAVE_S)
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(DEADLINE_S)

    # --- Of the connection's threads

    def _on_access(self, access: Access) -> None:
        if access is Access.CLOSED:
            self._left.set()
        elif access is Access.DENIED:
            _log.warning(
                'The broker does not let us read "%s"; allow it, or the boxes with cameras get no names.',
                self._topics.shared_questions,
            )

    def _take(self, message: Received) -> None:
        now_s = time.monotonic()
        to = message.reply_to
        if message.retained or to is None or to.topic is None or len(message.payload) > MAX_QUESTION_BYTES:
            self.counts.refused += 1
            return
        with self._changed:
            self.counts.dropped += len(self._waiting) == MOST_WAITING
            self._waiting.append(_Waiting(message, now_s))
            self._changed.notify()

    # --- Of the thread that answers

    def _run(self) -> None:
        while (waiting := self._next()) is not None:
            try:
                self._answer(waiting.message)
            except (SealError, MessageError) as error:
                self.counts.refused += 1
                self._log_once(waiting.message, error)
            except Exception:
                # The next one may be better, and nobody else answers it.
                _log.exception("Unexpected error in a question")

    def _next(self) -> _Waiting | None:
        """The newest question; `None` when no more are to be answered."""
        with self._changed:
            while True:
                too_old_s = time.monotonic() - EXPIRY_S
                while self._waiting and self._waiting[0].came_s < too_old_s:
                    self._waiting.popleft()
                    self.counts.dropped += 1
                if self._waiting:
                    return self._waiting.pop()
                if self._stopping:
                    return None
                self._changed.wait()

    def _answer(self, message: Received) -> None:
        to, used = message.reply_to, self._use
        if to is None or to.topic is None or used is None:
            return
        box = self._topics.box_of(to.topic)
        if box is None or box[1] != "answers":
            raise MessageError("it wants its answer where no box expects one")
        ask = self._topics.house_questions
        public, sealed = message.payload[:KEY_BYTES], message.payload[KEY_BYTES:]
        key = shared_key(self._private, public)
        question = Question.decode(unseal(key, sealed, bound(ask, to.topic, to.correlation)))
        self.askers.hear(box[0], time.monotonic())
        body = seal(key, self._answer_to(question, *used).encode(), bound(to.topic, ask, to.correlation))
        reply = ReplyTo(None, to.correlation)
        self.counts.answered += self._publisher.exchange(to.topic, body, reply, expiry_s=EXPIRY_S)

    def _answer_to(self, question: Question, recognizer: Recognizer, model: HouseModel) -> Answer:
        margin = question.min_margin
        named = recognizer.identify(list(map(_aligned, question.faces)), min_margin=margin)
        visits = tuple(
            recognizer.identify_visit(self._turned_back(each), min_margin=margin) for each in question.visits
        )
        empty = np.zeros((0, 0), np.float32)
        vectors = self._turn(np.stack([vector for _, vector in named])) if named else empty
        is_hello = not (question.faces or question.visits)
        told = model if is_hello else None
        return Answer(tuple(who for who, _ in named), vectors, visits, told, len(self._waiting), self._node)

    def _turn(self, vectors: Vectors) -> Vectors:
        return self._rotation_of(vectors.shape[1]).turn(vectors)

    def _turned_back(self, pooled: PooledEmbedding) -> PooledEmbedding:
        vector = self._rotation_of(len(pooled.vector)).turn_back(pooled.vector[None])[0]
        return PooledEmbedding(vector, pooled.frames, pooled.differing)

    def _rotation_of(self, dimensions: int) -> Rotation:
        if self._rotation is None or len(self._rotation.matrix) != dimensions:
            self._rotation = Rotation.of(self._house_key, dimensions)
        return self._rotation

    def _log_once(self, message: Received, error: Exception) -> None:
        asks = "somebody" if message.reply_to is None else message.reply_to.topic
        sentence = f'A question that wants its answer on "{asks}" is not answered: {error}'
        if sentence not in self._named and len(self._named) < _MOST_NAMED:
            self._named.add(sentence)
            _log.warning("%s; see that FACEREC_HOUSE__CAMERA_KEY there was made of the key here.", sentence)


def _aligned(face: Image) -> AlignedFace:
    """As the backbone wants it; how good it is, whoever asks has judged."""
    return AlignedFace(face, float(FACE_SIDE_PX), 0.0)
