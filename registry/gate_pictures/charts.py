"""Charts of the report: bars, intervals and histograms, with the bound as a dashed line.

Narrow, so that a phone shows them nearly at full size; what is beyond its bound is told apart by
hatching too, not by colour alone.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from leafgate.pictures import AS_IS, BLUE, ORANGE, figure_png, new_figure
from registry.checks.evidence import Floats
from registry.gate_pictures.layout import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 5.0  # inches
MOST_BARS = 20
BINS = 60
Ends = tuple[float, float, float]  # value, low, high


def bars(
    figures: Mapping[str, float],
    title: str,
    label: str,
    bound: float | None = None,
    higher_is_better: bool = True,
) -> bytes:
    """One bar a name, at most 20, first on top; the value beside it. NaN is `not known`."""
    names = list(figures)[:MOST_BARS][::-1]
    values = np.nan_to_num([figures[name] for name in names])
    figure = new_figure(WIDTH, 1.1 + 0.33 * len(names))
    axis = figure.subplots()
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        missed = bound is not None and (value < bound if higher_is_better else value > bound)
        edge, inside = (ORANGE, "white") if missed else (BLUE, BLUE)
        axis.barh(place, value, color=inside, edgecolor=edge, hatch="////" if missed else None)
        told = "not known" if np.isnan(figures[name]) else f"{value:.3g}"
        axis.text(max(value, 0), place, f" {told}", va="center")
    axis.set_yticks(range(len(names)), [short(name) for name in names], **AS_IS)
    reach = max([*values, bound or 0.0, 1e-9])
    axis.set_xlim(min([*values * 1.1, 0.0]), reach * 1.2)
    if 0.5 <= reach <= 1:
        axis.set_xticks([tick for tick in np.linspace(0, 1, 6) if tick <= reach + 0.1])
    axis.set_xlabel(label)
    bound_line(axis, bound)
    _title(axis, title)
    return figure_png(figure)


def intervals(
    rows: Mapping[str, Ends],
    title: str,
    label: str,
    bound: float | None = None,
    zero: bool = False,
) -> bytes:
    """A dot a name with its interval as a line through it; zero: a line at 0, for differences."""
    figure = new_figure(WIDTH, 1.3 + 0.4 * len(rows))
    axis = figure.subplots()
    for place, (value, low, high) in enumerate(list(rows.values())[::-1]):
        axis.plot([low, high], [place, place], color=BLUE, linewidth=3, solid_capstyle="butt")
        axis.plot(value, place, "o", color=BLUE, markersize=9)
        axis.annotate(
            f"{value:+.3f}" if zero else f"{value:.3f}",
            (value, place),
            (0, 9),
            textcoords="offset points",
            ha="center",
        )
    axis.set_yticks(range(len(rows)), list(rows)[::-1], **AS_IS)
    axis.set(xlabel=label, ylim=(-0.6, len(rows) - 0.2))
    if zero:
        axis.axvline(0, color="grey", linewidth=1)
    bound_line(axis, bound)
    axis.margins(x=0.12)
    axis.grid(axis="x", alpha=0.3)
    _title(axis, title)
    return figure_png(figure)


def histogram(values: Floats, title: str, label: str, marks: tuple[float, ...] = ()) -> bytes:
    """How often each value is met, on a logarithmic scale; marks: dashed lines.

    What is no number is left out.
    """
    counts, edges = np.histogram(values[np.isfinite(values)].astype(np.float64), BINS)
    figure = new_figure(WIDTH, 3)
    axis = figure.subplots()
    axis.stairs(counts, edges, fill=True, color=BLUE)
    for mark in marks:
        axis.axvline(mark, color="black", linestyle="--", linewidth=1.3)
    axis.set(xlabel=label, ylabel="how many", yscale="symlog")
    _title(axis, title)
    return figure_png(figure)


def bound_line(axis: "Axes", bound: float | None) -> None:
    """A dashed line at the bound, if there is one, and words on the label below."""
    if bound is None:
        return
    axis.axvline(bound, color="black", linestyle="--", linewidth=1.3)
    axis.set_xlabel(f"{axis.get_xlabel()}; dashed: the bound, {bound:.3g}")


def _title(axis: "Axes", title: str) -> None:
    axis.set_title(title, loc="left", fontsize=10, **AS_IS)
