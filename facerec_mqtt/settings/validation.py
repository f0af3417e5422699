"""What pydantic's models of files and messages have in common."""

from typing import Annotated

from pydantic import AfterValidator, ValidationError

from facerec_mqtt.core.slugs import slug


def _require_slug(text: str) -> str:
    if slug(text) != text:
        raise ValueError("it cannot stand in a topic")
    return text


Slug = Annotated[str, AfterValidator(_require_slug)]
"""Of a person or a camera, as it stands in topics and identifiers."""


def first_problem(error: ValidationError) -> str:
    """Describe the first thing that is wrong: where and what, without the value, which may be private."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part)[:40] for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
