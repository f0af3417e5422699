"""Commands that come by MQTT: parsed strictly, since whoever reaches the broker can send them.

Nothing is guessed: a payload that is not exactly as in docs/MQTT.md is refused with one sentence. Limits hold
for each kind of command and each camera, so that none of them uses up what another needs.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from facerec_mqtt.core.errors import CommandError, FacerecError
from facerec_mqtt.core.slugs import SlugError, person_name, slug
from facerec_mqtt.mqtt.topics import Topics

MAX_PAYLOAD_BYTES = 4096
MAX_CAPTURE_S = 120
MAX_WAITING = 16
"""Commands that wait to be carried out, without switches, of which one waits for each camera."""
BURST, PER_SECOND = 10, 0.5
"""So many commands of one kind, and for one camera, may come at once; so many a second in the long run."""
_FORMS = {
    "rebuild": 'empty, PRESS or {"force": true}',
    "capture": '{"person": "Anna", "camera": "front_door", "seconds": 20}',
}


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Build the family's model again; with `force`, use it even when it is worse than the one in use."""

    force: bool = False


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
class Refused:
    """A command, such as "camera/front_door/enabled", that is not carried out; and why, in one sentence."""

    command: str
    message: str


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class _RebuildRequest(_Request):
    force: bool = False


class _CaptureRequest(_Request):
    person: str
    camera: str
    seconds: float = Field(ge=1, le=MAX_CAPTURE_S)


_AnyRequest = TypeVar("_AnyRequest", bound=_Request)


def parse_rebuild(payload: bytes) -> Rebuild:
    """Parse a rebuild command: empty, `PRESS` or `{"force": true}`.

    Raises:
        CommandError: it is anything else.
    """
    text = _text("rebuild", payload)
    if text.strip() in ("", "PRESS"):
        return Rebuild()
    return Rebuild(_parsed("rebuild", text, _RebuildRequest).force)


def parse_capture(payload: bytes, cameras: Collection[str]) -> Capture:
    """Parse a capture command: `{"person": "Anna", "camera": "front_door", "seconds": 20}`.

    Args:
        payload: as it came.
        cameras: slugs of the cameras that there are.

    Raises:
        CommandError: it is anything else, the camera is unknown or the name cannot be one of a folder.
    """
    request = _parsed("capture", _text("capture", payload), _CaptureRequest)
    return Capture(_person_name(request.person), known_camera(request.camera, cameras), request.seconds)


def parse_enabled(camera: str, payload: bytes, cameras: Collection[str]) -> Enable:
    """Parse what was sent to a camera's switch: `ON` or `OFF`.

    Raises:
        CommandError: it is anything else, or the camera is unknown.
    """
    name = _switch_name(camera)
    known = known_camera(camera, cameras)
    text = _text(name, payload).strip()
    if text not in ("ON", "OFF"):
        raise CommandError(f"{name}: {shown(text)} is neither ON nor OFF; send one of the two.")
    return Enable(known, text == "ON")


def known_camera(camera: str, cameras: Collection[str]) -> str:
    """Return the slug of a camera that a command names; raises `CommandError` where there is none."""
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
    """Lets a few commands through at once, and fewer in the long run. The time is an argument, in seconds."""

    def __init__(self, burst: int = BURST, per_second: float = PER_SECOND) -> None:
        self._burst = burst
        self._per_second = per_second
        self._left = float(burst)
        self._asked_s = 0.0
        self._exceeded = False

    def admit(self, now_s: float) -> bool:
        """Return whether a command that came now may be carried out."""
        self._left = min(self._burst, self._left + max(0.0, now_s - self._asked_s) * self._per_second)
        self._asked_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        self._exceeded = False
        return True

    def first_refusal(self) -> bool:
        """Return whether this is the first refusal of a flood; the others are not answered."""
        first, self._exceeded = not self._exceeded, True
        return first


class CommandQueue:
    """Commands that wait to be carried out. Any thread may use it.

    A camera's switch is never refused: its last command waits, until the limit allows it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._others: list[Rebuild | Capture] = []
        self._switches: dict[str, Enable] = {}
        self._limits: defaultdict[str, RateLimit] = defaultdict(RateLimit)

    def put(self, command: Command) -> bool:
        """Add a command; returns whether the queue has space for it."""
        with self._lock:
            if isinstance(command, Enable):
                self._switches[command.camera] = command
            elif len(self._others) < MAX_WAITING:
                self._others.append(command)
            else:
                return False
            return True

    def take(self, now_s: float) -> Command | None:
        """Remove and return a command that may be carried out now; `None` when there is none."""
        with self._lock:
            for camera in self._switches:
                if self._limits[camera].admit(now_s):
                    return self._switches.pop(camera)
            return self._others.pop(0) if self._others else None


class CommandIntake:
    """Turns messages into commands or refusals.

    Args:
        topics: ours.
        cameras: slugs of the cameras that there are.
    """

    def __init__(self, topics: Topics, cameras: Collection[str]) -> None:
        self._topics = topics
        self._cameras = frozenset(cameras)
        self._limits: defaultdict[str, RateLimit] = defaultdict(RateLimit)
        self._retained: set[str] = set()

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to."""
        topics = self._topics
        return topics.rebuild_command, topics.capture_command, topics.all_switches

    def take(self, topic: str, payload: bytes, retained: bool, now_s: float) -> Command | Refused | None:
        """Take in one message.

        Args:
            topic: where it came in.
            payload: as it came, possibly cut.
            retained: whether the broker had kept it: nobody is waiting for such a command now.
            now_s: the time.

        Returns:
            What to do or to answer; `None` for what is no command, or has been answered already.
        """
        name = self._name(topic)
        if name is None:
            return None
        limit = self._limits[self._limited(topic)]
        if retained:
            # A thousand of them are not answered by a thousand.
            if topic in self._retained or not limit.admit(now_s):
                return None
            self._retained.add(topic)
            return Refused(name, f"A retained {name} command is ignored; publish it without the retain flag.")
        if topic in self._retained and not payload:
            # So a retained message is cleared; the broker passes that on as any other.
            self._retained.remove(topic)
            return Refused(
                name,
                f"The retained {name} command is cleared by this empty message; nothing else is done.",
            )
        taken = self._parse(name, topic, payload)
        if isinstance(taken, Enable) or limit.admit(now_s):
            return taken
        sentence = "Too many commands at once; they are ignored. Wait a few seconds."
        return Refused(name, sentence) if limit.first_refusal() else None

    def _name(self, topic: str) -> str | None:
        if topic == self._topics.rebuild_command:
            return "rebuild"
        if topic == self._topics.capture_command:
            return "capture"
        camera = self._topics.switched_camera(topic)
        return None if camera is None else _switch_name(camera)

    def _limited(self, topic: str) -> str:
        """What a topic shares its limit with: all cameras that there are not are one."""
        camera = self._topics.switched_camera(topic)
        return topic if camera is None or camera in self._cameras else self._topics.all_switches

    def _parse(self, name: str, topic: str, payload: bytes) -> Command | Refused:
        camera = self._topics.switched_camera(topic)
        try:
            if camera is not None:
                return parse_enabled(camera, payload, self._cameras)
            return parse_rebuild(payload) if name == "rebuild" else parse_capture(payload, self._cameras)
        except CommandError as error:
            return Refused(name, str(error))


def _switch_name(camera: str) -> str:
    return f"camera/{shown(camera)}/enabled"


def _text(command: str, payload: bytes) -> str:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise CommandError(f"{command}: the payload is longer than {MAX_PAYLOAD_BYTES} bytes; send less.")
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandError(f"{command}: the payload is not UTF-8 text (byte {error.start}).") from None


def _parsed(command: str, text: str, kind: type[_AnyRequest]) -> _AnyRequest:
    form = _FORMS[command]
    try:
        # pydantic's own parser takes the last of two equal keys, and NaN.
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise CommandError(f"{command}: {shown(text)} is not what is expected; send {form}.") from None
    if not isinstance(value, dict):
        raise CommandError(f"{command}: {shown(text)} is not a JSON object; send {form}.")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise CommandError(_sentence(command, text, error.errors())) from None


def _sentence(command: str, text: str, errors: list[ErrorDetails]) -> str:
    """Explain what is wrong with a JSON object; of several things, the first to set right."""
    form = _FORMS[command]
    of_type = {error["type"]: error for error in reversed(errors)}
    if (unknown := of_type.pop("extra_forbidden", None)) is not None:
        return f'{command}: "{shown(str(unknown["loc"][0]))}" is unknown; send {form}.'
    if "missing" in of_type:
        missing = [f'"{error["loc"][0]}"' for error in errors if error["type"] == "missing"]
        return f"{command} lacks {' and '.join(missing)}; send {form}."
    first = errors[0]
    if not first["loc"]:  # a key is no text that can be written
        return f"{command}: {shown(text)} is not what is expected; send {form}."
    name, value = first["loc"][0], first["input"]
    if name == "seconds" and isinstance(value, int | float) and not isinstance(value, bool):
        return f'{command}: "{name}" is {shown(str(value))}; it must be from 1 to {MAX_CAPTURE_S}.'
    return f'{command}: "{name}" is {_json_type(value)}; send {form}.'


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a key occurs twice in an object")
    return dict(pairs)


def _refuse_constant(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


def _person_name(name: str) -> str:
    try:
        return person_name(name)
    except SlugError as error:
        raise CommandError(f"capture: {error}") from None
