"""A box with cameras asks for names: one question a picture, an answer in time or none at all.

Nothing waits in a queue: whoever asks waits for the answer, and what comes later is dropped. While nobody
answers, nothing is asked but, ever more rarely, whether somebody does.
"""

import logging
import queue
import secrets
import threading
import time
from dataclasses import dataclass

from facerec_mqtt.mqtt import Access, Received, ReplyTo, Subscription, Topics
from facerec_mqtt.service.broker.publisher import Publisher
from facerec_mqtt.service.house.work import Contacts
from facerec_mqtt.service.roles.keys import (
    SealError,
    new_private_key,
    public_half,
    seal,
    shared_key,
    unseal,
)
from facerec_mqtt.service.roles.messages import MAX_ANSWER_BYTES, Answer, HouseModel, MessageError, Question
from facerec_mqtt.settings import Settings

_log = logging.getLogger(__name__)
DEADLINE_S = 0.9
"""For an answer; whatever is older than a second is not acted upon."""
EXPIRY_S = 1
"""After which the broker passes a question on to nobody."""
MOST_TRIES = 3
FIRST_RETRY_S, LEAST_RETRY_S, RETRY_FACTOR = 0.3, 0.15, 4.0
"""A question is asked again after several times what an answer takes, since it was lost with whoever had
it. Not while many wait at those who answer: nobody who is busy is asked twice."""
MOST_WAITING = 2
"""At whoever answered last, for a question to be asked again."""
SILENT_S = 2.0
"""No answer for so long, to two questions at least: nobody answers."""
REPORT_S = 5.0
"""It is reported once it has lasted for so long."""
HELLO_S = 10.0
"""Without faces is asked this often: who recognises, and whom they know."""
PROBES_S = (0.5, 5.0)
"""While nobody answers: after the first is asked again, and twice as long after each, up to the second."""
OLDER_S = 300.0
"""An older model counts only when nothing of the newer one was heard for so long."""
_MOST_CANDIDATES = 4
_CORRELATION_BYTES = 16
_SMOOTHING = 0.1


@dataclass(slots=True)
class AskingCounts:
    """Questions so far."""

    asked: int = 0
    repeated: int = 0
    answered: int = 0
    unanswered: int = 0
    ignored: int = 0
    """Answers that were late, came twice, or were none."""


@dataclass(frozen=True, slots=True)
class _Came:
    correlation: bytes
    payload: bytes


class SealedQuestions:
    """Makes questions that only a recogniser of the house can read, and reads what it answers.

    Args:
        settings: with the camera key, which the role requires.
        topics: of the house.
    """

    def __init__(self, settings: Settings, topics: Topics) -> None:
        private, camera_key = new_private_key(), settings.house.camera_key_bytes
        assert camera_key is not None
        self._public, self._key = public_half(private), shared_key(private, camera_key)
        self.topic = topics.house_questions
        """Where it is asked."""
        self.answers = topics.box(settings.mqtt.node_id, "answers")
        """Where the answers come."""

    def seal(self, question: bytes) -> tuple[bytes, bytes]:
        """What tells the answer from others, and the payload."""
        correlation = secrets.token_bytes(_CORRELATION_BYTES)
        sealed = seal(self._key, question, bound(self.topic, self.answers, correlation))
        return correlation, self._public + sealed

    def open(self, payload: bytes, correlation: bytes, question: Question) -> Answer:
        """Read the answer to a question.

        Raises:
            SealError, MessageError: it is none.
        """
        body = unseal(self._key, payload, bound(self.answers, self.topic, correlation))
        return Answer.decode(body, question)


class Asker:
    """Asks recognisers, from any thread, as many at once as there are.

    Args:
        settings: the house, its camera key and the broker.
        publisher: to ask by; not started yet.
    """

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        self._publisher = publisher
        self._sealed = SealedQuestions(settings, publisher.topics)
        self._house = settings.house.name
        self._lock = threading.Lock()
        self._open: dict[bytes, queue.Queue[_Came]] = {}
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._takes_s = FIRST_RETRY_S / RETRY_FACTOR
        self._waiting = self._unanswered = 0
        self._answered_s = self._confirmed_s = 0.0
        self._silent_since_s = time.monotonic()
        self.silent = True
        """Whether nobody answers, as far as is known."""
        self.reported = False
        """Whether that has lasted, and was logged."""
        self.model: HouseModel | None = None
        """Which one names the faces; `None` until somebody has answered."""
        self.recognisers = Contacts()
        """Boxes that answer."""
        self.counts = AskingCounts()
        publisher.subscribe(Subscription(self._sealed.answers, self._take, self._on_access))

    @property
    def sentence(self) -> str:
        """What it means that nobody answers."""
        return (
            f'No recogniser of the house "{self._house}" answers, so that nobody is recognised; see that'
            ' "facerec-mqtt run --role recogniser" runs somewhere, with the key of which'
            " FACEREC_HOUSE__CAMERA_KEY was made."
        )

    def start(self) -> None:
        """Find out who recognises, and go on doing so."""
        self._thread = threading.Thread(target=self._run, name="hello", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; questions that are open are not waited for."""
        self._stopping.set()
        self._wake.set()
        with self._lock:
            waiting = list(self._open.values())
        for each in waiting:
            _put(each, _Came(b"", b""))
        if self._thread is not None:
            self._thread.join()

    def ask(self, question: Question) -> Answer | None:
        """Ask, and wait for the answer; `None` where there is none in time."""
        body, came = question.encode(), queue.Queue[_Came](_MOST_CANDIDATES)
        asked_s = time.monotonic()
        deadline_s, retry_s = asked_s + DEADLINE_S, asked_s
        sent_s: dict[bytes, float] = {}
        try:
            while not self._stopping.is_set():
                now_s = time.monotonic()
                if now_s >= deadline_s:
                    break
                if now_s >= retry_s:
                    if not self._send(body, came, sent_s):
                        return None
                    again = len(sent_s) < MOST_TRIES and self._waiting <= MOST_WAITING
                    retry_s = now_s + self._retry_after_s() if again else deadline_s
                answer = self._next(came, min(retry_s, deadline_s) - now_s, question, sent_s)
                if answer is not None:
                    return answer
        finally:
            with self._lock:
                for correlation in sent_s:
                    del self._open[correlation]
        self._count_unanswered(asked_s)
        return None

    # --- A question

    def _retry_after_s(self) -> float:
        return max(RETRY_FACTOR * self._takes_s, LEAST_RETRY_S)

    def _send(self, body: bytes, came: "queue.Queue[_Came]", sent_s: dict[bytes, float]) -> bool:
        correlation, sealed = self._sealed.seal(body)
        with self._lock:
            self._open[correlation] = came
            self.counts.asked += not sent_s
            self.counts.repeated += bool(sent_s)
        sent_s[correlation] = time.monotonic()
        to = ReplyTo(self._sealed.answers, correlation)
        return self._publisher.exchange(self._sealed.topic, sealed, to, expiry_s=EXPIRY_S)

    def _next(
        self, came: "queue.Queue[_Came]", wait_s: float, question: Question, sent_s: dict[bytes, float]
    ) -> Answer | None:
        """The answer, where the next that comes is it."""
        try:
            each = came.get(timeout=max(wait_s, 0.0))
        except queue.Empty:
            return None
        try:
            answer = self._sealed.open(each.payload, each.correlation, question)
        except (SealError, MessageError) as error:
            _log.debug("An answer is ignored: %s", error)
            with self._lock:
                self.counts.ignored += 1
            return None
        self._waiting, now_s = answer.waiting, time.monotonic()
        if answer.node is not None:
            self.recognisers.hear(answer.node, now_s)
        self._count_answered(now_s, sent_s[each.correlation])
        return answer

    def _take(self, message: Received) -> None:
        """Take what comes where answers are expected; of the connection's thread."""
        reply = message.reply_to
        with self._lock:
            came = None if reply is None or message.retained else self._open.get(reply.correlation)
            if reply is None or came is None or len(message.payload) > MAX_ANSWER_BYTES:
                self.counts.ignored += 1
                return
        _put(came, _Came(reply.correlation, message.payload))

    # --- Whether somebody answers

    def _count_answered(self, now_s: float, sent_s: float) -> None:
        with self._lock:
            self.counts.answered += 1
            self._takes_s += _SMOOTHING * (now_s - sent_s - self._takes_s)
            self._unanswered, self._answered_s, self.silent = 0, now_s, False
            was_reported, self.reported = self.reported, False
        if was_reported:
            _log.info('A recogniser of the house "%s" answers again', self._house)

    def _count_unanswered(self, asked_s: float) -> None:
        with self._lock:
            self.counts.unanswered += 1
            if self._answered_s > asked_s:
                return  # somebody was answered meanwhile
            self._takes_s += _SMOOTHING * (DEADLINE_S - self._takes_s)
            self._unanswered += 1
            now_s = time.monotonic()
            if not self.silent and self._unanswered >= 2 and now_s - self._answered_s >= SILENT_S:
                self.silent, self._silent_since_s = True, now_s - SILENT_S
                self._wake.set()

    def _report(self, now_s: float) -> None:
        if self.silent and not self.reported and now_s - self._silent_since_s >= REPORT_S:
            self.reported = True
            _log.warning("%s", self.sentence)

    def _on_access(self, access: Access) -> None:
        with self._lock:
            if access is Access.OPEN:
                self._silent_since_s = max(self._silent_since_s, time.monotonic())
            elif not self.silent:
                self.silent, self._silent_since_s = True, time.monotonic()
        if access is Access.DENIED:
            _log.warning(
                'The broker does not let us read "%s"; allow it, or nobody can be named.',
                self._sealed.answers,
            )
        self._wake.set()

    def _run(self) -> None:
        probe_s = PROBES_S[0]
        while not self._stopping.is_set():
            self._wake.clear()
            if self._publisher.online:
                self._greet()
                self._report(time.monotonic())
            probe_s = min(2 * probe_s, PROBES_S[1]) if self.silent else PROBES_S[0]
            self._wake.wait(probe_s if self.silent else HELLO_S)

    def _greet(self) -> None:
        """Ask who recognises, and whom they know."""
        answer = self.ask(Question())
        new = None if answer is None else answer.model
        if new is None:
            return
        now_s, old = time.monotonic(), self.model
        if old is None or not old.stamp.newer_than(new.stamp) or now_s - self._confirmed_s >= OLDER_S:
            self.model, self._confirmed_s = new, now_s


def bound(to: str, back: str, correlation: bytes) -> bytes:
    """What a question or an answer is bound to, so that nobody can use it as another.

    Args:
        to: topic that it is published on.
        back: topic of the other half.
        correlation: which question.
    """
    return b"\n".join([to.encode(), back.encode(), correlation])


def _put(waiting: "queue.Queue[_Came]", came: _Came) -> None:
    try:
        waiting.put_nowait(came)
    except queue.Full:
        return
