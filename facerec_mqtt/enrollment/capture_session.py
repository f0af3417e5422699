"""Selects which frames of a camera become enrollment pictures, and what to ask of the person. Pure.

A session has two parts, apart in time: pictures to learn from first, and after a pause those to test with,
so that what a model is tested on was not taken in the same moment as what it has learnt from. Only pictures
that differ from all before are taken. Nothing here reads a clock: every time is an argument, in seconds of
`time.monotonic`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import AlignedFace, Detection

COUNT = 20
"""How many pictures are wanted by default."""
MIN_COUNT, MAX_COUNT = 4, 200
SECONDS = 60.0
"""How long it may take by default."""
MAX_SECONDS = 600.0
MIN_FACE_PX = 48.0
"""Of a picture to learn from; a face that is narrower is to come closer."""
MIN_SHARPNESS = 20.0
"""As `AlignedFace.sharpness`. Frames of a compressed stream have 33 to 75, of somebody who moves below 20."""
MIN_BRIGHTNESS = 70.0
"""Of the brightest twentieth of the face: at less, sharpness sinks too. A dark skin has highlights of 190."""
TURNED = 0.11
"""The nose's distance from the middle between the eyes, in eye distances: 0.1 to 0.2 at 15 degrees."""
TOO_FAR = 0.45
"""At more the second eye is hardly seen."""
TOO_ALIKE = 0.97
"""Cosine of two embeddings: consecutive frames of somebody who stands still have 0.97 to 0.99, a head that
was turned by 20 degrees 0.90 to 0.96."""
SAME_PERSON = 0.45
"""One person's frames within a minute had 0.57 at least with the most similar ones, two people's 0.37 at
most."""
MIN_INTERVAL_S = 0.5
_TEST_SHARE = 4
_SIDE_SHARE = 4
_LEARN_UNTIL = 0.7
_PAUSE_S, _PAUSE_SHARE = 3.0, 0.1
_PATIENCE_S, _PATIENCE_SHARE = 10.0, 0.15
_PROMPT_S = 4.0
Part = Literal["learn", "test"]
Embed = Callable[[AlignedFace], NDArray[np.float32]]
"""Gives a face's (D,) float32 unit embedding."""
Seen = tuple[Detection, AlignedFace]
_ASK = {
    "straight": "Look into the camera.",
    "left": "Turn your head a little to your left.",
    "right": "Turn your head a little to your right.",
}
# The landmarks hardly show whether somebody looks up; the embedding shows that the picture is another one.
_PROMPTS = (
    "Look up a little.",
    "Smile, or say something.",
    "Look down a little.",
    "Take half a step to the side.",
)


@dataclass(frozen=True, slots=True)
class Assessment:
    """Whether a frame becomes a picture, and what is to be done next."""

    hint: str
    """What the person before the camera is to know or to do, in one sentence."""
    part: Part | None
    """What the frame's picture is for; `None` when it is not taken."""


class FrameSelector:
    """Selects frames of one person until there are enough or the time is over.

    Args:
        name: of the person, for sentences.
        count: pictures that are wanted, of which every fourth is to test with.
        seconds: how long it may take.
        began_s: when it begins.
        embed: gives the embedding, by which pictures and people are compared.
    """

    def __init__(self, name: str, count: int, seconds: float, began_s: float, embed: Embed) -> None:
        self._name = name
        self._seconds = seconds
        self._began_s = began_s
        self._embed = embed
        self._wanted: dict[Part, int] = {"learn": count - count // _TEST_SHARE, "test": count // _TEST_SHARE}
        aside = self._wanted["learn"] // _SIDE_SHARE
        self._views = {"straight": self._wanted["learn"] - 2 * aside, "left": aside, "right": aside}
        self._taken: Counter[Part] = Counter()
        self._views_taken: Counter[str] = Counter()
        self._vectors: list[NDArray[np.float32]] = []
        self._asked_s: dict[str, float] = {}
        self._last_s = began_s - MIN_INTERVAL_S
        self._last_hint = _ASK["straight"]
        self._obstacles: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many pictures there are, of both parts."""
        return self._taken.total()

    @property
    def wanted(self) -> int:
        """How many are wanted, of both parts."""
        return sum(self._wanted.values())

    def over(self, now_s: float) -> bool:
        """Whether there are enough pictures, or no time is left."""
        return self.taken >= self.wanted or now_s - self._began_s >= self._seconds

    def assess(self, at_s: float, faces: Sequence[Seen]) -> Assessment:
        """Assess one frame.

        Args:
            at_s: its capture.
            faces: all that were found in it, cut out.
        """
        obstacle = self._obstacle(faces)
        if obstacle is not None:
            self._obstacles[obstacle] += 1
            return Assessment(obstacle, None)
        part = self._part(at_s)
        between_parts = part == "test" and not self._taken["test"]
        if at_s - self._last_s < (self._pause_s if between_parts else MIN_INTERVAL_S):
            soon = "Wait a moment; pictures to test with come next."
            return Assessment(soon if between_parts else self._last_hint, None)
        [(detection, face)] = faces
        view = _view(detection)
        missing = self._missing_view(at_s) if part == "learn" else None
        prompt = _PROMPTS[int((at_s - self._began_s) / _PROMPT_S) % len(_PROMPTS)]
        ask = prompt if missing in (None, view) else _ASK[str(missing)]
        if missing is not None and self._views_taken[view] >= self._views[view]:
            return Assessment(ask, None)
        vector = self._embed(face)
        similarity = max((float(vector @ other) for other in self._vectors), default=None)
        if similarity is not None and similarity < SAME_PERSON:
            other = f"This is somebody else than in the first pictures; only {self._name} may be in view."
            self._obstacles[other] += 1
            return Assessment(other, None)
        if similarity is not None and similarity > TOO_ALIKE:
            return Assessment(ask, None)
        self._vectors.append(vector)
        self._taken[part] += 1
        if part == "learn":
            self._views_taken[view] += 1
        self._last_s = at_s
        self._last_hint = f"Picture {self.taken} of {self.wanted} is taken."
        return Assessment(self._last_hint, part)

    def outcome(self) -> tuple[bool, str]:
        """Whether there are any pictures, and the outcome in a sentence."""
        learn, test = self._taken["learn"], self._taken["test"]
        if not self.taken:
            (reason, _), *_ = self._obstacles.most_common(1) or [("No picture came from the camera.", 0)]
            return False, f"No picture of {self._name} was taken. {reason}"
        kinds = f"{learn} to learn from, {test} to test with"
        if self.taken >= self.wanted:
            return True, f"{self.taken} pictures of {self._name} were taken: {kinds}. Now rebuild the model."
        lacking = [view for view, wanted in self._views.items() if self._views_taken[view] < wanted]
        names = {"straight": "looking into the camera", "left": "turned left", "right": "turned right"}
        few = f"; few are {' or '.join(names[view] for view in lacking)}" if lacking else ""
        return (
            True,
            f"{self.taken} of {self.wanted} pictures of {self._name} were taken before the time was over: "
            f"{kinds}{few}. They are kept; capture again to add to them.",
        )

    def _obstacle(self, faces: Sequence[Seen]) -> str | None:
        """Why a frame is of no use, whatever else is wanted."""
        if not faces:
            return "No face is in view; stand before the camera."
        if len(faces) > 1:
            return f"{len(faces)} faces are in view; only {self._name} may be."
        [(detection, face)] = faces
        if face.width_px < MIN_FACE_PX:
            return "Come closer."
        if _brightness(face) < MIN_BRIGHTNESS:
            return "It is too dark; switch on a light."
        if face.sharpness < MIN_SHARPNESS:
            return "Hold still."
        if abs(_turn(detection)) > TOO_FAR:
            return "Turn back to the camera a little."
        return None

    @property
    def _pause_s(self) -> float:
        return min(_PAUSE_S, _PAUSE_SHARE * self._seconds)

    def _part(self, at_s: float) -> Part:
        """What pictures are for at this time: some of either kind are better than all of one."""
        late = at_s - self._began_s >= _LEARN_UNTIL * self._seconds and self._taken["learn"] > 0
        return "test" if late or self._taken["learn"] >= self._wanted["learn"] else "learn"

    def _missing_view(self, at_s: float) -> str | None:
        """The view that is wanted next; one that does not come in time is skipped."""
        patience_s = min(_PATIENCE_S, _PATIENCE_SHARE * self._seconds)
        for view, wanted in self._views.items():
            if self._views_taken[view] >= wanted:
                continue
            if at_s - self._asked_s.setdefault(view, at_s) < patience_s:
                return view
        return None


def _view(detection: Detection) -> str:
    turn = _turn(detection)
    return "straight" if abs(turn) < TURNED else "left" if turn > 0 else "right"


def _turn(detection: Detection) -> float:
    """How far the nose is from the middle of the eyes, in eye distances; positive to the person's left."""
    points = detection.landmarks.astype(np.float64) @ np.array([1, 1j])
    right_eye, left_eye, nose = points[:3]
    across = left_eye - right_eye
    return float((((nose - (right_eye + left_eye) / 2) * np.conj(across)) / max(abs(across), 1e-6) ** 2).real)


def _brightness(face: AlignedFace) -> float:
    return float(np.percentile(cv2.cvtColor(face.image, cv2.COLOR_BGR2GRAY), 95))
