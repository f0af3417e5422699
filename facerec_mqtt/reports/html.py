"""A report as a page: one HTML file that needs nothing else, not even a connection or a script."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from facerec_mqtt.core.records import Person
from facerec_mqtt.recognition.error_rates import (
    NOBODY,
    Curve,
    Outcomes,
    confusion,
    fpir_of,
    most_confusable,
    tpir_of,
)
from facerec_mqtt.reports import plots as report_plots
from facerec_mqtt.reports.advice import Advice
from facerec_mqtt.reports.rebuild_report import PhotoReport, RebuildReport, kind_of

_USED = "used"
_NEAR = 0.05
_STYLE = """
:root { color-scheme: light dark; --page: #f6f5f2; --card: #fff; --ink: #23262b; --soft: #5d636d;
  --faint: #b9bdc4; --good: #2f8f5b; --bad: #d1662a; --accent: #2f6fb5; --warn: #fff3dc; --warn-ink: #7a4b00;
  --line1: #2f6fb5; --line2: #d1662a; --line3: #7d57b3; --line4: #1d8c8c; --line5: #b8457a; --line6: #8a7a1f;
  --line7: #5a6b7d; --line8: #a04b2f; }
@media (prefers-color-scheme: dark) { :root { --page: #16181c; --card: #1f2227; --ink: #e6e7e9;
  --soft: #a2a8b1; --faint: #565c66; --good: #58c08a; --bad: #f0935c; --accent: #74aef0; --warn: #3a2d12;
  --warn-ink: #ffd68a;
  --line1: #74aef0; --line2: #f0935c; --line3: #b79be8; --line4: #5cc7c7; --line5: #ee8db8; --line6: #cfc05a;
  --line7: #a9b8c8; --line8: #df8f74; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 56rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .2rem; }
h2 { font-size: 1.15rem; margin: 0 0 .4rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); font-size: .93rem; }
section, .figures > div { background: var(--card); border-radius: .8rem; padding: 1.1rem 1.3rem;
  margin-top: 1rem; }
.figures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); }
.figures b { display: block; font-size: 2.1rem; line-height: 1.15; font-weight: 650; }
.verdict { background: var(--warn); color: var(--warn-ink); }
ul { margin: .4rem 0; padding: 0; list-style: none; }
li { padding: .35rem 0 .35rem 1.7rem; position: relative; overflow-wrap: anywhere; }
li::before { position: absolute; left: .1rem; font-weight: 700; content: "✓"; color: var(--good); }
li.todo::before { content: "→"; color: var(--bad); } li.plain::before { content: "–"; color: var(--soft); }
.wide { overflow-x: auto; }
svg { display: block; width: 100%; height: auto; max-width: 46rem; margin: .6rem auto 0; }
svg * { stroke-linejoin: round; stroke-linecap: butt; } svg text { font-family: inherit !important; }
table { border-collapse: separate; border-spacing: 3px; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th { font-weight: 600; font-size: .9rem; text-align: left; padding: .2rem .3rem; max-width: 6.2rem;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
th[scope="row"] { max-width: 12rem; }
td { text-align: center; min-width: 2.6rem; padding: .35rem .5rem; border-radius: .35rem; }
summary { cursor: pointer; color: var(--accent); margin-top: .5rem; }
@media print { body { background: none; } section { break-inside: avoid; } }
"""


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
    if report.comparison is not None and report.not_used_because is not None:
        verdict = (
            f"The model {report.comparison.version} stays in use, since this one is clearly worse."
            f" {report.not_used_because} Look at the photos that have changed since; to use this one all the"
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
    sections = [
        _figures(page),
        _verdict(page),
        _advice(page),
        _photos(page),
        _scores(page),
        _confusion(page),
        _trade_off(page),
        _learning(page),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(page.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{escape(page.title)}</h1>\n<p class="soft">{escape(page.subtitle)}</p>\n'
        + "\n".join(filter(None, sections))
        + f'\n<section><h2>How this was measured</h2><p class="soft">{escape(page.method)}</p>'
        f'<p class="soft">{escape(page.compared)}</p></section>'
        "\n</main>\n</body>\n</html>\n"
    )


def rate_text(rate: float) -> str:
    """A rate as people read it: `96 %`, `0.8 %`, or a dash where it is not a number."""
    if not np.isfinite(rate):
        return "–"
    return f"{rate * 100:.1f}".removesuffix(".0") + " %" if rate < 0.1 else f"{rate * 100:.0f} %"


def _section(heading: str, explanation: str, *content: str) -> str:
    return "\n".join(
        [
            f'<section><h2>{escape(heading)}</h2><p class="soft">{escape(explanation)}</p>',
            *content,
            "</section>",
        ]
    )


def _figures(page: Page) -> str:
    genuine = int(np.sum(page.outcomes.true != NOBODY))
    others = len(page.outcomes.true) - genuine
    used = sum(photo.reason is None for photo in page.photos)
    cards = [
        (rate_text(tpir_of(page.outcomes)), f"of the family's pictures are recognised ({genuine} judged)"),
        (
            rate_text(fpir_of(page.outcomes)),
            f"of strangers' faces are given a name ({others} judged; you asked for at most"
            f" {rate_text(page.fpir)})",
        ),
        (f"{used} of {len(page.photos)}", "photos were good enough to be used"),
    ]
    shown = "".join(f"<div><b>{figure}</b>{escape(what)}</div>" for figure, what in cards)
    return f'<div class="figures">{shown}</div>'


def _verdict(page: Page) -> str:
    if page.verdict is None:
        return ""
    return f'<section class="verdict"><h2>Kept, but not used</h2><p>{escape(page.verdict)}</p></section>'


def _advice(page: Page) -> str:
    items = [f'<li class="todo">{escape(note)}</li>' for note in page.notes]
    ordered = sorted(page.advice, key=lambda advice: not advice.needed)
    items += [f"<li{' class=todo' * each.needed}>{escape(each.text)}</li>" for each in ordered]
    if not items:
        return ""
    return _section("What to do", "What would help most comes first.", f"<ul>{''.join(items)}</ul>")


def _listed(what: str, photos: Sequence[PhotoReport]) -> str:
    """Photos with what is said of each, folded."""
    if not photos:
        return ""
    lines = "".join(
        f'<li class="plain"><b>{escape(photo.file)}</b>: {escape(photo.reason or photo.note or "")}</li>'
        for photo in photos
    )
    return f"<details><summary>{len(photos)} {what}</summary><ul>{lines}</ul></details>"


def _photos(page: Page) -> str:
    names = {person.slug: person.name for person in page.people}
    folders = [*names.values(), *sorted({_folder(photo) for photo in page.photos} - {*names.values()})]
    kinds = Counter(kind_of(photo.reason) for photo in page.photos if photo.reason is not None)
    counts = {
        kind: [
            sum(_folder(photo) == folder and _kind(photo) == kind for photo in page.photos)
            for folder in folders
        ]
        for kind in [_USED, *(kind for kind, _ in kinds.most_common())]
    }
    aside = [photo for photo in page.photos if photo.reason is not None]
    remarked = [photo for photo in page.photos if photo.reason is None and photo.note is not None]
    details = _listed("set aside", aside) + _listed("used, with a remark", remarked)
    return _section(
        "The photos",
        "Used, or set aside and why. Nothing in the folder was changed, moved or deleted.",
        report_plots.photos(folders, counts),
        details,
    )


def _scores(page: Page) -> str:
    if not len(page.outcomes.true):
        return ""
    return _section(
        "How well the family and strangers are told apart",
        "Each picture's score, from 0 to 1. Green ones right of the line are recognised; orange ones right "
        "of it are strangers who would be given a name. The further apart the two, the better.",
        report_plots.scores(page.outcomes),
    )


def _confusion(page: Page) -> str:
    counts = confusion(page.outcomes)
    if not counts.any():
        return ""
    names = [person.name for person in page.people]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in [*names, "nobody"])
    rows = ""
    for row, name in enumerate([*names, "not enrolled"]):
        total = max(1, int(counts[row].sum()))
        cells = ""
        for column, count in enumerate(counts[row]):
            strength = round(100 * count / total)
            colour = "good" if row == column else "bad"
            mixed = f"color-mix(in srgb, var(--{colour}) {min(70, 12 + strength)}%, var(--card))"
            cells += f'<td style="background: {mixed}">{count}</td>' if count else "<td></td>"
        rows += f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
    return _section(
        "Who is taken for whom",
        "A row for who is in the pictures, a column for the name that was given. Green is right.",
        f'<div class="wide"><table><tr><th></th>{head}</tr>{rows}</table></div>',
        f"<p>{escape(pair)}</p>" if (pair := confusable_text(page.people, page.outcomes)) else "",
    )


def confusable_text(people: Sequence[Person], outcomes: Outcomes) -> str:
    """Name the two who are the hardest to tell apart; empty where there are no two."""
    pair = most_confusable(outcomes)
    if pair is None:
        return ""
    first, second = people[pair.first].name, people[pair.second].name
    if pair.confused:
        were = "was" if pair.confused == 1 else "were"
        return (
            f"{first} and {second} are the hardest to tell apart: {pair.confused} of their {pair.pictures}"
            f" pictures {were} given the other's name."
        )
    if pair.score < _NEAR:
        return "Nobody was taken for anybody else, or comes near it."
    return (
        f"Nobody was taken for anybody else. {first} resembles {second} most, with a score of"
        f" {pair.score:.2f} where 0.5 would be a name."
    )


def _trade_off(page: Page) -> str:
    true = page.outcomes.true
    if not np.any(true == NOBODY) or not np.any(true != NOBODY):
        return ""
    return _section(
        "What a stricter or a looser threshold would do",
        "To the left, fewer strangers are named and more of the family missed; to the right the other way "
        "round. FACEREC_RECOGNITION__FPIR moves the point, and the lower the line the better the photos.",
        report_plots.errors(page.outcomes, page.fpir),
    )


def _learning(page: Page) -> str:
    curves: Mapping[str, Curve] = {
        person.name: curve for person, curve in zip(page.people, page.curves, strict=False) if len(curve) > 1
    }
    if not curves:
        return ""
    return _section(
        "Would more photos help?",
        "How many pictures are recognised with one, two, four and more photos of a person. A line that still "
        "rises at its end says: add more. Measured with templates alone, without the family's layers.",
        report_plots.learning(curves),
    )


def _folder(photo: PhotoReport) -> str:
    return photo.file.split("/")[0] if "/" in photo.file else "(outside)"


def _kind(photo: PhotoReport) -> str:
    return _USED if photo.reason is None else kind_of(photo.reason)
