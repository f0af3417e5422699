"""What is wrong with a value from outside, in one sentence, and what pydantic's models have in common."""

import difflib
from collections.abc import Collection
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from facerec_mqtt.core.slugs import slug


def _require_slug(text: str) -> str:
    if slug(text) != text:
        raise ValueError("it cannot stand in a topic")
    return text


Slug = Annotated[str, AfterValidator(_require_slug)]
"""Of a person or a camera, as it stands in topics and identifiers."""
_NODE_ID = r"^[a-zA-Z0-9_-]{1,64}$"
_TOPIC = r"^[^+#\s/]+(/[^+#\s/]+)*$"
NodeId = Annotated[str, Field(pattern=_NODE_ID)]
"""Of a box."""
TopicPath = Annotated[str, Field(pattern=_TOPIC, max_length=200)]
"""What topics begin with, or a whole one."""


def first_problem(error: ValidationError) -> str:
    """Describe the first thing that is wrong: where and what, without the value, which may be private."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part)[:40] for part in first["loc"])
    message = reason(first)
    return f"{place}: {message}" if place else message


SECRET = frozenset(("password", "username", "token", "url", "main_url", "key", "camera_key"))
"""Settings whose values are never repeated."""


def nearest(name: str, known: Collection[str]) -> str:
    """The one of the known names that is most like a misspelt one."""
    return difflib.get_close_matches(name, known, n=1, cutoff=0)[0]


_FORMS = {
    _NODE_ID: "take letters, digits, _ and - alone, at most 64 of them, such as home",
    _TOPIC: "take a topic without spaces, + and #, and without / at its ends",
}
"""What is to be written where a value has to be of a form, by its pattern."""
_PLAIN = {
    "int": "write a whole number",
    "float": "write a number",
    "finite": "write a number",
    "bool": "write true or false",
    "string": "write a text",
    "tuple": "write a JSON list",
    "list": "write a JSON list",
    "model": "write a JSON object",
    "dict": "write a JSON object",
    "missing": "it is missing; add it",
    "extra": "it is unknown; leave it out",
}
"""What is to be written, by how the names of pydantic's errors begin."""


def reason(error: Any) -> str:
    """One of pydantic's errors in plain words that say what to do, without a full stop."""
    limits = error.get("ctx", {})
    match error["type"]:
        case "less_than_equal":
            return f"take at most {limits['le']:g}"
        case "less_than":
            return f"take less than {limits['lt']:g}"
        case "greater_than_equal":
            return f"take at least {limits['ge']:g}"
        case "greater_than":
            return f"take more than {limits['gt']:g}"
        case "string_pattern_mismatch":
            if limits["pattern"] in _FORMS:
                return _FORMS[limits["pattern"]]
        case "string_too_short":
            return "it is empty; fill it in, or leave it out"
        case "string_too_long":
            return f"take at most {limits['max_length']} characters"
        case "enum" | "literal_error":
            return f"take {limits['expected']}"
        case kind if (family := kind.split("_")[0]) in _PLAIN:
            return _PLAIN[family]
    return str(error["msg"]).removeprefix("Value error, ").rstrip(".")


def describe_error(error: Any, prefix: str, known: Collection[str], known_of_camera: Collection[str]) -> str:
    """One sentence on one of pydantic's errors, with the value unless it may hold a secret.

    Args:
        error: one of `ValidationError.errors()`.
        prefix: with which the names of all settings begin.
        known: the names of all settings.
        known_of_camera: the names of one camera's.
    """
    location = list(error["loc"])
    if not location:  # settings that do not go together
        return f"{reason(error)}."
    if location[0] == "cameras":
        place = f"{prefix}CAMERAS"
        if len(location) > 1:
            place += f", camera {int(location[1]) + 1}"
        if len(location) > 2:
            place += f', "{".".join(map(str, location[2:]))}"'
    else:
        place = prefix + "__".join(str(part).upper() for part in location)
    if error["type"] == "extra_forbidden":
        meant = (
            nearest(str(location[-1]), known_of_camera) if location[0] == "cameras" else nearest(place, known)
        )
        return f"{place} is unknown; did you mean {meant}?"
    value = error.get("input")
    whole_camera = location[0] == "cameras" and len(location) < 3
    secret = whole_camera or not SECRET.isdisjoint(location)
    secret = secret or "@" in str(value)  # an address with a login
    shown = f" is {value!r}" if isinstance(value, str | int | float) and not secret else ""
    message = reason(error)
    return f"{place}{shown}: {message[:1].lower()}{message[1:]}."
