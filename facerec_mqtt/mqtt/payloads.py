"""What is said on MQTT: topics and JSON payloads made of records. docs/MQTT.md tells users the same.

Pure: the wall clock and its zone are arguments. A name is only ever taken from a record's `person`, which
is `None` for a face that did not pass the threshold.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from facerec_mqtt.core.clock import Clock
from facerec_mqtt.core.records import CameraState, CaptureState, ModelState, PersonState, PresenceChange
from facerec_mqtt.core.slugs import slug

ONLINE, OFFLINE = "online", "offline"
ON, OFF = "ON", "OFF"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics below one base topic. Cameras may be given by name or by slug."""

    base: str

    @property
    def status(self) -> str:
        """Whether the service runs; also the will."""
        return f"{self.base}/status"

    @property
    def model_state(self) -> str:
        """State of the model."""
        return f"{self.base}/model/state"

    @property
    def capture_state(self) -> str:
        """How the taking of enrollment pictures goes on."""
        return f"{self.base}/capture/state"

    @property
    def metrics(self) -> str:
        """Counts of what the service does."""
        return f"{self.base}/metrics"

    @property
    def command_result(self) -> str:
        """Answers to commands."""
        return f"{self.base}/command/result"

    @property
    def all_faces(self) -> str:
        """The pictures of all cameras."""
        return f"{self.base}/camera/+/face"

    def command(self, name: str) -> str:
        """Where a command comes in: "rebuild", "capture"."""
        return f"{self.base}/command/{name}"

    def camera(self, camera: str, leaf: str) -> str:
        """A camera's "status", "event", "state", "face", "enabled/state" or "enabled/set"."""
        return f"{self.base}/camera/{slug(camera)}/{leaf}"

    def person(self, person: str) -> str:
        """State of a person, given by slug."""
        return f"{self.base}/person/{person}/state"


def event(change: PresenceChange, *, name: str | None, model: str | None, clock: Clock) -> dict[str, object]:
    """Make an event's payload, without its latency, which is known when it is handed over.

    Args:
        change: what happened.
        name: the person's display name; ignored for a stranger.
        model: version of the model that decided.
        clock: the wall clock.
    """
    sighting = change.sighting
    known = change.person is not None
    return {
        "event_type": change.kind,
        "reason": change.reason,
        "person": change.person,
        "name": name if known else None,
        "camera": slug(change.camera),
        "score": None if sighting is None else round(float(sighting.identification.score), 3),
        "margin": None if sighting is None else round(float(sighting.identification.margin), 3),
        "votes": change.votes,
        "frames": change.frames,
        "box": None if sighting is None else [round(float(side)) for side in sighting.detection.box],
        "visit_id": change.visit_id,
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
    }


def person_state(state: PersonState, clock: Clock) -> dict[str, object]:
    """Make the payload of a person's state."""
    return {
        "present": ON if state.present else OFF,
        "name": state.person.name,
        "camera": None if state.camera is None else slug(state.camera),
        "last_seen": None if state.last_seen_s is None else clock.iso(state.last_seen_s),
        "score": None if state.score is None else round(float(state.score), 3),
    }


def model_state(state: ModelState) -> dict[str, object]:
    """Make the payload of the model's state; how far a rebuild is only while there is one."""
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
        ValueError: a number is not finite, which JSON cannot say.
    """
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
