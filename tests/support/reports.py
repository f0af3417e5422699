"""A report with everything in it, and its page."""

import numpy as np

from facerec_mqtt.core.records import Person
from facerec_mqtt.core.rejections import Rejection, RejectionCode
from facerec_mqtt.enrollment.reports.html import rebuild_page, render_page
from facerec_mqtt.enrollment.reports.photo_report import PhotoReport
from facerec_mqtt.enrollment.reports.rebuild_report import RebuildReport
from facerec_mqtt.recognition.error_rates import NOBODY, Outcomes
from facerec_mqtt.training.comparison import Comparison

ODD_NAME = 'Mia <script>alert("x")</script> $x_$ 美亚'


PEOPLE = (Person("anna", "Anna"), Person("mia", ODD_NAME))


def a_photo(person: Person, file: str, rejection: Rejection | None = None) -> PhotoReport:
    """A photo in a person's folder, used where there is no rejection."""
    return PhotoReport(file=file, folder=person.name, person=person.slug, rejection=rejection)


def a_report(
    people: tuple[Person, ...] = PEOPLE,
    *,
    photos: int = 6,
    comparison: Comparison | None = None,
    curves: bool = True,
) -> RebuildReport:
    """Photos of each person, of which the last of each is not recognised, and a stranger's picture."""
    files = [f"{person.name}/{number}.jpg" for person in people for number in range(photos)]
    true = np.repeat(np.arange(len(people)), photos)
    scores = np.full((len(files) + 1, len(people)), 0.1, np.float32)
    scores[np.arange(len(files)), true] = np.where(np.arange(len(files)) % photos == photos - 1, 0.3, 0.9)
    named = np.where(scores.max(axis=1) >= 0.5, scores.argmax(axis=1), NOBODY)
    reports = [a_photo(people[row], file) for file, row in zip(files, true, strict=True)]
    rejected = a_photo(people[-1], f"{people[-1].name}/bad.jpg", Rejection(code=RejectionCode.NO_FACE))
    return RebuildReport(
        version="20261123T120000Z-3f2a",
        people=people,
        left_out=(),
        photos=(*reports, rejected),
        notes=(),
        tpir={person.slug: (photos - 1) / photos for person in people},
        fpir=0.01,
        threshold=2.0,
        outcomes=Outcomes((*files, "_strangers/1.jpg"), np.r_[true, NOBODY], scores, named),
        seconds=1.0,
        curves=tuple(((1, 0.5), (2, 0.7), (4, 0.8)) if curves else () for _ in people),
        comparison=comparison,
    )


def rendered(report: RebuildReport) -> str:
    return render_page(rebuild_page(report, "2026-11-23T12:00:00+00:00"))
