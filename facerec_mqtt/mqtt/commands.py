"""Commands that come by MQTT: parsed strictly, since whoever reaches the broker can send them.

Nothing is guessed: a payload that is not exactly what docs/MQTT.md says is refused with one sentence.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from facerec_mqtt.core.errors import CommandError, FacerecError
from facerec_mqtt.core.slugs import SlugError, person_name, slug

MAX_PAYLOAD_BYTES = 4096
MAX_CAPTURE_S = 120
BURST = 10
"""This many commands may come at once,"""
PER_SECOND = 0.5
"""and this many a second for long."""


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Build the family's model anew."""

    force: bool = False
    """Use the new model even when it is worse than the one in use."""


@dataclass(frozen=True, slots=True)
class Capture:
    """Take enrollment photos of a person from a camera."""

    person: str
    """The name to enrol them under: "José Núñez"."""
    camera: str
    """The camera's slug."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Enable:
    """Switch recognition at a camera on or off."""

    camera: str
    """The camera's slug."""
    enabled: bool


Command = Rebuild | Capture | Enable


@dataclass(frozen=True, slots=True)
class Refusal:
    """A command that is not carried out."""

    command: str
    """Its name: "rebuild", "capture", "camera/front_door/enabled"."""
    message: str
    """Why, and what to do, in one sentence."""


def parse_rebuild(payload: bytes) -> Rebuild:
    """Read a rebuild command: empty, `PRESS` or `{"force": true}`.

    Raises:
        CommandError: it is anything else.
    """
    text = _text("rebuild", payload)
    if text.strip() in ("", "PRESS"):
        return Rebuild()
    fields = _fields("rebuild", text, {"force": bool}, 'empty, PRESS or {"force": true}')
    return Rebuild(force=bool(fields.get("force", False)))


def parse_capture(payload: bytes, cameras: Collection[str]) -> Capture:
    """Read a capture command: `{"person": "Anna", "camera": "front_door", "seconds": 20}`.

    Args:
        payload: as it came.
        cameras: slugs of the cameras that there are.

    Raises:
        CommandError: it is anything else, the camera is unknown or the name cannot be one of a folder.
    """
    form = '{"person": "Anna", "camera": "front_door", "seconds": 20}'
    kinds = {"person": str, "camera": str, "seconds": (int, float)}
    fields = _fields("capture", _text("capture", payload), kinds, form)
    missing = [f'"{name}"' for name in kinds if name not in fields]
    if missing:
        raise CommandError(f"capture lacks {' and '.join(missing)}; send {form}.")
    seconds = fields["seconds"]
    if not 1 <= seconds <= MAX_CAPTURE_S:
        raise CommandError(
            f'capture: "seconds" is {shown(str(seconds))}; it must be from 1 to {MAX_CAPTURE_S}.'
        )
    return Capture(_person_name(fields["person"]), known_camera(fields["camera"], cameras), float(seconds))


def parse_enabled(camera: str, payload: bytes, cameras: Collection[str]) -> Enable:
    """Read what was sent to a camera's switch: `ON` or `OFF`.

    Raises:
        CommandError: it is anything else, or the camera is unknown.
    """
    name = f"camera/{shown(camera)}/enabled"
    known = known_camera(camera, cameras)
    text = _text(name, payload).strip()
    if text not in ("ON", "OFF"):
        raise CommandError(f"{name}: {shown(text)} is neither ON nor OFF; send one of the two.")
    return Enable(known, text == "ON")


def known_camera(camera: str, cameras: Collection[str]) -> str:
    """Return the slug of a camera that was named in a command.

    Raises:
        CommandError: there is no such camera.
    """
    try:
        found = slug(camera)
    except FacerecError:
        found = ""
    if found not in cameras:
        there = ", ".join(sorted(cameras)) or "none"
        raise CommandError(f'There is no camera "{shown(camera)}"; there are: {there}.')
    return found


def shown(text: str) -> str:
    """Shorten a text of unknown origin, and make it printable, so that it can stand in a sentence."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in text[:41])
    return printable if len(printable) <= 40 else printable[:39] + "…"


class RateLimit:
    """Lets a few commands through at once, and fewer for long. The time is an argument, in seconds."""

    def __init__(self, burst: int = BURST, per_second: float = PER_SECOND) -> None:
        self._burst = burst
        self._per_second = per_second
        self._left = float(burst)
        self._asked_s = 0.0
        self._flooded = False

    def admit(self, now_s: float) -> bool:
        """Tell whether a command that came now may be carried out."""
        self._left = min(self._burst, self._left + max(0.0, now_s - self._asked_s) * self._per_second)
        self._asked_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        self._flooded = False
        return True

    def first_refusal(self) -> bool:
        """Tell once for each flood that it is one, so that it is not answered by another flood."""
        first, self._flooded = not self._flooded, True
        return first


class CommandIntake:
    """Turns messages into commands or refusals.

    Args:
        base: our base topic.
        cameras: slugs of the cameras that there are.
    """

    def __init__(self, base: str, cameras: Collection[str]) -> None:
        self._base = base
        self._cameras = frozenset(cameras)
        self._limit = RateLimit()
        self._retained: set[str] = set()

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return (
            f"{self._base}/command/rebuild",
            f"{self._base}/command/capture",
            f"{self._base}/camera/+/enabled/set",
        )

    def take(self, topic: str, payload: bytes, retained: bool, now_s: float) -> Command | Refusal | None:
        """Take in one message.

        Args:
            topic: where it came in.
            payload: as it came.
            retained: whether the broker had kept it: nobody is waiting for such a command now.
            now_s: the time.

        Returns:
            What to do or to answer; `None` for what is no command, or has been answered already.
        """
        prefix, suffix = f"{self._base}/camera/", "/enabled/set"
        camera = topic.removeprefix(prefix).removesuffix(suffix)
        if topic in self.topics[:2]:
            name = topic.removeprefix(f"{self._base}/command/")
        elif topic == f"{prefix}{camera}{suffix}" and "/" not in camera:
            name = f"camera/{shown(camera)}/enabled"
        else:
            return None
        if retained:
            # Nor are a thousand of them answered by a thousand.
            if topic in self._retained or not self._limit.admit(now_s):
                return None
            self._retained.add(topic)
            return Refusal(name, f"A retained {name} command is ignored; publish it without the retain flag.")
        if topic in self._retained and not payload:
            # So a retained message is cleared; the broker passes that on as any other.
            self._retained.remove(topic)
            return Refusal(
                name,
                f"The retained {name} command is taken for cleared by this empty one; nothing else is done.",
            )
        if not self._limit.admit(now_s):
            sentence = "Too many commands at once; they are ignored. Wait a few seconds."
            return Refusal(name, sentence) if self._limit.first_refusal() else None
        try:
            if name == "rebuild":
                return parse_rebuild(payload)
            if name == "capture":
                return parse_capture(payload, self._cameras)
            return parse_enabled(camera, payload, self._cameras)
        except CommandError as error:
            return Refusal(name, str(error))


def _text(command: str, payload: bytes) -> str:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise CommandError(f"{command}: the payload is longer than {MAX_PAYLOAD_BYTES} bytes; send less.")
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandError(f"{command}: the payload is not UTF-8 text (byte {error.start}).") from None


def _fields(command: str, text: str, kinds: dict[str, Any], form: str) -> dict[str, Any]:
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise CommandError(f"{command}: {shown(text)} is not what is expected; send {form}.") from None
    if not isinstance(value, dict):
        raise CommandError(f"{command}: {shown(text)} is not a JSON object; send {form}.")
    for name, item in value.items():
        if name not in kinds:
            raise CommandError(f'{command}: "{shown(name)}" is unknown; send {form}.')
        kind = kinds[name]
        if not isinstance(item, kind) or (kind is not bool and isinstance(item, bool)):
            raise CommandError(f'{command}: "{name}" is {_json_type(item)}; send {form}.')
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name stands twice in an object")
    return dict(pairs)


def _refuse_constant(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "a truth value", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


def _person_name(name: str) -> str:
    try:
        return person_name(name)
    except SlugError as error:
        raise CommandError(f"capture: {error}") from None
