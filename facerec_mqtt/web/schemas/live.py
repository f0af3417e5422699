"""What is live: status, faces, cameras, commands, tokens, checks."""

from typing import Annotated, Literal

from pydantic import Field

from facerec_mqtt.web.schemas.base import Answer, Name, PersonName, Request, Slug


class CameraStatus(Answer):
    """A camera at present."""

    camera: Slug
    name: str
    online: bool
    enabled: bool
    fps: float = 0.0
    """Frames a second that it gives."""
    message: str | None = None
    """Why it gives no pictures."""


class PersonStatus(Answer):
    """A member of the family at present."""

    person: Slug
    name: str
    present: bool
    camera: str | None = None
    """Where last seen."""
    last_seen: str | None = None
    """ISO 8601 with offset."""


class ModelStatus(Answer):
    """The model in use, and a rebuild in progress."""

    status: Literal["missing", "training", "ready", "failed"]
    version: str | None
    progress: int | None
    stage: str | None = None
    seconds_left: int | None = None
    message: str | None = None
    made_by: str | None = None
    """Node id of another box of the house, where it was made; `null` where it was at this one."""


class BrokerStatus(Answer):
    """The connection to the broker."""

    online: bool
    message: str | None = None
    """Why there is none."""


Role = Literal["all", "camera", "recogniser"]


class HouseStatus(Answer):
    """What this box does of the work of a house of several."""

    name: str
    role: Role
    recognisers: list[str] = Field(default_factory=list)
    """Node ids of those who answer it lately, at a box with the role camera."""
    asked_by: list[str] = Field(default_factory=list)
    """Node ids of the boxes that a recogniser has answered lately."""


class CaptureStatus(Answer):
    """Photos that are being taken of somebody by a camera."""

    person: str
    """The name."""
    camera: str
    taken: int
    wanted: int
    hint: str | None
    """What the person before the camera is to do."""


class Status(Answer):
    """Everything at present."""

    version: str
    house: HouseStatus | None = None
    """`null` where one box watches alone."""
    broker: BrokerStatus
    model: ModelStatus
    cameras: list[CameraStatus]
    people: list[PersonStatus]
    capture: CaptureStatus | None = None
    """`null` while no photos are being taken."""

    @property
    def role(self) -> Role:
        """What this box does; all of it, where it watches alone."""
        return "all" if self.house is None else self.house.role


class LiveFace(Answer):
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


class LiveFaces(Answer):
    """What the service sees in a camera's newest picture."""

    camera: str
    captured_at: float | None
    """Names the picture: `frame.jpg` has it as `X-Captured-At`; `null` before the first."""
    width: int
    height: int
    searched: bool
    """Whether faces were looked for; they are not where nothing has moved."""
    faces: list[LiveFace]


class CameraChange(Request):
    """Switch recognition at a camera on or off."""

    enabled: bool


class CaptureRequest(Request):
    """Take photos of somebody by a camera."""

    name: PersonName
    seconds: Annotated[int, Field(ge=1, le=120)] = 60


class Accepted(Answer):
    """It has begun; how it goes is in the status and among the events."""

    accepted: Literal[True] = True


class NewToken(Request):
    """What a token for a program is to be called."""

    name: Name


class Token(Answer):
    """A token for a program."""

    token_id: str
    name: str
    created: str
    """ISO 8601 with offset."""


class MadeToken(Token):
    """A token that was just made."""

    token: str
    """Shown this once; what is kept is a hash of it."""


class Tokens(Answer):
    """All tokens for programs."""

    tokens: list[Token]


class RebuildRequest(Request):
    """Whether a model that is clearly worse is used all the same."""

    force: bool = False


class Choices(Answer):
    """What was chosen on the page."""

    keeps_pictures: bool
    """Whether pictures of strangers and of doubtful visits are kept."""
    by_settings: bool
    """Whether the settings say so, whatever is chosen."""
    asked: bool
    """Whether that was chosen at any time."""


class NewChoices(Request):
    """What is chosen."""

    keeps_pictures: bool


class Check(Answer):
    """One thing that recognition needs."""

    check: str
    """What was looked at."""
    state: Literal["ok", "failed"]
    sentence: str


class Checks(Answer):
    """Everything that recognition needs."""

    checks: list[Check]
