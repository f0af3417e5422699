"""Who is in a picture: detection, alignment, embedding and the family's model put together.

Two judges have to agree. The *templates* say by normalised similarity how far a face is from being a
stranger's, in a unit whose error rates are known. The *classifier*, trained on this family, knows its members
at their worst. Their evidence is added up (`calibration`), but where the two name different people,
nobody is named.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.errors import ModelError
from facerec_mqtt.core.records import (
    AlignedFace,
    Detection,
    Identification,
    Image,
    Person,
    PooledEmbedding,
    Refusal,
    Vectors,
)
from facerec_mqtt.faces import (
    Backbone,
    Cohort,
    Detector,
    Embedder,
    FaceDetector,
    FoundFace,
    find_and_align,
    load_cohort,
)
from facerec_mqtt.recognition.calibration import Calibration, Gallery, Normaliser
from facerec_mqtt.recognition.classifier import Classifier
from facerec_mqtt.recognition.model_store import FamilyModel
from facerec_mqtt.settings import RecognitionSettings


@dataclass(frozen=True, slots=True, eq=False)
class Recognition:
    """A face in a picture, and who it is."""

    detection: Detection
    face: AlignedFace
    identification: Identification
    embedding: NDArray[np.float32] | None = None
    """(D,) float32 of unit length; `None` where the face is too poor for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """A model made ready to answer."""

    people: tuple[Person, ...]
    gallery: Gallery
    head: Classifier
    calibration: Calibration
    normaliser: Normaliser

    def identify(self, vectors: Vectors, *, min_margin: float) -> tuple[Identification, ...]:
        """Decide of each face who it is, or that it is nobody enrolled.

        Args:
            vectors: (N, D) float32 unit embeddings.
            min_margin: the least lead over the runner-up, [0, 1]; below it nobody is named.
        """
        if len(vectors) == 0:
            return ()
        scores, agreed = self._judge(vectors, self.calibration)
        return tuple(
            self._decide(row, bool(agree), min_margin) for row, agree in zip(scores, agreed, strict=True)
        )

    def identify_visit(self, pooled: PooledEmbedding, *, min_margin: float) -> Identification:
        """Decide who a face is by all of its frames so far; to be asked as often as there are new ones.

        Args:
            pooled: what they say together.
            min_margin: as above.
        """
        (scores,), (agreed,) = self._judge(pooled.vector[None], self.calibration.of_visit(pooled.differing))
        return self._decide(scores, bool(agreed), min_margin)

    def scores(self, vectors: Vectors) -> NDArray[np.float32]:
        """Calibrated scores of faces against everybody, (N, D) -> (N, P) in [0, 1]."""
        return self._judge(vectors, self.calibration)[0]

    def _judge(
        self, vectors: Vectors, calibration: Calibration
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Scores, and whether templates and classifier name the same person: (N, P) and (N,)."""
        normalised = self.gallery.normalised(vectors, self.normaliser)
        probabilities = self.head.probabilities(vectors)[:, :-1]
        agreed = normalised.argmax(axis=1) == probabilities.argmax(axis=1)
        return calibration.scores(calibration.evidence(normalised, probabilities)), agreed

    def _decide(self, scores: NDArray[np.float32], agreed: bool, min_margin: float) -> Identification:
        ordered = np.argsort(-scores, kind="stable")
        best = int(ordered[0])
        runner_up = float(scores[ordered[1]]) if len(scores) > 1 else 0.0
        score = float(scores[best])
        margin = score - runner_up
        refusal: Refusal | None = None
        if score < 0.5:
            refusal = "below threshold"
        elif not agreed or margin < min_margin:
            refusal = "ambiguous"
        candidate = self.people[best].slug
        person = candidate if refusal is None else None
        return Identification(person=person, score=score, margin=margin, refusal=refusal, candidate=candidate)


class Recognizer:
    """Finds the faces of a picture and names those of the family. `recognise` is of one thread at a time."""

    def __init__(
        self,
        detector: Detector,
        backbone: Backbone,
        backbone_digest: str,
        cohort: Cohort,
        model: FamilyModel | None,
        family: Family | None,
    ) -> None:
        self._detector = detector
        self._backbone = backbone
        self._backbone_digest = backbone_digest
        self._cohort = cohort
        self._model = model
        self._family = family

    @classmethod
    def load(
        cls,
        model: FamilyModel | None,
        *,
        min_detection_score: float = 0.6,
        max_side_px: int = 640,
        threads: int = 1,
    ) -> "Recognizer":
        """Open the shipped networks.

        Args:
            model: the family's; `None` makes everybody nobody.
            min_detection_score: faces below it are not seen, (0, 1).
            max_side_px: larger pictures are shrunk to it for the search of faces.
            threads: that each network may use.

        Raises:
            ModelError: a network is missing or damaged, or the model was made with another one.
        """
        detector = FaceDetector.load(min_score=min_detection_score, max_side_px=max_side_px, threads=threads)
        embedder = Embedder.load(threads=threads)
        blank = cls(detector, embedder, embedder.digest, load_cohort(), None, None)
        return blank.with_model(model)

    @classmethod
    def from_settings(
        cls, settings: RecognitionSettings, model: FamilyModel | None = None, *, min_side_px: int = 0
    ) -> "Recognizer":
        """Open the shipped networks as the settings ask for them.

        Args:
            settings: of the detector, and the threads.
            model: the family's; `None` makes everybody nobody.
            min_side_px: pictures are searched at this side at least: photos, where time matters less.

        Raises:
            ModelError: a network is missing or damaged, or the model was made with another one.
        """
        return cls.load(
            model,
            min_detection_score=settings.min_detection_score,
            max_side_px=max(min_side_px, settings.max_side_px),
            threads=settings.threads,
        )

    @property
    def model(self) -> FamilyModel | None:
        """The model in use; `None` knows nobody."""
        return self._model

    @property
    def network(self) -> str:
        """SHA-256 of the backbone, in hex: embeddings compare only within one network."""
        return self._backbone_digest

    @property
    def shipped_normaliser(self) -> Normaliser:
        """What scores are normalised with whatever the model is: the cohort alone."""
        return Normaliser(self._cohort.centres, self._cohort.top)

    @property
    def normaliser(self) -> Normaliser:
        """What scores are normalised with: the cohort and, with a model, the strangers of the household."""
        if self._family is None:
            return self.shipped_normaliser
        return self._family.normaliser

    def with_model(self, model: FamilyModel | None) -> "Recognizer":
        """The same networks with another model, which costs no more than looking at its arrays.

        Raises:
            ModelError: it was made with another backbone or cohort, or its arrays do not fit together.
        """
        family = None if model is None else prepare(model, self._backbone_digest, self._cohort)
        return Recognizer(self._detector, self._backbone, self._backbone_digest, self._cohort, model, family)

    def recognise(
        self,
        image: Image,
        *,
        min_face_px: float,
        min_sharpness: float = 0.0,
        min_margin: float = 0.1,
    ) -> tuple[Recognition, ...]:
        """Find and name the faces of a picture.

        Args:
            image: (H, W, 3) uint8 BGR.
            min_face_px: narrower faces are not named, in pixels of `image`.
            min_sharpness: blurrier faces are not named; see `AlignedFace.sharpness`.
            min_margin: the least lead over the runner-up, [0, 1].

        Returns:
            All faces found, the detector's surest first, also those that are not named.
        """
        found = find_and_align(self._detector, image, min_face_px, min_sharpness)
        good = [each.face for each in found if each.refusal is None]
        return recognitions(found, self.identify(good, min_margin=min_margin))

    def identify_visit(self, pooled: PooledEmbedding, *, min_margin: float = 0.1) -> Identification:
        """As `Family.identify_visit`; without a model everybody is nobody."""
        if self._family is None:
            return _nobody("no model")
        return self._family.identify_visit(pooled, min_margin=min_margin)

    def embed(self, face: AlignedFace) -> NDArray[np.float32]:
        """One face's embedding, (D,) float32 of unit length: it needs no model. In any thread."""
        return np.asarray(self._backbone.embed([face])[0], np.float32)

    def identify(
        self, faces: Sequence[AlignedFace], *, min_margin: float = 0.1
    ) -> list[tuple[Identification, NDArray[np.float32]]]:
        """Name faces that were found and cut out.

        Args:
            faces: each is good enough to be embedded.
            min_margin: the least lead over the runner-up, [0, 1].

        Returns:
            Of each who it is, and its embedding, (D,) float32 of unit length.
        """
        if not faces:
            return []
        vectors = self._backbone.embed(faces)
        if self._family is None:
            return [(_nobody("no model"), vector) for vector in vectors]
        return list(zip(self._family.identify(vectors, min_margin=min_margin), vectors, strict=True))


def recognitions(
    found: Sequence[FoundFace], answers: Iterable[tuple[Identification, NDArray[np.float32]]]
) -> tuple[Recognition, ...]:
    """Put together what was found and who it is.

    Args:
        found: all faces of a picture.
        answers: who each is that was not refused, and its embedding, in their order.
    """
    named = iter(answers)
    return tuple(
        Recognition(
            each.detection,
            each.face,
            *(next(named) if each.refusal is None else (_nobody(each.refusal), None)),
        )
        for each in found
    )


def prepare(model: FamilyModel, backbone_digest: str, cohort: Cohort) -> Family:
    """Make a loaded model ready to answer.

    Raises:
        ModelError: it was made with another backbone or cohort, or its arrays do not fit together.
    """
    if model.backbone_digest != backbone_digest or model.cohort_digest != cohort_digest(cohort):
        raise ModelError(
            f"The model {model.version} was made with another version of the networks;"
            " run facerec-mqtt rebuild."
        )
    people, dimensions = len(model.people), cohort.centres.shape[1]
    shapes = {
        "templates": (people, dimensions),
        "template_mean": (people,),
        "template_deviation": (people,),
        "calibration": (3,),
        "strangers": (*model.arrays.get("strangers", np.zeros(0)).shape[:1], dimensions),
    }
    for name, shape in shapes.items():
        if name not in model.arrays or model.arrays[name].shape != shape or people == 0:
            raise ModelError(
                f"The model {model.version} has no fitting array {name!r}; run facerec-mqtt rebuild."
            )
    return Family(
        people=model.people,
        gallery=Gallery(
            *(model.arrays[name] for name in ("templates", "template_mean", "template_deviation"))
        ),
        head=Classifier.from_arrays(model.arrays, inputs=dimensions, people=people),
        calibration=Calibration(*(float(number) for number in model.arrays["calibration"])),
        normaliser=Normaliser(cohort.centres, cohort.top).extended(model.arrays["strangers"]),
    )


def family_arrays(family: Family, cohort: Cohort) -> dict[str, NDArray[np.float32]]:
    """What a model holds, as `prepare` takes it apart.

    Args:
        family: its normaliser is the cohort, extended by strangers or not.
        cohort: what is shipped and therefore not kept in the model.
    """
    gallery, calibration = family.gallery, family.calibration
    return {
        "strangers": family.normaliser.centres[len(cohort.centres) :],
        "templates": gallery.templates,
        "template_mean": gallery.mean,
        "template_deviation": gallery.deviation,
        "calibration": np.array(
            [calibration.threshold, calibration.scale, calibration.strangers_odds], np.float32
        ),
        **family.head.arrays(),
    }


def cohort_digest(cohort: Cohort) -> str:
    """SHA-256 of what scores are normalised with, in hex."""
    return hashlib.sha256(cohort.centres.tobytes() + cohort.top.to_bytes(4, "big")).hexdigest()


def _nobody(refusal: Refusal) -> Identification:
    return Identification(person=None, score=0.0, margin=0.0, refusal=refusal)
