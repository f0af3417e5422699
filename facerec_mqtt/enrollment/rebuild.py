"""The rebuild: from the enrollment folder to a model that the service can load.

Every photo is analysed once and cached by its content (`photos`). What is trained is small: a template for
each person and the classifier, both on the frozen backbone's embeddings.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.records import Person, ProgressCallback, Vectors
from facerec_mqtt.core.rejections import Rejection, RejectionCode, Remark, RemarkCode
from facerec_mqtt.enrollment.folder import EnrollmentFolder, Photo, RejectedFile, read_enrollment_folder
from facerec_mqtt.enrollment.photo_comparison import GroupPhoto, choose_faces, compare_photos, moments
from facerec_mqtt.enrollment.photos import (
    Networks,
    PhotoAnalysis,
    analyse_photos,
    open_networks,
    shipped_networks,
)
from facerec_mqtt.faces import Cohort, load_cohort
from facerec_mqtt.recognition import (
    Family,
    FamilyModel,
    Outcomes,
    cohort_digest,
    family_arrays,
    new_version,
    rebuilding,
    save_model,
    tpir_of,
    versions,
)
from facerec_mqtt.reports import (
    FEW_PHOTOS,
    AuditReport,
    PhotoReport,
    RebuildReport,
    no_usable_photo,
    photos_of,
    resembling_strangers,
)
from facerec_mqtt.reports.html import rebuild_page, render_page
from facerec_mqtt.training import (
    VERSIONS,
    Trainer,
    TrainingSet,
    compare_with_current,
    cross_validate,
    fit,
    learning_curves,
)
from facerec_mqtt.training.classifier_trainer import ClassifierTrainer

# Shares of the whole that are done after each stage.
_ANALYSED, _TRAINED, _JUDGED = 0.7, 0.8, 0.98
_ANALYSING = "Looking at the photos"
_JUDGING = "Judging photos that were held out"


def rebuild(
    enrollment_dir: Path,
    model_dir: Path,
    *,
    force: bool = False,
    must_know: Collection[str] = (),
    is_locked: bool = False,
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
        must_know: slugs of people that the model must know, else none is made.
        is_locked: whether the caller holds `rebuilding(model_dir)` already.
        fpir: share of strangers who may be taken for somebody, (0, 1).
        min_margin: the least lead over the runner-up with which a face will be named, [0, 1].
        progress: called with what is being done and how far it is.
        load_networks: opens what analyses the photos, once a thread; `None` opens the shipped networks.
        cohort: of the backbone's scores; `None` is the shipped one.
        train: makes the classifier; `None` is Keras.

    Raises:
        EnrollmentError: the folder is missing, holds nobody, or nobody with a usable photo; or there is none
            of somebody the model must know.
        ModelError: the model cannot be written, another rebuild is running, or a network is damaged.
            The model before stays in use.
    """
    begun_s = time.monotonic()
    progress("Reading the enrollment folder", 0.0)
    cohort = load_cohort() if cohort is None else cohort
    with contextlib.nullcontext() if is_locked else rebuilding(model_dir):
        # Not before, since whoever holds the folder may be forgetting somebody.
        folder = read_enrollment_folder(enrollment_dir)
        if train is None:
            train = ClassifierTrainer()
            threading.Thread(target=train.prepare, name="prepare training").start()
        networks = open_networks(load_networks or shipped_networks, len(folder.photos))
        analyses = analyse_photos(
            folder.photos, model_dir, networks, lambda share: progress(_ANALYSING, _ANALYSED * share)
        )
        audit, training_set = _audit(folder, analyses, cohort)
        if not audit.people:
            members = [photo for photo in audit.photos if photo.person is not None]
            raise EnrollmentError(
                f'The enrollment folder "{enrollment_dir}" holds no usable photo of anybody'
                f"{no_usable_photo(members, audit.notes)}"
            )
        _require_usable_photos(must_know, audit)

        def make(some: TrainingSet) -> Family:
            return fit(some, cohort, fpir, train)

        progress("Training the classifier", _ANALYSED)
        family = make(training_set)
        progress(_JUDGING, _TRAINED)
        outcomes = cross_validate(
            training_set,
            make,
            min_margin=min_margin,
            progress=lambda share: progress(_JUDGING, _TRAINED + share * (_JUDGED - _TRAINED)),
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
        save_model(model_dir, model, switch=report.switched, page=page)
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
    """Report which files of the enrollment folder a rebuild would use, and why not the others.

    Args:
        enrollment_dir: one folder of photos for each person; nothing in it is changed.
        model_dir: where it is cached what each photo gave, so that a rebuild need not analyse it again.
        progress: called with what is being done and how far it is.
        load_networks: opens what analyses the photos; `None` opens the shipped networks.
        cohort: of the backbone's scores; `None` is the shipped one.

    Raises:
        EnrollmentError: the folder is missing or holds nobody.
        ModelError: the model folder cannot be written, a rebuild is running, or a network is damaged.
    """
    progress("Reading the enrollment folder", 0.0)
    cohort = load_cohort() if cohort is None else cohort
    with rebuilding(model_dir):
        folder = read_enrollment_folder(enrollment_dir)
        analyses = analyse_photos(
            folder.photos,
            model_dir,
            open_networks(load_networks or shipped_networks, len(folder.photos)),
            lambda share: progress(_ANALYSING, share),
        )
    audit, _ = _audit(folder, analyses, cohort)
    progress("Done", 1.0)
    return audit


def _audit(
    folder: EnrollmentFolder, analyses: Mapping[Photo, PhotoAnalysis], cohort: Cohort
) -> tuple[AuditReport, TrainingSet]:
    """Reject photos by comparison with the others, and make a training set of the rest."""
    rows: dict[str | None, int] = {person.slug: row for row, person in enumerate(folder.people)}
    rows[None] = len(folder.people)
    analyses = _with_fitting_faces(folder, analyses, rows, cohort)
    photos = [photo for photo, analysis in analyses.items() if analysis.vectors is not None]
    vectors = _unit([analyses[photo].vectors for photo in photos], 1 + VERSIONS, cohort)
    labels = np.array([rows[photo.person] for photo in photos], np.int64)
    candidates = TrainingSet(
        people=folder.people,
        files=tuple(photo.file for photo in photos),
        vectors=vectors,
        labels=labels,
        moments=moments(vectors, labels, [analyses[photo].taken_s for photo in photos]),
    )
    sharpness = np.array([analyses[photo].sharpness for photo in photos])
    found, resembled = compare_photos(candidates, sharpness, cohort)
    rejections = {photo: analysis.rejection for photo, analysis in analyses.items()}
    rejections |= {photos[at]: rejection for at, rejection in found.items()}
    names = {photos[at]: name for at, name in resembled.items()}
    training_set = candidates.only(np.array([rejections[photo] is None for photo in photos], np.bool_))
    report = AuditReport(
        people=training_set.people,
        left_out=tuple(person for person in folder.people if person not in training_set.people),
        photos=_photo_reports(folder, analyses, rejections, names),
        notes=(*folder.notes, *_resembling_in_short(names)),
    )
    return report, training_set


def _with_fitting_faces(
    folder: EnrollmentFolder,
    analyses: Mapping[Photo, PhotoAnalysis],
    rows: Mapping[str | None, int],
    cohort: Cohort,
) -> dict[Photo, PhotoAnalysis]:
    """Take of members' photos with several faces the one that fits the person's other photos."""
    single = [photo for photo, each in analyses.items() if each.vectors is not None and not each.faces]
    several = [photo for photo, each in analyses.items() if each.faces and photo.person is not None]
    groups = [
        GroupPhoto(
            label=rows[photo.person],
            faces=_unit([face.vectors[:1] for face in analyses[photo].faces], 1, cohort)[:, 0],
            has_largest=analyses[photo].vectors is not None,
        )
        for photo in several
    ]
    vectors = _unit(
        [vectors[:1] for photo in single if (vectors := analyses[photo].vectors) is not None], 1, cohort
    )
    labels = np.array([rows[photo.person] for photo in single], np.int64)
    taken = dict(analyses)
    for at, face in choose_faces(vectors[:, 0], labels, groups, cohort).items():
        photo = several[at]
        own = folder.people[rows[photo.person]].name
        unlike = Rejection(code=RejectionCode.UNLIKE_THE_OTHERS, own=own)
        taken[photo] = PhotoAnalysis(None, unlike) if face is None else analyses[photo].taking(face)
    return taken


def _unit(vectors: Sequence[NDArray[np.float16] | None], versions: int, cohort: Cohort) -> Vectors:
    """(N, versions, D) float32 unit rows of what the cache keeps."""
    kept = np.array(vectors, np.float32).reshape(len(vectors), versions, cohort.centres.shape[1])
    return np.asarray(kept / np.linalg.norm(kept, axis=2, keepdims=True), np.float32)


def _require_usable_photos(must_know: Collection[str], audit: AuditReport) -> None:
    """Check that there is a usable photo of all who must be known.

    Raises:
        EnrollmentError: of somebody there is none.
    """
    names = {person.slug: person.name for person in audit.left_out}
    for slug in sorted({*must_know} - {person.slug for person in audit.people}):
        name = names.get(slug, slug)
        why = no_usable_photo(photos_of(slug, audit.photos), audit.notes)
        raise EnrollmentError(
            f"{name} would be left out, having no usable photo{why} Add some,"
            f" or, if {name} is to be removed too, remove that folder and rebuild first."
        )


def _resembling_in_short(names: Mapping[Photo, str]) -> tuple[str, ...]:
    """What to do about strangers' pictures that resemble a member, if there are any."""
    if not names:
        return ()
    photo, name = next(iter(names.items()))
    return (resembling_strangers(photo.file, name, len(names) - 1),)


def _tpir(people: Sequence[Person], outcomes: Outcomes) -> dict[str, float]:
    """Share of each person's photos that were named by models that had not learnt from them."""
    rates = {}
    for row, person in enumerate(people):
        if np.count_nonzero(outcomes.true == row) >= FEW_PHOTOS:
            rates[person.slug] = tpir_of(outcomes, row)
    return rates


def _photo_reports(
    folder: EnrollmentFolder,
    analyses: Mapping[Photo, PhotoAnalysis],
    rejections: Mapping[Photo, Rejection | None],
    names: Mapping[Photo, str],
) -> tuple[PhotoReport, ...]:
    def remark(photo: Photo) -> Remark | None:
        if rejections[photo] is not None:
            return None
        if photo in names:
            return Remark(code=RemarkCode.RESEMBLES, name=names[photo])
        return analyses[photo].remark

    analysed = [
        PhotoReport(
            file=photo.file,
            folder=photo.folder,
            person=photo.person,
            rejection=rejection,
            remark=remark(photo),
        )
        for photo, rejection in rejections.items()
    ]
    return tuple(sorted([*analysed, *map(_rejected, folder.rejected)], key=lambda photo: photo.file))


def _rejected(rejected: RejectedFile) -> PhotoReport:
    """Report a file that is not a photo by its name or its place."""
    return PhotoReport(
        file=rejected.file,
        folder=rejected.folder,
        person=rejected.person,
        rejection=rejected.rejection,
    )
