"""Reads commands strictly. Nothing is guessed: what is not exactly as in docs/MQTT.md is refused."""

import json
from collections.abc import Collection
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from facerec_mqtt.core.errors import CommandError, FacerecError
from facerec_mqtt.core.slugs import SlugError, person_name, slug
from facerec_mqtt.mqtt.commands.requests import Assign, Capture, Enable, Rebuild

MAX_PAYLOAD_BYTES = 4096
MAX_CAPTURE_S = 120
_FORMS = {
    "rebuild": 'empty, PRESS or {"force": true}',
    "capture": '{"person": "Anna", "camera": "front_door", "seconds": 20}',
    "assign": '{"stranger_id": "01KAREC9M3N8Q2Z7X4V6T1B5WD", "visitor": "Postman"}',
}


class _Request(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class _RebuildRequest(_Request):
    force: bool = False


class _CaptureRequest(_Request):
    person: str
    camera: str
    seconds: float = Field(ge=1, le=MAX_CAPTURE_S)


class _AssignRequest(_Request):
    visit_id: str | None = Field(default=None, pattern=r"^[0-9A-Za-z]{1,40}$")
    stranger_id: str | None = Field(default=None, pattern=r"^[0-9A-Za-z]{1,40}$")
    person: str | None = Field(default=None, pattern=r"^[a-z0-9_]{1,64}$")
    name: str | None = None
    visitor: str | None = None
    nobody: Literal[True] | None = None


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
    return Capture(
        _person_name("capture", request.person), known_camera(request.camera, cameras), request.seconds
    )


def parse_assign(payload: bytes) -> Assign:
    """Parse an assignment: `{"stranger_id": "01K…", "visitor": "Postman"}`.

    Raises:
        CommandError: it is anything else, or a name cannot be one of a folder.
    """
    request = _parsed("assign", _text("assign", payload), _AssignRequest)
    of, to = ("visit_id", "stranger_id"), ("person", "name", "visitor", "nobody")
    for keys in (of, to):
        given = [f'"{key}"' for key in keys if getattr(request, key) is not None]
        if len(given) != 1:
            one = ", ".join(f'"{key}"' for key in keys)
            has = f"has {' and '.join(given)}" if given else "has none"
            raise CommandError(f"assign {has} of {one}; send exactly one, as in {_FORMS['assign']}.")
    return Assign(
        request.visit_id,
        request.stranger_id,
        request.person,
        None if request.name is None else _person_name("assign", request.name),
        None if request.visitor is None else _person_name("assign", request.visitor),
    )


def parse_enabled(camera: str, payload: bytes, cameras: Collection[str]) -> Enable:
    """Parse what was sent to a camera's switch: `ON` or `OFF`.

    Raises:
        CommandError: it is anything else, or the camera is unknown.
    """
    name = switch_name(camera)
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


def switch_name(camera: str) -> str:
    """What a camera's switch is called in answers."""
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
    if first["type"] == "string_pattern_mismatch":
        return f'{command}: "{name}" is {shown(str(value))}, which none is called; send {form}.'
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


def _person_name(command: str, name: str) -> str:
    try:
        return person_name(name)
    except SlugError as error:
        raise CommandError(f"{command}: {error}") from None
