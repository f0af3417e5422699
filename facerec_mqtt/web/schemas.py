"""What the API takes and gives: strict models of pydantic, from which its description is made."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,100}$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
VisitId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{1,40}$")]
StrangerId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,40}$")]
Kind = Literal["family", "visitor", "stranger", "doubtful"]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Error(_Answer):
    """Why something was not done, in one sentence."""

    error: str


class CameraStatus(_Answer):
    """A camera at present."""

    camera: Slug
    name: str
    online: bool
    enabled: bool
    fps: float = 0.0
    """Frames a second that it gives."""
    faces: int = 0
    """In the last frame that was searched."""
    message: str | None = None
    """Why it gives no pictures."""


class PersonStatus(_Answer):
    """A member of the family at present."""

    person: Slug
    name: str
    present: bool
    camera: str | None = None
    """Where last seen."""
    last_seen: str | None = None
    """ISO 8601 with offset."""


class ModelStatus(_Answer):
    """The model in use, and a rebuild in progress."""

    status: Literal["missing", "training", "ready", "failed"]
    version: str | None
    progress: int | None
    stage: str | None = None
    seconds_left: int | None = None
    message: str | None = None


class BrokerStatus(_Answer):
    """The connection to the broker."""

    online: bool
    message: str | None = None
    """Why there is none."""


class CaptureStatus(_Answer):
    """Photos that are being taken of somebody by a camera."""

    person: str
    """The name."""
    camera: str
    taken: int
    wanted: int
    hint: str | None
    """What the person before the camera is to do."""


class Status(_Answer):
    """Everything at present."""

    version: str
    broker: BrokerStatus
    model: ModelStatus
    cameras: list[CameraStatus]
    people: list[PersonStatus]
    capture: CaptureStatus | None = None
    """`null` while no photos are being taken."""


class LiveFace(_Answer):
    """A face in a camera's newest picture."""

    box: tuple[float, float, float, float]
    """x_min, y_min, x_max, y_max in pixels of the picture; may exceed it."""
    person: str | None
    name: str | None
    score: float
    """[0, 1]; 0.5 is the threshold."""
    reason_code: Literal["no_model", "below_threshold", "ambiguous", "face_too_small", "blurred"] | None
    """Why it was given no name; `null` where it has one."""
    reason: str | None
    """The same in one sentence."""


class LiveFaces(_Answer):
    """What the service sees in a camera's newest picture."""

    camera: str
    captured_at: float | None
    """Names the picture: `frame.jpg` has it as `X-Captured-At`; `null` before the first."""
    width: int
    height: int
    searched: bool
    """Whether faces were looked for; they are not where nothing has moved."""
    faces: list[LiveFace]


class CameraChange(_Request):
    """Switch recognition at a camera on or off."""

    enabled: bool


class CaptureRequest(_Request):
    """Take photos of somebody by a camera."""

    name: Name
    seconds: Annotated[int, Field(ge=1, le=120)] = 60


class Accepted(_Answer):
    """It has begun; how it goes is in the status and among the events."""

    accepted: Literal[True] = True


class NewToken(_Request):
    """What a token for a program is to be called."""

    name: Name


class Token(_Answer):
    """A token for a program."""

    token_id: str
    name: str
    created: str
    """ISO 8601 with offset."""


class MadeToken(Token):
    """A token that was just made."""

    token: str
    """Shown this once; what is kept is a hash of it."""


class Tokens(_Answer):
    """All tokens for programs."""

    tokens: list[Token]


class Visit(_Answer):
    """One visit."""

    visit_id: str
    kind: Kind
    person: str | None
    name: str | None
    camera: str
    began: str
    """ISO 8601 with offset."""
    ended: str | None
    score: float
    picture: str | None
    """Address of the picture that decided; `null` where none is kept."""
    stranger_id: str | None
    why: dict[str, object]


class VisitDetail(Visit):
    """One visit, with all that is kept of it."""

    pictures: list[str]
    """Addresses, the one that decided first."""
    scores: list[tuple[float, float]]
    """Seconds since the visit began and the score then, where more than the decision is known."""
    sentence: str
    """Why it was named, doubted or refused."""


class Visits(_Answer):
    """A page of visits, the latest first."""

    visits: list[Visit]
    next: str | None
    """Cursor of what follows."""


class Assignment(_Request):
    """Who a visit was: exactly one of these."""

    person: Slug | None = None
    """Somebody enrolled."""
    name: Name | None = None
    """Somebody new."""
    visitor: Name | None = None
    """A known visitor."""
    nobody: Literal[True] | None = None
    """Not a face of anybody, or of no interest."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.person, self.name, self.visitor, self.nobody)) != 1:
            raise ValueError('give exactly one of "person", "name", "visitor" and "nobody"')
        return self


class Merge(_Request):
    """Two groups of strangers that are one person."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    from_: StrangerId = Field(alias="from")
    into: StrangerId


class Split(_Request):
    """Visits of a group of strangers that are of somebody else."""

    visits: Annotated[list[VisitId], Field(min_length=1, max_length=500)]


class Stranger(_Answer):
    """Visits without a name that are one person."""

    stranger_id: str
    visits: int
    first_seen: str
    last_seen: str
    cameras: list[str]
    pictures: list[str]
    suggestion: str | None


class Strangers(_Answer):
    """All groups of strangers, the latest first."""

    strangers: list[Stranger]


class NewName(_Request):
    """What somebody is called."""

    name: Name


class Person(_Answer):
    """Somebody enrolled."""

    person: Slug
    name: str
    kind: Literal["family", "visitor"] = "family"
    photos: int
    used: int | None
    """Photos that the model in use was made of; `null` without a model."""
    recognised: float | None
    """Share of their photos that a model which had not learnt from them names."""
    present: bool
    last_seen: str | None
    picture: str | None = None
    """Address of one of their photos."""


class People(_Answer):
    """Everybody enrolled."""

    people: list[Person]
    notes: list[str] = []
    """Who is being forgotten at present, and what has failed, a sentence each."""


class Photo(_Answer):
    """A photo in somebody's folder."""

    file: str
    used: bool | None
    """`null` where it has come since the last rebuild."""
    reason: str | None
    """Why it is not used, in one sentence; `null` when it is."""
    reason_code: str | None = None
    note: str | None = None
    """What is worth knowing of one that is used."""
    url: str
    """Address of the picture, as JPEG; with `?width=` smaller."""
    can_be_used: bool = False
    """Whether it can be used although it was rejected."""
    used_anyway: bool = False
    """Whether it is used because somebody wanted it, though it would be rejected."""


class Face(_Answer):
    """A face in a photo."""

    box: tuple[float, float, float, float]
    """Left, top, right and bottom, as fractions of the upright picture."""


class AddedPhoto(_Answer):
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
    faces: list[Face] = []
    """Where it shows several, none of them clearly the largest: one of them is to be chosen."""


class AddedPhotos(_Answer):
    """What became of the photos that were sent, in their order."""

    photos: list[AddedPhoto]


class Photos(_Answer):
    """A person's photos."""

    photos: list[Photo]


class PhotoChange(_Request):
    """Move a photo to somebody else, use it although it was rejected, or choose one of its faces."""

    person: Slug | None = None
    """Whose it is."""
    use: bool | None = None
    """Whether to use it although it was rejected."""
    face: Annotated[int, Field(ge=0, le=99)] | None = None
    """Which of several faces it is about, counted from 0; the photo is cut out around it."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.person, self.use, self.face)) != 1:
            raise ValueError('give exactly one of "person", "use" and "face"')
        return self


class RebuildRequest(_Request):
    """Whether a model that is clearly worse is used all the same."""

    force: bool = False


class RollbackRequest(_Request):
    """Which version to go back to; by default the one before."""

    version: Annotated[str, StringConstraints(pattern=r"^\d{8}T\d{6}Z-[0-9a-f]{4}$")] | None = None


class ModelVersion(_Answer):
    """A version of the model that is kept."""

    version: str
    created: str
    people: list[str]
    current: bool
    not_used_because: str | None
    recognised: float | None = None
    """Share of the family's photos that it names without having learnt from them."""
    strangers_named: float | None = None
    """Share of strangers' photos that it would give a name."""
    report: str | None = None
    """Address of its report."""


class Models(_Answer):
    """The model in use and the versions that are kept."""

    model: ModelStatus
    versions: list[ModelVersion]


class Quality(_Answer):
    """Whether it works: the visits of the last days."""

    days: int
    visits: int
    named: int
    """Given a name, of the family or of a known visitor."""
    corrected: int
    """Said by somebody to have been someone else."""
    doubted: int
    """Near to a name without being given one."""
    strangers: int
    nearest_stranger: float | None
    """The best score of a stranger's visit; 0.5 is the threshold."""


class FoundFace(_Answer):
    """A face in a picture that was tried."""

    box: tuple[float, float, float, float]
    """Left, top, right and bottom in pixels."""
    person: Slug | None
    name: str | None
    score: float
    margin: float
    reason: str | None = None
    """Why nobody is named, in one sentence; `null` when somebody is."""
    reason_code: str | None = None


class Recognised(_Answer):
    """Who is in a picture that was tried."""

    file: str
    faces: list[FoundFace]


class Check(_Answer):
    """One thing that recognition needs."""

    check: str
    """What was looked at."""
    state: Literal["ok", "failed"]
    sentence: str


class Checks(_Answer):
    """Everything that recognition needs."""

    checks: list[Check]
