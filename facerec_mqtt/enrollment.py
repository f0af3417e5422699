"""The rebuild: from the enrollment folder to a model that the service can load.

Every photo is looked at once and remembered by its content (`photos`). What is learnt is small: a
template for each person and the family's dense layers, both on the frozen backbone's embeddings.
"""

import contextlib
import os
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.artifact import FamilyModel, new_version, rebuilding, save_model, versions, writing
from facerec_mqtt.calibration import (
    Gallery,
    Normaliser,
    Scores,
    calibrate,
    in_between,
    odds_near,
    template,
)
from facerec_mqtt.detection import FaceDetector
from facerec_mqtt.embedding import Cohort, Embedder, load_cohort
from facerec_mqtt.errors import EnrollmentError, PictureError
from facerec_mqtt.head import Head, train_head
from facerec_mqtt.photos import ENOUGH_PX, Finding, FindingCache, Networks, content_key, examine
from facerec_mqtt.pictures import read_bytes
from facerec_mqtt.rebuild_report import FEW_PHOTOS, PhotoReport, RebuildReport, first_reason
from facerec_mqtt.recognition import Family, cohort_digest, family_arrays
from facerec_mqtt.records import Person, Vectors
from facerec_mqtt.roster import Photo, Roster, read_roster

ProgressCallback = Callable[[str, float], None]
"""Called with what is being done and the share of the whole that is done, [0, 1]."""


class Trainer(Protocol):
    """Makes the family's layers; `head.train_head` is one."""

    def __call__(
        self,
        vectors: Vectors,
        labels: NDArray[np.int64],
        held_out: NDArray[np.bool_],
        nobody: Vectors,
        *,
        people: int,
    ) -> Head:
        """As `head.train_head`."""


_SAVE_EVERY = 200
_MOST_WORKERS = 4
_LOOKED, _TRAINED, _CALIBRATED = 0.7, 0.95, 0.98
_HELD_OUT_EVERY = 5
_MOST_STRANGERS = 500
_STRANGER_PARTS = 4
_MADE_UP = 6000
# Lower than for a camera: a photo is of somebody, and the largest face in it is meant.
_MIN_SCORE = 0.5


def rebuild(
    enrollment_dir: Path,
    model_dir: Path,
    *,
    force: bool = False,
    fpir: float = 0.01,
    progress: ProgressCallback = lambda _stage, _share: None,
    load_networks: Callable[[], Networks] | None = None,
    cohort: Cohort | None = None,
    train: Trainer = train_head,
) -> RebuildReport:
    """Make a model of the enrollment folder and switch to it.

    Args:
        enrollment_dir: one folder of photos for each person; nothing in it is changed.
        model_dir: made if it is missing.
        force: switch to the new model whatever it is like; today every new model is switched to.
        fpir: share of strangers who may be taken for somebody, (0, 1).
        progress: told how far it is.
        load_networks: opens what looks at the photos, once a thread; `None` opens the shipped networks.
        cohort: of the backbone's scores; `None` is the shipped one.
        train: makes the family's layers.

    Raises:
        EnrollmentError: the folder is missing, holds nobody, or nobody with a usable photo.
        ModelError: the model cannot be written, another rebuild is running, or a network is damaged.
            The model before stays in use.
    """
    del force  # every new model is switched to, so there is nothing to enforce yet
    begun_s = time.monotonic()
    progress("Reading the enrollment folder", 0.0)
    roster = read_roster(enrollment_dir)
    cohort = load_cohort() if cohort is None else cohort
    with rebuilding(model_dir):
        networks = _open_networks(load_networks or shipped_networks, len(roster.photos))
        findings = _look_at_photos(roster.photos, model_dir, networks, progress)
        photos = _photo_reports(roster, findings)
        seen = {photo.person for photo in photos if photo.reason is None}
        people = tuple(person for person in roster.people if person.slug in seen)
        if not people:
            raise EnrollmentError(
                f'The enrollment folder "{enrollment_dir}" holds no usable photo of anybody'
                f"{first_reason([photo for photo in photos if photo.person is not None])}"
            )
        lesson = _Lesson.of(people, findings)
        progress("Training the family's layers", _LOOKED)
        head = train(
            lesson.vectors.reshape(-1, lesson.vectors.shape[-1]),
            np.repeat(lesson.labels, lesson.vectors.shape[1]),
            np.repeat(lesson.held_out, lesson.vectors.shape[1]),
            cohort.centres,
            people=len(people),
        )
        progress("Calibrating", _TRAINED)
        templates = np.stack([template(lesson.clean(row)) for row in range(len(people))])
        strangers = _spaced(lesson.clean(len(people)), _MOST_STRANGERS)
        plain = Normaliser(cohort.centres, cohort.top)
        normaliser = plain.extended(strangers)
        gallery = Gallery.of(templates, normaliser)
        calibration = calibrate(
            fpir,
            len(people),
            (cohort.impostor_far, cohort.impostor_threshold),
            strangers=_score_strangers(templates, strangers, plain),
            members=_score_members(lesson, gallery, normaliser),
        )
        made_up = in_between(lesson.vectors[lesson.labels < len(people), 0], cohort.centres, _MADE_UP)
        scored, liked = gallery.normalised(made_up, normaliser), head.probabilities(made_up)[:, :-1]
        calibration = replace(calibration, strangers_odds=odds_near(calibration.threshold, scored, liked))
        progress("Saving", _CALIBRATED)
        now = datetime.now(UTC)
        report = RebuildReport(
            version=new_version(now, versions(model_dir)),
            people=people,
            left_out=tuple(person for person in roster.people if person not in people),
            photos=photos,
            notes=roster.notes,
            tpir=_estimate_tpir(lesson, Family(people, gallery, head, calibration, normaliser)),
            fpir=fpir,
            threshold=calibration.threshold,
            seconds=time.monotonic() - begun_s,
        )
        model = FamilyModel(
            version=report.version,
            created=now.isoformat(timespec="seconds"),
            backbone_digest=networks[0].backbone_digest,
            cohort_digest=cohort_digest(cohort),
            people=people,
            arrays=family_arrays(gallery, head, calibration, strangers),
            report=report.as_json(),
        )
        save_model(model_dir, model)
    progress("Done", 1.0)
    return report


def shipped_networks() -> Networks:
    """Open the networks that the package ships, for one thread.

    Raises:
        ModelError: one of them is missing or damaged.
    """
    detector, embedder = FaceDetector.load(min_score=_MIN_SCORE), Embedder.load()
    return Networks(
        detector=detector,
        close_detector=FaceDetector.load(min_score=_MIN_SCORE, max_side_px=ENOUGH_PX),
        backbone=embedder,
        detector_digest=detector.digest,
        backbone_digest=embedder.digest,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Lesson:
    """What all used photos have to teach."""

    vectors: Vectors
    """(N, versions, D) float32 unit embeddings of N photos, the photo as it is first."""
    labels: NDArray[np.int64]
    """(N,) row of the person; the number of people for a stranger."""
    held_out: NDArray[np.bool_]
    """(N,) true for photos that the layers do not learn from but are checked on."""

    @classmethod
    def of(cls, people: Sequence[Person], findings: Mapping[Photo, Finding]) -> "_Lesson":
        rows: dict[str | None, int] = {person.slug: row for row, person in enumerate(people)}
        rows[None] = len(people)
        used = [
            (rows[photo.person], finding.vectors)
            for photo, finding in findings.items()
            if finding.vectors is not None
        ]
        vectors = np.stack([each for _, each in used]).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
        labels = np.array([row for row, _ in used], np.int64)
        held_out = np.zeros(len(labels), np.bool_)
        for row in rows.values():
            own = np.flatnonzero(labels == row)
            if len(own) >= 2 * _HELD_OUT_EVERY:
                held_out[own[_HELD_OUT_EVERY - 1 :: _HELD_OUT_EVERY]] = True
        return cls(vectors, labels, held_out)

    def clean(self, row: int) -> Vectors:
        """(n, D) the photos of one person as they are."""
        return np.asarray(self.vectors[self.labels == row, 0], np.float32)


def _open_networks(load_networks: Callable[[], Networks], photos: int) -> tuple[Networks, ...]:
    workers = max(1, min(_MOST_WORKERS, len(os.sched_getaffinity(0)), photos))
    return tuple(load_networks() for _ in range(workers))


def _look_at_photos(
    photos: Sequence[Photo], model_dir: Path, networks: Sequence[Networks], progress: ProgressCallback
) -> dict[Photo, Finding]:
    """What each photo gives; those that are known are only read."""
    idle: queue.SimpleQueue[Networks] = queue.SimpleQueue()
    for each in networks:
        idle.put(each)
    cache = FindingCache.open(model_dir / "cache" / "photos.npz", networks[0])

    def look(photo: Photo) -> tuple[str | None, Finding]:
        try:
            data = read_bytes(photo.path)
        except PictureError as error:
            return None, Finding(None, str(error))
        key = content_key(data)
        known = cache.get(key)
        if known is not None:
            return key, known
        mine = idle.get()
        try:
            return key, examine(data, mine)
        finally:
            idle.put(mine)

    findings: dict[Photo, Finding] = {}
    keys: set[str] = set()
    unsaved = 0
    with ThreadPoolExecutor(len(networks), "photos") as pool:
        try:
            for photo, (key, finding) in zip(photos, pool.map(look, photos), strict=True):
                findings[photo] = finding
                if key is not None:
                    keys.add(key)
                    unsaved += cache.get(key) is None
                    cache.put(key, finding)
                if unsaved >= _SAVE_EVERY:
                    with writing(model_dir):
                        cache.save()
                    unsaved = 0
                progress("Looking at the photos", _LOOKED * len(findings) / len(photos))
        except BaseException:
            # What was looked at until the interruption is not to be looked at again.
            pool.shutdown(cancel_futures=True)
            with contextlib.suppress(OSError):
                cache.save()
            raise
    cache.keep(keys)
    with writing(model_dir):
        cache.save()
    return findings


def _photo_reports(roster: Roster, findings: Mapping[Photo, Finding]) -> tuple[PhotoReport, ...]:
    slugs = {person.name: person.slug for person in roster.people}
    looked_at = [PhotoReport(photo.file, photo.person, finding.reason) for photo, finding in findings.items()]
    not_looked_at = [
        PhotoReport(file, slugs.get(file.split("/")[0]), reason) for file, reason in roster.set_aside
    ]
    return tuple(sorted([*looked_at, *not_looked_at], key=lambda photo: photo.file))


def _spaced(vectors: Vectors, most: int) -> Vectors:
    """At most so many rows, evenly taken."""
    return vectors[np.linspace(0, len(vectors) - 1, min(len(vectors), most)).round().astype(np.int64)]


def _score_strangers(templates: Vectors, strangers: Vectors, normaliser: Normaliser) -> Scores:
    """Best score of each stranger's picture, normalised without the quarter of the pictures it is in.

    The pictures are in the order of their names, so that those of one stranger are mostly in one part.
    """
    scored = []
    for judged in np.array_split(np.arange(len(strangers)), _STRANGER_PARTS):
        others = normaliser.extended(np.delete(strangers, judged, axis=0))
        scores = Gallery.of(templates, others).normalised(strangers[judged], others)
        scored.append(scores.max(axis=1, initial=-np.inf))
    return np.concatenate(scored)


def _score_members(lesson: _Lesson, gallery: Gallery, normaliser: Normaliser) -> Scores:
    """Median score of each member's photos against each other member."""
    people = len(gallery.templates)
    scored = []
    for row in range(people):
        middle = np.median(gallery.normalised(lesson.clean(row), normaliser), axis=0)
        scored.append(np.delete(middle, row))
    return np.concatenate(scored).astype(np.float32)


def _estimate_tpir(lesson: _Lesson, family: Family) -> dict[str, float]:
    """Share of each person's photos that would be named, had they not been learnt from.

    Each photo is compared with a template made without it. Where some photos were held out from the
    layers' training, it is those that are counted; where there were too few for that, it is all, with
    the layers saying nothing for or against.
    """
    rates = {}
    for row, person in enumerate(family.people):
        own = np.flatnonzero(lesson.labels == row)
        if len(own) < FEW_PHOTOS:
            continue
        judged = own[lesson.held_out[own]]
        trained_on = len(judged) == 0
        if trained_on:
            judged = own
        vectors = lesson.vectors[judged, 0]
        normalised = family.gallery.normalised(vectors, family.normaliser)
        for number, photo in enumerate(judged):
            without = template(lesson.vectors[own[own != photo], 0])[None]
            gallery = Gallery.of(without, family.normaliser)
            normalised[number, row] = gallery.normalised(vectors[number : number + 1], family.normaliser)[
                0, 0
            ]
        named = normalised.argmax(axis=1) == row
        evidence = normalised[:, row]
        if not trained_on:
            probabilities = family.head.probabilities(vectors)[:, :-1]
            named &= probabilities.argmax(axis=1) == row
            evidence = family.calibration.evidence(normalised, probabilities)[:, row]
        rates[person.slug] = float(np.mean(named & (evidence >= family.calibration.threshold)))
    return rates
