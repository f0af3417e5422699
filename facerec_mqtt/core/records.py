"""The values that flow through the program, in the order in which they arise.

All are immutable. Those that hold arrays compare by identity, since comparing arrays element by
element is never what a caller wants here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""A picture: (H, W, 3) uint8, channels blue, green, red."""
Vectors = NDArray[np.float32]
"""A batch of embeddings: (N, D) float32, each row of unit L2 length."""
Box = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max in pixels of the frame; may exceed the frame."""
ProgressCallback = Callable[[str, float], None]
"""Called with what is being done, for people to read, and the share of the whole that is done, [0, 1]."""
THRESHOLD = 0.5
"""Score from which on a name is given."""
FACE_SIDE_PX = 112
"""Side of an aligned face, which is the backbone's input."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from one camera."""

    camera: str
    """The camera's slug."""
    captured_at_s: float
    """When it was read, in seconds of `time.monotonic`."""
    image: Image
    """(H, W, 3) uint8 BGR, read-only."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A face found in a picture."""

    box: Box
    """x_min, y_min, x_max, y_max in pixels of the picture, float; may exceed the picture."""
    landmarks: NDArray[np.float32]
    """(5, 2) float32 x, y in pixels: right eye, left eye, nose, right and left mouth corner (the
    person's own right, so the right eye is usually the one with the smaller x)."""
    score: float
    """The detector's confidence, [0, 1]."""


_GOOD_PX, _GOOD_SHARPNESS = 112.0, 60.0


@dataclass(frozen=True, slots=True, eq=False)
class AlignedFace:
    """A face cut out, turned upright and scaled to the backbone's input."""

    image: Image
    """(FACE_SIDE_PX, FACE_SIDE_PX, 3) uint8 BGR."""
    width_px: float
    """Width of the face in the picture it was cut from, in pixels."""
    sharpness: float
    """Variance of the Laplacian of the aligned grey picture, as in good light; below about 20 is a blur."""

    @property
    def quality(self) -> float:
        """How much it can tell, [0, 1]: small and blurred faces less."""
        return min(self.width_px / _GOOD_PX, 1.0) * min(self.sharpness / _GOOD_SHARPNESS, 1.0)


Refusal = Literal["no model", "below threshold", "ambiguous", "face too small", "blurred"]
"""Why a face was not given a name."""


@dataclass(frozen=True, slots=True)
class Identification:
    """Who a face is, or that it is nobody enrolled."""

    person: str | None
    """The person's slug; `None` is nobody enrolled."""
    score: float
    """Calibrated, [0, 1]; 0.5 is the threshold. Of the best candidate, also when refused."""
    margin: float
    """Score of the best candidate less the runner-up's, [0, 1]."""
    refusal: Refusal | None
    """Why nobody was named; `None` when a person is."""
    candidate: str | None = None
    """Slug of who scored best, also when refused: for `run --explain` alone, never for MQTT."""


class PersonKind(StrEnum):
    """What somebody enrolled is to the household."""

    FAMILY = "family"
    """A member: arrives, departs, is present or not."""
    VISITOR = "visitor"
    """Known, as the postman is: has a name, and no presence."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody enrolled."""

    slug: str
    """`[a-z0-9_]+`, made from the name; used in topics and identifiers."""
    name: str
    """As the folder is called: "José Núñez"."""
    kind: PersonKind = PersonKind.FAMILY


def family_of(people: Iterable[Person]) -> tuple[Person, ...]:
    """The members of the family among those who are enrolled."""
    return tuple(person for person in people if person.kind is PersonKind.FAMILY)


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One face in one frame, identified: what a visit is made of."""

    camera: str
    """The camera's slug."""
    captured_at_s: float
    """Of the frame, in seconds of `time.monotonic`."""
    detection: Detection
    identification: Identification
    face: AlignedFace
    """The face itself, for the picture that is published with the event."""
    embedding: NDArray[np.float32] | None = None
    """(D,) float32 of unit length; `None` where the face was too poor to be embedded."""


@dataclass(frozen=True, slots=True, eq=False)
class PooledEmbedding:
    """What several frames of one face say together."""

    vector: NDArray[np.float32]
    """(D,) float32 of unit length."""
    frames: int
    """How many frames were pooled; those that do not fit are left out."""
    differing: float
    """As how many entirely different pictures they count, 1 or more: the frames of a second are alike."""


class Departure(StrEnum):
    """Why a visit has ended; `reason` in the event's payload."""

    UNSEEN = "unseen"
    """The quiet time was over."""
    CAMERA_OFFLINE = "camera_offline"
    """The camera was away for too long."""
    CAMERA_SWITCHED_OFF = "camera_switched_off"
    """Recognition at the camera was switched off."""
    PERSON_REMOVED = "person_removed"
    """The model in use does not know the person any more."""
    STILL_PICTURE = "still_picture"
    """The face has not moved for minutes: it is a portrait, or the camera's picture is frozen."""


@dataclass(frozen=True, slots=True, eq=False)
class PresenceChange:
    """A person came or left, or a known visitor or a stranger was seen."""

    camera: str
    """The camera's slug."""
    person: str | None
    """The person's slug; `None` for a stranger."""
    kind: Literal["arrived", "departed", "visitor", "stranger"]
    at_s: float
    """When, in seconds of `time.monotonic`: capture of the frame that decided."""
    visit_id: str
    votes: int
    """Frames of the visit that agreed; 0 for a departure."""
    frames: int
    """Good frames of the visit so far; 0 for a departure."""
    sighting: Sighting | None
    """The one that decided; `None` for a departure."""
    reason: Departure | None = None
    """Why a visit has ended; `None` for an arrival and a stranger."""
    pooled: PooledEmbedding | None = None
    """Of the frames that decided; `None` for a departure and where no face was embedded."""


@dataclass(frozen=True, slots=True)
class StrangerSeen:
    """Which stranger a visit is of."""

    stranger_id: str
    """Of the group of visits that are this person's."""
    times_seen: int
    """How many visits the group has, this one included; those that are not kept any more are not counted."""


@dataclass(frozen=True, slots=True)
class OpenVisit:
    """A visit that has not ended."""

    camera: str
    person: str | None
    """The person's slug; `None` for a stranger."""
    visit_id: str
    began_s: float
    """When it was decided, in seconds of `time.monotonic`."""
    last_seen_s: float
    """Capture of the last frame with this face, in seconds of `time.monotonic`."""
    score: float
    """Of the last frame that gave the name (for a stranger: of the frame that decided), [0, 1]."""
    pooled: PooledEmbedding | None = field(default=None, compare=False)
    """Of a stranger's visit so far; `None` where no face was embedded, and for people with a name."""
    is_visitor: bool = False
    """Whether the person is a known visitor."""


@dataclass(frozen=True, slots=True)
class CameraState:
    """What a camera sees at present."""

    camera: str
    people: tuple[str, ...]
    """Slugs of the people whose visit at this camera has not ended, in alphabetical order."""
    strangers: int
    """Visits of strangers at this camera that have not ended."""
    faces: int
    """Faces in the last frame that was looked at."""
    fps: float
    """Frames a second over the last seconds."""
    last_frame_s: float | None
    """Capture of the last frame, in seconds of `time.monotonic`; `None` before the first."""
    frozen: bool = False
    """Whether its picture has stood still for minutes, not a detail of it changing."""


@dataclass(frozen=True, slots=True)
class PersonState:
    """Whether a member of the family is here."""

    person: Person
    present: bool
    camera: str | None
    """Where last seen; `None` when not seen since the start."""
    last_seen_s: float | None
    """In seconds of `time.monotonic`."""
    score: float | None
    """Of the last frame that gave the name, [0, 1]."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelState:
    """State of the family's model."""

    status: Literal["missing", "training", "ready", "failed"]
    progress: int | None
    """Of a rebuild in progress, percent; `None` when there is none."""
    version: str | None
    """Of the model in use; `None` when there is none."""
    people: tuple[str, ...]
    """Slugs of the people that the model in use knows."""
    report: Mapping[str, object] | None
    """Of the last rebuild, ready for JSON."""
    message: str | None
    """What the last rebuild made, or why it failed, in one sentence; `None` when there was none."""
    stage: str | None = None
    """What a rebuild in progress is doing, for people to read."""
    seconds_left: int | None = None
    """Until a rebuild in progress will have ended, at its speed so far; `None` while it is unknown."""


@dataclass(frozen=True, slots=True)
class CaptureState:
    """Progress of taking enrollment pictures; all `None` and 0 when none are being taken."""

    person: str | None = None
    """Name of the person of whom pictures are taken."""
    camera: str | None = None
    """The camera's slug."""
    taken: int = 0
    wanted: int = 0
    hint: str | None = None
    """What the person before the camera is to do, in one sentence."""


def short_of(value: float, needed: float, digits: int = 2) -> str:
    """Write a figure that is not enough beside the one that is needed, so that the two are never the same.

    Args:
        value: below `needed`, but for rounding.
        needed: written with `digits` digits beside it.
        digits: behind the point; two more where they are needed.
    """
    for more in range(digits, digits + 3):
        if f"{value:.{more}f}" != f"{needed:.{more}f}":
            return f"{value:.{more}f}"
    return f"just below {needed:.{digits}f}" if value < needed else f"{value:.{digits}f}"


def score_text(score: float) -> str:
    """Write a score, [0, 1], of which 0.50 is the threshold for a name."""
    return f"{score:.2f}" if score >= THRESHOLD else short_of(score, THRESHOLD)
