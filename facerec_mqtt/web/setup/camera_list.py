"""The JSON list of cameras as it stands in a settings file; what is not changed stays letter by letter."""

import json
import re
from collections.abc import Mapping

from pydantic import JsonValue

from facerec_mqtt.core.errors import SettingsError
from facerec_mqtt.core.slugs import SlugError, slug

Camera = Mapping[str, JsonValue]
_SPACE = re.compile(r"\s*")
_DECODER = json.JSONDecoder()


def cameras_in(text: str) -> list[Camera]:
    """The cameras of a list; none of an empty text.

    Raises:
        SettingsError: it is no list of JSON objects.
    """
    return [camera for camera, _, _ in _elements(text)]


def place_of(text: str, camera: str) -> int:
    """Where a camera stands in the list.

    Raises:
        SettingsError: it does not.
    """
    for place, each in enumerate(cameras_in(text)):
        try:
            if slug(str(each.get("name", ""))) == camera:
                return place
        except SlugError:
            continue
    raise SettingsError(f'The camera "{camera}" is not in the settings file any more; load this page again.')


def with_changes(text: str, place: int, changes: Camera) -> str:
    """The list with some settings of one camera changed; `None` takes a setting out."""
    camera, start, end = _elements(text)[place]
    changed = {name: value for name, value in ({**camera, **changes}).items() if value is not None}
    return text[:start] + _as_text(changed) + text[end:]


def with_camera(text: str, camera: Camera) -> str:
    """The list with one camera more, at its end, on a line of its own where the others have one."""
    elements = _elements(text)
    if not elements:
        return f"[{_as_text(camera)}]"
    _, start, end = elements[-1]
    before = re.search(r"\s*$", text[:start])
    space = "" if before is None else before.group()
    return f"{text[:end]},{space}{_as_text(camera)}{text[end:]}"


def _as_text(camera: Camera) -> str:
    return json.dumps(camera, ensure_ascii=False, separators=(",", ":"))


def _elements(text: str) -> list[tuple[Camera, int, int]]:
    """Each element with where it begins and ends."""
    found: list[tuple[Camera, int, int]] = []
    if not text.strip():
        return found
    try:
        if not isinstance(json.loads(text), list):
            raise ValueError("no list")
        at = text.index("[") + 1
        while True:
            at = _end_of(_SPACE, text, at)
            if text[at] == "]":
                return found
            if text[at] == ",":
                at = _end_of(_SPACE, text, at + 1)
            camera, end = _DECODER.raw_decode(text, at)
            if not isinstance(camera, dict):
                raise ValueError("no object")
            found.append((camera, at, end))
            at = end
    except (ValueError, RecursionError):
        raise SettingsError(
            "FACEREC_CAMERAS in the settings file is no JSON list of cameras; see config.example.env."
        ) from None


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()
