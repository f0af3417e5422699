"""What all models of the API share."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from facerec_mqtt.core.slugs import person_name

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,100}$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
PersonName = Annotated[Name, AfterValidator(person_name)]
"""It can be a folder's: what cannot is refused at once, before anything waits to be undone."""
VisitId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{1,40}$")]
StrangerId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,40}$")]
Kind = Literal["family", "visitor", "stranger", "doubtful"]


class Answer(BaseModel):
    """What is given."""

    model_config = ConfigDict(frozen=True)


class Request(BaseModel):
    """What is taken: nothing more than is described."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Error(Answer):
    """Why something was not done, in one sentence."""

    error: str


FAILURE: Mapping[str, Any] = {
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
}
"""An `Error` among the answers of a call, for the description of the API.

As a `model` each of hundreds would get a validator of its own, which takes two megabytes; it is one at
`GET status` alone, which brings the schema that this refers to.
"""
