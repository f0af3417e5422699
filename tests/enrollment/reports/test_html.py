"""The report as a page: true to its numbers, complete in itself, and the same every time."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from facerec_mqtt.core.records import Person
from facerec_mqtt.core.rejections import Rejection, RejectionCode
from facerec_mqtt.enrollment.reports.html import kind_of
from facerec_mqtt.enrollment.reports.plots import COLOURS
from facerec_mqtt.enrollment.reports.rebuild_report import RebuildReport
from facerec_mqtt.enrollment.reports.sentences import rate_text
from facerec_mqtt.recognition.error_rates import Outcomes
from facerec_mqtt.training.comparison import Comparison, Tally, Worse, WorseCode
from tests.support.paths import ROOT
from tests.support.reports import ODD_NAME, PEOPLE, a_photo, a_report, rendered

LOSS = Tally(20, 8, 0, 10)
WORSE = Comparison("20261122T120000Z-aaaa", LOSS, Tally(0, 0, 0, 0), Worse(WorseCode.MEMBERS_MISSED, LOSS))


class Elements(HTMLParser):
    """What a page consists of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_to_draw_leaves_no_list_of_fonts_which_a_kill_would_leave_locked(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from facerec_mqtt.enrollment.reports import plots\n"
        "plots.prepare()\n"
        "assert 'matplotlib.font_manager' in sys.modules\n"
        "plots.learning({'Anna': [(1, 0.5), (2, 0.75)]})\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MPL", "XDG"))}
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        env=kept | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
    )
    left = [path.name for path in tmp_path.rglob("*")]
    assert not [name for name in left if "font" in name or "matplotlib" in name or "facerec" in name], left


def test_the_page_needs_nothing_from_anywhere_and_runs_nothing() -> None:
    elements = Elements(rendered(a_report()))
    assert not {"script", "link", "img", "iframe", "object", "image"} & set(elements.tags)
    named = dict(elements.attributes)
    assert "default-src 'none'" in (named["content"] or "")
    for name, value in elements.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "href", "xlink:href") or (value or "").startswith("#"), (name, value)
        assert "://" not in (value or "")


def test_names_are_shown_as_they_are_and_never_taken_for_markup() -> None:
    page = rendered(a_report())
    assert "<script>" not in page
    assert Elements(page).text.count(ODD_NAME) > 3


def test_the_figures_are_those_of_the_outcomes() -> None:
    text = Elements(rendered(a_report())).text
    assert "83 %of the family's pictures are recognised (12 judged)" in text
    assert "0 %of strangers' faces are given a name (1 judged; you asked for at most 1 %)" in text
    assert "12 of 13photos were good enough" in text
    assert "bad.jpg: No face was found in it." in text
    assert "Nobody was taken for anybody else. Anna resembles Mia" in text


def test_every_plot_is_a_drawing_with_a_name_of_its_own() -> None:
    page = rendered(a_report())
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) == 4
    for drawing in drawings:
        ElementTree.fromstring(drawing)
        assert "aria-label" in drawing
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', page))
    assert used <= set(identifiers)


def test_every_colour_is_the_pages_own_in_light_and_in_dark() -> None:
    page = rendered(a_report())
    for colour in COLOURS:
        assert page.count(f"--{colour}: #") == 2, colour
    assert not re.findall(r"#0102\w\w", page)


def test_a_model_that_is_not_used_says_so_at_the_top_and_one_that_is_does_not() -> None:
    kept = Elements(rendered(a_report(comparison=WORSE))).text
    assert "Kept, but not used" in kept
    assert "it recognises 10, and the model 20261122T120000Z-aaaa 18." in kept
    assert "--force" in kept
    good = Comparison(WORSE.version, Tally(20, 0, 1, 19), Tally(0, 0, 0, 0), None)
    used = Elements(rendered(a_report(comparison=good))).text
    assert "not used" not in used
    assert "recognises 18 of them, and this one 19" in used


@pytest.mark.parametrize("people", [1, 2, 30])
def test_families_of_any_size_have_a_page(people: int) -> None:
    family = tuple(Person(f"p{number}", f"Person {number}") for number in range(people))
    page = rendered(a_report(family))
    assert Elements(page).text.count(f"Person {people - 1}") > 1


def test_a_person_with_one_photo_and_no_outcomes_has_a_page() -> None:
    report = a_report(PEOPLE[:1], photos=1, curves=False)
    empty = Outcomes((), np.zeros(0, np.int64), np.zeros((0, 1), np.float32), np.zeros(0, np.int64))
    bare = RebuildReport(
        version=report.version,
        people=report.people,
        left_out=(),
        photos=report.photos,
        notes=(),
        tpir={},
        fpir=0.01,
        threshold=2.0,
        outcomes=empty,
        seconds=1.0,
    )
    text = Elements(rendered(bare)).text
    assert "–of the family's pictures" in text
    assert "Add ten or more" in text


def test_the_same_report_gives_the_same_bytes_in_another_process_which_leaves_nothing(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from tests.support.reports import a_report, rendered\n"
        "sys.stdout.buffer.write(rendered(a_report()).encode())\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MPL", "XDG"))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env=kept | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
    )
    assert done.stdout.decode() == rendered(a_report())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rate", "text"), [(1.0, "100 %"), (0.965, "96 %"), (0.008, "0.8 %"), (0.01, "1 %"), (0, "0 %")]
)
def test_rates_are_as_people_read_them(rate: float, text: str) -> None:
    assert rate_text(rate) == text
    assert rate_text(float("nan")) == "–"


def test_rejections_are_counted_by_what_they_are_about() -> None:
    blurred = a_photo(PEOPLE[0], "Anna/1.jpg", Rejection(code=RejectionCode.BLURRED))
    damaged = a_photo(PEOPLE[0], "Anna/1.jpg", Rejection(code=RejectionCode.DAMAGED))
    assert (kind_of(blurred), kind_of(damaged)) == ("blurred", "unusable file")
