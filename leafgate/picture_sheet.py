"""Rows of small pictures with words at their left, above and below, as one PNG, pixel for pixel."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from leafgate.images import Pixels
from leafgate.pictures import AS_IS, figure_png, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 100
SMALLEST, LARGEST = 64, 128  # side of a shown picture
GAP, LINE, LETTER = 4, 16, 6.5  # pixels: between pictures, a line of words, a letter
WORDS: dict[str, Any] = {"fontsize": 8, **AS_IS}


def sheet(
    rows: Sequence[Pixels],
    names: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
    headings: Sequence[str] = (),
    title: str = "",
) -> bytes:
    """PNG of pictures: rows of (columns, size, size, 1 to 4 channels) uint8, all of one shape.

    names: at the left of each row; captions: below each picture of each row, of one or more lines;
    headings: above each column; title: above all. Any may be left out.
    """
    shown = [as_shown(row) for row in rows]
    columns, side = shown[0].shape[:2]
    lines = max((words.count("\n") + 1 for line in captions for words in line), default=0)
    step_down = side + GAP + LINE * lines
    canvas = np.full((step_down * len(shown) + GAP, (side + GAP) * columns + GAP, 3), 255, np.uint8)
    left = round(LETTER * max((len(name) for name in names), default=0)) + 2 * GAP
    top = LINE * (bool(headings) + bool(title))
    height, seen_width = canvas.shape[0] + top, canvas.shape[1] + left
    width = max(seen_width, round(LETTER * len(title)) + 2 * GAP)
    figure = new_figure(width / DPI, height / DPI, arranged=False)
    axis = figure.add_axes((left / width, 0, canvas.shape[1] / width, 1 - top / height))
    for row, pictures in enumerate(shown):
        y = GAP + row * step_down
        for column, picture in enumerate(pictures):
            x = GAP + column * (side + GAP)
            canvas[y : y + side, x : x + side] = picture
            if captions:
                _write(axis, x + side / 2, y + side + 1, captions[row][column], "center", "top")
        if names:
            _write(axis, -GAP, y + side / 2, names[row], "right", "center")
    for column, heading in enumerate(headings):
        x = GAP + column * (side + GAP) + side / 2
        _write(axis, x, 0, heading, "center", "bottom")
    if title:
        _write(axis, GAP, LINE - top, title, "left", "bottom")
    axis.imshow(canvas, interpolation="nearest", aspect="auto")
    axis.axis("off")
    return figure_png(figure, DPI)


def _write(axis: "Axes", x: float, y: float, words: str, across: str, down: str) -> None:
    axis.text(x, y, words, ha=across, va=down, **WORDS)


def as_shown(images: Pixels) -> Pixels:
    """(n, side, side, 3) for images of 1 to 4 channels, 64 to 128 pixels; alpha laid on white."""
    colours = images[..., :1] if images.shape[-1] in (1, 2) else images[..., :3]
    if images.shape[-1] in (2, 4):
        alpha = images[..., -1:] / 255
        colours = np.rint(colours * alpha + 255 * (1 - alpha)).astype(np.uint8)
    if colours.shape[-1] == 1:
        colours = np.repeat(colours, 3, axis=-1)
    return _of_a_seen_size(colours)


def _of_a_seen_size(images: Pixels) -> Pixels:
    size = images.shape[1]
    if size < SMALLEST:
        times = -(-SMALLEST // size)
        return images.repeat(times, axis=1).repeat(times, axis=2)
    if size <= LARGEST:
        return images
    smaller = (LARGEST, LARGEST)
    resized = [Image.fromarray(i).resize(smaller, Image.Resampling.BOX) for i in images]
    return np.stack([np.asarray(image) for image in resized])
