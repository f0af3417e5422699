"""The plots of a report, as SVG that can stand within a page.

Drawn by matplotlib, which is imported when the first is drawn, so that the service never imports it. Text
stays text, colours are the page's (`COLOURS` names them), and the same numbers give the same bytes.
"""

import contextlib
import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from facerec_mqtt.recognition import (
    NOBODY,
    Outcomes,
    fpir_of,
    genuine_scores,
    impostor_scores,
    tpir_of,
    trade_off,
)
from facerec_mqtt.training import unlisted_fonts

Axes = Any
"""A `matplotlib.axes.Axes`, which cannot be named before it is imported."""
COLOURS = ("ink", "faint", "good", "bad", "accent", *(f"line{number}" for number in range(1, 9)))
"""Custom properties, `--ink` and so on, that the page must give a colour."""
# Stand for the page's colours while matplotlib draws, since it knows no custom properties.
_STAND_INS = {name: f"#0102{number:02x}" for number, name in enumerate(COLOURS, 16)}
_WIDTH_IN = 7.2
_BINS = 40
_MOST_NAMED_LINES = 8
_LEAST_RATE = 1e-4
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": _STAND_INS["faint"],
    "axes.labelcolor": _STAND_INS["ink"],
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10,
    "grid.color": _STAND_INS["faint"],
    "grid.linewidth": 0.4,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "facerec-mqtt",
    "text.color": _STAND_INS["ink"],
    "text.parse_math": False,  # a name may hold a dollar sign
    "xtick.color": _STAND_INS["ink"],
    "ytick.color": _STAND_INS["ink"],
}


def prepare() -> None:
    """Import matplotlib, which takes a second: for a thread beside other work."""
    # Whoever draws gets the same error.
    with contextlib.suppress(OSError, ImportError, MemoryError):
        _import_matplotlib()


def photos(names: Sequence[str], counts: Mapping[str, Sequence[int]]) -> str:
    """Bars of photos used and rejected.

    Args:
        names: of the people, from the top.
        counts: for each kind ("used", "no face", ...) the number of photos of each person.
    """

    def draw(axes: Axes) -> None:
        rows, left = np.arange(len(names)), np.zeros(len(names))
        for number, (kind, values) in enumerate(counts.items()):
            colour = "good" if number == 0 else f"line{(number - 1) % 8 + 1}"
            axes.barh(rows, values, left=left, height=0.6, label=kind, color=_STAND_INS[colour])
            left += np.asarray(values)
        axes.set_yticks(rows, names)
        axes.invert_yaxis()
        axes.set_xlabel("photos")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4)

    return _svg("photos", "Photos used and rejected", draw, 0.9 + 0.34 * len(names))


def scores(outcomes: Outcomes) -> str:
    """Histograms of genuine and impostor scores, with the threshold."""

    def draw(axes: Axes) -> None:
        bins = np.linspace(0, 1, _BINS + 1)
        for scores, label, colour in (
            (impostor_scores(outcomes), "somebody else", "bad"),
            (genuine_scores(outcomes), "the right person", "good"),
        ):
            if len(scores):
                share = np.full(len(scores), 100 / len(scores))
                axes.hist(scores, bins, weights=share, label=label, color=_STAND_INS[colour], alpha=0.75)
        axes.axvline(0.5, color=_STAND_INS["ink"], linewidth=1.2, linestyle="--")
        axes.text(0.508, 0.97, "threshold", transform=axes.get_xaxis_transform(), va="top")
        axes.set_xlim(0, 1)
        axes.set_yscale("symlog", linthresh=1)
        axes.set_yticks([0, 1, 10, 100], ["0", "1 %", "10 %", "100 %"])
        axes.set_xlabel("score")
        axes.set_ylabel("share of pictures")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)

    return _svg("scores", "Scores of the right person and of somebody else", draw, 2.9)


def errors(outcomes: Outcomes, fpir: float) -> str:
    """How many are missed for how many strangers named, with the point where the model works.

    Args:
        outcomes: with pictures of members and of others.
        fpir: the stated share of strangers.
    """

    def draw(axes: Axes) -> None:
        named, missed = trade_off(outcomes)
        least = max(_LEAST_RATE, 0.5 / max(1, int(np.sum(outcomes.true == NOBODY))))
        left = min(least, fpir / 2) / 2
        axes.plot(np.maximum(named, left), missed * 100, color=_STAND_INS["accent"], linewidth=2)
        axes.axvline(fpir, color=_STAND_INS["faint"], linewidth=1.2, linestyle="--")
        axes.text(fpir, 1.0, " asked for", transform=axes.get_xaxis_transform(), va="bottom")
        point = max(fpir_of(outcomes), left), (1 - tpir_of(outcomes)) * 100
        axes.plot(*point, "o", color=_STAND_INS["ink"], markersize=9, clip_on=False)
        axes.annotate("this model", point, xytext=(10, 8), textcoords="offset points")
        axes.set_xscale("log")
        axes.set_xlim(left, 1)
        axes.set_ylim(0, min(100.0, max(20.0, 2.5 * point[1])))
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.3%}".rstrip("0%").rstrip(".") + " %")
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0f} %")
        axes.set_xlabel("strangers who are given a name")
        axes.set_ylabel("family missed")
        axes.grid(visible=True)

    return _svg("trade-off", "Family missed against strangers named", draw, 2.9)


def learning(curves: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """Share that is recognised with so many photos, a line for each person.

    Args:
        curves: by name; people without one are left out.
    """

    def draw(axes: Axes) -> None:
        drawn = {name: curve for name, curve in curves.items() if curve}
        for number, (name, curve) in enumerate(drawn.items()):
            counts, shares = zip(*curve, strict=True)
            many = len(drawn) > _MOST_NAMED_LINES
            axes.plot(
                counts,
                np.asarray(shares) * 100,
                "-" if many else "o-",
                color=_STAND_INS["faint" if many else f"line{number + 1}"],
                markersize=5,
                linewidth=1 if many else 2,
                label=None if many else name,
            )
        all_counts = sorted({count for curve in drawn.values() for count, _ in curve})
        if len(drawn) > _MOST_NAMED_LINES:
            means = [
                np.mean([dict(curve)[n] for curve in drawn.values() if n in dict(curve)]) for n in all_counts
            ]
            axes.plot(
                all_counts,
                np.asarray(means) * 100,
                "o-",
                color=_STAND_INS["accent"],
                label="all",
                linewidth=2.5,
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(all_counts, [str(count) for count in all_counts])
        axes.set_ylim(0, 105)
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0f} %")
        axes.set_xlabel("photos of the person")
        axes.set_ylabel("recognised")
        axes.grid(visible=True, axis="y")
        axes.legend(loc="lower right", ncols=2)

    return _svg("learning", "Recognised with so many photos", draw, 2.9)


def _svg(name: str, title: str, draw: Callable[[Axes], None], height_in: float) -> str:
    rc_context, Figure = _import_matplotlib()  # noqa: N806
    with rc_context(_STYLE), warnings.catch_warnings():
        # Names can be in any script; the browser has the fonts.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        figure = Figure(figsize=(_WIDTH_IN, height_in), facecolor="none")
        axes = figure.subplots()
        axes.set_facecolor("none")
        draw(axes)
        buffer = io.StringIO()
        figure.savefig(
            buffer,
            format="svg",
            bbox_inches="tight",
            metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")),
        )
    return _for_page(buffer.getvalue(), name, title)


def _import_matplotlib() -> tuple[Any, Any]:
    with unlisted_fonts():
        from matplotlib import rc_context
        from matplotlib.figure import Figure

    return rc_context, Figure


def _for_page(svg: str, name: str, title: str) -> str:
    """Take the drawing out of its file, make its names its own, and give it the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|style)[^>]*>.*?</\1>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r'xlink:href="#', f'href="#{name}-', svg)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'<svg (.*?)width="[^"]*pt"', rf'<svg role="img" aria-label="{title}" \1', svg, count=1)
    svg = re.sub(r'height="[^"]*pt"', "", svg, count=1)
    for colour, stand_in in _STAND_INS.items():
        svg = svg.replace(stand_in, f"var(--{colour})")
    return svg.strip()
