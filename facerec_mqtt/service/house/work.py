"""What a box does of the work of its house, and with whom, as it says on the broker; `status` shows it."""

import contextlib
import queue
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, ValidationError

from facerec_mqtt.mqtt import Lost, Received, Topics, connection, payloads
from facerec_mqtt.mqtt.failures import ConnectionFailedError
from facerec_mqtt.service.house.package import Entry, Node, Version
from facerec_mqtt.settings import MqttSettings, Role, Settings

MAX_BOXES = 1000
"""That are named in one message."""
RECENT_S = 120.0
"""Whoever has asked or answered within this time still does: questions come at least every ten seconds, and
several recognisers take turns."""
QUIET_S = 0.5
"""When nothing more has come for so long, all that the broker retains has."""
_Nodes = Annotated[tuple[Node, ...], Field(max_length=MAX_BOXES)]


class Work(Entry):
    """What a box does at present."""

    role: Annotated[Role, Field(strict=False)] = Role.ALL
    version: Version | None = None
    """Of the model that it names faces by; `null` where it has none."""
    recognisers: _Nodes = ()
    """Node ids of those who have answered it lately; of a box with the role camera."""
    asked_by: _Nodes = ()
    """Node ids of boxes with the role camera that it has answered lately."""


class Contacts:
    """Who was heard of lately; `hear` and `recent` may be called from different threads."""

    def __init__(self) -> None:
        self._heard_s: dict[str, float] = {}

    def hear(self, node: str, now_s: float) -> None:
        """Note that a box was heard of, at `now_s` of `time.monotonic`."""
        if node in self._heard_s or len(self._heard_s) < MAX_BOXES:
            self._heard_s[node] = now_s

    def recent(self, now_s: float) -> tuple[str, ...]:
        """Those that were heard of lately, by node id."""
        heard_s = dict(self._heard_s)
        return tuple(sorted(node for node, at_s in heard_s.items() if now_s - at_s < RECENT_S))


@dataclass(frozen=True, slots=True)
class BoxSeen:
    """A box as the broker retains it."""

    online: bool
    work: Work | None
    """`None` where it has not said so."""


def read_boxes(settings: Settings, within_s: float) -> Mapping[str, BoxSeen]:
    """Ask the broker which boxes of the house there are.

    Args:
        settings: the house and the broker.
        within_s: for how long to wait at most.

    Returns:
        Each that the broker knows, by node id.

    Raises:
        ConnectionFailedError: there is no connection, and why.
    """
    topics = Topics.of(settings.mqtt, settings.house.name)
    online: dict[str, bool] = {}
    works: dict[str, Work] = {}
    filters = [topics.box("+", leaf) for leaf in ("status", "work")]
    for topic, payload in read_retained(settings.mqtt, filters, within_s).items():
        match topics.box_of(topic):
            case node, "status":
                online[node] = payload == payloads.ONLINE.encode()
            case node, "work":
                with contextlib.suppress(ValidationError):  # of another version of the program
                    works[node] = Work.model_validate_json(payload)
    return {node: BoxSeen(is_online, works.get(node)) for node, is_online in sorted(online.items())}


def read_retained(settings: MqttSettings, filters: Sequence[str], within_s: float) -> Mapping[str, bytes]:
    """Read what the broker retains, on a connection of its own; a running service is not disturbed.

    Args:
        settings: the broker.
        filters: of the topics.
        within_s: for how long to wait at most.

    Returns:
        The payloads by topic; what is longer than a megabyte is cut.

    Raises:
        ConnectionFailedError: there is no connection, and why.
    """
    found: dict[str, bytes] = {}
    until_s = time.monotonic() + within_s
    with connection(settings, f"facerec-check-{secrets.token_hex(4)}", timeout_s=within_s) as opened:
        opened.client.subscribe([(each, 1) for each in filters])
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                signal = opened.signals.get(timeout=min(left_s, QUIET_S))
            except queue.Empty:
                break
            match signal:
                case Lost(outage):
                    raise ConnectionFailedError(outage, settings)
                case Received(retained=True):
                    found[signal.topic] = signal.payload
    return found
