"""A process that looks at photos for the page: whether each could be used, smaller copies, faces cut out.

`python -m facerec_mqtt.enrollment.judging.worker` reads a `Request` a line on standard input and writes an
`Answer` a line on standard output, until its input ends. What a photo's file may do to its decoder, it does
here.
"""

import base64
import os
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter

from facerec_mqtt.core.errors import FacerecError, ModelError, PictureError
from facerec_mqtt.core.images import decode_picture, read_bytes
from facerec_mqtt.core.records import AlignedFace, Detection, Image
from facerec_mqtt.core.rejections import Rejection, RejectionCode
from facerec_mqtt.faces import STILL_SIDE_PX, Cohort, Embedder, load_cohort, portrait, select_face
from facerec_mqtt.recognition import Family, current_version, load_version, prepare

if TYPE_CHECKING:
    from facerec_mqtt.enrollment.judging.photos import PhotoDetectors

_JPEG_QUALITY = 85
_CUT_QUALITY = 95
_LOWER_PRIORITY_BY = 10
_MIN_MARGIN = 0.1
"""As `recognise` has it."""


class Request(BaseModel):
    """What is wanted of one photo, or of some that are compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    do: Literal["look", "copy", "cut", "compare"]
    """Judge it; make a copy to show; cut out one of its faces; compare pictures with a person's others."""
    path: Path = Path()
    new: list[Path] = []
    """Pictures that are compared with `own`."""
    own: list[Path] = []
    """The person's other photos."""
    side_px: int = 1280
    """Of the copy, the longer side at most."""
    face: int = 0
    """Which face to cut out, from 0, of those that "look" lists."""
    model_dir: Path | None = None
    """Where the models are, for "look" to say who it shows; `None` where that is not asked."""


class Answer(BaseModel):
    """What became of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rejection: Rejection | None = None
    """Why a rebuild would not use it; `None` where nothing is wrong with it alone."""
    error: str | None = None
    """Why it could not be done, in one sentence."""
    faces: list[tuple[float, float, float, float]] = []
    """Left, top, right, bottom, as fractions of the upright picture; the largest first."""
    jpeg: str | None = None
    """The copy, or what was cut out, in base64."""
    named: str | None = None
    """Slug of whom the model in use takes the face for; `None` for nobody, and where it cannot tell."""
    unlike: list[int] = []
    """Which of the new pictures show somebody else than the person, by their place."""


class _Judge:
    """Says whom the model in use takes a face for."""

    def __init__(self, embedder: Embedder, cohort: Cohort) -> None:
        self._embedder = embedder
        self._cohort = cohort
        self._family: tuple[str, Family] | None = None

    def unlike(self, new: Sequence[AlignedFace], own: Sequence[AlignedFace]) -> list[int]:
        """Which faces are not those of the person whom others show, by their place."""
        from facerec_mqtt.enrollment.judging.photo_comparison import unlike_the_person

        vectors = self._embedder.embed([*new, *own])
        odd = unlike_the_person(vectors[: len(new)], vectors[len(new) :], self._cohort)
        return [int(place) for place in odd.nonzero()[0]]

    def who(self, face: AlignedFace, model_dir: Path | None) -> str | None:
        """The slug; `None` for nobody, and where there is no model that can tell."""
        try:
            version = None if model_dir is None else current_version(model_dir)
            if version is None or model_dir is None:
                return None
            if self._family is None or self._family[0] != version:
                model = load_version(model_dir, version)
                self._family = version, prepare(model, self._embedder.digest, self._cohort)
        except ModelError:
            return None
        (answer,) = self._family[1].identify(self._embedder.embed([face]), min_margin=_MIN_MARGIN)
        return answer.person


class Worker:
    """Does what is wanted, one after the other."""

    @cached_property
    def _detectors(self) -> "PhotoDetectors":
        # The page has the messages of this module alone, and does without the memory of what trains.
        from facerec_mqtt.enrollment.judging.photos import PhotoDetectors

        return PhotoDetectors.load()

    @cached_property
    def _judge(self) -> "_Judge":
        return _Judge(Embedder.load(), load_cohort())

    def answer(self, request: Request) -> Answer:
        """Do what is wanted.

        Raises:
            FacerecError: a network is missing or damaged.
        """
        if request.do == "compare":
            return self._compare(request)
        try:
            data = read_bytes(request.path)
            if request.do == "copy":
                image = decode_picture(data, enough_px=request.side_px)
                return Answer(jpeg=_jpeg(_smaller(image, request.side_px), _JPEG_QUALITY))
            image = decode_picture(data, enough_px=STILL_SIDE_PX if request.do == "look" else None)
        except PictureError as error:
            return Answer(rejection=error.rejection, error=error.rejection.sentence)
        try:
            detections = _largest_first(self._detectors.detect(image))
            if request.do == "look":
                from facerec_mqtt.enrollment.judging.photos import LIMITS

                found = select_face(detections, image, LIMITS)
                faces = _boxes(detections, image)
                if isinstance(found, Rejection):
                    return Answer(rejection=found, faces=faces)
                return Answer(faces=faces, named=self._judge.who(found.face, request.model_dir))
        except cv2.error as error:
            odd = Rejection(code=RejectionCode.NOT_PROCESSED, detail=error.err)
            return Answer(rejection=odd, error=odd.sentence)
        if request.face >= len(detections):
            return Answer(error="There is no such face in the photo; look at it again.")
        return Answer(jpeg=_jpeg(portrait(image, detections[request.face].box), _CUT_QUALITY))

    def _compare(self, request: Request) -> Answer:
        faces = [self._face(path) for path in request.new]
        own = [face for face in map(self._face, request.own) if face is not None]
        places = [place for place, face in enumerate(faces) if face is not None]
        if not places:
            return Answer()
        odd = self._judge.unlike([face for face in faces if face is not None], own)
        return Answer(unlike=[places[at] for at in odd])

    def _face(self, path: Path) -> AlignedFace | None:
        """The face that a photo is about; `None` where there is none that can be used."""
        from facerec_mqtt.enrollment.judging.photos import LIMITS

        try:
            image = decode_picture(read_bytes(path), enough_px=STILL_SIDE_PX)
            found = select_face(_largest_first(self._detectors.detect(image)), image, LIMITS)
        except (PictureError, cv2.error):
            return None
        return None if isinstance(found, Rejection) else found.face


def _largest_first(detections: tuple[Detection, ...]) -> list[Detection]:
    return sorted(detections, key=lambda each: each.box[0] - each.box[2])


def _boxes(detections: list[Detection], image: Image) -> list[tuple[float, float, float, float]]:
    height, width = image.shape[:2]

    def share(value: float, of: int) -> float:
        return round(float(np.clip(value / of, 0, 1)), 4)

    return [
        (share(x_min, width), share(y_min, height), share(x_max, width), share(y_max, height))
        for x_min, y_min, x_max, y_max in (each.box for each in detections)
    ]


def _smaller(image: Image, side_px: int) -> Image:
    height, width = image.shape[:2]
    scale = side_px / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(image: Image, quality: int) -> str:
    return base64.b64encode(
        cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    ).decode()


def main() -> int:
    """Answer requests until there are no more."""
    os.nice(_LOWER_PRIORITY_BY)
    output, worker, parse = os.dup(1), Worker(), TypeAdapter(Request).validate_json
    os.dup2(2, 1)  # what libraries print is no answer
    with os.fdopen(output, "wb") as answers:
        for line in sys.stdin.buffer:
            try:
                answer = worker.answer(parse(line))
            except FacerecError as error:
                answer = Answer(error=str(error))
            except MemoryError:
                answer = Answer(error="There is not enough memory to look at this photo.")
            answers.write(answer.model_dump_json(exclude_none=True).encode() + b"\n")
            answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
