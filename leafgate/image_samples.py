"""Images of more (or fewer) than 8 bits a sample, as the 8-bit file of the same picture.

The value of 16 bits is its high byte: black stays black and white stays white, whatever else is in
the picture, so that a model sees the same shade for the same value in training and in serving.
Pillow keeps the transparent colour (tRNS) in the file's own bits; it is brought to 8 as well.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leafgate.errors import ImageError

BAND_ROWS = 256  # at a time, since numbers of 32 bits are large
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # a tag of TIFF, and what it says of negatives
SCALES = {"L;2": 85, "L;4": 17}  # of grey in 2 and 4 bits, which Pillow spreads to 255
TWELVE_BITS, SIXTEEN_BITS = 12, 16


@dataclass(frozen=True)
class Samples:
    """How a file stores its pixels. raw_mode: Pillow's; inverted: its zeros are white."""

    raw_mode: str
    inverted: bool


def samples_of(image: Image.Image) -> Samples:
    """Return how an image that is open, but not loaded yet, stores its pixels."""
    tiles = getattr(image, "tile", ())
    arguments = tiles[0][3] if tiles else ""
    raw_mode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    tags = getattr(image, "tag_v2", {})
    inverted = image.format == "TIFF" and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO
    return Samples(raw_mode if isinstance(raw_mode, str) else "", inverted)


def in_eight_bits(image: Image.Image, samples: Samples) -> Image.Image:
    """Return a loaded image with 8 bits a sample: deep grey as L or LA, others as they are.

    Its transparent colour, where it has one, is in 8 bits as well. Raises ImageError for values
    that have no place between black and white.
    """
    if image.mode.startswith(("I", "F")):
        return _grey(image, samples)
    clear = image.info.get("transparency")
    if image.mode == "L" and isinstance(clear, int):
        scale = SCALES.get(samples.raw_mode, 1)
        image.info["transparency"] = clear * scale & 255
    if image.mode == "RGB" and isinstance(clear, tuple):
        shift = 8 if ";16" in samples.raw_mode else 0
        image.info["transparency"] = tuple(value >> shift & 255 for value in clear)
    return image


def _grey(image: Image.Image, samples: Samples) -> Image.Image:
    """Grey of 12 to 32 bits as L; as LA where one value is transparent."""
    width, height = image.size
    clear = image.info.get("transparency")
    shades = np.empty((height, width), np.uint8)
    alpha = np.full((height, width), 255, np.uint8) if isinstance(clear, int) else None
    for top in range(0, height, BAND_ROWS):
        rows = slice(top, top + BAND_ROWS)
        values: Any = np.asarray(image.crop((0, top, width, min(top + BAND_ROWS, height))))
        shades[rows] = _shades(values, samples)
        if alpha is not None:
            alpha[rows][values == clear] = 0
    grey = Image.fromarray(shades)
    return grey if alpha is None else Image.merge("LA", (grey, Image.fromarray(alpha)))


def _shades(values: Any, samples: Samples) -> NDArray[np.uint8]:  # noqa: ANN401 - of any type
    """(rows, width) of any type to uint8; what is not a number is black."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0, posinf=np.inf, neginf=-np.inf)
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 1):
            raise _no_shade(f"floating-point values from {low:g} to {high:g}", "from 0 to 1")
        shades = np.asarray(np.rint(values * np.float32(255)), np.uint8)
    else:
        bits = TWELVE_BITS if samples.raw_mode == "I;12" else SIXTEEN_BITS
        low, high = int(values.min()), int(values.max())
        if low < 0 or high >= 1 << bits:
            raise _no_shade(f"values from {low} to {high}", f"from 0 to {(1 << bits) - 1}")
        shades = (values >> (bits - 8)).astype(np.uint8)
    return ~shades if samples.inverted else shades


def _no_shade(values: str, known: str) -> ImageError:
    return ImageError(
        f"the image has {values}, of which none is known to be black or white",
        f"save it with 8 or 16 bits a channel; values {known} are black to white",
        code="unreadable_image",
    )
