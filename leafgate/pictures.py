"""Pictures that people look at before figures: learning curves, confusion matrix. PNG bytes."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from leafgate.metrics.calibration import ReliabilityBin

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE = "#0072b2", "#d55e00"  # told apart by colour-blind readers (Okabe and Ito 2008)
AS_IS: dict[str, Any] = {"parse_math": False}  # for class names, which may have a $ in them


def new_figure(width: float, height: float, arranged: bool = True) -> "Figure":
    """An empty figure of so many inches; its axes are moved to make room for words if `arranged`.

    Matplotlib is loaded here, so that who draws nothing goes without.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained" if arranged else None)


def learning_curves(
    rows: Sequence[Mapping[str, float | str]], pairs: Sequence[tuple[str, str]], title: str
) -> bytes:
    """One panel a pair of columns (first one blue, second orange), over epochs."""
    figure = new_figure(5.2 * len(pairs), 3.6)
    figure.suptitle(title)
    axes = figure.subplots(1, len(pairs), squeeze=False)[0]
    epochs = [row["epoch"] for row in rows]
    for axis, pair in zip(axes, pairs, strict=True):
        for name, colour in zip(pair, (BLUE, ORANGE), strict=True):
            axis.plot(epochs, [row[name] for row in rows], color=colour, label=name)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        axis.legend()
    return figure_png(figure)


def confusion_picture(matrix: Sequence[Sequence[int]], labels: Sequence[str], title: str) -> bytes:
    """Counts, shaded by the share of the true class (row)."""
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.5 + 0.45 * len(labels)
    figure = new_figure(side + 1, side)
    axis = figure.subplots()
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axis.set_xticks(range(len(labels)), labels, rotation=45, ha="right", **AS_IS)
    axis.set_yticks(range(len(labels)), labels, **AS_IS)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    axis.set_title(title)
    for row, column in np.argwhere(counts):
        shade = "white" if shares[row, column] > 0.5 else "black"
        axis.text(column, row, counts[row, column], ha="center", va="center", color=shade)
    return figure_png(figure)


def reliability_picture(curves: Mapping[str, Sequence[ReliabilityBin]], title: str) -> bytes:
    """Accuracy over confidence, a curve a name (at most two); dots sized as their bins."""
    figure = new_figure(5.2, 4.8)
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="grey", linewidth=1, label="as sure as right")
    most = max((item.images for bins in curves.values() for item in bins), default=1)
    for (name, bins), colour in zip(curves.items(), (ORANGE, BLUE), strict=False):
        full = [item for item in bins if item.images]
        axis.plot(
            [b.confidence for b in full], [b.accuracy for b in full], color=colour, label=name
        )
        sizes = [12 + 140 * item.images / max(most, 1) for item in full]
        axis.scatter(
            [b.confidence for b in full], [b.accuracy for b in full], sizes, color=colour, alpha=0.6
        )
    axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy", title=title)
    axis.legend(loc="upper left")
    axis.grid(alpha=0.3)
    return figure_png(figure)


def bars_picture(figures: Mapping[str, float], title: str, label: str) -> bytes:
    """One bar a name, in the order given, values written beside them; range 0 to 1."""
    figure = new_figure(6.4, 0.8 + 0.38 * len(figures))
    axis = figure.subplots()
    names = list(figures)[::-1]
    axis.barh(names, [figures[name] for name in names], color=BLUE)
    for place, name in enumerate(names):
        axis.text(figures[name] + 0.01, place, f"{figures[name]:.3f}", va="center")
    axis.set(xlim=(0, 1.12), xlabel=label, title=title)
    return figure_png(figure)


def figure_png(figure: "Figure", dpi: int = 110) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
