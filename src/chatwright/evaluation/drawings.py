"""Pictures for reports: SVG that stands inside a page, takes the page's colours and fonts, and asks for nothing else.

In: curves and figures.  Out: SVG as text. Colours are written as CSS variables, so that one picture is right in light
and in dark; ids are made unique, so that many pictures can share a page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

# Stand-ins that matplotlib writes and `_dressed` replaces by CSS variables of the page.
SERIES = ("#a1b2c1", "#a1b2c2", "#a1b2c3", "#a1b2c4", "#a1b2c5", "#a1b2c6")
INK, MUTED, LINE = "#0a0b0c", "#0a0b0d", "#0a0b0e"
_VARIABLES = {
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, 1)},
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
}

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "chatwright",
    "text.parse_math": False,
    "font.size": 10,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 9,
}


@dataclass(frozen=True)
class Curve:
    """A named line; thin ones are what was measured at every step, thick ones what matters."""

    name: str
    steps: Sequence[float]
    values: Sequence[float]
    colour: int = 0
    thin: bool = False


@dataclass(frozen=True)
class Mark:
    """A horizontal line to compare with: a baseline, chance, a ceiling."""

    name: str
    value: float


@dataclass(frozen=True)
class Bar:
    """A value with its interval; `colour` counts the series from 0."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    colour: int = 0


def draw_curves(
    curves: Sequence[Curve], marks: Sequence[Mark] = (), *, x: str = "step", y: str = "", name: str
) -> str | None:
    """Lines over steps; None if there is nothing to draw. `name` makes ids unique in the page."""
    curves = [curve for curve in curves if curve.values]
    if not curves:
        return None
    with matplotlib.rc_context(_STYLE):
        canvas, axes = _canvas(4.6, 2.7)
        for curve in curves:
            colour = SERIES[curve.colour % len(SERIES)]
            marker = "o" if len(curve.values) < 3 else None
            axes.plot(
                *_thinned(curve.steps, curve.values),
                color=colour,
                linewidth=0.9 if curve.thin else 2.0,
                alpha=0.45 if curve.thin else 1.0,
                marker=marker,
                markersize=4,
                label=curve.name,
            )
        for mark in marks:
            axes.axhline(mark.value, color=MUTED, linewidth=1.1, linestyle=(0, (4, 3)))
            axes.annotate(
                mark.name, (1, mark.value), xycoords=("axes fraction", "data"), xytext=(0, 3),
                textcoords="offset points", ha="right", va="bottom", color=MUTED, fontsize=9,
            )  # fmt: skip
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        if marks:
            _make_room(axes, [mark.value for mark in marks])
        if len(curves) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, borderaxespad=0, handlelength=1.4)
        return _dressed(canvas, name)


def draw_bars(groups: Mapping[str, Sequence[Bar]], *, name: str) -> str | None:
    """Shares with 95% intervals as horizontal bars, in groups from top to bottom; None if there is nothing to draw."""
    groups = {title: bars for title, bars in groups.items() if bars}
    if not groups:
        return None
    rows = sum(len(bars) for bars in groups.values()) + len(groups)
    with matplotlib.rc_context({**_STYLE, "axes.grid.axis": "x"}):
        canvas, axes = _canvas(4.6, 0.5 + 0.25 * rows)
        place, places, names = 0.0, [], []
        for title, bars in groups.items():
            axes.annotate(
                title, (0, place), xycoords=("axes fraction", "data"), xytext=(-6, 0), textcoords="offset points",
                ha="right", va="center", color=INK, fontsize=10, fontweight="bold",
            )  # fmt: skip
            place += 1
            for bar in bars:
                axes.barh(
                    place, bar.value, height=0.62, color=SERIES[bar.colour % len(SERIES)], alpha=0.28, linewidth=0
                )
                _point(axes, bar, place, f"{100 * bar.value:.0f}")
                places.append(place)
                names.append(bar.name)
                place += 1
            place += 0.35
        axes.set_yticks(places, names)
        axes.set_ylim(place - 0.5, -0.8)
        axes.set_xlim(0, 1.16)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "25", "50", "75", "100 %"])
        return _dressed(canvas, name)


def draw_points(points: Sequence[Bar], mark: Mark, *, name: str) -> str | None:
    """Shares with 95% intervals around a value that decides; None if there is nothing to draw."""
    if not points:
        return None
    with matplotlib.rc_context({**_STYLE, "axes.grid.axis": "x"}):
        canvas, axes = _canvas(4.6, 0.7 + 0.32 * len(points))
        for place, point in enumerate(points):
            _point(axes, point, place, f"{100 * point.value:.1f}")
        axes.axvline(mark.value, color=MUTED, linewidth=1.1, linestyle=(0, (4, 3)))
        axes.annotate(
            mark.name, (mark.value, 1), xycoords=("data", "axes fraction"), xytext=(0, 3),
            textcoords="offset points", ha="center", va="bottom", color=MUTED, fontsize=9,
        )  # fmt: skip
        edges = [mark.value] + [edge for point in points for edge in (point.low, point.high) if edge is not None]
        span = max(0.1, max(edges) - min(edges))
        axes.set_xlim(min(edges) - 0.06 * span, max(edges) + 0.22 * span)
        axes.set_yticks(range(len(points)), [point.name for point in points])
        axes.set_ylim(len(points) - 0.4, -0.6)
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")
        return _dressed(canvas, name)


def draw_calibration(bins: Sequence[Mapping[str, float]], *, name: str) -> str | None:
    """How often a model is right, over how sure it says it is; the dashed line is honesty."""
    if not bins:
        return None
    with matplotlib.rc_context(_STYLE):
        canvas, axes = _canvas(4.6, 2.7)
        axes.plot([0.5, 1], [0.5, 1], color=MUTED, linewidth=1.1, linestyle=(0, (4, 3)))
        largest = max(entry["n"] for entry in bins)
        predicted, observed = [entry["predicted"] for entry in bins], [entry["observed"] for entry in bins]
        sizes = [12 + 110 * entry["n"] / largest for entry in bins]
        axes.plot(predicted, observed, color=SERIES[0], linewidth=1.2, alpha=0.6)
        axes.scatter(predicted, observed, s=sizes, color=SERIES[0], zorder=3)
        axes.set_xlabel("how sure the reward model is")
        axes.set_ylabel("how often it is right")
        return _dressed(canvas, name)


def _point(axes: Axes, bar: Bar, place: float, shown: str) -> None:
    colour = SERIES[bar.colour % len(SERIES)]
    low, high = (bar.value if edge is None else edge for edge in (bar.low, bar.high))
    axes.plot([low, high], [place, place], color=colour, linewidth=2.2)
    axes.plot([bar.value], [place], marker="o", markersize=5, color=colour)
    axes.annotate(shown, (high, place), xytext=(7, 0), textcoords="offset points", va="center", color=INK, fontsize=9)


def _canvas(width: float, height: float) -> tuple[Canvas, Axes]:
    canvas = Canvas(figsize=(width, height), layout="constrained")
    axes = canvas.add_subplot()
    canvas.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    return canvas, axes


def _make_room(axes: Axes, values: Sequence[float]) -> None:
    low, high = axes.get_ylim()
    low, high = min(low, *values), max(high, *values)
    axes.set_ylim(low - 0.03 * (high - low), high + 0.08 * (high - low))


def _thinned(steps: Sequence[float], values: Sequence[float], most: int = 400) -> tuple[list[float], list[float]]:
    """At most `most` points, each the mean of its neighbours, so that long runs stay small and readable."""
    if len(values) <= most:
        return list(steps), list(values)
    edges = [round(number * len(values) / most) for number in range(most + 1)]
    parts = list(zip(edges, edges[1:], strict=False))
    return [sum(steps[a:b]) / (b - a) for a, b in parts], [sum(values[a:b]) / (b - a) for a, b in parts]


def _dressed(canvas: Canvas, name: str) -> str:
    """The SVG element alone, with the page's colours and fonts, ids of its own, and a size that follows the page."""
    buffer = io.StringIO()
    canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(xlink:href="|url\()#', rf"\g<1>#{name}-", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]+"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]+"', r"\1", text, count=1)
    text = re.sub(r"<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)  # meant for the picture, but rules the page
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    text = re.sub(r"(font: [^;\"]*?[\d.]+px )[^;\"]*", r"\1sans-serif", text)  # matplotlib before 3.10
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    return text
