"""The rebuild: from the enrollment folder to a model that the service can load.

Every photo is looked at once and remembered by its content (`photos`). What is learnt is small: a
template for each person and the family's dense layers, both on the frozen backbone's embeddings.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.records import Person
from facerec_mqtt.enrollment.folder import EnrollmentFolder, Photo, read_enrollment_folder
from facerec_mqtt.enrollment.photos import (
    Networks,
    PhotoAnalysis,
    analyse_photos,
    open_networks,
    shipped_networks,
)
from facerec_mqtt.enrollment.quality import (
    lookalikes,
    mislabelled_photos,
    moments,
    repeats,
    repeats_of_members,
)
from facerec_mqtt.faces.embedding import Cohort, load_cohort
from facerec_mqtt.recognition.calibration import Normaliser
from facerec_mqtt.recognition.error_rates import Outcomes
from facerec_mqtt.recognition.model_store import FamilyModel, new_version, rebuilding, save_model, versions
from facerec_mqtt.recognition.recognizer import Family, cohort_digest, family_arrays
from facerec_mqtt.reports.advice import FEW_PHOTOS
from facerec_mqtt.reports.html import rebuild_page, render_page
from facerec_mqtt.reports.rebuild_report import AuditReport, PhotoReport, RebuildReport, first_reason
from facerec_mqtt.training.augmentation import VERSIONS
from facerec_mqtt.training.classifier_trainer import ClassifierTrainer
from facerec_mqtt.training.comparison import compare_with_current
from facerec_mqtt.training.cross_validation import cross_validate
from facerec_mqtt.training.fit import Trainer, TrainingSet, learn
from facerec_mqtt.training.learning_curve import learning_curves

ProgressCallback = Callable[[str, float], None]
"""Called with what is being done and the share of the whole that is done, [0, 1]."""
_LOOKED, _TRAINED, _JUDGED = 0.7, 0.8, 0.98


def rebuild(
    enrollment_dir: Path,
    model_dir: Path,
    *,
    force: bool = False,
    must_know: Collection[str] = (),
    fpir: float = 0.01,
    min_margin: float = 0.1,
    progress: ProgressCallback = lambda _stage, _share: None,
    load_networks: Callable[[], Networks] | None = None,
    cohort: Cohort | None = None,
    train: Trainer | None = None,
) -> RebuildReport:
    """Make a model of the enrollment folder, and switch to it unless it is clearly worse than the one in use.

    Args:
        enrollment_dir: one folder of photos for each person; nothing in it is changed.
        model_dir: made if it is missing.
        force: switch to the new model even when it is clearly worse than the one in use.
        must_know: slugs of people without whom no model is made.
        fpir: share of strangers who may be taken for somebody, (0, 1).
        min_margin: the least lead over the runner-up with which a face will be named, [0, 1].
        progress: told how far it is.
        load_networks: opens what looks at the photos, once a thread; `None` opens the shipped networks.
        cohort: of the backbone's scores; `None` is the shipped one.
        train: makes the family's layers; `None` is Keras.

    Raises:
        EnrollmentError: the folder is missing, holds nobody, or nobody with a usable photo; or there is none
            of somebody whom the model must know.
        ModelError: the model cannot be written, another rebuild is running, or a network is damaged.
            The model before stays in use.
    """
    begun_s = time.monotonic()
    progress("Reading the enrollment folder", 0.0)
    roster = read_enrollment_folder(enrollment_dir)
    cohort = load_cohort() if cohort is None else cohort
    with rebuilding(model_dir):
        if train is None:
            train = ClassifierTrainer()
            threading.Thread(target=train.prepare, name="prepare training").start()
        networks = open_networks(load_networks or shipped_networks, len(roster.photos))
        findings = analyse_photos(
            roster.photos,
            model_dir,
            networks,
            lambda share: progress("Looking at the photos", _LOOKED * share),
        )
        audit, training_set = _audit(roster, findings, cohort)
        if not audit.people:
            raise EnrollmentError(
                f'The enrollment folder "{enrollment_dir}" holds no usable photo of anybody'
                f"{first_reason([photo for photo in audit.photos if photo.person is not None], audit.notes)}"
            )

        _require_usable_photos(must_know, audit)

        def make(some: TrainingSet) -> Family:
            return learn(some, cohort, fpir, train)

        progress("Training the family's layers", _LOOKED)
        family = make(training_set)
        progress("Judging photos that were not learnt from", _TRAINED)
        outcomes = cross_validate(
            training_set,
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
            people=audit.people,
            left_out=audit.left_out,
            photos=audit.photos,
            notes=audit.notes,
            tpir=_tpir(audit.people, outcomes),
            fpir=fpir,
            threshold=family.calibration.threshold,
            outcomes=outcomes,
            moments={person.slug: training_set.moments_of(row) for row, person in enumerate(audit.people)},
            curves=learning_curves(training_set, family),
            comparison=compare_with_current(
                model_dir,
                training_set,
                outcomes,
                audit.left_out,
                backbone_digest=networks[0].backbone_digest,
                cohort=cohort,
                min_margin=min_margin,
                fpir=fpir,
            ),
            forced=force,
            seconds=time.monotonic() - begun_s,
        )
        model = FamilyModel(
            version=report.version,
            created=now.isoformat(timespec="seconds"),
            backbone_digest=networks[0].backbone_digest,
            cohort_digest=cohort_digest(cohort),
            people=audit.people,
            arrays=family_arrays(family, cohort),
            report=report.as_json(),
        )
        page = render_page(rebuild_page(report, model.created))
        save_model(model_dir, model, switch=report.not_used_because is None, page=page)
    progress("Done", 1.0)
    return report


def check_enrollment(
    enrollment_dir: Path,
    model_dir: Path,
    *,
    progress: ProgressCallback = lambda _stage, _share: None,
    load_networks: Callable[[], Networks] | None = None,
    cohort: Cohort | None = None,
) -> AuditReport:
    """Say of each file of the enrollment folder whether a rebuild would use it, and why not.

    Args:
        enrollment_dir: one folder of photos for each person; nothing in it is changed.
        model_dir: where it is remembered what each photo gave, so that a rebuild need not look again.
        progress: told how far it is.
        load_networks: opens what looks at the photos; `None` opens the shipped networks.
        cohort: of the backbone's scores; `None` is the shipped one.

    Raises:
        EnrollmentError: the folder is missing or holds nobody.
        ModelError: the model folder cannot be written, a rebuild is running, or a network is damaged.
    """
    progress("Reading the enrollment folder", 0.0)
    roster = read_enrollment_folder(enrollment_dir)
    cohort = load_cohort() if cohort is None else cohort
    with rebuilding(model_dir):
        findings = analyse_photos(
            roster.photos,
            model_dir,
            open_networks(load_networks or shipped_networks, len(roster.photos)),
            lambda share: progress("Looking at the photos", share),
        )
    audit, _ = _audit(roster, findings, cohort)
    progress("Done", 1.0)
    return audit


def _audit(
    roster: EnrollmentFolder, findings: Mapping[Photo, PhotoAnalysis], cohort: Cohort
) -> tuple[AuditReport, TrainingSet]:
    """Sort out what cannot be learnt from, and make a lesson of the rest."""
    rows: dict[str | None, int] = {person.slug: row for row, person in enumerate(roster.people)}
    rows[None] = len(roster.people)
    photos = [photo for photo, finding in findings.items() if finding.vectors is not None]
    vectors = np.array([findings[photo].vectors for photo in photos], np.float32)
    vectors = vectors.reshape(len(photos), 1 + VERSIONS, cohort.centres.shape[1])
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    labels = np.array([rows[photo.person] for photo in photos], np.int64)
    reasons = {photo: finding.reason for photo, finding in findings.items()}
    repeated = repeats(vectors, labels, np.array([findings[photo].sharpness for photo in photos]))
    for photo, other in zip(photos, repeated, strict=True):
        if other >= 0:
            reasons[photo] = f"It is a near-duplicate of {photos[other].file}, which is used."
    single = np.flatnonzero(repeated < 0)
    names = [person.name for person in roster.people]
    normaliser, table = (
        Normaliser(cohort.centres, cohort.top),
        (cohort.impostor_far, cohort.impostor_threshold),
    )
    for misfit in mislabelled_photos(vectors[single, 0], labels[single], len(names), normaliser, table):
        at = single[misfit.photo]
        own = names[labels[at]]
        reasons[photos[at]] = (
            f"It does not look like the other photos of {own}; check who is in it."
            if misfit.like is None
            else f"It looks more like {names[misfit.like]} than like the other photos of {own};"
            " check who is in it."
        )
    kept = np.array([reasons[photo] is None for photo in photos], np.bool_)
    strangers = np.flatnonzero(kept & (labels == len(names)))
    members = np.flatnonzero(kept & (labels < len(names)))
    for at, other in repeats_of_members(vectors, strangers, members).items():
        reasons[photos[at]] = (
            f"It is a near-duplicate of {photos[other].file}, which is used; delete the wrong one."
        )
        kept[at] = False
    left = np.flatnonzero(kept)
    alike = {
        photos[left[photo]]: names[row]
        for photo, row in lookalikes(vectors[left, 0], labels[left], len(names), normaliser, table).items()
    }
    training_set = TrainingSet(
        people=roster.people,
        files=tuple(photo.file for photo in photos),
        vectors=vectors,
        labels=labels,
        moments=moments(vectors, labels, [findings[photo].taken_s for photo in photos]),
    ).only(kept)
    report = AuditReport(
        people=training_set.people,
        left_out=tuple(person for person in roster.people if person not in training_set.people),
        photos=_photo_reports(roster, findings, reasons, alike),
        notes=(*roster.notes, *_alike_in_short(alike)),
    )
    return report, training_set


def _require_usable_photos(must_know: Collection[str], audit: AuditReport) -> None:
    """Check that there is a usable photo of all who must be known.

    Raises:
        EnrollmentError: of somebody there is none.
    """
    names = {person.slug: person.name for person in audit.left_out}
    for slug in sorted({*must_know} - {person.slug for person in audit.people}):
        name = names.get(slug, slug)
        own = [photo for photo in audit.photos if photo.person == slug]
        raise EnrollmentError(
            f"{name} would be left out, having no usable photo{first_reason(own, audit.notes)} Add some,"
            f" or, if {name} shall go as well, remove that folder and rebuild first."
        )


def _alike_in_short(alike: Mapping[Photo, str]) -> tuple[str, ...]:
    """What to do about strangers' pictures that resemble a member, if there are any."""
    if not alike:
        return ()
    photo, name = next(iter(alike.items()))
    more = f", and {len(alike) - 1} more resemble somebody enrolled" if len(alike) > 1 else ""
    return (
        f"{photo.file} resembles {name}{more}; if that is who it shows, move it into that folder: strangers"
        f" who look like {name} make {name} harder to recognise.",
    )


def _tpir(people: Sequence[Person], outcomes: Outcomes) -> dict[str, float]:
    """Share of each person's photos that were named by models that had not learnt from them."""
    rates = {}
    for row, person in enumerate(people):
        own = outcomes.true == row
        if np.count_nonzero(own) >= FEW_PHOTOS:
            rates[person.slug] = float(np.mean(outcomes.named[own] == row))
    return rates


def _photo_reports(
    roster: EnrollmentFolder,
    findings: Mapping[Photo, PhotoAnalysis],
    reasons: Mapping[Photo, str | None],
    alike: Mapping[Photo, str],
) -> tuple[PhotoReport, ...]:
    def note(photo: Photo) -> str | None:
        if photo in alike:
            return f"It resembles {alike[photo]}; if that is who it shows, move it into that folder."
        return findings[photo].note

    looked_at = [
        PhotoReport(photo.file, photo.person, reason, note(photo) if reason is None else None)
        for photo, reason in reasons.items()
    ]
    not_looked_at = [PhotoReport(each.file, each.person, each.rejection.sentence) for each in roster.rejected]
    return tuple(sorted([*looked_at, *not_looked_at], key=lambda photo: photo.file))
