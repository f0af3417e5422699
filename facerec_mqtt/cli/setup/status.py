"""`status`: whether this box and the others of its house run, by what they have published; who does what."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from facerec_mqtt.mqtt import Topics, payloads, read_retained
from facerec_mqtt.service.house.work import BoxSeen, box_filters, boxes_in
from facerec_mqtt.settings import Role, Settings

_TIMEOUT_S = 10.0


class _Model(BaseModel):
    """What of the model's state is shown."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: str
    version: str | None
    message: str | None


def show_status(settings: Settings, *, as_json: bool) -> int:
    """Print a line for this box, one for its model, and one for each other box of the house.

    Returns:
        0 when the service of this box runs, else 1.

    Raises:
        ConnectionFailedError: the broker cannot be asked, and why.
    """
    topics = Topics.of(settings.mqtt, settings.house.name)
    others = [] if settings.house.name is None else box_filters(topics)
    retained = read_retained(settings.mqtt, [topics.status, topics.model_state, *others], _TIMEOUT_S)
    boxes = dict(boxes_in(topics, retained))
    node = settings.mqtt.node_id
    alone = BoxSeen(retained.get(topics.status) == payloads.ONLINE.encode(), None)
    here = boxes.pop(node, alone)
    role = settings.house.role if here.work is None else here.work.role
    try:
        model = _Model.model_validate_json(retained.get(topics.model_state, b""))
    except ValidationError:
        model = None
    if as_json:
        print(json.dumps(_as_json(settings, here, role, model, boxes)))
    else:
        house = f" of the house {settings.house.name}" if settings.house.name else ""
        print(f"Box {node}{house}: {_online(here)}, role {role}{_work_of(here)}")
        print(f"Model: {'nothing is known of it' if model is None else _described(model)}")
        for other, box in boxes.items():
            what = "" if box.work is None else f", role {box.work.role}{_work_of(box)}"
            print(f"Box {other}: {_online(box)}{what}")
    return 0 if here.online else 1


def _online(box: BoxSeen) -> str:
    return "online" if box.online else "offline"


def _work_of(box: BoxSeen) -> str:
    work = box.work
    if work is None or not box.online or work.role is Role.ALL:
        return ""
    if work.role is Role.CAMERA:
        names = ", ".join(work.recognisers)
        return f"; recognisers that answer: {len(work.recognisers)} ({names})" if names else "; none answers"
    names = ", ".join(work.asked_by)
    if work.version is None:
        return "; it has no model yet, and answers nobody"
    return f"; boxes that ask: {len(work.asked_by)} ({names})" if names else "; no box asks"


def _described(model: _Model) -> str:
    version = "" if model.version is None else f", version {model.version}"
    return f"{model.status}{version}" + ("" if model.message is None else f". {model.message}")


def _as_json(
    settings: Settings, here: BoxSeen, role: Role, model: _Model | None, others: dict[str, BoxSeen]
) -> dict[str, Any]:
    return {
        "node": settings.mqtt.node_id,
        "house": settings.house.name,
        **_of_box(here, role),
        "model": None if model is None else model.model_dump(),
        "boxes": [{"node": node, **_of_box(box, None)} for node, box in others.items()],
    }


def _of_box(box: BoxSeen, role: Role | None) -> dict[str, Any]:
    work = box.work
    now = work if box.online else None
    return {
        "online": box.online,
        "role": role if work is None else work.role,
        "recognisers": [] if now is None else list(now.recognisers),
        "asked_by": [] if now is None else list(now.asked_by),
    }
