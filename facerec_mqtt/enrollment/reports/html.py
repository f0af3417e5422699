"""A report as a page: one HTML file that needs nothing else, not even a connection or a script."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from facerec_mqtt.core.records import Person
from facerec_mqtt.core.rejections import RejectionCode
from facerec_mqtt.enrollment.reports import plots
from facerec_mqtt.enrollment.reports.advice import Advice
from facerec_mqtt.enrollment.reports.photo_report import PhotoReport
from facerec_mqtt.enrollment.reports.rebuild_report import RebuildReport
from facerec_mqtt.enrollment.reports.sentences import confusable_people, rate_text
from facerec_mqtt.recognition import NOBODY, Curve, Outcomes, confusion, fpir_of, tpir_of

_USED = "used"
_OUTSIDE = "(outside)"
_KINDS: Mapping[RejectionCode, str] = {
    RejectionCode.NO_FACE: "no face",
    RejectionCode.SEVERAL_FACES: "several faces",
    RejectionCode.FACE_TOO_SMALL: "face too small",
    RejectionCode.BLURRED: "blurred",
    RejectionCode.DUPLICATE_OF: "near-duplicate",
    RejectionCode.DUPLICATE_OF_MEMBER: "near-duplicate",
    RejectionCode.LOOKS_LIKE_ANOTHER: "looks like another",
    RejectionCode.UNLIKE_THE_OTHERS: "unlike the others",
}
_OTHER_KIND = "unusable file"


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """What a report shows."""

    title: str
    subtitle: str
    """Which model, and when."""
    verdict: str | None
    """Why the model is kept but not used; `None` where there is nothing to say."""
    people: tuple[Person, ...]
    """In the order of the outcomes' rows."""
    advice: tuple[Advice, ...]
    notes: tuple[str, ...]
    """What else its owner should know, a sentence each."""
    photos: tuple[PhotoReport, ...]
    outcomes: Outcomes
    curves: tuple[Curve, ...]
    """For each person; empty where they were not measured."""
    fpir: float
    """The stated share of strangers who may be taken for somebody."""
    method: str
    """How the pictures were judged, in a sentence or two."""
    compared: str = ""
    """How the model before did on the same pictures; may be empty."""


def rebuild_page(report: RebuildReport, created: str) -> Page:
    """The page of a rebuild.

    Args:
        report: what it found.
        created: when, ISO 8601.
    """
    verdict = None
    if report.comparison is not None and not report.switched:
        verdict = (
            f"The model {report.comparison.version} stays in use, since this one is clearly worse."
            f" {report.not_used_because} Check the photos that have changed since; to use this one all the"
            " same, run facerec-mqtt rebuild --force."
        )
    compared = ""
    if report.comparison is not None and report.comparison.members.pictures:
        members = report.comparison.members
        compared = (
            f"The model {report.comparison.version}, which was in use before, was judged on"
            f" {members.pictures} of the family's photos as well, none of which it had learnt from: it"
            f" recognises {members.right_before} of them, and this one {members.right}."
        )
    return Page(
        compared=compared,
        title="How well does it know the family?",
        subtitle=f"Model {report.version}, made {created[:16].replace('T', ' at ')} UTC",
        verdict=verdict,
        people=report.people,
        advice=report.advice(),
        notes=report.general_notes(),
        photos=report.photos,
        outcomes=report.outcomes,
        curves=report.curves,
        fpir=report.fpir,
        method=(
            "Every photo was judged by models that had not learnt from it, nor from any other photo of the"
            " same moment. For strangers, each picture in _strangers was judged likewise, and each person's"
            " photos by models that did not know that person. So these figures are what new pictures of the"
            " same kind would give; poorer pictures give poorer ones."
        ),
    )


def render_page(page: Page) -> str:
    """Make the page. The same report gives the same bytes."""
    environment = Environment(
        loader=PackageLoader("facerec_mqtt.enrollment.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html").render(
        page=page,
        figures=_figures(page),
        advice=sorted(page.advice, key=lambda advice: not advice.needed),
        names=[person.name for person in page.people],
        rejected=[photo for photo in page.photos if not photo.used],
        remarked=[photo for photo in page.photos if photo.used and photo.sentence is not None],
        confusion=_confusion(page),
        confusable=confusable_people(page.people, page.outcomes),
        plots=_plots(page),
    )


def _figures(page: Page) -> Sequence[tuple[str, str]]:
    """The numbers at the top, and what each means."""
    genuine = int(np.sum(page.outcomes.true != NOBODY))
    others = len(page.outcomes.true) - genuine
    used = sum(photo.used for photo in page.photos)
    return [
        (rate_text(tpir_of(page.outcomes)), f"of the family's pictures are recognised ({genuine} judged)"),
        (
            rate_text(fpir_of(page.outcomes)),
            f"of strangers' faces are given a name ({others} judged; you asked for at most"
            f" {rate_text(page.fpir)})",
        ),
        (f"{used} of {len(page.photos)}", "photos were good enough to be used"),
    ]


def _plots(page: Page) -> Mapping[str, str | None]:
    """The drawings as SVG; `None` where there is nothing to draw."""
    true = page.outcomes.true
    curves = {
        person.name: curve for person, curve in zip(page.people, page.curves, strict=False) if len(curve) > 1
    }
    has_both = bool(np.any(true == NOBODY) and np.any(true != NOBODY))
    return {
        "photos": _photos_plot(page),
        "scores": plots.scores(page.outcomes) if len(true) else None,
        "trade_off": plots.errors(page.outcomes, page.fpir) if has_both else None,
        "learning": plots.learning(curves) if curves else None,
    }


def _photos_plot(page: Page) -> str:
    names = [person.name for person in page.people]
    folders = [*names, *sorted({photo.folder or _OUTSIDE for photo in page.photos} - {*names})]
    kinds = Counter(kind_of(photo) for photo in page.photos if not photo.used)
    counts = Counter((kind_of(photo), photo.folder or _OUTSIDE) for photo in page.photos)
    return plots.photos(
        folders,
        {
            kind: [counts[kind, folder] for folder in folders]
            for kind in (_USED, *(kind for kind, _ in kinds.most_common()))
        },
    )


def kind_of(photo: PhotoReport) -> str:
    """What became of a photo, in two or three words."""
    return _USED if photo.rejection is None else _KINDS.get(photo.rejection.code, _OTHER_KIND)


@dataclass(frozen=True, slots=True)
class _Cell:
    """How often somebody was given a name."""

    count: int
    right: bool
    """Whether it is the right name."""
    strength: int
    """Of the colour, percent."""


@dataclass(frozen=True, slots=True)
class _Row:
    """Which names somebody was given."""

    name: str
    cells: tuple[_Cell, ...]


def _confusion(page: Page) -> Sequence[_Row]:
    """A row for who is in the pictures, with a cell for each name that was given; empty without pictures."""
    counts = confusion(page.outcomes)
    if not counts.any():
        return ()
    names = [*(person.name for person in page.people), "not enrolled"]
    return tuple(
        _Row(
            name,
            tuple(
                _Cell(
                    count=int(count),
                    right=row == column,
                    strength=min(70, 12 + round(100 * count / max(1, int(counts[row].sum())))),
                )
                for column, count in enumerate(counts[row])
            ),
        )
        for row, name in enumerate(names)
    )
