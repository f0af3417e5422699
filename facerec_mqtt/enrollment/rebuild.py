"""The rebuild: from the enrollment folder to a model that the service can load.

Every photo is analysed once and cached by its content (`photos`). What is trained is small: a template for
each person and the classifier, both on the frozen backbone's embeddings.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from facerec_mqtt.core.errors import EnrollmentError
from facerec_mqtt.core.records import Person, ProgressCallback, Vectors
from facerec_mqtt.enrollment.folder import read_enrollment_folder
from facerec_mqtt.enrollment.judging.analyses import analyse_photos, open_networks
from facerec_mqtt.enrollment.judging.audit import ANALYSING, judge_folder
from facerec_mqtt.enrollment.judging.photo_cache import Networks
from facerec_mqtt.enrollment.judging.photos import shipped_networks
from facerec_mqtt.enrollment.reports import (
    FEW_PHOTOS,
    AuditReport,
    RebuildReport,
    no_usable_photo,
    photos_of,
    plots,
)
from facerec_mqtt.enrollment.reports.html import rebuild_page, render_page
from facerec_mqtt.faces import Cohort, load_cohort
from facerec_mqtt.history import HistoryError
from facerec_mqtt.recognition import (
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
from facerec_mqtt.training import (
    ClassifierTrainer,
    Trainer,
    compare_with_current,
    fit,
    judge_rounds,
    learning_curves,
    rounds_of,
    seen_by_cameras,
    training_process,
)

# Shares of the whole that are done after each stage.
_ANALYSED, _TRAINED, _JUDGED = 0.7, 0.94, 0.98
_TRAINING = "Training the classifier"
_JUDGING = "Judging photos that were held out"


def rebuild(
    enrollment_dir: Path,
    model_dir: Path,
    *,
    force: bool = False,
    must_know: Collection[str] = (),
    is_locked: bool = False,
    fpir: float = 0.001,
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
        fpir: share of strangers' visits that may be taken for somebody's, (0, 1).
        min_margin: the least lead over the runner-up with which a face will be named, [0, 1].
        progress: called with what is being done and how far it is.
        load_networks: opens what analyses the photos, once a thread; `None` opens the shipped networks.
        cohort: of the backbone's scores; `None` is the shipped one.
        train: makes the classifiers; `None` is TensorFlow, in a process of its own.

    Raises:
        EnrollmentError: the folder is missing, holds nobody, or nobody with a usable photo; or there is none
            of somebody the model must know.
        ModelError: the model cannot be written, another rebuild is running, or a network is damaged.
            The model before stays in use.
    """
    begun_s = time.monotonic()
    progress("Reading the enrollment folder", 0.0)
    cohort = load_cohort() if cohort is None else cohort
    with contextlib.ExitStack() as stack:
        if not is_locked:
            stack.enter_context(rebuilding(model_dir))
        # Not before, since whoever holds the folder may be forgetting somebody.
        folder = read_enrollment_folder(enrollment_dir)
        if train is None:
            train = ClassifierTrainer(stack.enter_context(training_process()))
        networks = open_networks(load_networks or shipped_networks, len(folder.photos))
        analyses = analyse_photos(
            folder.photos, model_dir, networks, lambda share: progress(ANALYSING, _ANALYSED * share)
        )
        audit, training_set = judge_folder(folder, analyses, cohort)
        if not audit.people:
            members = [photo for photo in audit.photos if photo.person is not None]
            raise EnrollmentError(
                f'The enrollment folder "{enrollment_dir}" holds no usable photo of anybody'
                f"{no_usable_photo(members, audit.notes)}"
            )
        _require_usable_photos(must_know, audit)

        seen, history_notes = _seen_strangers(model_dir, networks[0].backbone_digest, cohort)

        progress(_TRAINING, _ANALYSED)
        threading.Thread(target=plots.prepare, name="prepare plots").start()
        rounds = rounds_of(training_set)
        # The models that judge photos which they have not learnt from learn beside the one that is kept.
        family, *judges = fit(
            training_set,
            cohort,
            fpir,
            train,
            seen,
            kept=[np.ones(len(training_set.labels), np.bool_), *(~each.judged for each in rounds)],
            progress=lambda share: progress(_TRAINING, _ANALYSED + share * (_TRAINED - _ANALYSED)),
        )
        progress(_JUDGING, _TRAINED)
        outcomes = judge_rounds(training_set, rounds, judges, min_margin=min_margin)
        progress("Saving", _JUDGED)
        now = datetime.now(UTC)
        report = RebuildReport(
            version=new_version(now, versions(model_dir)),
            people=audit.people,
            left_out=audit.left_out,
            photos=audit.photos,
            notes=(*audit.notes, *history_notes),
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
            own_strangers=len(family.normaliser.centres) - len(cohort.centres),
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


def _seen_strangers(model_dir: Path, network: str, cohort: Cohort) -> tuple[Vectors, tuple[str, ...]]:
    """Read the strangers whom the cameras have seen; with why there are none, where that is a fault."""
    dimensions = cohort.centres.shape[1]
    try:
        return seen_by_cameras(model_dir, network, dimensions), ()
    except HistoryError as error:
        why = f"The strangers whom the cameras have seen were not taken into account: {error}"
        return np.zeros((0, dimensions), np.float32), (why,)


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


def _tpir(people: Sequence[Person], outcomes: Outcomes) -> dict[str, float]:
    """Share of each person's photos that were named by models that had not learnt from them."""
    rates = {}
    for row, person in enumerate(people):
        if np.count_nonzero(outcomes.true == row) >= FEW_PHOTOS:
            rates[person.slug] = tpir_of(outcomes, row)
    return rates
