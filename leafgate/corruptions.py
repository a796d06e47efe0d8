"""Pictures as they would be taken under worse conditions.

Six changes a phone in a field makes, after Hendrycks and Dietterich 2019 (arXiv 1903.12261), each
at one fixed strength; and another background, which shows whether the object is looked at at all.
The gate and the training's report measure under the same ones.
"""

import io
from collections.abc import Callable

import numpy as np
import scipy  # which loads `ndimage` on first use
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from leafgate.images import Pixels

Corruption = Callable[[Pixels, np.random.Generator], Pixels]
BLUR_SHARE = 1 / 64  # of the side
NOISE = 20.0  # grey levels
JPEG_QUALITY = 20


def blur(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Out of focus by a 64th of the side."""
    radius = image.shape[0] * BLUR_SHARE
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def noise(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Sensor noise of 20 grey levels."""
    return _clipped(image + rng.normal(0, NOISE, image.shape))


def darker(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Six tenths of the light."""
    return _clipped(image * 0.6)


def brighter(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Four tenths more light."""
    return _clipped(image * 1.4)


def jpeg(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Sent through a messenger: JPEG at quality 20."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(buffer).convert("RGB"))


def rotation(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Turned by up to 45 degrees, edges mirrored."""
    angle = float(rng.uniform(-45, 45))
    turned = scipy.ndimage.rotate(image, angle, reshape=False, order=1, mode="reflect")
    return np.asarray(turned, np.uint8)


def other_background(image: Pixels, rng: np.random.Generator) -> Pixels:
    """What looks like the border is replaced by soft blotches of random colour."""
    mask = foreground(image)[..., None]
    side = image.shape[0]
    cells = rng.integers(0, 256, (6, 6, 3)).astype(np.uint8)
    scene = np.asarray(Image.fromarray(cells).resize((side, side), Image.Resampling.BICUBIC))
    return np.where(mask, image, scene)


def foreground(image: Pixels) -> NDArray[np.bool_]:
    """(height, width): unlike the border's colour (Otsu 1979), holes filled, specks removed."""
    width = max(image.shape[0] // 24, 1)
    ring = np.ones(image.shape[:2], bool)
    ring[width:-width, width:-width] = False
    colour = np.median(image[ring].astype(np.float32), axis=0)
    distance = np.linalg.norm(image.astype(np.float32) - colour, axis=2)
    mask = scipy.ndimage.binary_fill_holes(distance > _otsu(distance))
    return np.asarray(scipy.ndimage.binary_opening(mask, iterations=1), np.bool_)


def _otsu(values: NDArray[np.float32]) -> float:
    counts, edges = np.histogram(values, 64)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = sums / below - (sums[-1] - sums) / above
    return float(middles[np.nanargmax(np.where(above > 0, below * above * gap**2, -1))])


def _clipped(values: NDArray[np.floating]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


CORRUPTIONS: dict[str, Corruption] = {
    "blur": blur,
    "noise": noise,
    "darker": darker,
    "brighter": brighter,
    "JPEG quality 20": jpeg,
    "rotation up to 45 degrees": rotation,
    "other background": other_background,
}
