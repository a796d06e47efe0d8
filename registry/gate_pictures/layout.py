"""Pictures beside and below each other, and small photographs with words under them."""

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from leafgate.errors import UserError
from leafgate.images import Pixels, encode_png, load_images
from leafgate.picture_sheet import LETTER, as_shown, sheet

COLUMNS = 3
SIDE = 128  # pixels of a photograph with words under it
LINES = 3
GAP = 12
LONGEST_NAME = 22


def stacked(*pngs: bytes | None) -> bytes:
    """Below each other, at the left, on white; None is left out."""
    sheets = [_opened(png) for png in pngs if png]
    width = max(sheet.shape[1] for sheet in sheets)
    padded = [
        np.pad(sheet, ((0, GAP), (0, width - sheet.shape[1]), (0, 0)), constant_values=255)
        for sheet in sheets
    ]
    return encode_png(np.concatenate(padded)[:-GAP])


def side_by_side(left: bytes, right: bytes) -> bytes:
    """Beside each other, at the top, on white."""
    turned = [encode_png(_opened(png).swapaxes(0, 1)) for png in (left, right)]
    return encode_png(_opened(stacked(*turned)).swapaxes(0, 1))


def _opened(png: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def album(images: Sequence[Pixels] | Pixels, captions: Sequence[str], title: str) -> bytes | None:
    """Three photographs a row, each (side, side, channels) uint8 with its words; None for none."""
    if not len(images):
        return None
    shown = large(np.stack(list(images)))
    words = [wrapped(caption, shown.shape[1]) for caption in captions]
    missing = -len(shown) % min(COLUMNS, len(shown))
    blank = np.full((missing, *shown.shape[1:]), 255, np.uint8)
    rows = np.concatenate([shown, blank])
    words += [""] * missing
    columns = min(COLUMNS, len(shown))
    starts = range(0, len(rows), columns)
    return sheet(
        [rows[start : start + columns] for start in starts],
        captions=[words[start : start + columns] for start in starts],
        title=title,
    )


def mosaic(images: Pixels, title: str, columns: int = 4) -> bytes:
    """Pictures (n, side, side, channels) without words, as many full rows as they make."""
    full = max(len(images) // columns, 1) * columns
    shown = as_shown(images[:full])
    starts = range(0, len(shown), min(columns, len(shown)))
    return sheet([shown[start : start + columns] for start in starts], title=title)


def large(images: Pixels) -> Pixels:
    """As `as_shown`, wide enough for words."""
    shown = as_shown(images)
    return shown.repeat(2, axis=1).repeat(2, axis=2) if 2 * shown.shape[1] <= SIDE else shown


def wrapped(words: str, side: int) -> str:
    """In at most three lines of a width that fits under a picture of so many pixels."""
    lines = [
        line
        for part in words.split("\n")
        for line in textwrap.wrap(part, max(int(side / LETTER), 6), max_lines=2, placeholder="…")
    ]
    return "\n".join(lines[:LINES])


def short(name: str) -> str:
    """With its middle left out where it is long."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[-half:]}"


def photographs(files: Sequence[Path], side: int = SIDE, channels: int = 3) -> Pixels:
    """(n, side, side, channels); none at all where one cannot be read: a chart does without."""
    try:
        return load_images(files, side, channels=channels)
    except (UserError, OSError):
        return np.empty((0, side, side, channels), np.uint8)
