"""Whether all boxes of a house have forgotten somebody: what each says, and what the command waits for."""

import queue
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from facerec_mqtt.enrollment import everybody_in
from facerec_mqtt.mqtt import Lost, Received, Topics, connection, payloads
from facerec_mqtt.mqtt.failures import ConnectionFailedError
from facerec_mqtt.service.house.memory import Memory
from facerec_mqtt.service.house.package import Acknowledgement, Forgotten
from facerec_mqtt.settings import Settings

WITHIN_S = 60.0
"""A box that is there needs seconds."""


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A box that has not said that it has nothing of the person any more."""

    node: str
    online: bool
    keeps_photos: bool
    problem: str | None


def acknowledgement(memory: Memory, enrollment: Path, problem: str | None) -> Acknowledgement:
    """What a box says that it has made of the house's model.

    Args:
        memory: what it has taken in.
        enrollment: its photos: who was forgotten and has some here would be back with the next rebuild.
        problem: why it has not taken in a newer one.
    """
    keeps: tuple[str, ...] = ()
    if memory.forgotten:
        enrolled = [person.slug for person in everybody_in(enrollment).values()]
        keeps = tuple(each.digest for each in memory.forgotten if any(map(each.matches, enrolled)))
    return Acknowledgement(
        stamp=memory.stamp,
        version=memory.version,
        problem=None if problem is None else problem[:1000],
        forgotten=tuple(each.digest for each in memory.forgotten if each.digest not in keeps),
        keeps=keeps,
    )


def unconfirmed(settings: Settings, entry: Forgotten, within_s: float = WITHIN_S) -> tuple[Unconfirmed, ...]:
    """Wait until all boxes that the broker knows have confirmed.

    Args:
        settings: the house and the broker.
        entry: who was forgotten.
        within_s: for how long to wait.

    Returns:
        Those that have not, by node id; empty when the person is forgotten everywhere.

    Raises:
        BrokerError: the broker cannot be reached or refuses us.
    """
    topics = Topics.of(settings.mqtt, settings.house.name)
    statuses: dict[str, bytes] = {settings.mqtt.node_id: b""}
    said: dict[str, Acknowledgement] = {}
    deadline_s = time.monotonic() + within_s
    with connection(settings.mqtt, f"facerec-forget-{secrets.token_hex(4)}") as opened:
        opened.client.subscribe([(topics.box("+", leaf), 1) for leaf in ("status", "holds")])
        while True:
            missing = {node for node in statuses if not _has_confirmed(said.get(node), entry)}
            left_s = deadline_s - time.monotonic()
            # This box is always among them, so that all that is retained has come when it has confirmed.
            if not missing or left_s <= 0:
                return tuple(_describe(node, statuses, said, entry) for node in sorted(missing))
            try:
                signal = opened.signals.get(timeout=left_s)
            except queue.Empty:
                continue
            match signal:
                case Lost(outage):
                    raise ConnectionFailedError(outage, settings.mqtt)
                case Received():
                    _take(signal, topics, statuses, said)


def _take(
    message: Received, topics: Topics, statuses: dict[str, bytes], said: dict[str, Acknowledgement]
) -> None:
    box = topics.box_of(message.topic)
    if box is None:
        return
    node, leaf = box
    if leaf == "status":
        if message.payload:
            statuses[node] = message.payload
        else:
            statuses.pop(node, None)
        return
    try:
        said[node] = Acknowledgement.model_validate_json(message.payload)
    except ValidationError:
        said.pop(node, None)


def _has_confirmed(said: Acknowledgement | None, entry: Forgotten) -> bool:
    return said is not None and entry.digest in said.forgotten


def _describe(
    node: str, statuses: dict[str, bytes], said: dict[str, Acknowledgement], entry: Forgotten
) -> Unconfirmed:
    answer = said.get(node)
    return Unconfirmed(
        node,
        statuses[node] == payloads.ONLINE.encode(),
        answer is not None and entry.digest in answer.keeps,
        None if answer is None else answer.problem,
    )
