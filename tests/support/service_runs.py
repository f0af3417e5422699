"""Settings, events and models of a whole service that runs."""

import json
from pathlib import Path
from typing import Any

from tests.support.broker import PATIENCE_S, Ear, Message

DOOR = "front_door"


# A rebuild yields to everything else on the machine.
REBUILD_PATIENCE_S = 400.0


def camera(source: Path | str, **settings: Any) -> dict[str, Any]:
    return {"name": DOOR, "url": str(source), "fps": 5} | settings


def is_event(message: Message, kind: str, person: str | None = None) -> bool:
    if not message.topic.endswith("/event"):
        return False
    event = json.loads(message.payload)
    return bool(event["event_type"] == kind and event.get("person") == person)


def events(ear: Ear) -> list[dict[str, Any]]:
    return [json.loads(message.payload) for message in ear.messages if message.topic.endswith("/event")]


def wait_for_event(ear: Ear, kind: str, person: str | None = None) -> dict[str, Any]:
    received = ear.wait(lambda message: is_event(message, kind, person))
    event: dict[str, Any] = json.loads(received.payload)
    return event


def wait_for_model(ear: Ear, timeout_s: float = PATIENCE_S, **wanted: Any) -> dict[str, Any]:
    def fits(message: Message) -> bool:
        if message.topic != "facerec/model/state":
            return False
        state = json.loads(message.payload)
        return all(state.get(key) == value for key, value in wanted.items())

    state: dict[str, Any] = json.loads(ear.wait(fits, timeout_s).payload)
    return state


def tells_of(kind: str, message: Message) -> bool:
    """Whether a message is an event of that kind."""
    return message.topic.endswith("/event") and json.loads(message.payload)["event_type"] == kind
