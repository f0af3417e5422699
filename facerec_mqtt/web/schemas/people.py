"""People and their photos."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from facerec_mqtt.web.schemas.base import Answer, PersonName, Request, Slug


class NewName(Request):
    """What somebody is called."""

    name: PersonName


class Person(Answer):
    """Somebody enrolled."""

    person: Slug
    name: str
    kind: Literal["family", "visitor"] = "family"
    photos: int
    used: int | None
    """Photos that the model in use was made of; `null` without a model."""
    set_aside: int = 0
    """Photos that its rebuild has set aside; the person's page says why."""
    new: int = 0
    """Photos that have come since."""
    recognised: float | None
    """Share of their photos that a model which had not learnt from them names."""
    present: bool
    last_seen: str | None
    picture: str | None = None
    """Address of one of their photos."""


class ToForget(Answer):
    """What goes when somebody is forgotten."""

    photos: int
    visits: int
    """With the person's name."""
    unnamed: int | None
    """Visits without a name that probably are the person's; `null` where no model knows the person."""
    sentence: str
    """All of it in words."""


class People(Answer):
    """Everybody enrolled."""

    people: list[Person]
    notes: list[str] = Field(default_factory=list)
    """Who is being forgotten at present, and what has failed, a sentence each."""


class Photo(Answer):
    """A photo in somebody's folder."""

    file: str
    used: bool | None
    """`null` where it has come since the last rebuild."""
    reason: str | None
    """Why it is not used, in one sentence; `null` when it is."""
    reason_code: str | None = None
    duplicate_of: str | None = None
    """File in the enrollment folder of the photo that it is a near-duplicate of."""
    note: str | None = None
    """What is worth knowing of one that is used."""
    url: str
    """Address of the picture, as JPEG; with `?width=` smaller."""
    can_be_used: bool = False
    """Whether it can be used although it was rejected."""
    used_anyway: bool = False
    """Whether it is used because somebody wanted it, though it would be rejected."""


class Face(Answer):
    """A face in a photo."""

    box: tuple[float, float, float, float]
    """Left, top, right and bottom, as fractions of the upright picture."""


class LooksLike(Answer):
    """Pictures that are put to somebody, and look like somebody else to the model in use."""

    person: Slug | None
    """Who they look like; `null` where they only seem to show somebody else than they are put to."""
    name: str | None
    files: list[str]
    """Those that do."""
    question: str
    """Whether they are put there all the same, in a sentence or two."""


class LookAlikes(Answer):
    """Whether some pictures look like somebody else."""

    looks_like: LooksLike | None
    """`null` where none does, and where nobody can tell."""


class PhotosToCompare(Request):
    """Photos of somebody, of which it is asked whether they look like somebody else."""

    files: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(min_length=1, max_length=200)]
    to: Slug | None = None
    """Whose they would be; `null` where they stay."""


class AddedPhoto(Answer):
    """What became of a photo that was sent."""

    name: str
    """What it was called when it was sent."""
    added: bool
    """Whether it is in the person's folder now."""
    file: str | None
    reason: str | None
    """Why it was not added, or would not be used; `null` where nothing is wrong with it."""
    reason_code: str | None = None
    url: str | None = None
    looks_like: LooksLike | None = None
    """Where it is added, and looks like somebody else."""
    faces: list[Face] = Field(default_factory=list)
    """Where it shows several, none of them clearly the largest: one of them is to be chosen."""


class AddedPhotos(Answer):
    """What became of the photos that were sent, in their order."""

    photos: list[AddedPhoto]


class Photos(Answer):
    """A person's photos."""

    photos: list[Photo]
    judging: bool = False
    """Whether photos are being compared with each other, so that what became of them may still change."""


class PhotoChange(Request):
    """Move a photo to somebody else, use it although it was rejected, or choose one of its faces."""

    person: Slug | None = None
    """Whose it is."""
    use: bool | None = None
    """Whether to use it although it was rejected."""
    face: Annotated[int, Field(ge=0, le=99)] | None = None
    """Which of several faces it is about, counted from 0; the photo is cut out around it."""
    sure: bool = False
    """With `person`: it is used there although it looks like somebody else."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.person, self.use, self.face)) != 1:
            raise ValueError('give exactly one of "person", "use" and "face"')
        return self
