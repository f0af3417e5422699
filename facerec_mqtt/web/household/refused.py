"""Why the last rebuild's model is not used: what fell, and which photos have come since the one in use."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from facerec_mqtt.enrollment.changes import listed_photos
from facerec_mqtt.enrollment.file_names import file_name, video_of
from facerec_mqtt.enrollment.owners import STRANGERS, everybody_in
from facerec_mqtt.recognition import KeptVersion, SavedReport
from facerec_mqtt.web.household.people import photo_url, stranger_url
from facerec_mqtt.web.schemas import AddedSince, Worse

_CODES = get_args(Worse.model_fields["code"].annotation)


def worse_of(enrollment_dir: Path, report: SavedReport, kept: Sequence[KeptVersion]) -> Worse | None:
    """In which way a version is worse than the one that was in use when it was made.

    Args:
        enrollment_dir: the enrollment folder.
        report: of the version that was not put to use.
        kept: those that were made before it.

    Returns:
        `None` where its report does not say so.

    Raises:
        EnrollmentError: the enrollment folder cannot be read.
    """
    compared = report.compared_with
    if compared is None or compared.worse_code not in _CODES or compared.worse_tally is None:
        return None
    tally = compared.worse_tally
    # An empty one where it is not kept any more.
    before = next((each.report for each in kept if each.version == compared.version), SavedReport())
    return Worse.model_validate(
        {
            "code": compared.worse_code,
            "people": list(compared.worse_people),
            "pictures": tally.pictures,
            "before": tally.right_before,
            "now": tally.right,
            "added": list(_added(enrollment_dir, report, before)),
        }
    )


def _added(enrollment_dir: Path, report: SavedReport, before: SavedReport) -> Iterator[AddedSince]:
    known = {photo.file for photo in before.photos}
    if not known:
        return  # nobody knows what it was made of
    used = {photo.file for photo in report.photos if photo.used and photo.file not in known}
    wanted = used | {video_of(file) for file in used}
    for owner in everybody_in(enrollment_dir).values():
        for file, path in listed_photos(enrollment_dir, owner.slug).items():
            if file_name(path, enrollment_dir) in wanted:
                yield AddedSince(
                    person=owner.slug, name=owner.name, file=file, url=photo_url(owner.slug, file)
                )
    for name in sorted(wanted):
        folder, _, file = name.partition("/")
        if folder == STRANGERS and (enrollment_dir / name).is_file():
            yield AddedSince(person=None, name="Strangers", file=file, url=stranger_url(file))
