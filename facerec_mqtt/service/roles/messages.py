"""Questions and answers between boxes, as bytes: a head in JSON, and behind it pictures or vectors. Pure.

They are encrypted on their way, so that only boxes of the house can make them; they are read as strictly as
if anybody could. Every size is known before anything is taken apart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from facerec_mqtt.core.errors import FacerecError
from facerec_mqtt.core.records import (
    FACE_SIDE_PX,
    Identification,
    Image,
    Person,
    PersonKind,
    PooledEmbedding,
    Refusal,
    Vectors,
)
from facerec_mqtt.service.house.package import MAX_FORGOTTEN, Entry, Forgotten, Stamp, Version
from facerec_mqtt.settings import NodeId, Slug, first_problem

MAX_FACES = 32
"""In one question. Of a picture with more, the others wait for the next."""
MAX_PEOPLE = 1000
MAX_FACE_BYTES = 64 * 1024
MAX_QUESTION_BYTES = MAX_FACES * MAX_FACE_BYTES
MAX_ANSWER_BYTES = 512 * 1024
_LENGTH_BYTES = 4
_MAX_DIMENSIONS = 4096
_PNG_LEVEL = 3
_PNG_BEGINS = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + 2 * FACE_SIDE_PX.to_bytes(4, "big")
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class MessageError(FacerecError):
    """What came is no question, or no answer to one."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Who these faces are; with none, who recognises and whom they know."""

    faces: tuple[Image, ...] = ()
    """Each (FACE_SIDE_PX, FACE_SIDE_PX, 3) uint8 BGR."""
    visits: tuple[PooledEmbedding, ...] = ()
    """What the frames of faces say together, of embeddings from answers."""
    min_margin: float = 0.1

    def encode(self) -> bytes:
        """Make the bytes. Faces lose nothing."""
        pictures = [_png(face) for face in self.faces]
        head = _QuestionHead(
            min_margin=self.min_margin,
            faces=tuple(map(len, pictures)),
            visits=tuple(
                _Pooled(frames=each.frames, differing=float(each.differing)) for each in self.visits
            ),
            dimensions=_dimensions([each.vector for each in self.visits]),
        )
        return _joined(head, *pictures, *(_bytes_of(each.vector) for each in self.visits))

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read what `encode` has made.

        Raises:
            MessageError: it is anything else.
        """
        text, body = _taken_apart(payload, MAX_QUESTION_BYTES)
        try:
            head = _QuestionHead.model_validate_json(text)
        except ValidationError as error:
            raise MessageError(first_problem(error)) from None
        if len(body) != sum(head.faces) + len(head.visits) * head.dimensions * 4:
            raise MessageError("it is not as long as it says")
        faces = []
        for size in head.faces:
            faces.append(_face(body[:size]))
            body = body[size:]
        vectors = _vectors(body, head.dimensions)
        visits = (
            PooledEmbedding(vector, each.frames, each.differing)
            for vector, each in zip(vectors, head.visits, strict=True)
        )
        return cls(tuple(faces), tuple(visits), head.min_margin)


@dataclass(frozen=True, slots=True)
class HouseModel:
    """Which model answers, and what a box without it must know of it."""

    version: str | None = None
    """`None` where the last person was forgotten."""
    stamp: Stamp = field(default_factory=Stamp)
    people: tuple[Person, ...] = ()
    forgotten: tuple[Forgotten, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Who the faces of a question are."""

    faces: tuple[Identification, ...]
    embeddings: Vectors
    """(N, D) float32 unit rows, one of each face, turned by the recognisers' rotation."""
    visits: tuple[Identification, ...] = ()
    model: HouseModel | None = None
    """In the answer to a question without faces."""
    waiting: int = 0
    """Questions that wait at whoever answers."""
    node: str | None = None
    """Node id of whoever answers; `None` where it does not say so."""

    def encode(self) -> bytes:
        """Make the bytes."""
        head = _AnswerHead(
            faces=tuple(map(_Identified.of, self.faces)),
            visits=tuple(map(_Identified.of, self.visits)),
            dimensions=_dimensions(self.embeddings),
            model=None if self.model is None else _Model.of(self.model),
            waiting=self.waiting,
            node=self.node,
        )
        return _joined(head, _bytes_of(self.embeddings))

    @classmethod
    def decode(cls, payload: bytes, question: Question) -> Self:
        """Read the answer to a question.

        Raises:
            MessageError: it is none.
        """
        text, body = _taken_apart(payload, MAX_ANSWER_BYTES)
        try:
            head = _AnswerHead.model_validate_json(text)
        except ValidationError as error:
            raise MessageError(first_problem(error)) from None
        if len(head.faces) != len(question.faces) or len(head.visits) != len(question.visits):
            raise MessageError("it answers something else")
        if len(body) != len(head.faces) * head.dimensions * 4:
            raise MessageError("it is not as long as it says")
        return cls(
            tuple(each.identification for each in head.faces),
            _vectors(body, head.dimensions),
            tuple(each.identification for each in head.visits),
            None if head.model is None else head.model.of_house,
            head.waiting,
            head.node,
        )


class _Pooled(Entry):
    frames: Annotated[int, Field(ge=1, le=10_000)]
    differing: Annotated[float, Field(ge=1, le=10_000, allow_inf_nan=False)]


class _QuestionHead(Entry):
    form: Literal[1] = 1
    """Of what follows; boxes that do not know it say nothing."""
    min_margin: Share
    faces: tuple[Annotated[int, Field(ge=len(_PNG_BEGINS), le=MAX_FACE_BYTES)], ...] = Field(
        max_length=MAX_FACES
    )
    """Size of each picture."""
    visits: tuple[_Pooled, ...] = Field(max_length=MAX_FACES)
    dimensions: Annotated[int, Field(ge=0, le=_MAX_DIMENSIONS)]


class _Identified(Entry):
    person: Slug | None
    score: Share
    margin: Share
    refusal: Refusal | None
    candidate: Slug | None

    @classmethod
    def of(cls, seen: Identification) -> Self:
        return cls(
            person=seen.person,
            score=float(seen.score),
            margin=float(seen.margin),
            refusal=seen.refusal,
            candidate=seen.candidate,
        )

    @property
    def identification(self) -> Identification:
        return Identification(self.person, self.score, self.margin, self.refusal, self.candidate)


class _Person(Entry):
    slug: Slug
    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Literal["family", "visitor"]


class _Model(Entry):
    version: Version | None
    stamp: Stamp
    people: tuple[_Person, ...] = Field(max_length=MAX_PEOPLE)
    forgotten: tuple[Forgotten, ...] = Field(max_length=MAX_FORGOTTEN)

    @classmethod
    def of(cls, model: HouseModel) -> Self:
        return cls(
            version=model.version,
            stamp=model.stamp,
            people=tuple(
                _Person(slug=each.slug, name=each.name, kind=each.kind.value) for each in model.people
            ),
            forgotten=model.forgotten,
        )

    @property
    def of_house(self) -> HouseModel:
        people = (Person(each.slug, each.name, PersonKind(each.kind)) for each in self.people)
        return HouseModel(self.version, self.stamp, tuple(people), self.forgotten)


class _AnswerHead(Entry):
    form: Literal[1] = 1
    """Of what follows; boxes that do not know it say nothing."""
    faces: tuple[_Identified, ...] = Field(max_length=MAX_FACES)
    visits: tuple[_Identified, ...] = Field(max_length=MAX_FACES)
    dimensions: Annotated[int, Field(ge=0, le=_MAX_DIMENSIONS)]
    model: _Model | None
    waiting: Annotated[int, Field(ge=0, le=10_000)]
    node: NodeId | None = None


def _joined(head: Entry, *parts: bytes) -> bytes:
    text = head.model_dump_json().encode()
    return b"".join([len(text).to_bytes(_LENGTH_BYTES, "big"), text, *parts])


def _taken_apart(payload: bytes, limit: int) -> tuple[bytes, bytes]:
    if len(payload) > limit:
        raise MessageError(f"it has {len(payload)} bytes, and at most {limit} are read")
    end = _LENGTH_BYTES + int.from_bytes(payload[:_LENGTH_BYTES], "big")
    if len(payload) < end:
        raise MessageError("its head is shorter than it says")
    return payload[_LENGTH_BYTES:end], payload[end:]


def _png(face: Image) -> bytes:
    """A face without loss: names are to be the same as with one box."""
    done, png = cv2.imencode(".png", face, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL])
    if not done:
        raise MessageError("a face cannot be written as PNG")
    return png.tobytes()


def _face(png: bytes) -> Image:
    # Looked at before it is decoded: its head could claim any size.
    if not png.startswith(_PNG_BEGINS):
        raise MessageError("a face in it is no picture of a face")
    face = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    if face is None or face.shape != (FACE_SIDE_PX, FACE_SIDE_PX, 3):
        raise MessageError("a face in it is damaged")
    return np.asarray(face, np.uint8)


def _dimensions(vectors: "Sequence[NDArray[np.float32]] | Vectors") -> int:
    return len(vectors[0]) if len(vectors) else 0


def _bytes_of(vectors: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(vectors, "<f4").tobytes()


def _vectors(body: bytes, dimensions: int) -> Vectors:
    """(N, D) unit rows; raises `MessageError` where they are none."""
    vectors = np.frombuffer(body, "<f4").astype(np.float32).reshape(-1, max(dimensions, 1))
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    if not all(math.isfinite(length) and abs(length - 1) < 1e-3 for length in lengths):
        raise MessageError("a vector in it has not unit length")
    return vectors
