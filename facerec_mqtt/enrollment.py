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
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from facerec_mqtt.artifact import FamilyModel, new_version, rebuilding, save_model, versions, writing
from facerec_mqtt.crossvalidation import cross_validate
from facerec_mqtt.detection import FaceDetector
from facerec_mqtt.embedding import Cohort, Embedder, load_cohort
from facerec_mqtt.errors import EnrollmentError, PictureError
from facerec_mqtt.evaluation import Outcomes
from facerec_mqtt.head import train_head
from facerec_mqtt.learning import Lesson, Trainer, learn
from facerec_mqtt.photos import ENOUGH_PX, Finding, FindingCache, Networks, content_key, examine
from facerec_mqtt.pictures import read_bytes
from facerec_mqtt.rebuild_report import FEW_PHOTOS, PhotoReport, RebuildReport, first_reason
from facerec_mqtt.recognition import Family, cohort_digest, family_arrays
from facerec_mqtt.records import Person
from facerec_mqtt.roster import Photo, Roster, read_roster

ProgressCallback = Callable[[str, float], None]
"""Called with what is being done and the share of the whole that is done, [0, 1]."""


_SAVE_EVERY = 200
_MOST_WORKERS = 4
_LOOKED, _TRAINED, _JUDGED = 0.7, 0.8, 0.98
# Lower than for a camera: a photo is of somebody, and the largest face in it is meant.
_MIN_SCORE = 0.5


def rebuild(
    enrollment_dir: Path,
    model_dir: Path,
    *,
    force: bool = False,
    fpir: float = 0.01,
    min_margin: float = 0.1,
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
        min_margin: the least lead over the runner-up with which a face will be named, [0, 1].
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
        lesson = _lesson(people, findings)

        def make(some: Lesson) -> Family:
            return learn(some, cohort, fpir, train)

        progress("Training the family's layers", _LOOKED)
        family = make(lesson)
        progress("Judging photos that were not learnt from", _TRAINED)
        outcomes = cross_validate(
            lesson,
            make,
            min_margin=min_margin,
            progress=lambda share: progress(
                "Judging photos that were not learnt from", _TRAINED + share * (_JUDGED - _TRAINED)
            ),
        )
        progress("Saving", _JUDGED)
        now = datetime.now(UTC)
        report = RebuildReport(
            version=new_version(now, versions(model_dir)),
            people=people,
            left_out=tuple(person for person in roster.people if person not in people),
            photos=photos,
            notes=roster.notes,
            tpir=_tpir(people, outcomes),
            fpir=fpir,
            threshold=family.calibration.threshold,
            outcomes=outcomes,
            seconds=time.monotonic() - begun_s,
        )
        model = FamilyModel(
            version=report.version,
            created=now.isoformat(timespec="seconds"),
            backbone_digest=networks[0].backbone_digest,
            cohort_digest=cohort_digest(cohort),
            people=people,
            arrays=family_arrays(family, cohort),
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


def _lesson(people: Sequence[Person], findings: Mapping[Photo, Finding]) -> Lesson:
    rows: dict[str | None, int] = {person.slug: row for row, person in enumerate(people)}
    rows[None] = len(people)
    used = [(photo, finding.vectors) for photo, finding in findings.items() if finding.vectors is not None]
    vectors = np.stack([each for _, each in used]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    return Lesson(
        people=tuple(people),
        files=tuple(photo.file for photo, _ in used),
        vectors=vectors,
        labels=np.array([rows[photo.person] for photo, _ in used], np.int64),
        moments=np.arange(len(used)),
    )


def _tpir(people: Sequence[Person], outcomes: Outcomes) -> dict[str, float]:
    """Share of each person's photos that were named by models that had not learnt from them."""
    rates = {}
    for row, person in enumerate(people):
        own = outcomes.true == row
        if np.count_nonzero(own) >= FEW_PHOTOS:
            rates[person.slug] = float(np.mean(outcomes.named[own] == row))
    return rates


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
