"""What a box does of the work of its house, and with whom, as it says on the broker; `status` shows it."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, ValidationError

from facerec_mqtt.mqtt import Topics, payloads
from facerec_mqtt.service.house.package import Entry, Version
from facerec_mqtt.settings import NodeId, Role

MAX_BOXES = 1000
"""That are named in one message."""
RECENT_S = 120.0
"""Whoever has asked or answered within this time still does: questions come at least every ten seconds, and
several recognisers take turns."""
_Nodes = Annotated[tuple[NodeId, ...], Field(max_length=MAX_BOXES)]


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


def box_filters(topics: Topics) -> list[str]:
    """Where the boxes of a house say what they do: what `boxes_in` needs."""
    return [topics.box("+", leaf) for leaf in ("status", "work")]


def boxes_in(topics: Topics, retained: Mapping[str, bytes]) -> Mapping[str, BoxSeen]:
    """Which boxes of the house there are.

    Args:
        topics: of the house.
        retained: payloads by topic, as the broker retains them; topics of others do not count.

    Returns:
        Each that the broker knows, by node id.
    """
    online: dict[str, bool] = {}
    works: dict[str, Work] = {}
    for topic, payload in retained.items():
        match topics.box_of(topic):
            case node, "status":
                online[node] = payload == payloads.ONLINE.encode()
            case node, "work":
                with contextlib.suppress(ValidationError):  # of another version of the program
                    works[node] = Work.model_validate_json(payload)
    return {node: BoxSeen(is_online, works.get(node)) for node, is_online in sorted(online.items())}
