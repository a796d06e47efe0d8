"""Pictures that people look at before figures: learning curves, confusion matrix. PNG bytes."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

BLUE, ORANGE = "#0072b2", "#d55e00"  # told apart by colour-blind readers (Okabe and Ito 2008)


def learning_curves(
    rows: Sequence[Mapping[str, float | str]], pairs: Sequence[tuple[str, str]], title: str
) -> bytes:
    """One panel a pair of columns (first one blue, second orange), over epochs."""
    figure = Figure(figsize=(5.2 * len(pairs), 3.6), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(1, len(pairs), squeeze=False)[0]
    epochs = [row["epoch"] for row in rows]
    for axis, pair in zip(axes, pairs, strict=True):
        for name, colour in zip(pair, (BLUE, ORANGE), strict=True):
            axis.plot(epochs, [row[name] for row in rows], color=colour, label=name)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        axis.legend()
    return _png(figure)


def confusion_picture(matrix: Sequence[Sequence[int]], labels: Sequence[str], title: str) -> bytes:
    """Counts, shaded by the share of the true class (row)."""
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.5 + 0.45 * len(labels)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axis = figure.subplots()
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axis.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axis.set_yticks(range(len(labels)), labels)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    axis.set_title(title)
    for row, column in np.argwhere(counts):
        shade = "white" if shares[row, column] > 0.5 else "black"
        axis.text(column, row, counts[row, column], ha="center", va="center", color=shade)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
