"""All photos of the enrollment folder together: which would be used, and why the others would not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facerec_mqtt.core.records import ProgressCallback, Vectors
from facerec_mqtt.core.rejections import Rejection, RejectionCode, Remark, RemarkCode
from facerec_mqtt.enrollment.file_names import video_of
from facerec_mqtt.enrollment.folder import EnrollmentFolder, Photo, RejectedFile, read_enrollment_folder
from facerec_mqtt.enrollment.judging.analyses import analyse_photos, open_networks
from facerec_mqtt.enrollment.judging.near_duplicates import moments
from facerec_mqtt.enrollment.judging.photo_cache import Networks, PhotoAnalysis
from facerec_mqtt.enrollment.judging.photo_comparison import GroupPhoto, choose_faces, compare_photos
from facerec_mqtt.enrollment.judging.photos import shipped_networks
from facerec_mqtt.enrollment.reports import AuditReport, PhotoReport, resembling_strangers
from facerec_mqtt.faces import Cohort, load_cohort
from facerec_mqtt.recognition import rebuilding
from facerec_mqtt.training import VERSIONS, TrainingSet

ANALYSING = "Looking at the photos"


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
            lambda share: progress(ANALYSING, share),
        )
    audit, _ = judge_folder(folder, analyses, cohort)
    progress("Done", 1.0)
    return audit


def judge_folder(
    folder: EnrollmentFolder, analyses: Mapping[Photo, PhotoAnalysis], cohort: Cohort
) -> tuple[AuditReport, TrainingSet]:
    """Reject photos by comparison with the others, and make a training set of the rest.

    Args:
        folder: whose photos they are.
        analyses: what each of its photos gave.
        cohort: of the backbone's scores.
    """
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
        moments=moments(
            vectors,
            labels,
            [analyses[photo].taken_s for photo in photos],
            [photo.path for photo in photos],
        ),
    )
    sharpness = np.array([analyses[photo].sharpness for photo in photos])
    found, resembled = compare_photos(candidates, sharpness, cohort)
    rejections = {photo: analysis.rejection for photo, analysis in analyses.items()}
    rejections |= {photos[at]: why for at, why in found.items() if not photos[at].use_anyway}
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
        if face is not None:
            taken[photo] = analyses[photo].taking(face)
        elif not photo.use_anyway:
            taken[photo] = PhotoAnalysis(None, unlike)
    return _without_others_in_videos(taken)


def _without_others_in_videos(analyses: Mapping[Photo, PhotoAnalysis]) -> dict[Photo, PhotoAnalysis]:
    """Leave out the pictures of other people in a video; where there are no others, one says why."""
    used = {photo.path for photo, each in analyses.items() if each.vectors is not None}
    kept: dict[Photo, PhotoAnalysis] = {}
    for photo, each in analyses.items():
        is_unclear = each.rejection is not None and each.rejection.code is RejectionCode.VIDEO_OF_SEVERAL
        if not (is_unclear and photo.at_s is not None):
            kept[photo] = each
        elif photo.path not in used:
            used.add(photo.path)
            whole = replace(photo, file=video_of(photo.file), at_s=None)
            kept[whole] = PhotoAnalysis(None, each.rejection)
    return kept


def _unit(vectors: Sequence[NDArray[np.float16] | None], versions: int, cohort: Cohort) -> Vectors:
    """(N, versions, D) float32 unit rows of what the cache keeps."""
    kept = np.array(vectors, np.float32).reshape(len(vectors), versions, cohort.centres.shape[1])
    return np.asarray(kept / np.linalg.norm(kept, axis=2, keepdims=True), np.float32)


def _resembling_in_short(names: Mapping[Photo, str]) -> tuple[str, ...]:
    """What to do about strangers' pictures that resemble a member, if there are any."""
    if not names:
        return ()
    photo, name = next(iter(names.items()))
    return (resembling_strangers(photo.file, name, len(names) - 1),)


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
