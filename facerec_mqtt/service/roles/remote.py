"""What stands in for recogniser and model at a box that has neither: it finds faces, and asks for names."""

from collections.abc import Sequence

from facerec_mqtt.core.errors import CommandError, FacerecError
from facerec_mqtt.core.records import (
    Identification,
    Image,
    ModelState,
    Person,
    PooledEmbedding,
    Sighting,
    family_of,
)
from facerec_mqtt.faces import Detector, FaceDetector, FoundFace, find_and_align
from facerec_mqtt.presence import Judge, Visits
from facerec_mqtt.recognition import Recognition, Recognizer, recognitions
from facerec_mqtt.service.rebuild_process import RebuildResult
from facerec_mqtt.service.roles.asking import Asker
from facerec_mqtt.service.roles.messages import MAX_FACES, Answer, HouseModel, Question
from facerec_mqtt.service.roles.requirements import NO_MODEL_HERE
from facerec_mqtt.settings import RecognitionSettings


class NoAnswerError(FacerecError):
    """Nobody has said in time who is in a picture, so that nothing follows from it."""


class RemoteRecognizer:
    """Finds the faces of a picture, and asks who they are. One thread at a time, each with one of its own.

    Args:
        detector: finds the faces.
        asker: asks for their names.
        model: of whom an answer may speak.
    """

    def __init__(self, detector: Detector, asker: Asker, model: HouseModel | None = None) -> None:
        self._detector = detector
        self._asker = asker
        self._model = model

    @classmethod
    def load(cls, settings: RecognitionSettings, asker: Asker) -> "RemoteRecognizer":
        """Open the network that finds faces.

        Raises:
            ModelError: it is missing or damaged.
        """
        detector = FaceDetector.load(
            min_score=settings.min_detection_score, max_side_px=settings.max_side_px, threads=settings.threads
        )
        return cls(detector, asker)

    @property
    def model(self) -> HouseModel | None:
        """What is known of the model that names the faces; `None` before a recogniser has answered."""
        return self._model

    def with_model(self, model: HouseModel | None) -> "RemoteRecognizer":
        """The same, where the recognisers have another model."""
        return RemoteRecognizer(self._detector, self._asker, model)

    def recognise(
        self, image: Image, *, min_face_px: float, min_sharpness: float = 0.0, min_margin: float = 0.1
    ) -> tuple[Recognition, ...]:
        """As `Recognizer.recognise`.

        Raises:
            NoAnswerError: nobody answers, or not in time.
        """
        if self._asker.silent or self._model is None:
            raise NoAnswerError
        found = find_and_align(self._detector, image, min_face_px, min_sharpness)
        good = [each for each in found if each.refusal is None]
        if not good:
            return recognitions(found, ())
        if len(good) > MAX_FACES:
            good = sorted(good, key=lambda each: -each.face.width_px)[:MAX_FACES]
            found = tuple(each for each in found if each.refusal is not None or each in good)
        answer = self._ask(Question(faces=_faces(found), min_margin=min_margin))
        return recognitions(found, zip(answer.faces, answer.embeddings, strict=True))

    def identify_visits(
        self, pooled: Sequence[PooledEmbedding], *, min_margin: float = 0.1
    ) -> tuple[Identification, ...]:
        """As `Recognizer.identify_visit`, of several at once.

        Raises:
            NoAnswerError: nobody answers, or not in time.
        """
        return self._ask(Question(visits=tuple(pooled[:MAX_FACES]), min_margin=min_margin)).visits

    def _ask(self, question: Question) -> Answer:
        answer = None if self._asker.silent else self._asker.ask(question)
        known = {person.slug for person in self._model.people} if self._model else set()
        if answer is None or any(
            each.person is not None and each.person not in known for each in (*answer.faces, *answer.visits)
        ):
            # Of somebody who is new, or was forgotten, this box hears in a moment.
            raise NoAnswerError
        return answer


AnyRecognizer = Recognizer | RemoteRecognizer
"""What names the faces of a picture."""


def with_model_of(own: AnyRecognizer, other: AnyRecognizer) -> AnyRecognizer:
    """The same networks with the model of another recognizer, which is of the same kind."""
    if isinstance(own, RemoteRecognizer) and isinstance(other, RemoteRecognizer):
        return own.with_model(other.model)
    assert isinstance(own, Recognizer)
    assert isinstance(other, Recognizer)
    return own.with_model(other.model)


def judge_by(
    recognizer: RemoteRecognizer, visits: Visits, sightings: Sequence[Sighting], min_margin: float
) -> Judge:
    """Find out before a frame is acted upon what will be asked about its faces' visits, and ask it.

    Args:
        recognizer: asks.
        visits: a copy of what is known of the camera, which is used up.
        sightings: the faces of the frame; at least one.
        min_margin: the least lead over the runner-up, [0, 1].

    Returns:
        Knows the answers.

    Raises:
        NoAnswerError: nobody answers, or not in time.
    """
    asked: list[PooledEmbedding] = []

    def note(pooled: PooledEmbedding) -> None:
        asked.append(pooled)

    visits.observe(sightings[0].camera, sightings[0].captured_at_s, sightings, note)
    answers = recognizer.identify_visits(asked, min_margin=min_margin) if asked else ()
    known = {each.vector.tobytes(): who for each, who in zip(asked, answers, strict=False)}
    return lambda pooled: known.get(pooled.vector.tobytes())


def _faces(found: Sequence[FoundFace]) -> tuple[Image, ...]:
    return tuple(each.face.image for each in found if each.refusal is None)


class RemoteModels:
    """The model of the house as `ModelManager` has one, at a box that only knows of it what it is told.

    Args:
        recognizer: without a model for a start.
        asker: knows which model the recognisers have.
    """

    def __init__(self, recognizer: RemoteRecognizer, asker: Asker) -> None:
        self._recognizer = self._newer = recognizer
        self._asker = asker
        self._fault: str | None = None

    @property
    def recognizer(self) -> RemoteRecognizer:
        """With what is known of the model in use."""
        return self._recognizer

    @property
    def version(self) -> str | None:
        """Of the model in use."""
        model = self._recognizer.model
        return None if model is None else model.version

    @property
    def people(self) -> tuple[Person, ...] | None:
        """Who is enrolled; `None` until a recogniser has said so."""
        model = self._recognizer.model
        return None if model is None else model.people

    @property
    def fault(self) -> str | None:
        """That no recogniser answers, where that is so."""
        return self._fault

    def newer(self) -> RemoteRecognizer | None:
        """As `ModelManager.newer`."""
        self._fault = self._asker.sentence if self._asker.reported else None
        told, used = self._asker.model, self._recognizer.model
        if told is None or (used is not None and (told.version, told.people) == (used.version, used.people)):
            return None
        self._newer = self._recognizer.with_model(told)
        return self._newer

    def use(self) -> None:
        """Use what `newer` has returned last."""
        self._recognizer = self._newer

    def rebuild(self, *, force: bool) -> None:  # noqa: ARG002 - as `ModelManager` has it
        """There is nothing to rebuild here.

        Raises:
            CommandError: always.
        """
        raise CommandError(NO_MODEL_HERE)

    def has_moved(self) -> bool:
        """No rebuild ever runs here."""
        return False

    def ended(self) -> RebuildResult | None:
        """No rebuild ever ends here."""
        return None

    def settle(self, result: RebuildResult) -> str:
        """As `ModelManager.settle`; never called."""
        return result.message

    def state(self) -> ModelState:
        """Make the state that is published."""
        version, people = self.version, tuple(each.slug for each in family_of(self.people or ()))
        if self._fault is not None:
            return ModelState("failed", None, version, people, None, self._fault)
        names = ", ".join(each.name for each in self.people or ())
        message = None if version is None else f"Model {version} of the recognisers knows {names}."
        return ModelState("missing" if version is None else "ready", None, version, people, None, message)

    def stop(self) -> None:
        """There is nothing to end."""
