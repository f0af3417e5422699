"""The payloads on MQTT: JSON made of records. docs/MQTT.md lists them for users.

Pure: the wall clock and its zone are arguments. A name is only ever taken from a record's `person`, which
is `None` for a face that did not pass the threshold.
"""

import json
from collections.abc import Mapping
from typing import Literal

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.records import (
    CameraState,
    CaptureState,
    Departure,
    ModelState,
    PersonState,
    PresenceChange,
    StrangerSeen,
)

ONLINE, OFFLINE = "online", "offline"
ON, OFF = "ON", "OFF"
HOME_ZONE = "zone.home"
"""The zone of the house, as Home Assistant calls it."""


def event(
    change: PresenceChange,
    *,
    name: str | None,
    model: str | None,
    clock: Clock,
    stranger: StrangerSeen | None = None,
) -> dict[str, object]:
    """Make an event's payload, without its latency, which is known when it is sent.

    Args:
        change: what happened.
        name: the person's display name; ignored for a stranger.
        model: version of the model that decided.
        clock: the wall clock.
        stranger: which stranger it is; `None` where that is not known.
    """
    sighting = change.sighting
    known = change.person is not None
    return {
        "event_type": change.kind,
        "reason": change.reason,
        "person": change.person,
        "name": name if known else None,
        "camera": change.camera,
        "score": None if sighting is None else round(float(sighting.identification.score), 3),
        "margin": None if sighting is None else round(float(sighting.identification.margin), 3),
        "votes": change.votes,
        "frames": change.frames,
        "box": None if sighting is None else [round(float(side)) for side in sighting.detection.box],
        "visit_id": change.visit_id,
        "stranger_id": None if stranger is None else stranger.stranger_id,
        "times_seen": None if stranger is None else stranger.times_seen,
        "model": model,
        "latency_ms": None,
        "time": clock.iso(change.at_s, "milliseconds"),
        "epoch": clock.epoch(change.at_s),
    }


def camera_state(state: CameraState, clock: Clock) -> dict[str, object]:
    """Make the payload of a camera's state."""
    return {
        "people": list(state.people),
        "strangers": state.strangers,
        "faces": state.faces,
        "fps": round(float(state.fps), 1),
        "last_frame": None if state.last_frame_s is None else clock.iso(state.last_frame_s),
        "frozen": state.frozen,
    }


def person_state(state: PersonState, clock: Clock) -> dict[str, object]:
    """Make the payload of a person's state."""
    return {
        "present": ON if state.present else OFF,
        "name": state.person.name,
        "camera": state.camera,
        "last_seen": None if state.last_seen_s is None else clock.iso(state.last_seen_s),
        "score": None if state.score is None else round(float(state.score), 3),
    }


def house_person_state(state: PersonState, visit_id: str | None, clock: Clock) -> dict[str, object]:
    """Make the payload of a person's state in a house of several boxes.

    Args:
        state: by all boxes.
        visit_id: of the visit by which the person arrived; `None` while they are not here.
        clock: the wall clock.
    """
    return {**person_state(state, clock), "visit_id": visit_id}


def house_event(
    kind: Literal["arrived", "departed"],
    state: PersonState,
    *,
    visit_id: str | None,
    at_s: float,
    reason: Departure | None,
    clock: Clock,
) -> dict[str, object]:
    """Make the payload of an arrival at or a departure from a house of several boxes.

    Args:
        kind: which of the two.
        state: of the person, by all boxes.
        visit_id: of the visit by which the person arrived.
        at_s: when, in seconds of `time.monotonic`.
        reason: why the last visit has ended; `None` for an arrival.
        clock: the wall clock.
    """
    return {
        "event_type": kind,
        "reason": reason,
        "person": state.person.slug,
        "name": state.person.name,
        "camera": state.camera,
        "score": None if state.score is None else round(float(state.score), 3),
        "visit_id": visit_id,
        "time": clock.iso(at_s, "milliseconds"),
        "epoch": clock.epoch(at_s),
    }


def model_state(state: ModelState) -> dict[str, object]:
    """Make the payload of the model's state; the progress of a rebuild only while one runs."""
    training = {"stage": state.stage, "seconds_left": state.seconds_left} if state.stage else {}
    return {
        "status": state.status,
        "progress": state.progress,
        "version": state.version,
        "people": list(state.people),
        "message": state.message,
        "report": None if state.report is None else dict(state.report),
        **training,
    }


def tracker(home: bool) -> dict[str, object]:
    """Make the payload of a person's device tracker: in no zone that is known, or at home."""
    return {"in_zones": [HOME_ZONE] if home else []}


def capture_state(state: CaptureState) -> dict[str, object]:
    """Make the payload of a capture's state."""
    return {
        "status": "idle" if state.person is None else "capturing",
        "person": state.person,
        "camera": state.camera,
        "taken": state.taken,
        "wanted": state.wanted,
        "hint": state.hint,
    }


def result(command: str, ok: bool, message: str) -> dict[str, object]:
    """Make the payload that answers a command."""
    return {"command": command, "ok": ok, "message": message}


def encode(payload: Mapping[str, object]) -> bytes:
    """Write JSON on one line, accents as they are.

    Raises:
        ValueError: a number is not finite, which JSON cannot hold.
    """
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
